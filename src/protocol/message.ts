/**
 * Messages between executions, and between them and what they have elsewhere. Each is delivered once, in order per pair of
 * shards; the receiver recognises repetitions by its own state (open operation, request id, run id).
 */
import type { ExecutionStarted, Operation, ParentLink } from './event.ts'
import type { Failure } from './failure.ts'
import { type QueueAddress, queueShardOf, type RunId, shardOf, type WorkflowKey } from './ids.ts'
import type { Payload } from './payload.ts'
import type { TaskOptions } from './task-port.ts'
import type { TraceContext } from './trace-context.ts'
import type { TaskCommand } from './workflow-command.ts'

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

/** Who asks for a task in a queue: the run, and where its client and its trace are. */
export interface TaskSource {
  readonly runId: RunId
  readonly client?: string
  readonly trace?: TraceContext
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
  /** To a queue of another node: a task of this run is to wait there. */
  | {
      readonly kind: 'schedule-task'
      /** The execution that asks for it. */
      readonly to: WorkflowKey
      readonly runId: RunId
      readonly queue: QueueAddress
      readonly client?: string
      readonly trace?: TraceContext
      readonly command: TaskCommand & { readonly task: number }
    }
  /** To a queue: a task that no execution waits for, told of what has become of this one. */
  | {
      readonly kind: 'enqueue-task'
      /** The execution that it is about. */
      readonly to: WorkflowKey
      readonly queue: QueueAddress
      readonly task: number
      readonly name: string
      readonly input: Payload
      readonly options: Pick<TaskOptions, 'key' | 'retry' | 'timeouts'>
    }
  /** To the task of this run: it is not wanted any more. */
  | {
      readonly kind: 'withdraw-task'
      /** The execution that had asked for it. */
      readonly to: WorkflowKey
      readonly runId: RunId
      readonly task: number
      /** Where the task is; absent in messages of the first versions, whose engines owned everything. */
      readonly queue?: QueueAddress
    }
  /** Of a schedule of another node: starts an execution, unless its id has been used. */
  | {
      readonly kind: 'start-run'
      readonly to: WorkflowKey
      readonly runId: RunId
      readonly started: Omit<ExecutionStarted, 'at' | 'type'>
    }
  /** Of a schedule of another node, whose next run is due: ends the run that is open. */
  | {
      readonly kind: 'stop-run'
      readonly to: WorkflowKey
      readonly how: 'cancel' | 'terminate'
      readonly reason: string
    }
  /** Asks a child to report its outcome again, if it has ended. */
  | { readonly kind: 'report-outcome'; readonly to: WorkflowKey; readonly parent: ParentLink }

/**
 * Numbers of messages begin anew with each owner of a shard, above all that came before: 69 thousand million of them, for 131
 * thousand owners.
 */
export const MESSAGES_PER_EPOCH = 2 ** 36

/** The shard that a message goes to. */
export function shardOfMessage(message: Message, shards: number): number {
  return 'queue' in message && message.queue !== undefined
    ? queueShardOf(message.queue, shards)
    : shardOf(message.to, shards)
}
