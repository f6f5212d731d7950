/**
 * Claims: tasks that a program takes from a queue without keeping a connection, as one that only speaks HTTP does.
 *
 * 1. A claim is a task that was given to a worker, with a lease: whoever has its token says how it ended, or that it lives. When
 *    neither comes in time, the task is lost as if a worker's connection were: it waits again.
 * 2. What is said with a token counts once, and is durable when it is answered. A token whose claim has ended changes nothing.
 * 3. A token is good for whoever claimed the task, and in its namespace only.
 */
import type { Caller } from '../../protocol/caller.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { TaskProgress } from '../../protocol/task-worker-port.ts'
import type { TraceContext } from '../../protocol/trace-context.ts'

export interface ClaimRequest {
  readonly namespace: string
  readonly queue: string
  /** Its name, for people. */
  readonly worker: string
  /** Names of tasks that it can run. */
  readonly tasks: readonly string[]
  readonly most: number
  readonly waitMs: number
  readonly leaseMs: number
  /** Id of the caller. */
  readonly caller: string
  readonly address?: string
}

export interface ClaimedTask {
  readonly token: string
  readonly id: string
  readonly name: string
  readonly input: Payload
  /** 1, 2, … */
  readonly attempt: number
  /** The same for all attempts. */
  readonly idempotencyKey: string
  /** What the last attempt left. */
  readonly checkpoint?: Payload
  /** Of what asked for the task. */
  readonly trace?: TraceContext
}

export type ClaimReport =
  | { readonly kind: 'complete'; readonly result: Payload }
  | { readonly kind: 'fail'; readonly failure: Failure }
  | { readonly kind: 'heartbeat'; readonly checkpoint?: Payload; readonly progress?: TaskProgress }
  /** It is not run here: another worker may. No attempt is counted. */
  | { readonly kind: 'return' }

export interface ClaimTell {
  readonly token: string
  readonly namespace: string
  readonly caller: string
  readonly report: ClaimReport
}

export interface ClaimReply {
  /** Of a heartbeat: the claim is lost if nothing more comes within this time, ms. */
  readonly leaseMs?: number
}

export interface ClaimPort {
  /** Tasks as soon as there are some, at most `most`; none when `waitMs` are over, or nobody waits any more. */
  take(request: ClaimRequest, signal?: AbortSignal): Promise<readonly ClaimedTask[]>
  /**
   * @param teller in whose name the end of the task is recorded; default: it is not
   * @throws PerdureError `CLAIM_LOST`, `UNCOMMITTED`
   */
  tell(tell: ClaimTell, teller?: Caller): Promise<ClaimReply>
}
