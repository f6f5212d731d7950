/** Shapes of what callers and workflow code may say of a task. */
import { LONGEST_MS } from './duration.ts'
import type { RetryPolicy } from './retry-policy.ts'
import {
  duration,
  identifier,
  integer,
  list,
  number,
  object,
  oneOf,
  optional,
  type Shape,
  table,
  text,
} from './shapes.ts'
import { TASK_PRIORITY, type TaskRequirements, type TaskTimeouts } from './task-port.ts'

const name = identifier()

export const retryShape: Shape<RetryPolicy> = object({
  maxAttempts: integer(1),
  initialMs: duration,
  maxMs: duration,
  backoff: oneOf('full-jitter', 'decorrelated'),
  nonRetryable: list(text(), 1000),
})

export const requirementsShape: Shape<TaskRequirements> = object({
  cpu: optional(number()),
  memoryMb: optional(number()),
  labels: optional(table(name, 100)),
})

export const timeoutsShape: Shape<TaskTimeouts> = object({
  scheduleToStartMs: optional(duration),
  startToCloseMs: optional(duration),
  scheduleToCloseMs: optional(duration),
  heartbeatMs: optional(duration),
})

/** A guess, which may have fractions. */
export const estimateShape = number(0, LONGEST_MS)

export const priorityShape = integer(TASK_PRIORITY.least, TASK_PRIORITY.most)
