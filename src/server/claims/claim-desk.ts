/** The claims that this node has given out. */
import { createHash } from 'node:crypto'
import type { Engine } from '../../engine/engine.ts'
import type { LiveTask } from '../../engine/tasks/live-task.ts'
import { currentCall } from '../../platform/call-context.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { tokenSource } from '../../platform/tokens.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { TaskDispatch } from '../../protocol/task-worker-port.ts'
import { traceField } from '../../protocol/trace-context.ts'
import type {
  ClaimedTask,
  ClaimPort,
  ClaimReply,
  ClaimReport,
  ClaimRequest,
  ClaimTell,
} from './claim-port.ts'
import { claimLost, claimTokenOf, claimTokenText } from './claim-token.ts'
import { type Claim, ClaimWorker, type OpenWait } from './claim-worker.ts'

export interface ClaimDeskOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly logger: Logger
}

/** A queue is looked at, and its tasks are read, within less than that. */
const LOOK_MS = 100
/** A worker that claims nothing for so long is gone. */
const IDLE_MS = 30_000
/** Claims that have ended, and what was said of them: for those whose answer was lost. */
const ENDED_MAX = 10_000
const WORKERS_MAX = 10_000

export class ClaimDesk implements ClaimPort {
  readonly #options: ClaimDeskOptions
  readonly #newSecret = tokenSource()
  readonly #workers = new Map<string, ClaimWorker>()
  readonly #claims = new Map<string, Claim>()
  readonly #ended = new Map<string, string>()
  readonly #idles = new Map<ClaimWorker, () => void>()
  #isClosed = false

  constructor(options: ClaimDeskOptions) {
    this.#options = options
  }

  async take(request: ClaimRequest, signal?: AbortSignal): Promise<readonly ClaimedTask[]> {
    const { engine } = this.#options
    engine.assertOpen()
    await engine.tasks.ready()
    engine.assertOpen()
    const worker = this.#workerFor(request)
    this.#idles.get(worker)?.()
    this.#idles.delete(worker)
    const found = await worker.wait(request, Math.max(LOOK_MS, request.waitMs), signal)
    this.#rest(worker)
    return found
  }

