/** Options of tasks, checked. */
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs, LONGEST_MS, optionalMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { RetryPolicy } from '../../protocol/retry-policy.ts'
import {
  TASK_PRIORITY,
  type TaskOptions,
  type TaskRequirements,
  type TaskTimeouts,
} from '../../protocol/task-port.ts'
import { checkNames, type OptionNames } from '../checked-arguments.ts'
import { type RetryOptions, retryPolicyOf } from '../retry-options.ts'

/** What a definition says, where a caller says nothing. */
export interface TaskDefaults {
  readonly queue: string
  readonly retry: RetryPolicy | undefined
  readonly timeouts: TaskTimeouts | undefined
}

/** What a caller may say of one task. */
export interface TaskCallOptions {
  /** Default: that of the definition. */
  readonly queue?: string
  /** Groups tasks for round robin and for limits per key, such as a tenant. */
  readonly key?: string
  /** 0 to 9, 9 is the most urgent. Default 5. */
  readonly priority?: number
  /** How long it is expected to run, ms, for the policies `sjf` and `round-robin`. Default: learned. */
  readonly estimateMs?: number
  /** What a worker must have to get it. A task that no worker can run waits, and holds up no other. */
  readonly requires?: TaskRequirements
  /** Tasks with the same affinity go to the same worker while it lives and has room. */
  readonly affinity?: string
  /** It begins to wait after this time. */
  readonly delay?: Duration
  /** Default: that of the definition. */
  readonly retry?: RetryOptions
  /** Default: those of the definition. */
  readonly timeouts?: TaskTimeoutOptions
}

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

export const TASK_CALL_OPTIONS: OptionNames<TaskCallOptions> = {
  queue: true,
  key: true,
  priority: true,
  estimateMs: true,
  requires: true,
  affinity: true,
  delay: true,
  retry: true,
  timeouts: true,
}

const REQUIREMENTS: OptionNames<TaskRequirements> = { cpu: true, memoryMb: true, labels: true }

const TIMEOUTS: OptionNames<TaskTimeoutOptions> = {
  scheduleToStart: true,
  startToClose: true,
  scheduleToClose: true,
  heartbeat: true,
}

export function taskTimeoutsOf(options: TaskTimeoutOptions): TaskTimeouts {
  if (typeof options !== 'object' || options === null)
    throw new PerdureError('ARGUMENT_INVALID', 'the timeouts of a task are not an object')
  checkNames(options, TIMEOUTS, (name) => `there is no time limit '${name}' of a task`)
  const scheduleToStartMs = optionalMs(options.scheduleToStart, 'timeouts.scheduleToStart')
  const startToCloseMs = optionalMs(options.startToClose, 'timeouts.startToClose')
  const scheduleToCloseMs = optionalMs(options.scheduleToClose, 'timeouts.scheduleToClose')
  const heartbeatMs = optionalMs(options.heartbeat, 'timeouts.heartbeat')
  return {
    ...(scheduleToStartMs === undefined ? {} : { scheduleToStartMs }),
    ...(startToCloseMs === undefined ? {} : { startToCloseMs }),
    ...(scheduleToCloseMs === undefined ? {} : { scheduleToCloseMs }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
  }
}

export function queueOf(task: TaskDefaults, queue: string | undefined, limits: Limits): string {
  return queue === undefined ? task.queue : checkedName(queue, 'the name of a queue', limits.idBytes)
}

export function taskOptionsOf(task: TaskDefaults, options: TaskCallOptions, limits: Limits): TaskOptions {
  const { key, priority, estimateMs, requires, affinity, delay, retry, timeouts } = options
  const retries = retry === undefined ? task.retry : retryPolicyOf(retry)
  const limitsOfTime = timeouts === undefined ? task.timeouts : taskTimeoutsOf(timeouts)
  return {
    ...(key === undefined ? {} : { key: checkedName(key, 'the key of a task', limits.idBytes) }),
    ...(priority === undefined ? {} : { priority: checkedPriority(priority) }),
    ...(estimateMs === undefined ? {} : { estimateMs: checkedEstimateMs(estimateMs) }),
    ...(requires === undefined ? {} : requirementsOf(requires, limits)),
    ...(affinity === undefined
      ? {}
      : { affinity: checkedName(affinity, 'the affinity of a task', limits.idBytes) }),
    ...(delay === undefined ? {} : { delayMs: durationMs(delay, 'delay') }),
    ...(retries === undefined ? {} : { retry: retries }),
    ...(limitsOfTime === undefined ? {} : { timeouts: limitsOfTime }),
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
  if (!(estimateMs >= 0 && estimateMs <= LONGEST_MS))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `estimateMs is ${estimateMs}, not a number from 0 to ${LONGEST_MS}`,
    )
  return estimateMs
}

/** Those that require the same are the same text: labels in order. */
function requirementsOf(
  requires: TaskRequirements,
  limits: Limits,
): { readonly requires?: TaskRequirements } {
  if (typeof requires !== 'object' || requires === null)
    throw new PerdureError('ARGUMENT_INVALID', 'what a task requires is not an object')
  checkNames(requires, REQUIREMENTS, (name) => `a task cannot require '${name}'`)
  const { cpu, memoryMb, labels } = requires
  const checked: TaskRequirements = {
    ...(cpu === undefined ? {} : { cpu: checkedAmount(cpu, 'cpu') }),
    ...(memoryMb === undefined ? {} : { memoryMb: checkedAmount(memoryMb, 'memoryMb') }),
    ...(labels === undefined ? {} : { labels: checkedLabels(labels, limits) }),
  }
  return Object.keys(checked).length === 0 ? {} : { requires: checked }
}

function checkedAmount(amount: number, what: string): number {
  if (!(Number.isFinite(amount) && amount > 0))
    throw new PerdureError('ARGUMENT_INVALID', `requires.${what} is ${amount}, not a number above 0`)
  return amount
}

/** Labels by name, in the order of their names. */
export function checkedLabels(
  labels: Readonly<Record<string, string>>,
  limits: Limits,
): Readonly<Record<string, string>> {
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels))
    throw new PerdureError('ARGUMENT_INVALID', 'labels are not an object of texts')
  const checked: Record<string, string> = {}
  for (const name of Object.keys(labels).sort())
    checked[checkedName(name, 'the name of a label', limits.idBytes)] = checkedName(
      labels[name] ?? '',
      `label ${name}`,
      limits.idBytes,
    )
  return checked
}
