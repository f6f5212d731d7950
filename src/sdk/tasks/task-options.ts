/** Options of tasks, checked. */
import { type Duration, optionalMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { TASK_PRIORITY, type TaskTimeouts } from '../../protocol/task-port.ts'

/** Limits of time; default: none. */
export interface TaskTimeoutOptions {
  /** From when it begins to wait to its first start. Then it is `expired`. */
  readonly scheduleToStart?: Duration
  /** Of one attempt, which then fails with `TASK_TIMEOUT`. */
  readonly startToClose?: Duration
  /** Of all attempts together, waiting included. Then the task is `expired`. */
  readonly scheduleToClose?: Duration
  /** Between two signs of life of an attempt, which then fails with `TASK_TIMEOUT`. */
  readonly heartbeat?: Duration
}

export function taskTimeoutsOf(options: TaskTimeoutOptions): TaskTimeouts {
  if (typeof options !== 'object' || options === null)
    throw new PerdureError('ARGUMENT_INVALID', 'the timeouts of a task are not an object')
  const scheduleToStartMs = optionalMs(options.scheduleToStart)
  const startToCloseMs = optionalMs(options.startToClose)
  const scheduleToCloseMs = optionalMs(options.scheduleToClose)
  const heartbeatMs = optionalMs(options.heartbeat)
  return {
    ...(scheduleToStartMs === undefined ? {} : { scheduleToStartMs }),
    ...(startToCloseMs === undefined ? {} : { startToCloseMs }),
    ...(scheduleToCloseMs === undefined ? {} : { scheduleToCloseMs }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
  }
}

export function checkedPriority(priority: number): number {
  const { least, most } = TASK_PRIORITY
  if (!Number.isInteger(priority) || priority < least || priority > most)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `the priority is ${priority}, not a whole number from ${least} to ${most} (the most urgent)`,
    )
  return priority
}

export function checkedEstimateMs(estimateMs: number): number {
  if (!(Number.isFinite(estimateMs) && estimateMs >= 0))
    throw new PerdureError('ARGUMENT_INVALID', `estimateMs is ${estimateMs}, not a number of 0 or more`)
  return estimateMs
}
