/**
 * The part of the worker protocol that is about workflow code: what is said of a run that is live in a worker.
 *
 * 1. A run is named by a number that the engine gives it with `activate`, on one connection and never again. After `evict`,
 *    and after the end of the connection, nothing is said of it any more; what was on its way then is not believed.
 * 2. The engine sends events in journal order, each once. A `turn` says with `seen` up to which event it was told.
 * 3. A step function runs only when `step` came for it.
 */
import type { DeliveredEvent, Event, Operation, SequencedEvent } from './event.ts'
import type { Failure } from './failure.ts'
import { humanTaskSpecShape } from './human-shapes.ts'
import type { RunId } from './ids.ts'
import type { Json } from './json.ts'
import type { Payload } from './payload.ts'
import {
  asIs,
  duration,
  failure,
  flag,
  identifier,
  integer,
  json,
  list,
  number,
  object,
  oneOf,
  optional,
  payload,
  type Shape,
  scalar,
  shaped,
  table,
  text,
  time,
  variant,
} from './shapes.ts'
import type { TaskOptions } from './task-port.ts'
import { estimateShape, priorityShape, requirementsShape, retryShape, timeoutsShape } from './task-shapes.ts'
import type { CodeWait } from './worker-port.ts'
import type { WorkflowCommand } from './workflow-command.ts'

/** Code of a workflow that a worker has. */
export interface WorkflowCode {
  readonly name: string
  readonly version: string
}

/** Of the engine. */
export type RunMessage =
  /** The run is live in this worker from now on. Without `history` it has just been started: its events follow. */
  | {
      readonly type: 'activate'
      readonly run: number
      readonly namespace: string
      readonly workflowId: string
      readonly runId: RunId
      readonly workflow: string
      readonly version: string
      readonly history?: readonly SequencedEvent[]
    }
  | { readonly type: 'event'; readonly run: number; readonly seq: number; readonly event: DeliveredEvent }
  | { readonly type: 'step'; readonly run: number; readonly op: Operation; readonly attempt: number }
  /** Nobody waits for the end of this step any more. */
  | { readonly type: 'abort-step'; readonly run: number; readonly op: Operation }
  /** Forget it: its code never goes on here. */
  | { readonly type: 'evict'; readonly run: number }
  /** `call` names the question on this connection, for the answer. */
  | {
      readonly type: 'query' | 'validate'
      readonly run: number
      readonly call: number
      readonly name: string
      readonly payload: Payload
    }
  | { readonly type: 'waits'; readonly run: number; readonly call: number }

/** Of the worker. */
export type RunReport =
  | {
      readonly type: 'turn'
      readonly run: number
      /** The last event that it was told of. */
      readonly seen: number
      /** All of them are delivered, and no code of the run goes on without another. */
      readonly idle: boolean
      /** As they came: `shapedCommands` looks at them, so that wrong ones concern their run alone. */
      readonly commands?: readonly unknown[]
      readonly parked?: Failure
      readonly logs?: readonly RunLog[]
    }
  | {
      readonly type: 'step-completed'
      readonly run: number
      readonly op: Operation
      readonly attempt: number
      readonly result: Payload
    }
  | {
      readonly type: 'step-failed'
      readonly run: number
      readonly op: Operation
      readonly attempt: number
      readonly failure: Failure
    }
  /** With a result or a failure. */
  | {
      readonly type: 'answer'
      readonly run: number
      readonly call: number
      readonly result?: Payload
      readonly failure?: Failure
    }
  /** Of `validate`; `rejected` has a failure. */
  | {
      readonly type: 'verdict'
      readonly run: number
      readonly call: number
      readonly verdict: 'accepted' | 'unknown' | 'rejected'
      readonly failure?: Failure
    }
  | {
      readonly type: 'waiting'
      readonly run: number
      readonly call: number
      readonly waits: readonly CodeWait[]
    }

export interface RunLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields?: Readonly<Record<string, Json>>
}

type Named<T, K extends PropertyKey, V> = T & { readonly [P in K]: V }

