/** What the desk of tasks needs of the engine. */
import type { TaskQueue } from '../../core/queue/task-queue.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Randomness } from '../../platform/randomness.ts'
import type { TaskOwner } from '../../protocol/task-port.ts'
import type { TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import type { QueueKey, TaskReads } from '../../store/contract/task-rows.ts'
import type { Committer } from '../committer.ts'
import type { LiveTask } from './live-task.ts'

export interface TaskDeskOptions {
  readonly store: TaskReads
  readonly worker: TaskWorkerPort<LiveTask>
  readonly committer: Committer
  readonly clock: Clock
  readonly random: Randomness
  readonly timerLookaheadMs: number | undefined
  readonly makeQueue: (key: QueueKey, nowMs: number) => TaskQueue<LiveTask>
  /** A task that was closed is durable. */
  readonly onClosed: (task: LiveTask) => void
  /** A task that an execution has asked for is closed, and deleted. */
  readonly onReport: (task: LiveTask, owner: TaskOwner) => void
  readonly onError: (error: unknown) => void
  /** No task starts any more. */
  readonly isDraining: () => boolean
}
