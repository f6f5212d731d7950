/** What callers give to `listTasks` and `retryTasks`, checked. */
import { PerdureError } from '../../protocol/errors.ts'
import { RETRYABLE_TASK_STATUSES, type TaskQuery } from '../../protocol/task-port.ts'
import { TASK_STATUSES, type TaskStatus } from '../../protocol/task-status.ts'
import { checkedOptions, type OptionNames } from '../checked-arguments.ts'

/** Which tasks; what is left out selects nothing away. */
export interface TaskSelection {
  readonly queue?: string
  readonly name?: string
  /** That the task was enqueued with. */
  readonly key?: string
  /** Workflow id of the execution that asked for it. */
  readonly owner?: string
  /** Code of its last failure, such as `'TASK_TIMEOUT'`, or the `code` of your own error. */
  readonly errorCode?: string
  /** Bounds of the time of its enqueueing: from inclusive, to exclusive. */
  readonly enqueuedFrom?: Date | number
  readonly enqueuedTo?: Date | number
  /** What its id begins with. */
  readonly idPrefix?: string
}

export interface TaskListOptions extends TaskSelection {
  readonly status?: readonly TaskStatus[]
  /** Default 100, at most 1,000. */
  readonly limit?: number
  readonly cursor?: string
}

export type RetryableTaskStatus = (typeof RETRYABLE_TASK_STATUSES)[number]

export interface TaskRetryOptions extends TaskSelection {
  /** Default `'failed'`: the dead letters. */
  readonly status?: RetryableTaskStatus | readonly RetryableTaskStatus[]
}

const TEXTS = ['queue', 'name', 'key', 'owner', 'errorCode', 'idPrefix'] as const

const SELECTION: OptionNames<TaskSelection> = {
  queue: true,
  name: true,
  key: true,
  owner: true,
  errorCode: true,
  enqueuedFrom: true,
  enqueuedTo: true,
  idPrefix: true,
}
const LIST: OptionNames<TaskListOptions> = { ...SELECTION, status: true, limit: true, cursor: true }
const RETRY: OptionNames<TaskRetryOptions> = { ...SELECTION, status: true }

export function taskListQuery(options: TaskListOptions, namespace: string): TaskQuery {
  const call = 'listTasks()'
  const { status, limit, cursor, ...selection } = checkedOptions(options, call, LIST)
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1))
    throw invalid(call, `limit is ${limit}, not a whole number of 1 or more`)
  if (status !== undefined) checkStatuses(status, TASK_STATUSES, call)
  return {
    namespace,
    ...selectionOf(selection, call),
    ...(status === undefined ? {} : { status }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor: textOf(cursor, 'cursor', call) }),
  }
}

export function taskRetryQuery(options: TaskRetryOptions, namespace: string): TaskQuery {
  const call = 'retryTasks()'
  const { status = 'failed', ...selection } = checkedOptions(options, call, RETRY)
  const statuses = typeof status === 'string' ? [status] : status
  checkStatuses(statuses, RETRYABLE_TASK_STATUSES, call)
  return { namespace, ...selectionOf(selection, call), status: statuses }
}

function selectionOf(selection: TaskSelection, call: string): Omit<TaskQuery, 'namespace'> {
  const query: { -readonly [Name in keyof TaskQuery]?: TaskQuery[Name] } = {}
  for (const name of TEXTS) {
    const text = selection[name]
    if (text !== undefined) query[name] = textOf(text, name, call)
  }
  for (const name of ['enqueuedFrom', 'enqueuedTo'] as const) {
    const time = selection[name]
    if (time !== undefined) query[name] = timeOf(time, name, call)
  }
  return query
}

function checkStatuses(statuses: readonly string[], known: readonly string[], call: string): void {
  if (!Array.isArray(statuses) || statuses.some((each) => !known.includes(each)))
    throw invalid(call, `status is not a list of ${known.join(', ')}`)
}

function textOf(text: unknown, name: string, call: string): string {
  if (typeof text !== 'string') throw invalid(call, `${name} is of type ${typeof text}, not a string`)
  return text
}

function timeOf(time: Date | number, name: string, call: string): number {
  const ms = time instanceof Date ? time.getTime() : time
  if (typeof ms !== 'number' || Number.isNaN(ms)) throw invalid(call, `${name} is not a valid time`)
  return ms
}

function invalid(call: string, detail: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `${call}: ${detail}`)
}
