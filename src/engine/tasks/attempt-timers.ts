/** Time limits of attempts that run: from start to end, and from one heartbeat to the next. */
import type { Cancel, Clock } from '../../platform/clock.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { LiveTask } from './live-task.ts'

interface Limits {
  close: Cancel | undefined
  heartbeat: Cancel | undefined
}

export class AttemptTimers {
  readonly #clock: Clock
  readonly #onTimeout: (task: LiveTask, failure: Failure) => void
  /** Only of tasks that have limits. */
  readonly #limits = new Map<LiveTask, Limits>()

  constructor(clock: Clock, onTimeout: (task: LiveTask, failure: Failure) => void) {
    this.#clock = clock
    this.#onTimeout = onTimeout
  }

  started(task: LiveTask): void {
    const { timeouts } = task.spec
    if (timeouts?.startToCloseMs === undefined && timeouts?.heartbeatMs === undefined) return
    const { startToCloseMs } = timeouts
    const close =
      startToCloseMs === undefined
        ? undefined
        : this.#after(task, startToCloseMs, `the attempt ran longer than ${startToCloseMs} ms`)
    this.#limits.set(task, { close, heartbeat: undefined })
    this.alive(task)
  }

  /** It sent a heartbeat. */
  alive(task: LiveTask): void {
    const limits = this.#limits.get(task)
    const heartbeatMs = task.spec.timeouts?.heartbeatMs
    if (limits === undefined || heartbeatMs === undefined) return
    limits.heartbeat?.()
    limits.heartbeat = this.#after(task, heartbeatMs, `no heartbeat came for ${heartbeatMs} ms`)
  }

  ended(task: LiveTask): void {
    if (this.#limits.size === 0) return
    const limits = this.#limits.get(task)
    limits?.close?.()
    limits?.heartbeat?.()
    this.#limits.delete(task)
  }

  clear(): void {
    for (const task of [...this.#limits.keys()]) this.ended(task)
  }

  #after(task: LiveTask, ms: number, what: string): Cancel {
    return this.#clock.after(ms, () => this.#onTimeout(task, platformFailure('TASK_TIMEOUT', what)))
  }
}