  async tell({ token, namespace, caller, report }: ClaimTell): Promise<ClaimReply> {
    const { secret } = claimTokenOf(token)
    const claim = this.#claims.get(secret)
    if (claim === undefined || claim.namespace !== namespace || claim.caller !== caller) {
      // The same was said before, and its answer was lost.
      if (this.#ended.get(secret) === endText(report, namespace, caller)) return {}
      throw claimLost('the claim has ended')
    }
    if (report.kind === 'heartbeat') return this.#lives(claim, report)
    const { owner } = claim
    this.#guarded(() => {
      this.#forget(claim)
      this.#end(owner, report)
    })
    await this.#durable(owner)
    this.#remember(secret, endText(report, namespace, caller))
    return {}
  }

  #workerFor({ namespace, queue, worker: name, tasks, address }: ClaimRequest): ClaimWorker {
    const key = JSON.stringify([namespace, queue, name, tasks.toSorted()])
    const known = this.#workers.get(key)
    if (known !== undefined) return known
    if (this.#workers.size >= WORKERS_MAX)
      throw new PerdureError('OVERLOADED', `${WORKERS_MAX} workers claim tasks of this node`)
    const { engine, clock } = this.#options
    const { attempts } = engine.tasks
    const base = `${name} (${namespace}/${queue})`
    for (let i = 1; ; i++) {
      const id = i === 1 ? base : `${base} ${i}`
      try {
        const worker = new ClaimWorker({
          profile: {
            id,
            namespace,
            queues: [queue],
            credits: 0,
            ...(address === undefined ? {} : { address }),
            tasks,
          },
          tasks: new Set(tasks),
          attempts,
          clock,
          guarded: (call) => this.#guarded(call),
          claimed: (of, dispatch, wait) => this.#claim(of, dispatch, { ...wait, namespace }),
          onAborted: (claim, { message }) => {
            this.#claims.delete(claim.secret)
            this.#options.logger.debug('a claimed task was given up', {
              ...{ namespace: claim.namespace, worker: id },
              ...{ task: claim.task.name, taskId: claim.task.id },
              message,
            })
          },
        })
        this.#workers.set(key, worker)
        return worker
      } catch (error) {
        if (!(error instanceof PerdureError && error.code === 'WORKER_ID_TAKEN')) throw error
      }
    }
  }

  #claim(
    worker: ClaimWorker,
    { owner, id, name, input, attempt, idempotencyKey, checkpoint, trace }: TaskDispatch<LiveTask>,
    { caller, leaseMs, namespace }: OpenWait & { readonly namespace: string },
  ): Claim {
    const secret = this.#newSecret()
    const token = claimTokenText({ session: this.#options.engine.session.id, secret, taskId: id, attempt })
    const claim: Claim = {
      secret,
      owner,
      task: {
        token,
        id,
        name,
        input,
        attempt,
        idempotencyKey,
        ...(checkpoint === undefined ? {} : { checkpoint }),
        ...traceField(trace),
      },
      namespace,
      caller,
      leaseMs,
      worker,
      cancelLease: () => {},
    }
    this.#claims.set(secret, claim)
    this.#lease(claim)
    return claim
  }

  #lease(claim: Claim): void {
    const { clock, logger, engine } = this.#options
    claim.cancelLease()
    claim.cancelLease = clock.after(claim.leaseMs, () =>
      this.#guarded(() => {
        if (this.#claims.get(claim.secret) !== claim) return
        logger.warn('a claim was lost: nothing was heard of it', {
          ...{ namespace: claim.namespace, worker: claim.worker.member.id },
          ...{ task: claim.task.name, taskId: claim.task.id },
          leaseMs: claim.leaseMs,
        })
        this.#forget(claim)
        engine.tasks.attempts.lose(claim.owner)
      }),
    )
  }

  #lives(claim: Claim, { checkpoint, progress }: ClaimReport & { readonly kind: 'heartbeat' }): ClaimReply {
    const { attempts } = this.#options.engine.tasks
    this.#guarded(() => {
      this.#lease(claim)
      attempts.onTaskHeartbeat(claim.owner, checkpoint)
      if (progress !== undefined) attempts.onTaskProgress(claim.owner, progress)
    })
    return { leaseMs: claim.leaseMs }
  }

  /** What changes the task, and its row in the audit trail, are in one commit. */
  #end(owner: LiveTask, report: Exclude<ClaimReport, { kind: 'heartbeat' }>): void {
    const { tasks, audit } = this.#options.engine
    const call = audit === undefined ? undefined : currentCall()
    tasks.together(() => {
      this.#report(owner, report)
      audit?.changed(call, owner.runId)
    })
  }

  #report(owner: LiveTask, report: Exclude<ClaimReport, { kind: 'heartbeat' }>): void {
    const { attempts } = this.#options.engine.tasks
    if (report.kind === 'complete') attempts.onTaskCompleted(owner, report.result)
    else if (report.kind === 'fail') attempts.onTaskFailed(owner, report.failure)
    else attempts.onTaskReturned(owner)
  }

  #forget(claim: Claim): void {
    this.#claims.delete(claim.secret)
    claim.worker.ended(claim)
    this.#rest(claim.worker)
  }

  #remember(secret: string, end: string): void {
    this.#ended.set(secret, end)
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= ENDED_MAX) break
      this.#ended.delete(oldest)
    }
  }

  /** A worker without claims that nobody waits with leaves, after a while. */
  #rest(worker: ClaimWorker): void {
    if (!worker.isIdle || this.#isClosed) return
    this.#idles.get(worker)?.()
    const cancel = this.#options.clock.after(IDLE_MS, () => {
      this.#idles.delete(worker)
      if (!worker.isIdle) return
      for (const [key, each] of this.#workers) if (each === worker) this.#workers.delete(key)
      this.#guarded(() => worker.leave())
    })
    this.#idles.set(worker, cancel)
  }

  #durable(task: LiveTask): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#options.engine.tasks.whenDurable(task, (dropped) =>
        dropped === undefined ? resolve() : reject(dropped),
      )
    })
  }

  #guarded(call: () => void): void {
    this.#options.engine.guarded(call)()
  }

  /** No task is waited for any more, and nothing is looked at. */
  close(): void {
    this.#isClosed = true
    for (const cancel of this.#idles.values()) cancel()
    this.#idles.clear()
    for (const { cancelLease } of this.#claims.values()) cancelLease()
    this.#claims.clear()
    for (const worker of this.#workers.values()) worker.leave()
    this.#workers.clear()
  }
}

/** What was said at the end of a claim, and by whom: a digest, since results may be large. */
function endText(report: ClaimReport, namespace: string, caller: string): string {
  return createHash('sha256')
    .update(JSON.stringify([namespace, caller, report]))
    .digest('base64url')
}
