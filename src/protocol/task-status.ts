/** Where a task is in its life. `docs/tasks.md` has the diagram. */

export type TaskStatus =
  /** Its time has not come: a delayed start, or the pause before the next attempt. */
  | 'delayed'
  | 'waiting'
  | 'running'
  | 'completed'
  /** The dead letter: its attempts are used up, its error is not to be retried, or it kills workers. It can be retried. */
  | 'failed'
  | 'cancelled'
  /** It did not start, or did not end, in its time. */
  | 'expired'

export const TASK_STATUSES: readonly TaskStatus[] = [
  'delayed',
  'waiting',
  'running',
  'completed',
  'failed',
  'cancelled',
  'expired',
]

const CLOSED: ReadonlySet<TaskStatus> = new Set(['completed', 'failed', 'cancelled', 'expired'])

export function isTaskClosed(status: TaskStatus): boolean {
  return CLOSED.has(status)
}
