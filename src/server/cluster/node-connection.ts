/** Another node that has connected: its requests, for what this node owns. */
import type { OwnedShard } from '../../engine/cluster/ownership.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { OutgoingMessages } from '../../platform/outgoing-messages.ts'
import { watchPulse } from '../../platform/peer-pulse.ts'
import type { Socket } from '../../platform/socket.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { failureOf } from '../../protocol/failure.ts'
import type { Json } from '../../protocol/json.ts'
import {
  type NodeCall,
  type NodeMessage,
  type NodeReply,
  type NodeRequest,
  nodeRequestsOf,
} from '../../protocol/node-messages.ts'

/** What a node does for others. */
export interface NodeDoor {
  /** Of its session now. */
  readonly incarnation: string
  /** `onRecorded`: what came of it is in the audit trail. */
  call(request: DoorCall, signal: AbortSignal, onRecorded: () => void): Promise<unknown>
  deliver(rows: readonly NodeMessage[]): Promise<void>
  take(shards: readonly OwnedShard[]): Promise<void>
}

export type DoorCall = Pick<NodeCall, 'method' | 'args' | 'by'>

export interface NodeConnectionOptions {
  readonly socket: Socket
  readonly address: string
  readonly door: NodeDoor
  readonly logger: Logger
  readonly heartbeatMs: number
  /** Default: that of the system. */
  readonly clock?: Clock
}

const POLICY_VIOLATION = 1008

export class NodeConnection {
  readonly #options: NodeConnectionOptions
  readonly #out: OutgoingMessages<NodeReply>
  readonly #open = new Map<number, AbortController>()

  constructor(options: NodeConnectionOptions) {
    this.#options = options
    const { socket, heartbeatMs, logger, address, clock } = options
    this.#out = new OutgoingMessages(socket, clock)
    const stopPulse = watchPulse(socket, {
      heartbeatMs,
      ...(clock === undefined ? {} : { clock }),
      onSilent: (silentMs) => logger.warn('a node is silent', { address, silentMs }),
    })
    socket.on('message', (data) => this.#onFrame(String(data)))
    socket.on('error', (error) => logger.warn('the connection of a node failed', { address, error }))
    socket.on('close', () => {
      stopPulse()
      for (const controller of this.#open.values()) controller.abort()
      this.#open.clear()
    })
  }

  #onFrame(frame: string): void {
    const { logger, address, socket } = this.#options
    try {
      for (const request of nodeRequestsOf(frame)) this.#take(request)
    } catch (error) {
      if (!(error instanceof PerdureError)) throw error
      logger.warn('a node was refused', { address, error })
      socket.close(POLICY_VIOLATION, error.code)
    }
  }

  #take(request: NodeRequest): void {
    if ('cancel' in request) this.#open.get(request.cancel)?.abort()
    else void this.#answer(request)
  }

  async #answer(request: Exclude<NodeRequest, { cancel: number }>): Promise<void> {
    const { door } = this.#options
    const { id, to } = request
    const controller = new AbortController()
    this.#open.set(id, controller)
    let recorded: { readonly recorded?: true } = {}
    try {
      if (door.incarnation !== to)
        throw new PerdureError('SHARD_MOVED', 'the session that was asked has ended')
      const result =
        'rows' in request
          ? await door.deliver(request.rows)
          : 'given' in request
            ? await door.take(request.given)
            : await door.call(request, controller.signal, () => {
                recorded = { recorded: true }
              })
      // The one cast: what the port answers is made of payloads, texts and numbers.
      this.#out.send({ id, result: result as Json | undefined, ...recorded })
    } catch (error) {
      this.#out.send({ id, failure: failureOf(error), ...recorded })
    } finally {
      this.#open.delete(id)
    }
  }
}
