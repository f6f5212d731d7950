/**
 * Journal events: what happened to an execution, in order. Released shapes are frozen: a change is a new `v`.
 * An event without `v` has schema version 1. `at` is the engine's time in ms since 1970 and never decreases in a journal.
 */
import type { Failure } from './failure.ts'
import type { HumanChange, HumanOutcome, HumanTaskSpec, SeatDecision } from './human-task.ts'
import type { RunId, WorkflowKey } from './ids.ts'
import type { Payload } from './payload.ts'
import type { RequestMark } from './request-mark.ts'
import type { TraceContext } from './trace-context.ts'

/** Number of an operation in its execution: 1, 2, … in call order. */
export type Operation = number

export type ParentClosePolicy = 'terminate' | 'cancel' | 'abandon'

export interface ParentLink {
  readonly key: WorkflowKey
  readonly runId: RunId
  readonly op: Operation
}

export type Attributes = { readonly [name: string]: string | number | boolean | null }

interface At {
  readonly at: number
  readonly v?: number
}

export interface ExecutionStarted extends At {
  readonly type: 'execution-started'
  readonly key: WorkflowKey
  readonly workflow: string
  readonly version: string
  readonly input: Payload
  /** Build of the worker that its code began on, if that worker said it. */
  readonly buildId?: string
  readonly parent?: ParentLink
  readonly depth?: number
  /** Workflow code runs from this time on (delayed start). */
  readonly notBefore?: number
  readonly timeoutMs?: number
  readonly deadlineAt?: number
  readonly continuedFrom?: RunId
  readonly attributes?: Attributes
  /** Address of the client that started it, or its parent; absent: 127.0.0.1. Its tasks are balanced by it. */
  readonly client?: string
  /** Of the request that started it; of a run that goes on from another one, with the first run. */
  readonly mark?: StartMark
  /** Where its spans belong, if there is tracing. In `start-child`, on its way: where its parent's do. */
  readonly trace?: TraceContext
}

export interface StartMark extends RequestMark {
  readonly runId?: RunId
}

export interface StepCompleted extends At {
  readonly type: 'step-completed'
  readonly op: Operation
  readonly name: string
  readonly attempt?: number
  readonly result: Payload
}

export interface StepFailed extends At {
  readonly type: 'step-failed'
  readonly op: Operation
  readonly name: string
  readonly attempt: number
  readonly failure: Failure
}

export interface StepAttemptFailed extends At {
  readonly type: 'step-attempt-failed'
  readonly op: Operation
  readonly name: string
  readonly attempt: number
  readonly failure: Failure
  readonly retryAt: number
  readonly delayMs: number
}

export interface TimerStarted extends At {
  readonly type: 'timer-started'
  readonly op: Operation
  /** `sleep`, or the name of the signal waited for. */
  readonly name: string
  readonly kind: 'sleep' | 'wait'
  readonly dueAt: number
}

export interface TimerFired extends At {
  readonly type: 'timer-fired'
  readonly op: Operation
}

export interface SignalReceived extends At {
  readonly type: 'signal-received'
  readonly name: string
  readonly payload: Payload
  readonly requestId?: string
}

export interface ChildStarted extends At {
  readonly type: 'child-started'
  readonly op: Operation
  /** Name of the child's workflow. */
  readonly name: string
  readonly version: string
  readonly key: WorkflowKey
  readonly runId: RunId
  readonly closePolicy: ParentClosePolicy
  readonly input: Payload
  readonly timeoutMs?: number
}

export interface ChildCompleted extends At {
  readonly type: 'child-completed'
  readonly op: Operation
  readonly result: Payload
}

export interface ChildFailed extends At {
  readonly type: 'child-failed'
  readonly op: Operation
  readonly failure: Failure
}

/**
 * The child was ended by the end of this execution, which was reopened since: the operation is asked for again, and gets
 * another run.
 */
export interface ChildWithdrawn extends At {
  readonly type: 'child-withdrawn'
  readonly op: Operation
}

export interface TaskScheduled extends At {
  readonly type: 'task-scheduled'
  readonly op: Operation
  readonly name: string
  readonly queue: string
  /** Of the queue. Absent: 0. */
  readonly partition?: number
  /** Number of the task. */
  readonly task: number
  readonly input: Payload
}

export interface TaskCompleted extends At {
  readonly type: 'task-completed'
  readonly op: Operation
  readonly name: string
  /** Absent: 1. */
  readonly attempt?: number
  /** When its first attempt began, and how long it ran in all, ms. */
  readonly startedAt: number
  readonly servedMs: number
  readonly result: Payload
}

/** Its attempts are used up, it expired, or somebody cancelled it. */
export interface TaskFailed extends At {
  readonly type: 'task-failed'
  readonly op: Operation
  readonly name: string
  /** Attempts that ended. */
  readonly attempts: number
  readonly failure: Failure
}

/** A task for people was put into their inboxes. */
export interface HumanTaskOpened extends At {
  readonly type: 'human-task-opened'
  readonly op: Operation
  readonly name: string
  readonly spec: HumanTaskSpec
}

