/** A partition of a queue in memory, and the work that is asked for it: pages to read, a time to wake. */
import type { WorkerFleet } from '../../core/balance/worker-fleet.ts'
import type { TaskQueue } from '../../core/queue/task-queue.ts'
import type { Cancel } from '../../platform/clock.ts'
import type { QueueKey } from '../../store/contract/task-rows.ts'
import { QueueCrew } from '../workers/queue-crew.ts'
import type { LiveTask } from './live-task.ts'

/** What a queue is made of, by its settings. */
export interface QueueParts {
  readonly queue: TaskQueue<LiveTask>
  readonly fleet: WorkerFleet
}

export type MakeQueue = (key: QueueKey, nowMs: number) => QueueParts

export class LiveQueue {
  readonly key: QueueKey
  readonly queue: TaskQueue<LiveTask>
  readonly crew: QueueCrew<LiveTask>
  wake: { readonly cancel: Cancel; readonly atMs: number } | undefined

  constructor(key: QueueKey, { queue, fleet }: QueueParts) {
    this.key = key
    this.queue = queue
    this.crew = new QueueCrew(fleet)
  }

  rest(): void {
    this.wake?.cancel()
    this.wake = undefined
  }
}

export function queueText({ namespace, queue, partition }: QueueKey): string {
  return `${namespace}\0${queue}\0${partition}`
}
