/**
 * Connections to the other nodes, one to each: made when they are needed, and anew after they were lost.
 *
 * A request that was not answered before its connection was lost gets `CONNECTION_LOST`: whether it was done is not known.
 */
import type { SessionView } from '../../core/cluster/cluster-view.ts'
import type { OwnedShard } from '../../engine/cluster/ownership.ts'
import { currentCall, type TrackedCall } from '../../platform/call-context.ts'
import type { Clock } from '../../platform/clock.ts'
import { FRAME_TOO_LARGE, largestOf } from '../../platform/frame-too-large.ts'
import type { Logger } from '../../platform/logger.ts'
import { OutgoingMessages } from '../../platform/outgoing-messages.ts'
import { watchPulse } from '../../platform/peer-pulse.ts'
import type { Socket } from '../../platform/socket.ts'
import type { TlsIdentity } from '../../platform/tls.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { errorOf } from '../../protocol/failure.ts'
import {
  type NodeCall,
  type NodeDelivery,
  type NodeGift,
  type NodeMessage,
  type NodeMethod,
  type NodeReply,
  type NodeRequest,
  nodeRepliesOf,
} from '../../protocol/node-messages.ts'
import { openNodeSocket } from './node-socket.ts'

export interface NodeLinksOptions {
  readonly logger: Logger
  /** The connection to the node of this session has closed, or could not be made. */
  readonly onLost: (session: number) => void
  /** Between two pings; a node that is silent for three of them is lost. Default 1,000 ms. */
  readonly heartbeatMs?: number
  /** Default: that of the system. */
  readonly clock?: Clock
  /** Default: a connection of the system's network. */
  readonly open?: (url: string) => Socket
  /** What this node shows, and what it accepts; nodes without TLS are not talked to then. Default: none. */
  readonly tls?: TlsIdentity | undefined
}

const HEARTBEAT_MS = 1000
const CONNECT_MS = 2000

interface OpenRequest {
  readonly request: NodeRequest
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  /** That it is for, if calls are recorded. */
  readonly call: TrackedCall | undefined
}

type Unnumbered = Omit<NodeCall, 'id'> | Omit<NodeDelivery, 'id'> | Omit<NodeGift, 'id'>

class NodeLink {
  readonly #socket: Socket
  readonly #out: OutgoingMessages<NodeRequest>
  readonly #open = new Map<number, OpenRequest>()
  #waiting: NodeRequest[] | undefined = []
  #last = 0
  #isLost = false
  #stopPulse = (): void => {}

  constructor(
    url: string,
    node: string,
    { logger, heartbeatMs = HEARTBEAT_MS, clock, open, tls }: NodeLinksOptions,
    { onError, onLost }: { readonly onError: (error: Error) => void; readonly onLost: () => void },
  ) {
    const socket = open?.(url) ?? openNodeSocket(url, { tls, withinMs: CONNECT_MS })
    this.#socket = socket
    this.#out = new OutgoingMessages<NodeRequest>(socket, clock)
    socket.on('open', () => {
      this.#stopPulse = watchPulse(socket, {
        heartbeatMs,
        ...(clock === undefined ? {} : { clock }),
        onSilent: (silentMs) => logger.warn('a node is silent', { otherNode: node, silentMs }),
      })
      for (const request of this.#waiting ?? []) this.#out.send(request)
      this.#waiting = undefined
    })
    socket.on('message', (data) => this.#onFrame(String(data), logger))
    socket.on('error', onError)
    socket.on('close', (code) => {
      if (code === FRAME_TOO_LARGE) this.#refuseLargest()
      this.#end()
      onLost()
    })
  }

  get isLost(): boolean {
    return this.#isLost
  }

