/**
 * Messages between executions. Each is delivered once, in order per pair of shards; the receiver recognises repetitions
 * by its own state (open operation, request id, run id).
 */
import type { ExecutionStarted, Operation, ParentLink } from './event.ts'
import type { Failure } from './failure.ts'
import type { RunId, WorkflowKey } from './ids.ts'
import type { Payload } from './payload.ts'

export type ChildOutcome =
  | { readonly ok: true; readonly result: Payload }
  | { readonly ok: false; readonly failure: Failure }

/** How the task of an execution ended. */
export type TaskEnd =
  | {
      readonly status: 'completed'
      readonly attempts: number
      readonly startedAt: number
      readonly servedMs: number
      readonly result: Payload
    }
  | {
      readonly status: 'failed' | 'cancelled' | 'expired'
      readonly attempts: number
      readonly failure: Failure
    }

export type Message =
  | {
      readonly kind: 'start-child'
      readonly to: WorkflowKey
      readonly runId: RunId
      readonly started: Omit<ExecutionStarted, 'at' | 'type'>
    }
  | {
      readonly kind: 'child-closed'
      readonly to: WorkflowKey
      readonly parentRunId: RunId
      readonly op: Operation
      readonly child: WorkflowKey
      /** The run that has ended; absent if there was none. */
      readonly childRunId?: RunId
      readonly outcome: ChildOutcome
      /** Nothing but the closing of this parent has ended it. */
      readonly parentClosed?: true
    }
  /** These three are from a parent: only its child takes them, not another execution that has the id. */
  | {
      readonly kind: 'signal'
      readonly to: WorkflowKey
      readonly parent: ParentLink
      readonly name: string
      readonly payload: Payload
      readonly requestId: string
    }
  | {
      readonly kind: 'cancel'
      readonly to: WorkflowKey
      readonly parent: ParentLink
      readonly reason: string
      /** The parent has closed; else its code asks for it. */
      readonly parentClosed?: true
    }
  | {
      readonly kind: 'terminate'
      readonly to: WorkflowKey
      readonly parent: ParentLink
      readonly reason: string
      readonly parentClosed?: true
    }
  /** A task of this run has ended. */
  | {
      readonly kind: 'task-closed'
      readonly to: WorkflowKey
      readonly runId: RunId
      readonly op: Operation
      readonly task: number
      readonly end: TaskEnd
    }
  /** To the task, by way of the run that asked for it: it is not wanted any more. */
  | {
      readonly kind: 'withdraw-task'
      readonly to: WorkflowKey
      readonly runId: RunId
      readonly task: number
    }
  /** Asks a child to report its outcome again, if it has ended. */
  | { readonly kind: 'report-outcome'; readonly to: WorkflowKey; readonly parent: ParentLink }
