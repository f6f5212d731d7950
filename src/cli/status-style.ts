/** Colours of statuses, the same in all commands. */
import type { ExecutionStatus } from '../protocol/execution-status.ts'
import type { Style } from './display-width.ts'

const STYLES: Readonly<Record<ExecutionStatus, Style>> = {
  running: 'cyan',
  parked: 'yellow',
  completed: 'green',
  failed: 'red',
  cancelled: 'gray',
  terminated: 'gray',
  'timed-out': 'red',
  continued: 'gray',
}

/** A status that this program does not know, in a damaged row, is shown as it is. */
export function statusCell(status: ExecutionStatus): { readonly text: string; readonly style: Style } {
  return { text: status, style: STYLES[status] ?? 'red' }
}