const name = identifier()
const runId = identifier() as Shape<RunId>
const run = integer(1)
const call = integer(1)
const op = integer(1)
const attempt = integer(1)
/** Of a Date, ms. */
const TIME_MAX = 8.64e15
const label = text(100_000)

const taskOptions: Shape<TaskOptions> = object({
  requires: optional(requirementsShape),
  affinity: optional(name),
  key: optional(name),
  priority: optional(priorityShape),
  estimateMs: optional(estimateShape),
  delayMs: optional(duration),
  retry: optional(retryShape),
  timeouts: optional(timeoutsShape),
})

const commands: {
  readonly [K in WorkflowCommand['kind']]: Shape<Omit<Named<WorkflowCommand, 'kind', K>, 'kind'>>
} = {
  step: object({ op, name, retry: optional(retryShape) }),
  sleep: object({ op, delayMs: optional(duration), untilMs: optional(integer(-TIME_MAX, TIME_MAX)) }),
  wait: object({ op, signal: name, timeoutMs: duration }),
  child: object({
    op,
    workflow: name,
    version: name,
    workflowId: optional(name),
    input: payload,
    closePolicy: oneOf('terminate', 'cancel', 'abandon'),
    timeoutMs: optional(duration),
  }),
  task: object({ op, name, queue: name, input: payload, options: taskOptions }),
  human: object({ op, name, spec: humanTaskSpecShape }),
  drop: object({ op }),
  'cancel-child': object({ op, reason: label }),
  'signal-child': object({ op, childOp: op, signal: name, payload }),
  consume: object({ seq: integer(1) }),
  attributes: object({ op, values: table(scalar(4096), 64) }),
  patch: object({ id: name }),
  'update-result': object({ updateId: name, result: optional(payload), failure: optional(failure) }),
  complete: object({ result: payload }),
  fail: object({ failure, op: optional(op), operationsAfter: optional(integer()) }),
  cancelled: object({ reason: label }),
  continue: object({ input: payload }),
}

const allCommands = list(variant<WorkflowCommand, 'kind'>('kind', commands))
/** @throws PerdureError `PROTOCOL_INVALID` */
export function shapedCommands(given: readonly unknown[]): readonly WorkflowCommand[] {
  return shaped(allCommands, given, 'turn.commands')
}

const runLog: Shape<RunLog> = object({
  level: oneOf('debug', 'info', 'warn', 'error'),
  message: label,
  fields: optional(table(json, 1000)),
})
const codeWait: Shape<CodeWait> = object({ op, name, sinceMs: time })

export const runReports: {
  readonly [T in RunReport['type']]: Shape<Omit<Named<RunReport, 'type', T>, 'type'>>
} = {
  turn: object({
    run,
    seen: integer(),
    idle: flag,
    commands: optional(list(asIs<unknown>(json))),
    parked: optional(failure),
    logs: optional(list(runLog)),
  }),
  'step-completed': object({ run, op, attempt, result: payload }),
  'step-failed': object({ run, op, attempt, failure }),
  answer: object({ run, call, result: optional(payload), failure: optional(failure) }),
  verdict: object({
    run,
    call,
    verdict: oneOf('accepted', 'unknown', 'rejected'),
    failure: optional(failure),
  }),
  waiting: object({ run, call, waits: list(codeWait) }),
}

/** Events come from the journal of the engine: all of their fields are taken as they are. */
const event = asIs<Event>(object({ type: name, at: number() }))
const history = list(object({ seq: integer(1), event }), Number.MAX_SAFE_INTEGER)
const question = object({ run, call, name, payload })

export const runMessages: {
  readonly [T in RunMessage['type']]: Shape<Omit<Named<RunMessage, 'type', T>, 'type'>>
} = {
  activate: object({
    run,
    namespace: name,
    workflowId: name,
    runId,
    workflow: name,
    version: name,
    history: optional(history),
  }),
  event: object({ run, seq: integer(1), event: asIs<DeliveredEvent>(event) }),
  step: object({ run, op, attempt }),
  'abort-step': object({ run, op }),
  evict: object({ run }),
  query: question,
  validate: question,
  waits: object({ run, call }),
}

export const workflowCode: Shape<WorkflowCode> = object({ name, version: name })
