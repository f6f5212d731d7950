/**
 * Between the engine and the code that runs tasks.
 *
 * 1. A worker gets a task only while it has a free place, and only tasks that it supports.
 * 2. A task is started after the commit of what it derives from.
 * 3. Each side holds the other's object: `Owner` names one attempt. What a worker says of an attempt that the engine has
 *    given up changes nothing.
 */
import type { Failure } from './failure.ts'
import type { Payload } from './payload.ts'
import type { TraceContext } from './trace-context.ts'

export interface TaskDispatch<Owner> {
  readonly owner: Owner
  readonly id: string
  readonly name: string
  readonly input: Payload
  /** 1, 2, …; a slice after a yield belongs to the same attempt. */
  readonly attempt: number
  /** The same for all attempts. */
  readonly idempotencyKey: string
  /** What the last attempt or slice left. */
  readonly checkpoint: Payload | undefined
  /** The task is asked to yield after this much service, ms. */
  readonly quantumMs: number | undefined
  /** Of what asked for the task: with tracing, then its queue is there too, for the span of the attempt. */
  readonly trace?: TraceContext | undefined
  readonly queue?: string | undefined
}

export interface TaskProgress {
  /** 0 to 1. */
  readonly fraction: number
  readonly note?: string
}

/**
 * The engine counts places: a task takes one from its start until the worker tells its end, or, if the engine gave it up,
 * until `onTaskSlotFree`.
 */
export interface TaskWorkerPort<Owner> {
  supports(name: string): boolean
  start(dispatch: TaskDispatch<Owner>): void
  /** Its end is not waited for any more. */
  abort(owner: Owner, reason: Failure): void
}

export interface TaskWorkerHost<Owner> {
  onTaskCompleted(owner: Owner, result: Payload): void
  onTaskFailed(owner: Owner, failure: Failure): void
  onTaskYielded(owner: Owner, checkpoint: Payload): void
  /** The worker does not run it, or not any more: another one may. It does not count as an attempt. */
  onTaskReturned(owner: Owner): void
  /** It lives; what it has reached, if it says so. */
  onTaskHeartbeat(owner: Owner, checkpoint: Payload | undefined): void
  onTaskProgress(owner: Owner, progress: TaskProgress): void
  /** The function of a task that was given up has ended: its place is free. */
  onTaskSlotFree(worker: TaskWorkerPort<Owner>, owner: Owner): void
}
