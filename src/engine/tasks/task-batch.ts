/** What tasks have in one batch; told when the batch is durable. */
import type { Backlog } from '../../core/queue/backlog.ts'
import type { WaitingTask } from '../../core/queue/lane.ts'
import type { LiveExecution } from '../live-execution.ts'
import type { OpenBatch } from '../open-batch.ts'
import type { DueTimer } from '../timer-window.ts'

export class TaskBatch<Task extends WaitingTask> {
  readonly open: OpenBatch<LiveExecution>
  /** Tasks that it changes, in order; a task may be there more than once. */
  readonly tasks: Task[] = []
  /** Tasks that start when it is durable. */
  readonly starts: Task[] = []
  readonly timers: DueTimer[] = []
  readonly deleted: number[] = []
  /** Up to where the changes of a queue are in this batch. */
  readonly marks = new Map<Backlog<Task>, number>()
  readonly #onCommitted: (batch: TaskBatch<Task>) => void

  constructor(open: OpenBatch<LiveExecution>, onCommitted: (batch: TaskBatch<Task>) => void) {
    this.open = open
    this.#onCommitted = onCommitted
  }

  committed(): void {
    this.#onCommitted(this)
  }
}
