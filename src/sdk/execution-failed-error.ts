/** What `result()` throws when an execution did not complete. */
import { type ErrorCode, PerdureError } from '../protocol/errors.ts'
import { causeText } from '../protocol/failure.ts'

const CODES = {
  failed: 'EXECUTION_FAILED',
  cancelled: 'CANCELLED',
  terminated: 'EXECUTION_TERMINATED',
  'timed-out': 'EXECUTION_TIMED_OUT',
} as const satisfies Record<string, ErrorCode>

/** `status` says how it ended; `cause` is the error of the workflow, with its name, message, stack and cause. */
export class ExecutionFailedError extends PerdureError {
  override readonly name: string = 'ExecutionFailedError'
  readonly executionId: string
  readonly status: keyof typeof CODES

  constructor(executionId: string, status: keyof typeof CODES, cause: Error) {
    super(
      CODES[status],
      `execution ${executionId} ${status === 'failed' ? 'failed' : `was ${status}`}: ${causeText(cause, CODES[status])}`,
      { cause },
    )
    this.executionId = executionId
    this.status = status
  }
}