  ask(request: Unnumbered, signal?: AbortSignal): Promise<unknown> {
    if (this.#isLost) return Promise.reject(lost())
    this.#last += 1
    const id = this.#last
    const call = 'method' in request ? currentCall() : undefined
    const by = call === undefined ? {} : { by: call.context }
    return new Promise((resolve, reject) => {
      const cancel = (): void => this.send({ cancel: id })
      const end = (): void => signal?.removeEventListener('abort', cancel)
      const numbered = { id, ...request, ...by }
      this.#open.set(id, {
        call,
        request: numbered,
        resolve: (result) => {
          end()
          resolve(result)
        },
        reject: (error) => {
          end()
          reject(error)
        },
      })
      this.send(numbered)
      if (signal?.aborted === true) cancel()
      else signal?.addEventListener('abort', cancel)
    })
  }

  send(request: NodeRequest): void {
    if (this.#waiting === undefined) this.#out.send(request)
    else this.#waiting.push(request)
  }

  close(): void {
    this.#out.flush()
    this.#socket.close()
    this.#end()
  }

  /** It would end each connection that it is sent over. */
  #refuseLargest(): void {
    const largest = largestOf([...this.#open.values()].map(({ request }) => request))
    for (const [id, { request, reject }] of this.#open) {
      if (request !== largest) continue
      this.#open.delete(id)
      reject(new PerdureError('PAYLOAD_TOO_LARGE', 'it is larger than the node that owns it takes'))
    }
  }

  #end(): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#stopPulse()
    for (const { reject } of this.#open.values()) reject(lost())
    this.#open.clear()
  }

  #onFrame(frame: string, logger: Logger): void {
    let replies: readonly NodeReply[]
    try {
      replies = nodeRepliesOf(frame)
    } catch (error) {
      logger.warn('a node said what this one does not understand', { error })
      this.#socket.close(1002)
      return
    }
    for (const reply of replies) {
      const request = this.#open.get(reply.id)
      if (request === undefined) continue
      this.#open.delete(reply.id)
      if (reply.recorded === true && request.call !== undefined) request.call.hasRecord = true
      if ('failure' in reply) request.reject(errorOf(reply.failure))
      else request.resolve(reply.result)
    }
  }
}

export class NodeLinks {
  readonly #options: NodeLinksOptions
  /** By incarnation: a node that has come back has another one. */
  readonly #links = new Map<string, NodeLink>()
  /** By incarnation, why it could not be connected to, as the log has it. */
  readonly #troubles = new Map<string, string>()
  #isClosed = false

  constructor(options: NodeLinksOptions) {
    this.#options = options
  }

  call(
    to: SessionView,
    method: NodeMethod,
    args: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<unknown> {
    // The last arguments may be left out; in JSON an absent one would be null.
    const given = args.slice(0, args.findLastIndex((each) => each !== undefined) + 1)
    return this.#ask(to, { to: to.incarnation, method, args: given }, signal)
  }

  async deliver(to: SessionView, rows: readonly NodeMessage[]): Promise<void> {
    await this.#ask(to, { to: to.incarnation, rows })
  }

  /** Tells it that it has been given shards; resolves when it has taken them in. */
  async give(to: SessionView, given: readonly OwnedShard[]): Promise<void> {
    await this.#ask(to, { to: to.incarnation, given })
  }

  /** Of nodes that are not there any more the connections are ended. */
  keep(sessions: readonly SessionView[]): void {
    const living = new Set(sessions.map(({ incarnation }) => incarnation))
    for (const incarnation of this.#troubles.keys())
      if (!living.has(incarnation)) this.#troubles.delete(incarnation)
    for (const [incarnation, link] of [...this.#links]) {
      if (living.has(incarnation)) continue
      this.#links.delete(incarnation)
      link.close()
    }
  }

  close(): void {
    this.#isClosed = true
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
  }

  #ask(to: SessionView, request: Unnumbered, signal?: AbortSignal): Promise<unknown> {
    return this.#linkTo(to)?.ask(request, signal) ?? Promise.reject(lost())
  }

  #linkTo(to: SessionView): NodeLink | undefined {
    const { id, incarnation, address, node } = to
    if (this.#isClosed || address === null) return undefined
    const known = this.#links.get(incarnation)
    if (known !== undefined && !known.isLost) return known
    if (this.#options.tls !== undefined && !address.startsWith('wss:')) {
      this.#trouble(to, 'it has no TLS, and this node has')
      return undefined
    }
    const link = new NodeLink(address, node, this.#options, {
      onError: ({ message }) => this.#trouble(to, message),
      onLost: () => {
        if (this.#links.get(incarnation) !== link) return
        this.#links.delete(incarnation)
        if (!this.#isClosed) this.#options.onLost(id)
      },
    })
    this.#links.set(incarnation, link)
    return link
  }

  /** It is tried again and again: the log has each reason once. */
  #trouble({ incarnation, node, address }: SessionView, reason: string): void {
    if (this.#troubles.get(incarnation) === reason) return
    this.#troubles.set(incarnation, reason)
    this.#options.logger.warn('no connection to a node', { otherNode: node, address, reason })
  }
}

function lost(): PerdureError {
  return new PerdureError('CONNECTION_LOST', 'the connection to the node that owns it was lost')
}
