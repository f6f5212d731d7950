/** What workflow code asks of the engine. A worker sends these after a turn, in call order. */
import type { Attributes, Operation, ParentClosePolicy } from './event.ts'
import type { Failure } from './failure.ts'
import type { HumanTaskSpec } from './human-task.ts'
import type { RunId } from './ids.ts'
import type { Payload } from './payload.ts'
import type { RetryPolicy } from './retry-policy.ts'
import type { TaskOptions } from './task-port.ts'

export type WorkflowCommand =
  | { readonly kind: 'step'; readonly op: Operation; readonly name: string; readonly retry?: RetryPolicy }
  | { readonly kind: 'sleep'; readonly op: Operation; readonly delayMs?: number; readonly untilMs?: number }
  /** A wait for a signal that has a time limit. */
  | { readonly kind: 'wait'; readonly op: Operation; readonly signal: string; readonly timeoutMs: number }
  | ChildCommand
  | TaskCommand
  | HumanCommand
  /** Code no longer waits for this operation (its scope was cancelled, or a wait was answered by a signal). */
  | { readonly kind: 'drop'; readonly op: Operation }
  /** Ask the child of this operation to cancel, or send it a signal. */
  | { readonly kind: 'cancel-child'; readonly op: Operation; readonly reason: string }
  | {
      readonly kind: 'signal-child'
      readonly op: Operation
      readonly childOp: Operation
      readonly signal: string
      readonly payload: Payload
    }
  /** The signal event at this place of the journal was handed to a `waitFor`. */
  | { readonly kind: 'consume'; readonly seq: number }
  | { readonly kind: 'attributes'; readonly op: Operation; readonly values: Attributes }
  | { readonly kind: 'patch'; readonly id: string }
  | {
      readonly kind: 'update-result'
      readonly updateId: string
      readonly result?: Payload
      readonly failure?: Failure
    }
  | { readonly kind: 'complete'; readonly result: Payload }
  | {
      readonly kind: 'fail'
      readonly failure: Failure
      readonly op?: Operation
      readonly operationsAfter?: number
    }
  | { readonly kind: 'cancelled'; readonly reason: string }
  | { readonly kind: 'continue'; readonly input: Payload; readonly newRunId?: RunId }

export interface TaskCommand {
  readonly kind: 'task'
  readonly op: Operation
  readonly name: string
  readonly queue: string
  readonly input: Payload
  readonly options: TaskOptions
  /** Given by the engine when it takes the command: numbers are inputs of the kernel. */
  readonly task?: number
  /** Of the queue; given by the engine too. Default 0. */
  readonly partition?: number
}

/** A task for people. */
export interface HumanCommand {
  readonly kind: 'human'
  readonly op: Operation
  readonly name: string
  readonly spec: HumanTaskSpec
}

export interface ChildCommand {
  readonly kind: 'child'
  readonly op: Operation
  readonly workflow: string
  readonly version: string
  readonly workflowId?: string
  readonly input: Payload
  readonly closePolicy: ParentClosePolicy
  readonly timeoutMs?: number
  /** Given by the engine when it takes the command: ids are inputs of the kernel. */
  readonly newRunId?: RunId
}
