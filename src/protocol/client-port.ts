/** Between the typed client and the engine, embedded or remote: payloads are encoded, ids are text. */

import type { Attributes, SequencedEvent } from './event.ts'
import type { ExecutionExplanation } from './execution-explanation.ts'
import type { ExecutionStatus } from './execution-status.ts'
import type { Failure } from './failure.ts'
import type { RunId, WorkflowKey } from './ids.ts'
import type { NodesPort } from './nodes-port.ts'
import type { Payload } from './payload.ts'
import type { PeoplePort } from './people-port.ts'
import type { QueuePort } from './queue-port.ts'
import type { RequestMark } from './request-mark.ts'
import type { SchedulePort } from './schedule-port.ts'
import type { TaskPort, WaitOptions } from './task-port.ts'
import type { TraceContext } from './trace-context.ts'
import type { WorkersPort } from './workers-port.ts'

export type ConflictPolicy = 'use-existing' | 'fail' | 'terminate-existing'

export interface StartRequest {
  readonly key: WorkflowKey
  readonly workflow: string
  readonly version: string
  readonly input: Payload
  readonly onConflict: ConflictPolicy
  /** Of the node that was asked first: so that asking again is no second start. No client gives it. */
  readonly runId?: RunId
  readonly delayMs?: number
  readonly timeoutMs?: number
  readonly attributes?: Attributes
  /** Address of the client that asked for it; absent: 127.0.0.1, as embedded callers have. The engine sets it. */
  readonly client?: string
  /** Of a request with an idempotency key: a repeat gets the same answer, another one with the same key `IDEMPOTENCY_CONFLICT`. */
  readonly mark?: RequestMark
  /** Of the caller: an engine without tracing leaves it out. */
  readonly trace?: TraceContext
  /** Delivered with the start, in the same commit (`signalWithStart`). */
  readonly signal?: { readonly name: string; readonly payload: Payload; readonly requestId?: string }
}

export interface StartReply {
  readonly runId: RunId
  /** False if the execution existed before. */
  readonly started: boolean
}

export interface ExecutionTarget {
  readonly key: WorkflowKey
  /** Absent: the newest run. */
  readonly runId?: RunId
}

export type Outcome =
  | { readonly status: 'completed'; readonly result: Payload }
  | { readonly status: 'failed' | 'cancelled' | 'terminated' | 'timed-out'; readonly failure: Failure }

export interface PendingOperation {
  readonly op: number
  readonly kind: 'step' | 'sleep' | 'wait' | 'child' | 'task' | 'human'
  readonly name: string
  readonly taskId?: string
  readonly humanTaskId?: string
  readonly attempt?: number
  /** When the timer fires or the next attempt starts, ms since 1970. */
  readonly dueAt?: number
  readonly lastFailure?: Failure
}

export interface ExecutionSummary {
  readonly key: WorkflowKey
  readonly runId: RunId
  readonly workflow: string
  readonly version: string
  readonly status: ExecutionStatus
  readonly startedAt: number
  readonly closedAt?: number
  readonly attributes: Attributes
}

export interface ExecutionDescription extends ExecutionSummary {
  readonly events: number
  readonly pending: readonly PendingOperation[]
  /** Why it is parked, or how it failed. */
  readonly failure?: Failure
}

export interface ListQuery {
  readonly namespace: string
  readonly status?: readonly ExecutionStatus[]
  readonly workflow?: string
  /** Bounds of the start time, ms since 1970: from inclusive, to exclusive. */
  readonly startedFrom?: number
  readonly startedTo?: number
  readonly attributes?: Attributes
  /** Default 100, at most 1,000. */
  readonly limit?: number
  readonly cursor?: string
}

export interface ListPage {
  readonly executions: readonly ExecutionSummary[]
  readonly cursor?: string
}

export interface ClientPort {
  readonly tasks: TaskPort
  readonly schedules: SchedulePort
  readonly queues: QueuePort
  readonly people: PeoplePort
  readonly workers: WorkersPort
  readonly nodes: NodesPort
  start(request: StartRequest): Promise<StartReply>
  signal(target: ExecutionTarget, name: string, payload: Payload, requestId?: string): Promise<void>
  query(target: ExecutionTarget, name: string, payload: Payload): Promise<Payload>
  /** One that is not accepted yet when nobody waits for it any more is withdrawn. */
  update(
    target: ExecutionTarget,
    name: string,
    payload: Payload,
    updateId: string,
    options?: WaitOptions,
  ): Promise<Payload>
  /** Waits for the end, follows continue-as-new. */
  outcome(target: ExecutionTarget, options?: WaitOptions): Promise<Outcome>
  cancel(target: ExecutionTarget, reason: string): Promise<void>
  terminate(target: ExecutionTarget, reason: string): Promise<void>
  retry(target: ExecutionTarget): Promise<void>
  describe(target: ExecutionTarget): Promise<ExecutionDescription>
  explain(target: ExecutionTarget): Promise<ExecutionExplanation>
  /** Committed events after `afterSeq`; with `wait` it answers when there are some, or with none when the run has ended. */
  history(
    target: ExecutionTarget,
    afterSeq: number,
    options: { readonly limit: number; readonly wait: boolean; readonly signal?: AbortSignal },
  ): Promise<readonly SequencedEvent[]>
  list(query: ListQuery): Promise<ListPage>
  /** Deletes a closed execution and all its rows. */
  delete(target: ExecutionTarget): Promise<void>
  newRequestId(): string
}
