/** What the simulated database holds of tasks, read from each batch at the instant at which it takes effect. */
import { isTaskClosed, type TaskStatus } from '../../src/protocol/task-status.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import type { TaskSeq } from '../../src/store/contract/task-rows.ts'

interface TaskHistory {
  readonly id: string
  readonly seqs: TaskSeq[]
  status: TaskStatus
  /** It was closed, and then was not: a retry. */
  reopened: number
  ends: number
}

export class TaskView {
  readonly byId = new Map<string, TaskHistory>()
  readonly faults: string[] = []
  /** Ends so far, retried ones too. */
  ended = 0
  readonly endedTwice: { readonly id: string; readonly text: string }[] = []
  readonly #bySeq = new Map<TaskSeq, TaskHistory>()

  get ids(): string[] {
    return [...this.byId.keys()]
  }

  statusOf(id: string): TaskStatus | undefined {
    return this.byId.get(id)?.status
  }

  apply({ tasksInserted, tasksUpdated, tasksDeleted }: Batch): void {
    for (const seq of tasksDeleted) {
      const history = this.#bySeq.get(seq)
      if (history === undefined) continue
      // It may have ended in the same batch.
      this.#bySeq.delete(seq)
      this.byId.delete(history.id)
    }
    for (const { seq, id, status } of tasksInserted) {
      const text = id ?? `#${seq}`
      const known = this.byId.get(text)
      if (known !== undefined) this.faults.push(`task ${text} is there twice`)
      const history: TaskHistory = {
        id: text,
        seqs: [seq],
        status,
        reopened: 0,
        ends: isTaskClosed(status) ? 1 : 0,
      }
      this.ended += history.ends
      this.byId.set(text, history)
      this.#bySeq.set(seq, history)
    }
    for (const { seq, change } of tasksUpdated) {
      const history = this.#bySeq.get(seq)
      if (history === undefined) {
        this.faults.push(`task ${seq} was changed, and is not there`)
        continue
      }
      const wasClosed = isTaskClosed(history.status)
      const isClosed = isTaskClosed(change.status)
      // Not so if it was retried and ended again within the batch.
      if (wasClosed && isClosed)
        this.endedTwice.push({
          id: history.id,
          text: `ended as ${history.status}, and then as ${change.status}`,
        })
      if (wasClosed && history.status === 'completed')
        this.faults.push(`task ${history.id} was completed, and changed`)
      if (wasClosed && !isClosed) history.reopened += 1
      if (!wasClosed && isClosed) {
        history.ends += 1
        this.ended += 1
      }
      history.status = change.status
    }
  }
}
