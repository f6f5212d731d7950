/** What time changes of tasks: timers of no run, whose numbers are those of the tasks. */
import { due, type TaskRecord } from '../../core/task/task-record.ts'
import type { Clock } from '../../platform/clock.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { TaskReads, TaskSeq } from '../../store/contract/task-rows.ts'
import type { Ownership } from '../cluster/ownership.ts'
import type { TimerMetrics } from '../metrics/timer-metrics.ts'
import { NO_RUN } from '../no-run.ts'
import { type DueTimer, TimerWindow, type TimerWindowOptions } from '../timer-window.ts'
import type { LiveTask } from './live-task.ts'
import type { TaskLookup } from './task-lookup.ts'

export interface TaskTimersOptions {
  readonly clock: Clock
  readonly store: TaskReads
  readonly ownership: Ownership
  readonly lookaheadMs: number | undefined
  readonly lookup: () => TaskLookup
  /** Rises when everything is forgotten. */
  readonly generation: () => number
  readonly isRunning: (task: LiveTask) => boolean
  /** It waits again, where the policy now puts it. */
  readonly again: (task: LiveTask, record: TaskRecord) => void
  /** Takes it from its worker, or from those that wait. */
  readonly stop: (task: LiveTask, reason: Failure) => void
  readonly change: (task: LiveTask, record: TaskRecord) => void
  readonly onError: (error: unknown) => void
  readonly metrics: TimerMetrics | undefined
}

export class TaskTimers {
  readonly #options: TaskTimersOptions
  #window: TimerWindow | undefined

  constructor(options: TaskTimersOptions) {
    this.#options = options
  }

  /** Reads what is due from the store, from now on. */
  start(): void {
    const { store, clock, onError, lookaheadMs, metrics } = this.#options
    this.#window = new TimerWindow({
      clock,
      timers: dueTimers(store),
      onDue: (timers) => this.#onDue(timers),
      onError,
      ...(lookaheadMs === undefined ? {} : { lookaheadMs }),
      metrics: metrics && { of: metrics, kind: 'task' },
    })
    this.#window.start()
  }

  /** What is due by now is looked at again: some of it has come here. */
  include(): void {
    const { store, onError } = this.#options
    this.#window?.include(dueTimers(store)).catch(onError)
  }

  stop(): void {
    this.#window?.stop()
    this.#window = undefined
  }

  armed(timer: DueTimer): void {
    this.#window?.armed(timer)
  }

  dropped(seq: TaskSeq): void {
    this.#window?.dropped(NO_RUN, seq)
  }

  /** The window has given these out, and does not know them any more. */
  async #onDue(timers: readonly DueTimer[]): Promise<void> {
    const { clock, ownership, lookup, generation, isRunning, again, stop, change } = this.#options
    const before = generation()
    const tasks = await lookup().findOwn(timers.map(({ timer }) => timer))
    if (tasks === undefined || before !== generation()) return
    const nowMs = clock.nowMs()
    for (const found of tasks) {
      if (found === undefined || !ownership.ownsQueue(found.head)) continue
      const task = lookup().current(found)
      // It is being deleted; the others are due all the same.
      if (task === undefined) continue
      const { record, spec } = task
      const next = due(isRunning(task) ? { ...record, status: 'running' } : record, spec, nowMs)
      if (next === undefined) continue
      if (next.status === 'waiting') again(task, next)
      else {
        stop(task, next.state.failure ?? platformFailure('TASK_EXPIRED', 'its time is up'))
        change(task, next)
      }
    }
  }
}

function dueTimers(store: TaskReads): TimerWindowOptions['timers'] {
  return async ({ after, upToMs, limit }) => {
    const rows = await store.dueTasks({ after: { dueAt: after.dueAt, seq: after.timer }, upToMs, limit })
    return rows.map(({ seq, dueAt }) => ({ runId: NO_RUN, timer: seq, dueAt: dueAt ?? 0, shard: -1 }))
  }
}
