/**
 * The node protocol, version 1: what the nodes of a cluster ask of each other, over a WebSocket. A frame is a JSON list of
 * messages.
 *
 * 1. Each request names the session that it is for: a node that has another one by now answers `SHARD_MOVED`, and does nothing.
 * 2. Each request is answered once, with its id, in any order.
 * 3. Nodes trust each other: what they hand on was looked at by the node that a client has asked.
 * 4. Fields that a node does not know it leaves out: later versions may say more.
 */
import { type CallContext, callContextShape } from './call-context.ts'
import { CLIENT_METHODS, type ClientMethod } from './client-messages.ts'
import type { Failure } from './failure.ts'
import type { Json } from './json.ts'
import { parsedFrame } from './json-frame.ts'
import {
  failure,
  flag,
  identifier,
  integer,
  json,
  list,
  object,
  oneOf,
  optional,
  shaped,
  text,
} from './shapes.ts'

export const NODE_PROTOCOL = 'perdure.node.v1'

/** What nodes ask of each other alone: no client can. */
const NODE_METHODS = ['registry.put', 'claims.take', 'claims.tell'] as const

export type NodeMethod = ClientMethod | (typeof NODE_METHODS)[number]

/** A call about what this session owns: of a client, or of a node itself. */
export interface NodeCall {
  readonly id: number
  readonly to: string
  readonly method: NodeMethod
  readonly args: readonly unknown[]
  /** Whose call it is, where calls are recorded. */
  readonly by?: CallContext
}

export interface NodeMessage {
  readonly fromShard: number
  readonly toShard: number
  readonly seq: number
  readonly message: string
}

/** Messages from executions of this node to executions of that session. */
export interface NodeDelivery {
  readonly id: number
  readonly to: string
  readonly rows: readonly NodeMessage[]
}

/** The answer to this call is not waited for any more. */
export interface NodeCancel {
  readonly cancel: number
}

/** The session has been given these shards. Answered when it has taken them in. */
export interface NodeGift {
  readonly id: number
  readonly to: string
  readonly given: readonly { readonly id: number; readonly epoch: number }[]
}

export type NodeRequest = NodeCall | NodeDelivery | NodeGift | NodeCancel

/** `recorded`: what came of the call is in the audit trail. */
export type NodeReply =
  | { readonly id: number; readonly result: Json | undefined; readonly recorded?: boolean }
  | { readonly id: number; readonly failure: Failure; readonly recorded?: boolean }

const id = integer(0)
const to = identifier(256)
const method = oneOf<NodeMethod>(...(Object.keys(CLIENT_METHODS) as ClientMethod[]), ...NODE_METHODS)
const call = object({ id, to, method, args: list(json, 10), by: optional(callContextShape) })
const row = object({
  fromShard: integer(0),
  toShard: integer(0),
  seq: integer(0),
  message: text(Number.POSITIVE_INFINITY),
})
const delivery = object({ id, to, rows: list(row, 100_000) })
const cancel = object({ cancel: id })
const gift = object({ id, to, given: list(object({ id, epoch: integer(0) })) })
const recorded = optional(flag)
const failed = object({ id, failure, recorded })
const answered = object({ id, result: optional(json), recorded })

/** @throws PerdureError `PROTOCOL_INVALID` */
export function nodeRequestsOf(frame: string): readonly NodeRequest[] {
  return messagesOf(frame).map((each) => {
    if (has(each, 'cancel')) return shaped(cancel, each, 'a message of a node')
    if (has(each, 'given')) return shaped(gift, each, 'a message of a node')
    if (has(each, 'rows')) return shaped(delivery, each, 'a message of a node')
    const { args, ...rest } = shaped(call, each, 'a message of a node')
    // JSON has null where an argument in between is absent.
    return { ...rest, args: args.map((value) => value ?? undefined) }
  })
}

/** @throws PerdureError `PROTOCOL_INVALID` */
export function nodeRepliesOf(frame: string): readonly NodeReply[] {
  return messagesOf(frame).map((each): NodeReply => {
    if (has(each, 'failure')) return shaped(failed, each, 'an answer of a node')
    const { result, ...rest } = shaped(answered, each, 'an answer of a node')
    return { ...rest, result: result as Json | undefined }
  })
}

function messagesOf(frame: string): readonly unknown[] {
  return shaped(list(json, Number.POSITIVE_INFINITY), parsedFrame(frame), 'a frame of a node')
}

function has(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
}
