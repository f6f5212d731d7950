/** What clients ask of the engine about tasks. Times are ms since 1970. */
import type { Operation } from './event.ts'
import type { Failure } from './failure.ts'
import type { RunId } from './ids.ts'
import type { Payload } from './payload.ts'
import type { EjectedWorker, QueueExplanation, QueuePause } from './queue-explanation.ts'
import type { QueueTarget } from './queue-port.ts'
import type { RequestMark } from './request-mark.ts'
import type { RetryPolicy } from './retry-policy.ts'
import type { TaskStatus } from './task-status.ts'
import type { TaskProgress } from './task-worker-port.ts'
import type { TraceContext } from './trace-context.ts'

/** The execution, and its operation, that asked for a task. */
export interface TaskOwner {
  readonly workflowId: string
  readonly runId: RunId
  readonly op: Operation
}

/** A task without an id gets one that begins with this character; ids of callers must not. */
export const OWN_TASK_ID = '~'

/** Names of tasks and queues that begin so are the engine's own: nobody enqueues or runs them from outside. */
export const RESERVED_PREFIX = 'perdure.'
/** The same of ids of tasks. */
export const RESERVED_ID = 'perdure:'

export const TASK_PRIORITY = { least: 0, default: 5, most: 9 } as const

export interface TaskRequest extends TaskOptions {
  readonly namespace: string
  readonly name: string
  readonly queue: string
  readonly input: Payload
  readonly id?: string
  /** Number of the task, of the node that was asked first: so that asking again is no second task. No client gives it. */
  readonly seq?: number
  /** Address of the client that asked for it; absent: 127.0.0.1, as embedded callers have. The engine sets it. */
  readonly client?: string
  /** With an id: a repeat is answered as the first one, another one with the same key gets `IDEMPOTENCY_CONFLICT`. */
  readonly mark?: RequestMark
  /** Of the caller: an engine without tracing leaves it out. */
  readonly trace?: TraceContext
  /** While a task of this name and key is open, and for `forMs` from its enqueueing on, that one is answered. */
  readonly dedupe?: { readonly key: string; readonly forMs?: number }
  /** Instead of `delayMs`: replaces the input of the task of this name and key that is still delayed, and delays it anew. */
  readonly debounce?: { readonly key: string; readonly waitMs: number; readonly maxWaitMs?: number }
}

/** What a worker must have to run a task. */
export interface TaskRequirements {
  /** Cores. */
  readonly cpu?: number
  /** MiB. */
  readonly memoryMb?: number
  /** Labels that the worker has with these values. */
  readonly labels?: Readonly<Record<string, string>>
}

/** What a caller may say of a task beside what it is. */
export interface TaskOptions {
  readonly requires?: TaskRequirements
  /** Tasks with the same key go to the same worker while it lives and has room. */
  readonly affinity?: string
  readonly key?: string
  /** 0 to 9, 9 is the most urgent. */
  readonly priority?: number
  readonly estimateMs?: number
  readonly delayMs?: number
  readonly retry?: RetryPolicy
  readonly timeouts?: TaskTimeouts
}

export interface TaskTimeouts {
  readonly scheduleToStartMs?: number
  readonly startToCloseMs?: number
  readonly scheduleToCloseMs?: number
  readonly heartbeatMs?: number
}

export interface TaskReply {
  readonly id: string
  /** False: a task with this id, or one that holds this key, existed. */
  readonly enqueued: boolean
}

export interface TaskTarget {
  readonly namespace: string
  readonly id: string
}

export type TaskOutcome =
  | { readonly status: 'completed'; readonly result: Payload }
  | { readonly status: 'failed' | 'cancelled' | 'expired'; readonly failure: Failure }

export interface TaskDescription {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly key: string
  /** The execution that asked for it. */
  readonly owner: TaskOwner | undefined
  readonly priority: number
  readonly status: TaskStatus
  /** Attempts that ended or run. */
  readonly attempts: number
  readonly enqueuedAt: number
  readonly startedAt: number | undefined
  readonly closedAt: number | undefined
  /** When it begins to wait (again); while it is delayed. */
  readonly delayedUntil: number | undefined
  /** The worker that runs it, or that ran it last. Absent: that of the engine's process. */
  readonly worker?: string
  /** Service so far, of attempts that ended. */
  readonly servedMs: number
  readonly progress: TaskProgress | undefined
  /** Of the last attempt that failed, or of the task. */
  readonly failure: Failure | undefined
}

export interface TaskQuery {
  readonly namespace: string
  readonly queue?: string
  readonly name?: string
  readonly status?: readonly TaskStatus[]
  readonly key?: string
  /** Workflow id of the execution that asked for it. */
  readonly owner?: string
  /** Code of its last failure, of the catalogue or of the caller's own error. */
  readonly errorCode?: string
  /** Bounds of the time of its enqueueing, ms since 1970: from inclusive, to exclusive. */
  readonly enqueuedFrom?: number
  readonly enqueuedTo?: number
  readonly idPrefix?: string
  readonly limit?: number
  readonly cursor?: string
}

/** Statuses in which a task can be retried. */
export const RETRYABLE_TASK_STATUSES = [
  'failed',
  'cancelled',
  'expired',
] as const satisfies readonly TaskStatus[]

export interface TaskRetryPage {
  readonly retried: number
  /** There may be more. */
  readonly cursor?: string
}

export interface TaskPage {
  readonly tasks: readonly TaskDescription[]
  readonly cursor?: string
}

/** Why a task is where it is. */
export interface TaskExplanation {
  readonly reason:
    | TaskStatus
    | 'retry'
    | 'paused'
    /** No worker here has its code, and what it requires. */
    | 'no-code'
    | 'queue-limit'
    | 'queue-rate'
    | 'key-limit'
    | 'key-rate'
    /** Nothing holds it up but those before it, and workers without a free place. */
    | 'in-line'
  /** For people. */
  readonly sentence: string
  readonly limit?: number
  readonly attempts?: number
  readonly untilMs?: number
  /** With `paused`, if it was paused at run time. */
  readonly pause?: QueuePause
  /** With `in-line`: workers that could run it, if they were not ejected. */
  readonly ejected?: readonly EjectedWorker[]
  /** Other tasks that wait in its queue. */
  readonly others?: number
  /** Those of them that start before it, as things are now; absent: not known without reading the whole queue. */
  readonly ahead?: number
}

export interface WaitOptions {
  /** Aborted when nobody waits any more: the call rejects. */
  readonly signal?: AbortSignal
}

export interface TaskPort {
  /** Answers when all are durable, in the order asked. */
  enqueue(requests: readonly TaskRequest[]): Promise<readonly TaskReply[]>
  /** Waits for the end. */
  outcome(target: TaskTarget, options?: WaitOptions): Promise<TaskOutcome>
  describe(target: TaskTarget): Promise<TaskDescription>
  explain(target: TaskTarget): Promise<TaskExplanation>
  list(query: TaskQuery): Promise<TaskPage>
  cancel(target: TaskTarget, reason: string): Promise<void>
  /** A failed, cancelled or expired task begins anew, with all its attempts. */
  retry(target: TaskTarget): Promise<void>
  /** The same for all that the query selects, oldest first, at most `limit` (default and most 500) at a time; by default `failed` ones. */
  retryMany(query: TaskQuery): Promise<TaskRetryPage>
  reprioritise(target: TaskTarget, priority: number): Promise<void>
  /** Deletes a closed task. */
  delete(target: TaskTarget): Promise<void>
  explainQueue(queue: QueueTarget): Promise<QueueExplanation>
}
