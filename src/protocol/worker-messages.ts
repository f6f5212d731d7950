/**
 * The worker protocol, version 1: what the engine and a worker in another process say to each other.
 *
 * A frame is a WebSocket text message: a JSON list of messages, in order. docs/worker-protocol.md has the rules; here are
 * the shapes. A released message never changes; new ones may be added, and new fields that may be absent.
 *
 * 1. A token names one dispatch of one task to one connection. It is void when its end was told, and when the connection is
 *    closed. What is said with a void token changes nothing, and is answered with `rejected`.
 * 2. Each `task` takes a place of the worker. It is free again with `completed`, `failed`, `yielded` or `returned`; after
 *    `abort` with `released` too.
 */
import { PerdureError } from './errors.ts'
import type { Failure } from './failure.ts'
import { parsedFrame } from './json-frame.ts'
import type { Limits } from './limits.ts'
import type { Payload } from './payload.ts'
import {
  failure,
  flag,
  identifier,
  integer,
  list,
  number,
  object,
  optional,
  payload,
  type Shape,
  shaped,
  table,
  text,
} from './shapes.ts'
import type { TaskRequirements } from './task-port.ts'
import { type TraceContext, traceContextShape } from './trace-context.ts'
import {
  type RunMessage,
  type RunReport,
  runMessages,
  runReports,
  type WorkflowCode,
  workflowCode,
} from './workflow-messages.ts'

export const WORKER_PROTOCOL = 'perdure.worker.v1'

/** The first message of a worker. */
export interface WorkerHello {
  readonly type: 'hello'
  /** Unique among the workers of the engine; shown to people. Default: one is made. */
  readonly worker?: string
  /** Made by the worker, the same on all of its connections: the nodes of a cluster list it as one. Its id, if that is free. */
  readonly instance?: string
  /** Of its code; shown to people. */
  readonly build?: string
  readonly namespace: string
  /** Names of the tasks that it has code for. */
  readonly tasks: readonly string[]
  /** Workflows that it has code for. Default: none. */
  readonly workflows?: readonly WorkflowCode[]
  /** Default: all queues of the namespace. */
  readonly queues?: readonly string[]
  /** Tasks that it takes at once. */
  readonly credits: number
  readonly zone?: string
  readonly labels?: Readonly<Record<string, string>>
  /** Its share, relative to others. Default 1. */
  readonly weight?: number
  readonly capacity?: Omit<TaskRequirements, 'labels'>
  /** It connects to all nodes of a cluster, and wants to be told of them: `nodes`. */
  readonly followsNodes?: boolean
}

/** What a worker says of a task. */
export type TaskReport =
  | { readonly type: 'completed'; readonly token: string; readonly result: Payload }
  | { readonly type: 'failed'; readonly token: string; readonly failure: Failure }
  | { readonly type: 'yielded'; readonly token: string; readonly checkpoint: Payload }
  /** It is not run here, or not any more; another worker may. No attempt is counted. */
  | { readonly type: 'returned'; readonly token: string }
  | { readonly type: 'heartbeat'; readonly token: string; readonly checkpoint?: Payload }
  | { readonly type: 'progress'; readonly token: string; readonly fraction: number; readonly note?: string }
  /** The function of a task that was aborted has ended. */
  | { readonly type: 'released'; readonly token: string }

export type WorkerMessage =
  | WorkerHello
  | TaskReport
  | {
      readonly type: 'load'
      readonly cpu: number
      readonly eventLoopDelayMs: number
      readonly memory: number
      readonly diskIo: number
      readonly inFlight: number
    }
  /** It takes so many tasks at once from now on. */
  | { readonly type: 'credits'; readonly total: number }
  /** It ends soon: it gets no more runs, and those that it has go to others, once no step of theirs runs here. */
  | { readonly type: 'leave' }
  | RunReport

export type EngineMessage =
  | {
      readonly type: 'welcome'
      readonly worker: string
      /** The engine pings this often; either side gives the other up after three of them without a word. */
      readonly heartbeatMs: number
      readonly payloadBytes: number
      /** In a cluster: the URL at which this node is in the list of nodes. */
      readonly node?: string
      /** Of the engine, for workflow code; those that are absent have their defaults. */
      readonly limits?: Partial<Limits>
    }
  | {
      readonly type: 'task'
      readonly token: string
      readonly id: string
      readonly name: string
      readonly input: Payload
      readonly attempt: number
      readonly idempotencyKey: string
      readonly checkpoint?: Payload
      readonly quantumMs?: number
      /** With tracing: of what asked for the task, and the queue that it comes from. */
      readonly trace?: TraceContext | undefined
      readonly queue?: string
    }
  /** In a cluster, after `welcome` and whenever it changes: where all of its nodes are. To workers that follow them. */
  | { readonly type: 'nodes'; readonly urls: readonly string[] }
  /** Its end is not waited for any more. */
  | { readonly type: 'abort'; readonly token: string; readonly reason: Failure }
  /** What was said with this token has changed nothing. */
  | { readonly type: 'rejected'; readonly token: string; readonly reason: string }
  /** The engine closes the connection for this. */
  | { readonly type: 'error'; readonly code: string; readonly message: string }
  | RunMessage

