/**
 * Requests that users have committed in transactions of their own, where a store has such.
 *
 * 1. What is claimed is claimed by nobody else until the claim runs out, or its session is fenced: so it may be carried out
 *    more than once.
 * 2. Of one target (an execution, or the id of a task) the requests come in their order: one is claimed when all before it are
 *    done or failed, or are claimed by the same call.
 */
export interface WorkRequest {
  readonly id: number
  readonly kind: 'start' | 'signal' | 'task'
  readonly namespace: string
  /** Workflow id, or id of the task. */
  readonly target: string
  /** Of the workflow, the signal or the task. */
  readonly name: string
  /** JSON; null: none was given. Undefined: it is far larger than was asked for. */
  readonly payload: string | null | undefined
  readonly options: Readonly<Record<string, unknown>>
  /** Claims of it, this one included. */
  readonly attempts: number
}

export interface RequestClaim {
  readonly session: number
  /** Claimed before, and still being carried out by the caller. */
  readonly held: readonly number[]
  readonly limit: number
  /** Larger ones come without their payload. */
  readonly payloadBytes: number
}

export interface RequestReport {
  readonly session: number
  readonly done: readonly number[]
  readonly failed: readonly { readonly id: number; readonly error: string }[]
  /** To be claimed again, by anybody. `error`: why; absent: it was not tried. */
  readonly postponed: readonly { readonly id: number; readonly delayMs: number; readonly error?: string }[]
}

export interface RequestStore {
  /** At most `limit`, and not many more bytes than one payload may have, or 8 MiB. In the order of their ids. */
  claim(claim: RequestClaim): Promise<readonly WorkRequest[]>
  report(report: RequestReport): Promise<void>
}
