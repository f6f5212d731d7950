/**
 * The audit of one run: pure, over its rows. It trusts nothing that the engine says of itself but the kernel's `evolve`,
 * which is what the summary is compared with.
 *
 * 1. Entries follow each other without gap or overlap, hold as many events as they say, and their epochs never decrease.
 * 2. The events keep the rules of `EventRules`.
 * 3. Replayed by the kernel they give the summary: address, workflow, status, times, attributes.
 * 4. Timers belong to operations that are pending, and are due when the journal says; a closed run has none.
 */
import { isDeepStrictEqual } from 'node:util'
import { evolve } from '../../core/execution/evolve.ts'
import { nextHumanTime } from '../../core/execution/human/human-state.ts'
import { type ExecutionState, emptyState } from '../../core/execution/state.ts'
import { DEADLINE_TIMER, START_TIMER } from '../../core/execution/timer-ids.ts'
import { isClosed } from '../../protocol/execution-status.ts'
import { type RunId, shardOf } from '../../protocol/ids.ts'
import type { ExecutionRow, JournalEntry, TimerRow } from '../../store/contract/rows.ts'
import type { Rows } from './audit-rows.ts'
import { checkedEvent, EventRules } from './event-rules.ts'
import type { Finding, FindingCode } from './finding.ts'

export interface RunRows {
  readonly runId: RunId
  readonly row: ExecutionRow
  /** In order of `seq`; read one by one, so that a long journal is not held in memory. */
  readonly entries: Rows<Omit<JournalEntry, 'runId'>>
  readonly timers: Iterable<Pick<TimerRow, 'timer' | 'dueAt'>>
  /** Of the store, for the shard of the execution. */
  readonly shards?: number
}

export interface RunAudit {
  readonly findings: readonly Finding[]
  readonly events: number
  readonly entries: number
  readonly timers: number
  /** What the journal makes of the run; undefined where it could not be read to its end. */
  readonly state: ExecutionState | undefined
}

/** A damaged journal can be wrong at every event; the first few tell enough. */
const FINDINGS_LIMIT = 20

/** Checks one run. Findings come in the order of the journal, at most 20. */
export async function auditRun(rows: RunRows): Promise<RunAudit> {
  return new RunAuditor(rows).audit()
}

class RunAuditor {
  readonly #rows: RunRows
  readonly #findings: Finding[] = []
  readonly #rules = new EventRules()
  readonly #state: ExecutionState
  #nextSeq = 1
  #epoch = 0
  #events = 0
  #entries = 0
  #isReplayable = true

  constructor(rows: RunRows) {
    this.#rows = rows
    this.#state = emptyState(rows.runId)
  }

  async audit(): Promise<RunAudit> {
    const { entries, row } = this.#rows
    for await (const entry of entries) this.#auditEntry(entry)
    if (this.#entries === 0) this.#report('journal-missing', `${row.status}, without a journal`)
    const isReplayed = this.#isReplayable && this.#entries > 0
    if (isReplayed) this.#compareSummary()
    const timers = this.#auditTimers(isReplayed)
    return {
      findings: this.#findings,
      events: this.#events,
      entries: this.#entries,
      timers,
      state: isReplayed ? this.#state : undefined,
    }
  }

  #report(code: FindingCode, detail: string, seq?: number): void {
    if (this.#findings.length >= FINDINGS_LIMIT) return
    const { runId, row } = this.#rows
    const { workflowId } = row.key
    this.#findings.push({ code, detail, runId, workflowId, ...(seq === undefined ? {} : { seq }) })
  }

  #auditEntry(entry: Omit<JournalEntry, 'runId'>): void {
    const { seq, epoch, count } = entry
    this.#entries += 1
    if (seq > this.#nextSeq) {
      const missing = seq - this.#nextSeq
      this.#broken(
        'sequence-gap',
        `${missing} event${missing === 1 ? ' is' : 's are'} missing before it`,
        seq,
      )
    } else if (seq < this.#nextSeq) {
      this.#broken('sequence-overlap', `the entry before it goes to event ${this.#nextSeq - 1}`, seq)
    }
    if (epoch < this.#epoch)
      this.#report('epoch-decreases', `epoch ${epoch} follows epoch ${this.#epoch}`, seq)
    this.#epoch = Math.max(this.#epoch, epoch)
    const events = this.#parsed(entry)
    this.#nextSeq = seq + count
    if (events === undefined) return
    if (events.length !== count)
      this.#broken('entry-count', `the entry holds ${events.length} events and says ${count}`, seq)
    for (const [i, event] of events.entries()) this.#auditEvent(seq + i, event)
  }

