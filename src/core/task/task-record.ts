/**
 * A task: what it is, what has become of it, and every change of it. Pure: a change answers the next record.
 *
 * 1. A closed task changes only by `retried`.
 * 2. An attempt that ends counts; a slice that yields and a worker that is lost do not.
 * 3. `dueMs` follows from the record: when time alone changes it. It is a safe integer.
 */
import { backoffMs } from '../../protocol/backoff.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { RequestMark } from '../../protocol/request-mark.ts'
import { DEFAULT_RETRY, type RetryPolicy } from '../../protocol/retry-policy.ts'
import type { TaskOwner, TaskRequirements, TaskTimeouts } from '../../protocol/task-port.ts'
import type { TaskStatus } from '../../protocol/task-status.ts'
import type { TaskProgress } from '../../protocol/task-worker-port.ts'
import type { TraceContext } from '../../protocol/trace-context.ts'

/** What never changes; stored as JSON. */
export interface TaskSpec {
  readonly input: Payload
  readonly enqueuedMs: number
  readonly owner?: TaskOwner
  readonly key?: string
  readonly priority?: number
  readonly estimateMs?: number
  /** It begins to wait at this time. */
  readonly startMs?: number
  readonly retry?: RetryPolicy
  readonly timeouts?: TaskTimeouts
  readonly requires?: TaskRequirements
  readonly affinity?: string
  /** Address of the client that asked for it, if it was not the engine's process. */
  readonly client?: string
  /** Of the request that enqueued it. */
  readonly mark?: RequestMark
  /** Where the spans of its attempts belong. */
  readonly trace?: TraceContext
  /** No other task with this key is enqueued while it is open, nor in `forMs` from its enqueueing on. */
  readonly dedupe?: { readonly key: string; readonly forMs?: number }
  /** Another enqueue with this key replaces its input while its first delay lasts. */
  readonly debounce?: { readonly key: string }
}

/** What changes; stored as JSON. A task that has only been enqueued has none of it. */
export interface TaskState {
  /** When it began to wait last: see `PolicyTask.order`. Absent: its number. */
  readonly order?: number
  readonly priority?: number
  /** Attempts that ended, since it was enqueued or retried. */
  readonly attempts?: number
  /** Pause before the next attempt, ms, and when it ends. */
  readonly delayMs?: number
  readonly wakeMs?: number
  /** When it was enqueued or retried last, if not `enqueuedMs`: its time limits count from here. */
  readonly sinceMs?: number
  /** Instead of the input that it was enqueued with. */
  readonly input?: Payload
  readonly startedMs?: number
  readonly servedMs?: number
  /** That ran it last, if it was not the engine's process. */
  readonly worker?: string
  readonly checkpoint?: Payload
  readonly progress?: TaskProgress
  readonly result?: Payload
  readonly failure?: Failure
  /** Workers that were lost while they ran it, one after the other. */
  readonly losses?: number
}

export interface TaskRecord {
  readonly status: TaskStatus
  readonly state: TaskState
}

/** A task during whose attempts so many workers were lost, one after the other, is not given to another one. */
export const LOSSES_MAX = 3

export function enqueued({ startMs }: TaskSpec, nowMs: number): TaskRecord {
  if (startMs === undefined || startMs <= nowMs) return { status: 'waiting', state: {} }
  return { status: 'delayed', state: { wakeMs: startMs } }
}

/** When it was enqueued or retried last, or its first delay was over, ms: its time limits count from here. */
export function sinceMs({ state }: Pick<TaskRecord, 'state'>, spec: TaskSpec): number {
  return Math.max(state.sinceMs ?? spec.enqueuedMs, spec.startMs ?? 0)
}

/** When time changes it, ms; null: it does not. */
export function dueMs({ status, state }: TaskRecord, spec: TaskSpec): number | null {
  if (status !== 'delayed' && status !== 'waiting' && status !== 'running') return null
  const { timeouts } = spec
  const fromMs = sinceMs({ state }, spec)
  let due = Number.POSITIVE_INFINITY
  if (status === 'delayed') due = state.wakeMs ?? due
  if (timeouts?.scheduleToCloseMs !== undefined) due = Math.min(due, fromMs + timeouts.scheduleToCloseMs)
  if (timeouts?.scheduleToStartMs !== undefined && status === 'waiting' && state.startedMs === undefined)
    due = Math.min(due, fromMs + timeouts.scheduleToStartMs)
  if (due === Number.POSITIVE_INFINITY) return null
  // Whatever the options say, it can be stored; a time beyond all others never comes.
  return Math.min(Math.ceil(due), Number.MAX_SAFE_INTEGER)
}

