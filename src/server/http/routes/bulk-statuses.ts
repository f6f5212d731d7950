/**
 * In which executions each of the bulk operations can be done. Apart from the routes: the command line needs these, and
 * with the routes it would load the library of their schemas, 400 modules, a third of the time that `perdure` takes to start.
 */
import { EXECUTION_STATUSES, type ExecutionStatus, isClosed } from '../../../protocol/execution-status.ts'

export const OPEN_STATUSES: readonly ExecutionStatus[] = EXECUTION_STATUSES.filter((each) => !isClosed(each))
export const CLOSED_STATUSES: readonly ExecutionStatus[] = EXECUTION_STATUSES.filter(isClosed)
export const RETRIED_STATUSES: readonly ExecutionStatus[] = ['failed', 'parked']
