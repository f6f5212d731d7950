/** What `result()` throws when a task did not complete. */
import { type ErrorCode, PerdureError } from '../../protocol/errors.ts'
import { causeText } from '../../protocol/failure.ts'

const CODES = {
  failed: 'TASK_FAILED',
  cancelled: 'CANCELLED',
  expired: 'TASK_EXPIRED',
} as const satisfies Record<string, ErrorCode>

/** `status` says how it ended; `cause` is the error of the last attempt, with its name, message, stack and cause. */
export class TaskFailedError extends PerdureError {
  override readonly name: string = 'TaskFailedError'
  readonly taskId: string
  readonly status: keyof typeof CODES

  constructor(taskId: string, status: keyof typeof CODES, cause: Error) {
    const what = status === 'cancelled' ? 'was cancelled' : status
    super(CODES[status], `task ${taskId} ${what}: ${causeText(cause, CODES[status])}`, { cause })
    this.taskId = taskId
    this.status = status
  }
}
