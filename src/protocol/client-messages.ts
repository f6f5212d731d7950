/**
 * The client protocol, version 1: calls of the client's port over a WebSocket. A frame is a JSON list of messages.
 *
 * 1. Each call is answered once, with its id, in any order.
 * 2. What arrives is looked at here, all of it, before the engine hears of it.
 */
import { LONGEST_MS } from './duration.ts'
import { PerdureError } from './errors.ts'
import { EXECUTION_STATUSES } from './execution-status.ts'
import type { Failure } from './failure.ts'
import { actorShape, humanActionShape, personShape } from './human-shapes.ts'
import type { Json } from './json.ts'
import { parsedFrame } from './json-frame.ts'
import { QUEUE_SETTING_NAMES } from './queue-settings.ts'
import { OVERLAP_POLICIES, type ScheduleTimes } from './schedule-port.ts'
import {
  args,
  duration,
  failure,
  flag,
  identifier,
  integer,
  json,
  list,
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
} from './shapes.ts'
import { estimateShape, priorityShape, requirementsShape, retryShape, timeoutsShape } from './task-shapes.ts'
import { TASK_STATUSES } from './task-status.ts'
import { traceContextShape } from './trace-context.ts'

export const CLIENT_PROTOCOL = 'perdure.client.v1'
/** The same, and what an engine says without being asked: where the nodes of its cluster are, and that it is about to end. */
export const CLIENT_PROTOCOL_2 = 'perdure.client.v2'

/** Of the client. */
export interface ClientCall {
  readonly id: number
  readonly method: ClientMethod
  readonly args: readonly unknown[]
}

/** The client does not wait for the answer any more. */
export interface ClientCancel {
  readonly cancel: number
}

/** Of the engine. */
export type EngineReply =
  | { readonly id: number; readonly result: Json | undefined }
  | { readonly id: number; readonly failure: Failure }

/** In version 2. Without any nodes: they are behind the URL that the client has used, and it should know no other. */
export type EngineNews = { readonly nodes: readonly string[] } | { readonly leave: true }

const name = identifier(512)
const options = text(4096)
const id = integer(0)
const limit = integer(1, 100_000)
const attributes = table(scalar(4096), 64)
const target = object({ key: object({ namespace: name, workflowId: name }), runId: optional(name) })
const taskTarget = object({ namespace: name, id: name })
const taskRequest = object({
  namespace: name,
  name,
  queue: name,
  input: payload,
  id: optional(name),
  key: optional(name),
  priority: optional(priorityShape),
  estimateMs: optional(estimateShape),
  requires: optional(requirementsShape),
  affinity: optional(name),
  delayMs: optional(duration),
  retry: optional(retryShape),
  timeouts: optional(timeoutsShape),
  dedupe: optional(object({ key: name, forMs: optional(duration) })),
  debounce: optional(object({ key: name, waitMs: duration, maxWaitMs: optional(duration) })),
  trace: optional(traceContextShape),
})
const taskQuery = object({
  namespace: name,
  queue: optional(name),
  name: optional(name),
  status: optional(list(oneOf(...TASK_STATUSES), 20)),
  key: optional(name),
  owner: optional(name),
  errorCode: optional(options),
  enqueuedFrom: optional(time),
  enqueuedTo: optional(time),
  idPrefix: optional(name),
  limit: optional(limit),
  cursor: optional(options),
})

const cronTimes = object({ kind: oneOf('cron'), cron: options, timezone: name })
const intervalTimes = object({
  kind: oneOf('interval'),
  everyMs: integer(1000, LONGEST_MS),
  offsetMs: duration,
})
const times: Shape<ScheduleTimes> = (value) =>
  isObject(value) && 'kind' in value && value.kind === 'cron' ? cronTimes(value) : intervalTimes(value)
const overlap = oneOf(...OVERLAP_POLICIES)
const bounds = { startAtMs: optional(time), endAtMs: optional(time) }
const scheduledStart = {
  workflow: name,
  version: name,
  input: payload,
  idPrefix: name,
  timeoutMs: optional(duration),
  attributes: optional(attributes),
}
const schedule = object({
  times,
  ...bounds,
  overlap,
  catchUpMs: duration,
  jitterMs: duration,
  start: object(scheduledStart),
})
const scheduleChanges = object({
  times: optional(times),
  ...bounds,
  overlap: optional(overlap),
  catchUpMs: optional(duration),
  jitterMs: optional(duration),
  start: optional(
    object({
      ...scheduledStart,
      workflow: optional(name),
      version: optional(name),
      input: optional(payload),
      idPrefix: optional(name),
    }),
  ),
})

const queueTarget = object({ namespace: name, queue: name })
const changeOptions = object({ ifRevision: optional(integer(0)) })
/** The engine looks at all of them itself, as it does for callers of its own process. */
const queueChanges = table(json, 20)

