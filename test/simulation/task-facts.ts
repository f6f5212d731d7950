/** What a simulation of tasks writes down. */
import type { TaskStatus } from '../../src/protocol/task-status.ts'

/** A call of a task's function: something happened outside. */
export interface TaskCall {
  readonly atMs: number
  readonly id: string
  readonly attempt: number
  /** Status in the database at that instant; undefined: it was not there. */
  readonly durable: TaskStatus | undefined
  /** What it answered, once it did. */
  marker: string | undefined
}
