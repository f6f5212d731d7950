/**
 * Records calls that change something, or wanted to.
 *
 * 1. The row of a change is in the batch of the change: it is put there in the turn of the change, with the run that is changed.
 *    If the batch is split, the two stay together; if it is dropped, so are both.
 * 2. What a call was that changed nothing, failed or was denied, is written soon after, and its caller does not wait for that. What
 *    one identity can add by such calls is bounded.
 */

import type { TrackedCall } from '../../platform/call-context.ts'
import type { Clock } from '../../platform/clock.ts'
import type { AuditEntry } from '../../protocol/audit.ts'
import type { CallContext } from '../../protocol/call-context.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { RunId } from '../../protocol/ids.ts'
import type { AuditDraft } from '../../store/contract/audit-rows.ts'
import type { Committer } from '../committer.ts'
import { AUDIT_RUN } from '../no-run.ts'
import { draftOf } from './audit-draft.ts'
import { type CountedOutcome, OutcomeCounts, type OutcomeLimits } from './outcome-counts.ts'

export interface AuditDeskOptions {
  readonly committer: Pick<Committer, 'open' | 'writesFor' | 'releaseAfterOpen' | 'touch' | 'isOverloaded'>
  readonly clock: Clock
  readonly limits?: OutcomeLimits
}

/** A call that was not permitted. */
export interface DeniedCall extends Omit<CallContext, 'requestId'> {
  readonly requestId?: string
  /** Error code that its caller was told. Default `FORBIDDEN`. */
  readonly code?: string
}

const LIMITS: OutcomeLimits = { rows: 100, identities: 10_000 }
const FLUSH_MS = 500
/** Rows that wait to be written; more are counted. */
const WAITING_MAX = 10_000

export class AuditDesk {
  readonly #options: AuditDeskOptions
  readonly #counts: OutcomeCounts
  #waiting: AuditDraft[] = []
  #timer: { readonly dueMs: number; readonly cancel: () => void } | undefined
  #isStopped = false
  /** Calls that were denied, since the start. */
  denials = 0
  /** Waited for when the engine closes and its last rows are committed: it may commit. Does not throw. */
  onLastFlush: (() => Promise<void>) | undefined

  constructor(options: AuditDeskOptions) {
    this.#options = options
    this.#counts = new OutcomeCounts(options.limits ?? LIMITS)
  }

  /**
   * A change of the call is in the open batch, with this run. Called before anything may seal the batch.
   *
   * @param call undefined: it belongs to none
   * @param more how many things it changed, if not one
   */
  changed(
    call: TrackedCall | undefined,
    runId: RunId,
    more: Pick<AuditEntry, 'count' | 'erases'> = {},
  ): void {
    if (call === undefined) return
    const { committer, clock } = this.#options
    const draft = draftOf(call.context, { result: 'changed', ...more }, clock.nowMs())
    committer.writesFor(runId).addAudit(draft)
    call.recordedIn(committer.open)
  }

  /** The call is over. It has a row by now if it changed something. */
  succeeded(call: TrackedCall): void {
    if (!call.wasRecorded) this.#add({ call: call.context, result: 'unchanged' })
  }

  /** What it did is in no batch, so that its row comes after it. */
  didElsewhere(call: TrackedCall): void {
    if (call.wasRecorded) return
    this.#wait(draftOf(call.context, { result: 'changed' }, this.#options.clock.nowMs()))
  }

  /** Its caller was told that it failed; nothing of it is durable, or that is recorded. */
  failed(call: TrackedCall, error: unknown): void {
    if (call.isRecorded) return
    const code = error instanceof PerdureError ? { code: error.code } : {}
    this.#add({ call: call.context, result: 'failed', ...code })
  }

  denied({ code = 'FORBIDDEN', ...call }: DeniedCall): void {
    this.denials += 1
    this.#add({ call, result: 'denied', code })
  }

  /** Writes what waits. @param isLast all that was counted too, and nothing waits any more */
  flush(isLast = false): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isStopped ||= isLast
    const { committer, clock } = this.#options
    const nowMs = clock.nowMs()
    for (const { call, result, count } of this.#counts.take(nowMs, isLast))
      this.#waiting.push(draftOf(call, { result, count }, nowMs))
    if (this.#waiting.length > 0 && (isLast || !committer.isOverloaded)) this.#write()
    this.#schedule()
  }

  /** The engine has ended. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#waiting = []
  }

  #write(): void {
    const { committer } = this.#options
    const drafts = this.#waiting
    this.#waiting = []
    const writes = committer.writesFor(AUDIT_RUN)
    for (const draft of drafts) writes.addAudit(draft)
    committer.releaseAfterOpen(AUDIT_RUN, (dropped) => {
      if (dropped === undefined || this.#isStopped) return
      this.#waiting = [...drafts, ...this.#waiting]
      this.#schedule()
    })
    committer.touch()
  }

  #add(outcome: CountedOutcome): void {
    const nowMs = this.#options.clock.nowMs()
    if (!this.#counts.add(outcome, nowMs)) this.#schedule()
    else if (this.#waiting.length >= WAITING_MAX) this.#counts.addMore(outcome, nowMs)
    else this.#wait(draftOf(outcome.call, outcome, nowMs))
  }

  #wait(draft: AuditDraft): void {
    this.#waiting.push(draft)
    this.#schedule()
  }

  /** A timer runs while there is something to write, or to sum up. */
  #schedule(): void {
    if (this.#isStopped) return
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const dueMs = this.#waiting.length > 0 ? nowMs + FLUSH_MS : this.#counts.nextMs
    if (dueMs === undefined || (this.#timer !== undefined && this.#timer.dueMs <= dueMs)) return
    this.#timer?.cancel()
    const cancel = clock.after(Math.max(0, dueMs - nowMs), () => this.flush())
    this.#timer = { dueMs, cancel }
  }
}
