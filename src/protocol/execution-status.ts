/** Status of an execution; `parked` waits for the right code, all after it are closed. */
export const EXECUTION_STATUSES = [
  'running',
  'parked',
  'completed',
  'failed',
  'cancelled',
  'terminated',
  'timed-out',
  'continued',
] as const

export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number]

export function isClosed(status: ExecutionStatus): boolean {
  return status !== 'running' && status !== 'parked'
}
