/** What the desk of tasks needs of the engine. */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Randomness } from '../../platform/randomness.ts'
import type { TaskOwner } from '../../protocol/task-port.ts'
import type { QueueSettingReads } from '../../store/contract/queue-setting-rows.ts'
import type { TaskReads, TaskRow, WaitingPage } from '../../store/contract/task-rows.ts'
import type { ReadOwn } from '../cluster/own-reads.ts'
import type { Ownership } from '../cluster/ownership.ts'
import type { Committer } from '../committer.ts'
import type { EngineMetrics } from '../metrics/engine-metrics.ts'
import type { QueueDesigns } from './live-queue.ts'
import type { LiveTask } from './live-task.ts'

/** Of a lane; undefined: see `ReadOwn`. */
export type ReadWaiting = (page: WaitingPage) => Promise<readonly TaskRow[] | undefined>

export interface TaskDeskOptions {
  readonly store: TaskReads & QueueSettingReads
  readonly own: ReadOwn
  readonly committer: Committer
  readonly ownership: Ownership
  readonly clock: Clock
  readonly random: Randomness
  readonly logger: Logger
  readonly timerLookaheadMs: number | undefined
  readonly designs: QueueDesigns
  /** A task that was closed is durable. */
  readonly onClosed: (task: LiveTask) => void
  /** A task that an execution has asked for is closed, and deleted. */
  readonly onReport: (task: LiveTask, owner: TaskOwner) => void
  readonly onError: (error: unknown) => void
  /** No task starts any more. */
  readonly isDraining: () => boolean
  readonly metrics: EngineMetrics | undefined
}