/** Its time has come; undefined: not yet. */
export function due(record: TaskRecord, spec: TaskSpec, nowMs: number): TaskRecord | undefined {
  const at = dueMs(record, spec)
  if (at === null || at > nowMs) return undefined
  const { status, state } = record
  if (status === 'delayed' && state.wakeMs !== undefined && state.wakeMs <= at) {
    const { wakeMs: _, ...rest } = state
    return { status: 'waiting', state: rest }
  }
  const limit = status === 'waiting' && state.startedMs === undefined ? 'start' : 'end'
  const failure = platformFailure('TASK_EXPIRED', `the task did not ${limit} in its time`, state.failure)
  return { status: 'expired', state: { ...state, failure } }
}

export function completed({ state }: TaskRecord, result: Payload, at: Service): TaskRecord {
  const { checkpoint: _, failure: __, wakeMs: ___, losses: ____, ...rest } = state
  return {
    status: 'completed',
    state: { ...rest, ...served(state, at), attempts: attemptsOf(state) + 1, result },
  }
}

/** When the attempt began, and how long it ran, ms. */
export interface Service {
  readonly startedMs: number
  readonly servedMs: number
  readonly worker?: string
}

/** @param random uniform in [0, 1), for the jitter */
export function failed(
  { state }: TaskRecord,
  { retry = DEFAULT_RETRY }: TaskSpec,
  failure: Failure,
  { at, nowMs, random }: { readonly at: Service; readonly nowMs: number; readonly random: number },
): TaskRecord {
  const { losses: _, ...rest } = state
  const attempts = attemptsOf(state) + 1
  const next = { ...rest, ...served(state, at), attempts, failure }
  const isFinal =
    attempts >= retry.maxAttempts ||
    failure.nonRetryable === true ||
    retry.nonRetryable.includes(failure.name)
  if (isFinal) return { status: 'failed', state: next }
  const delayMs = backoffMs(retry, attempts, state.delayMs ?? 0, random)
  if (delayMs === 0) return { status: 'waiting', state: { ...next, delayMs } }
  return { status: 'delayed', state: { ...next, delayMs, wakeMs: nowMs + delayMs } }
}

/** It has had its slice: it waits again, behind those that wait. */
export function yielded({ state }: TaskRecord, checkpoint: Payload, order: number, at: Service): TaskRecord {
  const { losses: _, ...rest } = state
  return { status: 'waiting', state: { ...rest, ...served(state, at), checkpoint, order } }
}

/** Its worker is gone: it waits again where it was, unless it has outlived too many workers. */
export function lost({ state }: TaskRecord, at: Service): TaskRecord {
  const losses = (state.losses ?? 0) + 1
  const next = { ...state, ...served(state, at), losses }
  if (losses < LOSSES_MAX) return { status: 'waiting', state: next }
  const failure = platformFailure('TASK_POISON', `${losses} workers were lost while they ran the task`)
  return { status: 'failed', state: { ...next, failure } }
}

export function cancelled({ state }: TaskRecord, reason: string): TaskRecord {
  return { status: 'cancelled', state: { ...state, failure: platformFailure('CANCELLED', reason) } }
}

/** A closed task begins anew: all its attempts and time limits, from its last checkpoint. */
export function retried({ state }: TaskRecord, order: number, nowMs: number): TaskRecord {
  const {
    attempts: _,
    delayMs: __,
    wakeMs: ___,
    startedMs: ____,
    losses: _____,
    result: ______,
    ...rest
  } = state
  return { status: 'waiting', state: { ...rest, order, sinceMs: nowMs } }
}

export function reprioritised({ status, state }: TaskRecord, priority: number): TaskRecord {
  return { status, state: { ...state, priority } }
}

export function attemptsOf(state: TaskState): number {
  return state.attempts ?? 0
}

function served(
  state: TaskState,
  { startedMs, servedMs, worker }: Service,
): Pick<TaskState, 'startedMs' | 'servedMs' | 'worker'> {
  // Microseconds are enough.
  const total = Math.round(((state.servedMs ?? 0) + servedMs) * 1000) / 1000
  const times = { startedMs: state.startedMs ?? startedMs, servedMs: total }
  return worker === undefined ? times : { ...times, worker }
}
