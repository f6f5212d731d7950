/** What the kernel takes and gives: commands in, events and effects out. All of it is data. */

import type { ErrorCode } from '../../protocol/errors.ts'
import type { Event, ExecutionStarted, Operation } from '../../protocol/event.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { Actor, HumanAction } from '../../protocol/human-task.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { ChildOutcome, Message, TaskEnd } from '../../protocol/message.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { TaskCommand, WorkflowCommand } from '../../protocol/workflow-command.ts'
import type { TransientEvent } from './evolve.ts'
import type { QueuedSignal } from './state.ts'

export type Command =
  | {
      readonly type: 'start'
      readonly started: Omit<ExecutionStarted, 'at' | 'type'>
      readonly signals?: readonly QueuedSignal[]
    }
  | { readonly type: 'workflow'; readonly command: WorkflowCommand }
  | {
      readonly type: 'step-completed'
      readonly op: Operation
      readonly attempt: number
      readonly result: Payload
    }
  /** `random`: uniform in [0, 1), for the jitter. */
  | {
      readonly type: 'step-failed'
      readonly op: Operation
      readonly attempt: number
      readonly failure: Failure
      readonly random: number
    }
  | { readonly type: 'timer-due'; readonly timer: number }
  | {
      readonly type: 'signal'
      readonly name: string
      readonly payload: Payload
      readonly requestId: string | undefined
    }
  | { readonly type: 'update'; readonly updateId: string; readonly name: string; readonly payload: Payload }
  /** `parentClosed`: nobody but the closing of the parent asks for it. */
  | { readonly type: 'cancel'; readonly reason: string; readonly parentClosed?: true }
  | { readonly type: 'terminate'; readonly reason: string; readonly parentClosed?: true }
  | { readonly type: 'fail'; readonly failure: Failure }
  | { readonly type: 'park'; readonly failure: Failure }
  | { readonly type: 'resume' }
  | { readonly type: 'retry' }
  /** A person acts on a human task. What is filled in was held against the form before. */
  | {
      readonly type: 'human'
      readonly op: Operation
      readonly actor: Actor
      readonly action: HumanAction
      /** Of several with one id only the first counts. */
      readonly requestId: string
    }
  | {
      readonly type: 'task-closed'
      readonly op: Operation
      readonly task: number
      readonly end: TaskEnd
    }
  | {
      readonly type: 'child-closed'
      readonly op: Operation
      readonly child: WorkflowKey
      readonly childRunId?: RunId
      readonly outcome: ChildOutcome
      readonly parentClosed?: true
    }

export type Effect =
  /** Call the step function. Leaves the process: waits for the commit of what it derives from. */
  | { readonly kind: 'run-step'; readonly op: Operation; readonly attempt: number }
  | { readonly kind: 'abort-step'; readonly op: Operation }
  | { readonly kind: 'arm-timer'; readonly timer: number; readonly dueAt: number }
  | { readonly kind: 'drop-timer'; readonly timer: number }
  | { readonly kind: 'send'; readonly message: Message }
  /** Put the task into its queue, in the same commit. */
  | { readonly kind: 'schedule-task'; readonly command: TaskCommand & { readonly task: number } }
  /** Write the human task into the inboxes as it is now, in the same commit, or take it out of them. */
  | { readonly kind: 'show-human-task' | 'hide-human-task'; readonly op: Operation }
  /** Start the next run of the same workflow id in the same commit. */
  | {
      readonly kind: 'continue'
      readonly newRunId: RunId
      readonly started: Omit<ExecutionStarted, 'at' | 'type'>
      readonly signals: readonly QueuedSignal[]
      /** The run was asked to cancel, perhaps too late for its code to see it: so is the next one. */
      readonly cancelReason?: string
      readonly isCancelledByParent?: true
    }

export interface Rejection {
  readonly code: ErrorCode
  readonly detail: string
}

export interface Decision {
  readonly events: readonly Event[]
  readonly transient: readonly TransientEvent[]
  readonly effects: readonly Effect[]
  /** An expected refusal: nothing changes. */
  readonly rejected?: Rejection
}

/** The inputs of a decision beside state and command. */
export interface Circumstances {
  /** ms since 1970. */
  readonly now: number
  readonly limits: Limits
}

const NONE: readonly never[] = []

export const NOTHING: Decision = { events: NONE, transient: NONE, effects: NONE }

export function decided(
  events: readonly Event[],
  effects: readonly Effect[] = NONE,
  transient: readonly TransientEvent[] = NONE,
): Decision {
  return { events, transient, effects }
}

export function rejected(code: ErrorCode, detail: string): Decision {
  return { events: NONE, transient: NONE, effects: NONE, rejected: { code, detail } }
}
