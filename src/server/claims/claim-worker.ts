/**
 * One worker that claims tasks, as the engine sees it: it has a place for each task that it has claimed, and one for each that
 * somebody waits for now. So it gets a task only while it is waited for.
 */
import type { LiveTask } from '../../engine/tasks/live-task.ts'
import type { TaskAttempts } from '../../engine/tasks/task-attempts.ts'
import type { CrewMember, WorkerProfile } from '../../engine/workers/crew-member.ts'
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { TaskDispatch, TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import type { ClaimedTask } from './claim-port.ts'

export interface Claim {
  readonly secret: string
  readonly owner: LiveTask
  readonly task: ClaimedTask
  readonly namespace: string
  readonly caller: string
  readonly leaseMs: number
  readonly worker: ClaimWorker
  cancelLease: Cancel
}

export interface ClaimWorkerOptions {
  readonly profile: WorkerProfile & { readonly namespace: string }
  readonly tasks: ReadonlySet<string>
  readonly attempts: TaskAttempts
  readonly clock: Clock
  /** A failure of the engine itself. */
  readonly guarded: (call: () => void) => void
  /** Makes a claim of it, and knows it by its secret from now on. */
  readonly claimed: (worker: ClaimWorker, dispatch: TaskDispatch<LiveTask>, wait: OpenWait) => Claim
  /** The engine has given up its task. */
  readonly onAborted: (claim: Claim, reason: Failure) => void
}

export interface OpenWait {
  readonly most: number
  readonly caller: string
  readonly leaseMs: number
}

interface Wait extends OpenWait {
  readonly found: ClaimedTask[]
  readonly end: () => void
  cancelEnd: Cancel
}

/** Tasks that start together are answered together. */
const GATHER_MS = 5

export class ClaimWorker implements TaskWorkerPort<LiveTask> {
  readonly member: CrewMember<LiveTask>
  readonly #options: ClaimWorkerOptions
  readonly #waits: Wait[] = []
  readonly #claims = new Map<LiveTask, Claim>()

  /** @throws PerdureError `WORKER_ID_TAKEN` */
  constructor(options: ClaimWorkerOptions) {
    this.#options = options
    this.member = options.attempts.join({ ...options.profile, credits: 0 }, this)
  }

  get isIdle(): boolean {
    return this.#waits.length === 0 && this.#claims.size === 0
  }

  supports(name: string): boolean {
    return this.#options.tasks.has(name)
  }

  /** Resolves with what it was given, within this time. */
  wait(open: OpenWait, mostMs: number, signal: AbortSignal | undefined): Promise<readonly ClaimedTask[]> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const end = (): void => {
        const place = this.#waits.indexOf(wait)
        if (place < 0) return
        this.#waits.splice(place, 1)
        wait.cancelEnd()
        signal?.removeEventListener('abort', end)
        this.#setCredits()
        resolve(wait.found)
      }
      const wait: Wait = { ...open, found: [], end, cancelEnd: clock.after(mostMs, end) }
      this.#waits.push(wait)
      if (signal?.aborted === true) end()
      else {
        signal?.addEventListener('abort', end)
        this.#setCredits()
      }
    })
  }

  start(dispatch: TaskDispatch<LiveTask>): void {
    const { attempts, clock, claimed, guarded } = this.#options
    const { owner } = dispatch
    const [wait] = this.#waits
    if (wait === undefined) {
      // Nobody waits for it any more: it was on its way when the last one went. Not in the turn in which it starts.
      clock.defer(() => guarded(() => attempts.onTaskReturned(owner)))
      return
    }
    const claim = claimed(this, dispatch, wait)
    this.#claims.set(owner, claim)
    wait.found.push(claim.task)
    if (wait.found.length >= wait.most) wait.end()
    else if (wait.found.length === 1) {
      wait.cancelEnd()
      wait.cancelEnd = clock.after(GATHER_MS, wait.end)
    }
    this.#setCredits()
  }

  abort(owner: LiveTask, reason: Failure): void {
    const claim = this.#claims.get(owner)
    if (claim === undefined) return
    this.ended(claim)
    this.#options.onAborted(claim, reason)
    // Whether its function still runs is not known, and nobody will say it.
    this.#options.attempts.onTaskSlotFree(this)
  }

  /** Its place goes with it: before the engine hears of the end, or the place would be filled again. */
  ended(claim: Claim): void {
    claim.cancelLease()
    this.#claims.delete(claim.owner)
    this.#setCredits()
  }

  leave(): void {
    for (const { end } of [...this.#waits]) end()
    this.#options.attempts.leave(this.member)
  }

  #setCredits(): void {
    const room = this.#waits.reduce((sum, { most, found }) => sum + most - found.length, 0)
    const credits = this.#claims.size + room
    const { attempts, guarded } = this.#options
    if (credits !== this.member.credits) guarded(() => attempts.setCredits(this.member, credits))
  }
}
