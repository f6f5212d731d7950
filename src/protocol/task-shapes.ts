/** Shapes of what callers and workflow code may say of a task. */
import type { RetryPolicy } from './retry-policy.ts'
import {
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
  initialMs: number(),
  maxMs: number(),
  backoff: oneOf('full-jitter', 'decorrelated'),
  nonRetryable: list(text(), 1000),
})

export const requirementsShape: Shape<TaskRequirements> = object({
  cpu: optional(number()),
  memoryMb: optional(number()),
  labels: optional(table(name, 100)),
})

export const timeoutsShape: Shape<TaskTimeouts> = object({
  scheduleToStartMs: optional(number()),
  startToCloseMs: optional(number()),
  scheduleToCloseMs: optional(number()),
  heartbeatMs: optional(number()),
})

export const priorityShape = integer(TASK_PRIORITY.least, TASK_PRIORITY.most)
