/** Colours of statuses, the same in all commands. */
import type { ExecutionStatus } from '../protocol/execution-status.ts'
import type { TaskStatus } from '../protocol/task-status.ts'
import type { Style } from './display-width.ts'

const STYLES: Readonly<Record<ExecutionStatus | TaskStatus, Style>> = {
  running: 'cyan',
  parked: 'yellow',
  completed: 'green',
  failed: 'red',
  cancelled: 'gray',
  terminated: 'gray',
  'timed-out': 'red',
  continued: 'gray',
  delayed: 'gray',
  waiting: 'cyan',
  expired: 'red',
}

/** A status that this program does not know, in a damaged row, is shown as it is. */
export function statusCell(status: ExecutionStatus | TaskStatus): {
  readonly text: string
  readonly style: Style
} {
  return { text: status, style: STYLES[status] ?? 'red' }
}
