/**
 * State of one execution, as its events make it.
 *
 * 1. Only `evolve` changes it; the same events give the same state.
 * 2. It holds what is open (pending operations, unconsumed signals), never what is settled: its size does not grow with
 *    the length of the history, except for the ids that deduplicate requests and for who did which human task.
 * 3. `ops` also holds what is not journaled (a step that was asked for and has no result yet): replay asks for it again.
 */
import type {
  Attributes,
  Operation,
  ParentClosePolicy,
  ParentLink,
  StartMark,
  TerminalEvent,
  UpdateCompleted,
} from '../../protocol/event.ts'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import { OperationMap } from '../../protocol/operation-map.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { RetryPolicy } from '../../protocol/retry-policy.ts'
import type { TraceContext } from '../../protocol/trace-context.ts'
import type { PendingHuman } from './human/human-state.ts'

export interface PendingStep {
  readonly kind: 'step'
  name: string
  /** Code has asked for it since the last replay; before that only its failed attempts are known. */
  issued: boolean
  running: boolean
  /** The running attempt, or the last failed one: 1, 2, … */
  attempt: number
  retry: RetryPolicy | undefined
  retryAt: number
  delayMs: number
  lastFailure: Failure | undefined
}

export interface PendingTimer {
  readonly kind: 'sleep' | 'wait'
  readonly name: string
  readonly dueAt: number
}

export interface PendingChild {
  readonly kind: 'child'
  readonly name: string
  readonly key: WorkflowKey
  readonly runId: RunId
  readonly closePolicy: ParentClosePolicy
}

export interface PendingTask {
  readonly kind: 'task'
  readonly name: string
  readonly task: number
  readonly queue: string
  readonly partition: number
}

export type PendingOp = PendingStep | PendingTimer | PendingChild | PendingTask | PendingHuman

/** What the four-eyes rule has to know of human tasks that have ended. */
export interface PeopleRecord {
  /** By name of the task: the users who did it. */
  readonly doers: Map<string, Set<string>>
  /** By name of a task: the names of those that another person has to do. */
  readonly apart: Map<string, Set<string>>
}

export interface QueuedSignal {
  readonly name: string
  readonly payload: Payload
  readonly requestId: string | undefined
}

export interface ExecutionState {
  readonly runId: RunId
  key: WorkflowKey
  workflow: string
  version: string
  /** Of the worker that its code began on. */
  build: string | undefined
  status: ExecutionStatus
  /** Number of the last event: 0 before the first. */
  seq: number
  lastAt: number
  startedAt: number
  closedAt: number | null
  depth: number
  parent: ParentLink | undefined
  notBefore: number
  timeoutMs: number | undefined
  deadlineAt: number | undefined
  attributes: Attributes | null
  /** Address of the client that started it. */
  client: string | undefined
  /** Of the request that started it. */
  mark: StartMark | undefined
  /** Where its spans belong. */
  trace: TraceContext | undefined
  readonly ops: OperationMap<PendingOp>
  /** Steps in `ops` that run or wait to be run now (not in backoff). */
  runnableSteps: number
  /** Signals accepted and not yet consumed, by the number of their event. */
  signals: Map<number, QueuedSignal> | undefined
  requestIds: Set<string> | undefined
  /** Updates accepted; those answered have their event. */
  updates: Map<string, UpdateCompleted | null> | undefined
  people: PeopleRecord | undefined
  cancelReason: string | undefined
  /** It was asked to cancel because its parent closed. */
  isCancelledByParent: true | undefined
  /** Why it is parked. */
  parkedFailure: Failure | undefined
  terminal: TerminalEvent | undefined
}

const NO_KEY: WorkflowKey = { namespace: '', workflowId: '' }

export function emptyState(runId: RunId): ExecutionState {
  return {
    runId,
    key: NO_KEY,
    workflow: '',
    version: '',
    build: undefined,
    status: 'running',
    seq: 0,
    lastAt: 0,
    startedAt: 0,
    closedAt: null,
    depth: 0,
    parent: undefined,
    notBefore: 0,
    timeoutMs: undefined,
    deadlineAt: undefined,
    attributes: null,
    client: undefined,
    mark: undefined,
    trace: undefined,
    ops: new OperationMap(),
    runnableSteps: 0,
    signals: undefined,
    requestIds: undefined,
    updates: undefined,
    people: undefined,
    cancelReason: undefined,
    isCancelledByParent: undefined,
    parkedFailure: undefined,
    terminal: undefined,
  }
}

/** How the child of an operation knows its parent. */
export function parentLink(state: ExecutionState, op: Operation): ParentLink {
  return { key: state.key, runId: state.runId, op }
}