/** All calls, by what they are called on the wire, with the shapes of their arguments. */
export const CLIENT_METHODS = {
  start: args(
    object({
      key: object({ namespace: name, workflowId: name }),
      workflow: name,
      version: name,
      input: payload,
      onConflict: oneOf('use-existing', 'fail', 'terminate-existing'),
      delayMs: optional(duration),
      timeoutMs: optional(duration),
      attributes: optional(attributes),
      signal: optional(object({ name, payload, requestId: optional(name) })),
      trace: optional(traceContextShape),
    }),
  ),
  signal: args(target, name, payload, optional(name)),
  query: args(target, name, payload),
  update: args(target, name, payload, name),
  outcome: args(target),
  cancel: args(target, options),
  terminate: args(target, options),
  retry: args(target),
  describe: args(target),
  explain: args(target),
  history: args(target, id, object({ limit, wait: flag })),
  list: args(
    object({
      namespace: name,
      status: optional(list(oneOf(...EXECUTION_STATUSES), 20)),
      workflow: optional(name),
      startedFrom: optional(time),
      startedTo: optional(time),
      attributes: optional(attributes),
      limit: optional(limit),
      cursor: optional(options),
    }),
  ),
  delete: args(target),
  'tasks.enqueue': args(list(taskRequest, 10_000)),
  'tasks.outcome': args(taskTarget),
  'tasks.describe': args(taskTarget),
  'tasks.explain': args(taskTarget),
  'tasks.list': args(taskQuery),
  'tasks.cancel': args(taskTarget, options),
  'tasks.retry': args(taskTarget),
  'tasks.retryMany': args(taskQuery),
  'tasks.reprioritise': args(taskTarget, priorityShape),
  'tasks.delete': args(taskTarget),
  'schedules.create': args(
    taskTarget,
    schedule,
    object({ paused: optional(options), onConflict: oneOf('fail', 'update') }),
  ),
  'schedules.update': args(taskTarget, scheduleChanges),
  'schedules.pause': args(taskTarget, options),
  'schedules.resume': args(taskTarget),
  'schedules.trigger': args(taskTarget, object({ requestId: name, overlap: optional(overlap) })),
  'schedules.backfill': args(taskTarget, object({ fromMs: time, toMs: time, overlap })),
  'schedules.describe': args(taskTarget),
  'schedules.list': args(object({ namespace: name, limit: optional(limit), cursor: optional(options) })),
  'schedules.delete': args(taskTarget),
  'tasks.explainQueue': args(queueTarget),
  'people.inbox': args(
    object({
      namespace: name,
      person: optional(personShape),
      requester: optional(name),
      workflowId: optional(name),
      limit: optional(limit),
      cursor: optional(options),
    }),
  ),
  'people.describe': args(taskTarget),
  'people.history': args(taskTarget),
  'people.act': args(taskTarget, actorShape, humanActionShape, name),
  'workers.list': args(name),
  'nodes.list': args(),
  'nodes.shards': args(),
  'nodes.drain': args(name),
  'queues.list': args(name),
  'queues.get': args(queueTarget),
  'queues.set': args(queueTarget, queueChanges, changeOptions),
  'queues.pause': args(queueTarget, options, changeOptions),
  'queues.resume': args(queueTarget, changeOptions),
  'queues.reset': args(queueTarget, optional(list(oneOf(...QUEUE_SETTING_NAMES), 20)), changeOptions),
} as const satisfies Readonly<Record<string, Shape<readonly unknown[]>>>

export type ClientMethod = keyof typeof CLIENT_METHODS

const cancel = object({ cancel: id })
const call = object({ id, method: oneOf(...(Object.keys(CLIENT_METHODS) as ClientMethod[])), args: json })
const failed = object({ id, failure })
const answered = object({ id, result: optional(json) })
const nodeUrls = object({ nodes: list(text(4096), 10_000) })

/**
 * The frame of a client. Arguments that do not fit are told in the answer of their call: `onBad`.
 *
 * @throws PerdureError `PROTOCOL_INVALID` if it is no frame
 */
export function clientMessagesOf(
  frame: string,
  onBad: (id: number, error: PerdureError) => void,
): readonly (ClientCall | ClientCancel)[] {
  return itemsOf(frame).flatMap((item): (ClientCall | ClientCancel)[] => {
    if (isObject(item) && 'cancel' in item) return [shaped(cancel, item, 'cancel')]
    const found = shaped(call, item, 'call')
    try {
      return [{ ...found, args: shaped(CLIENT_METHODS[found.method], found.args, `${found.method}()`) }]
    } catch (error) {
      if (!(error instanceof PerdureError)) throw error
      onBad(found.id, error)
      return []
    }
  })
}

/** @throws PerdureError `PROTOCOL_INVALID` */
export function engineRepliesOf(frame: string): readonly (EngineReply | EngineNews)[] {
  return itemsOf(frame).map((item) => {
    if (isObject(item) && 'leave' in item) return { leave: true }
    if (isObject(item) && 'nodes' in item) return shaped(nodeUrls, item, 'nodes')
    if (isObject(item) && 'failure' in item) return shaped(failed, item, 'reply')
    const { id: of, result } = shaped(answered, item, 'reply')
    return { id: of, result }
  })
}

function itemsOf(frame: string): readonly unknown[] {
  const items = parsedFrame(frame)
  if (!Array.isArray(items)) throw new PerdureError('PROTOCOL_INVALID', 'a frame is not a list of messages')
  return items
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