export interface HumanTaskChanged extends At {
  readonly type: 'human-task-changed'
  readonly op: Operation
  /** The user; absent: its time had come. */
  readonly by?: string
  readonly requestId?: string
  readonly change: HumanChange
}

export interface HumanTaskClosed extends At {
  readonly type: 'human-task-closed'
  readonly op: Operation
  readonly name: string
  readonly outcome: HumanOutcome
  /** The user who ended it; absent: its time was over, or its execution did. */
  readonly by?: string
  readonly requestId?: string
  readonly reason?: string
  /** What was decided in all seats, in order of time. */
  readonly decisions: readonly SeatDecision[]
}

export interface ChildSignalled extends At {
  readonly type: 'child-signalled'
  readonly op: Operation
  /** Name of the signal. */
  readonly name: string
  readonly childOp: Operation
}

export interface UpdateAccepted extends At {
  readonly type: 'update-accepted'
  readonly updateId: string
  readonly name: string
  readonly payload: Payload
}

export interface UpdateCompleted extends At {
  readonly type: 'update-completed'
  readonly updateId: string
  readonly result?: Payload
  readonly failure?: Failure
}

export interface AttributesSet extends At {
  readonly type: 'attributes-set'
  readonly op: Operation
  readonly values: Attributes
}

export interface PatchMarked extends At {
  readonly type: 'patch-marked'
  readonly id: string
}

export interface CancelRequested extends At {
  readonly type: 'cancel-requested'
  readonly reason: string
  /** It was asked because its parent closed, and for nothing else. */
  readonly parentClosed?: true
}

export interface ExecutionParked extends At {
  readonly type: 'execution-parked'
  readonly failure: Failure
}

export interface ExecutionResumed extends At {
  readonly type: 'execution-resumed'
}

/** Withdraws an `execution-failed`: the failure at `failedSeq` no longer ends the execution. */
export interface ExecutionReopened extends At {
  readonly type: 'execution-reopened'
  readonly failedSeq: number
  /** The step whose recorded failure is withdrawn with it, and is attempted again. */
  readonly op?: Operation
}

export interface ExecutionCompleted extends At {
  readonly type: 'execution-completed'
  readonly result: Payload
}

export interface ExecutionFailed extends At {
  readonly type: 'execution-failed'
  readonly failure: Failure
  /** The operation whose failure ended the execution, and whether operations were made after it. */
  readonly op?: Operation
  readonly operationsAfter?: number
}

export interface ExecutionCancelled extends At {
  readonly type: 'execution-cancelled'
  readonly reason: string
}

export interface ExecutionTerminated extends At {
  readonly type: 'execution-terminated'
  readonly reason: string
  /** It was ended because its parent closed, and for nothing else. */
  readonly parentClosed?: true
}

export interface ExecutionTimedOut extends At {
  readonly type: 'execution-timed-out'
  readonly timeoutMs: number
}

export interface ExecutionContinued extends At {
  readonly type: 'execution-continued'
  readonly newRunId: RunId
  readonly input: Payload
}

export type TerminalEvent =
  | ExecutionCompleted
  | ExecutionFailed
  | ExecutionCancelled
  | ExecutionTerminated
  | ExecutionTimedOut
  | ExecutionContinued

/** Events that settle something in workflow code: they are delivered to it, in journal order, one per turn. */
export type DeliveredEvent =
  | ExecutionStarted
  | StepCompleted
  | StepFailed
  | TimerFired
  | SignalReceived
  | ChildCompleted
  | ChildFailed
  | TaskCompleted
  | TaskFailed
  | HumanTaskClosed
  | UpdateAccepted
  | CancelRequested

/** Events that record an operation the code has made, and settle nothing by themselves. */
export type RecordEvent =
  | StepAttemptFailed
  | TimerStarted
  | ChildStarted
  | ChildSignalled
  | TaskScheduled
  | HumanTaskOpened
  | HumanTaskChanged
  | AttributesSet
  | PatchMarked

export type Event =
  | DeliveredEvent
  | RecordEvent
  | TerminalEvent
  | UpdateCompleted
  | ChildWithdrawn
  | ExecutionParked
  | ExecutionResumed
  | ExecutionReopened

export type EventType = Event['type']

const TERMINAL: ReadonlySet<string> = new Set<TerminalEvent['type']>([
  'execution-completed',
  'execution-failed',
  'execution-cancelled',
  'execution-terminated',
  'execution-timed-out',
  'execution-continued',
])

const DELIVERED: ReadonlySet<string> = new Set<DeliveredEvent['type']>([
  'execution-started',
  'step-completed',
  'step-failed',
  'timer-fired',
  'signal-received',
  'child-completed',
  'child-failed',
  'task-completed',
  'task-failed',
  'human-task-closed',
  'update-accepted',
  'cancel-requested',
])

export function isTerminal(event: Event): event is TerminalEvent {
  return TERMINAL.has(event.type)
}

export function isDelivered(event: Event): event is DeliveredEvent {
  return DELIVERED.has(event.type)
}

/** An event with its place in the journal of its execution: 1, 2, 3, … without gaps. */
export interface SequencedEvent {
  readonly seq: number
  readonly event: Event
}
