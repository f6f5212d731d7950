/** The rules by which tasks of a simulation of dispatch end. */
export { LOSSES_MAX } from '../../../src/core/task/task-record.ts'

export const MAX_ATTEMPTS = 4
/** Name of the error that is not tried again. */
export const FATAL = 'FatalTaskError'