  #parsed({ seq, events }: Omit<JournalEntry, 'runId'>): readonly unknown[] | undefined {
    let parsed: unknown
    try {
      parsed = JSON.parse(events)
    } catch (error) {
      this.#broken('entry-unreadable', error instanceof Error ? error.message : String(error), seq)
      return undefined
    }
    if (Array.isArray(parsed)) return parsed
    this.#broken('entry-unreadable', 'the entry is no list of events', seq)
    return undefined
  }

  #auditEvent(seq: number, value: unknown): void {
    this.#events += 1
    const report = (code: FindingCode, detail: string): void => this.#report(code, detail, seq)
    const event = checkedEvent(value, report)
    if (event === undefined) {
      this.#isReplayable = false
      return
    }
    try {
      this.#rules.check(seq, event, report)
      evolve(this.#state, event)
    } catch (error) {
      this.#broken('event-malformed', `the kernel cannot apply it: ${String(error)}`, seq)
    }
  }

  /** What follows cannot be compared with the summary any more. */
  #broken(code: FindingCode, detail: string, seq: number): void {
    this.#isReplayable = false
    this.#report(code, detail, seq)
  }

  #compareSummary(): void {
    const { row, shards } = this.#rows
    const state = this.#state
    const pairs: readonly [name: string, summary: unknown, journal: unknown][] = [
      ['namespace', row.key.namespace, state.key.namespace],
      ['workflow id', row.key.workflowId, state.key.workflowId],
      ['workflow', row.workflow, state.workflow],
      ['version', row.version, state.version],
      ['status', row.status, state.status],
      ['start', row.startedAt, state.startedAt],
      ['end', row.closedAt, state.closedAt],
      ['attributes', row.attributes, state.attributes],
      ['activity', row.active && state.status !== 'running', false],
      ['shard', row.shard, shards === undefined ? row.shard : shardOf(state.key, shards)],
    ]
    for (const [name, summary, journal] of pairs) {
      if (isDeepStrictEqual(withoutPrototype(summary), withoutPrototype(journal))) continue
      this.#report(
        'summary-differs',
        `${name}: the summary says ${JSON.stringify(summary)}, the journal ${JSON.stringify(journal)}`,
      )
    }
  }

  #auditTimers(isReplayed: boolean): number {
    const { timers, row } = this.#rows
    let count = 0
    for (const { timer, dueAt } of timers) {
      count += 1
      if (isClosed(row.status))
        this.#report('timer-of-closed', `timer ${timer} of a run that is ${row.status}`)
      else if (isReplayed) this.#auditTimer(timer, dueAt)
    }
    return count
  }

  #auditTimer(timer: number, dueAt: number): void {
    const expected = expectedDueAt(this.#state, timer)
    if (expected === undefined)
      this.#report('timer-stray', `timer ${timer} belongs to nothing that is pending`)
    else if (expected !== dueAt)
      this.#report('timer-stray', `timer ${timer} is due at ${dueAt}, the journal says ${expected}`)
  }
}

function expectedDueAt(state: ExecutionState, timer: number): number | undefined {
  if (timer === START_TIMER) return state.notBefore
  if (timer === DEADLINE_TIMER) return state.deadlineAt
  const pending = state.ops.get(timer)
  if (pending === undefined || pending.kind === 'child' || pending.kind === 'task') return undefined
  if (pending.kind === 'human') return nextHumanTime(pending)
  return pending.kind === 'step' ? pending.retryAt : pending.dueAt
}

/** Rows and events may come with different prototypes; only their content counts. */
function withoutPrototype(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? { ...value } : value
}
