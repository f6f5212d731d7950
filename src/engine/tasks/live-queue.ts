/** A partition of a queue in memory, and the work that is asked for it: pages to read, a time to wake. */
import type { TaskQueue } from '../../core/queue/task-queue.ts'
import type { Cancel } from '../../platform/clock.ts'
import type { QueueKey } from '../../store/contract/task-rows.ts'
import type { LiveTask } from './live-task.ts'

export class LiveQueue {
  readonly key: QueueKey
  readonly queue: TaskQueue<LiveTask>
  wake: { readonly cancel: Cancel; readonly atMs: number } | undefined

  constructor(key: QueueKey, queue: TaskQueue<LiveTask>) {
    this.key = key
    this.queue = queue
  }

  rest(): void {
    this.wake?.cancel()
    this.wake = undefined
  }
}

export function queueText({ namespace, queue, partition }: QueueKey): string {
  return `${namespace}\0${queue}\0${partition}`
}