/** Of the note of a progress. */
export const NOTE_CHARACTERS_MAX = 10_000
export const CREDITS_MAX = 100_000
const token = text(64)
const name = identifier()
const share = number(0, 1)
const names = list(name, 10_000)

const limit = optional(integer(1))
const limits = {
  payloadBytes: limit,
  historyEvents: limit,
  pendingOperations: limit,
  queuedSignals: limit,
  humanTaskChanges: limit,
  childDepth: limit,
  idBytes: limit,
} satisfies { readonly [K in keyof Limits]: typeof limit }

const workerMessages: {
  readonly [T in WorkerMessage['type']]: Shape<Omit<WorkerMessage & { type: T }, 'type'>>
} = {
  hello: object({
    worker: optional(name),
    instance: optional(name),
    build: optional(name),
    namespace: name,
    tasks: names,
    workflows: optional(list(workflowCode, 10_000)),
    queues: optional(names),
    credits: integer(0, CREDITS_MAX),
    zone: optional(name),
    labels: optional(table(name, 100)),
    weight: optional(number(1e-6, 1000)),
    capacity: optional(object({ cpu: optional(number()), memoryMb: optional(number()) })),
    followsNodes: optional(flag),
  }),
  leave: object({}),
  ...runReports,
  completed: object({ token, result: payload }),
  failed: object({ token, failure }),
  yielded: object({ token, checkpoint: payload }),
  returned: object({ token }),
  heartbeat: object({ token, checkpoint: optional(payload) }),
  progress: object({ token, fraction: share, note: optional(text(NOTE_CHARACTERS_MAX)) }),
  released: object({ token }),
  load: object({
    cpu: share,
    eventLoopDelayMs: number(),
    memory: share,
    diskIo: share,
    inFlight: integer(),
  }),
  credits: object({ total: integer(0, CREDITS_MAX) }),
}

const engineMessages: {
  readonly [T in EngineMessage['type']]: Shape<Omit<EngineMessage & { type: T }, 'type'>>
} = {
  welcome: object({
    worker: name,
    heartbeatMs: integer(1),
    payloadBytes: integer(1),
    node: optional(name),
    limits: optional(object(limits)),
  }),
  nodes: object({ urls: names }),
  ...runMessages,
  task: object({
    token,
    id: name,
    name,
    input: payload,
    attempt: integer(1),
    idempotencyKey: text(10_000),
    checkpoint: optional(payload),
    quantumMs: optional(number()),
    trace: optional(traceContextShape),
    queue: optional(name),
  }),
  abort: object({ token, reason: failure }),
  rejected: object({ token, reason: text(10_000) }),
  error: object({ code: name, message: text(100_000) }),
}

/** @throws PerdureError `PROTOCOL_INVALID` */
export function workerMessagesOf(frame: string): readonly WorkerMessage[] {
  return messagesOf(frame, workerMessages)
}

/** @throws PerdureError `PROTOCOL_INVALID` */
export function engineMessagesOf(frame: string): readonly EngineMessage[] {
  return messagesOf(frame, engineMessages)
}

function messagesOf<M extends { readonly type: string }>(
  frame: string,
  shapes: { readonly [T in M['type']]: Shape<unknown> },
): readonly M[] {
  const messages = parsedFrame(frame)
  if (!Array.isArray(messages))
    throw new PerdureError('PROTOCOL_INVALID', 'a frame is not a list of messages')
  return messages.map((message) => {
    const type: unknown = message?.type
    if (typeof type !== 'string' || !Object.hasOwn(shapes, type))
      throw new PerdureError(
        'PROTOCOL_INVALID',
        `there is no message of type ${JSON.stringify(type)?.slice(0, 100)}`,
      )
    const found = shaped(shapes[type as M['type']], message, type)
    // The one cast: the shape is that of the type.
    return Object.assign(found as object, { type }) as unknown as M
  })
}
