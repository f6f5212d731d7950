/** One client that has connected: its calls, on the port that the embedded client calls too. */
import type { WebSocket } from 'ws'
import type { Logger } from '../../platform/logger.ts'
import { OutgoingMessages } from '../../platform/outgoing-messages.ts'
import { watchPulse } from '../../platform/peer-pulse.ts'
import {
  CLIENT_PROTOCOL_2,
  type ClientCall,
  type ClientMethod,
  clientMessagesOf,
  type EngineNews,
  type EngineReply,
} from '../../protocol/client-messages.ts'
import type { ClientPort, StartRequest } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { failureOf } from '../../protocol/failure.ts'
import type { Json } from '../../protocol/json.ts'
import type { TaskRequest } from '../../protocol/task-port.ts'
import { withSignal } from '../waiting-calls.ts'
import type { NodeList } from './node-list.ts'
import { checkPayloadSizes } from './payload-sizes.ts'

export interface ClientConnectionOptions {
  readonly socket: WebSocket
  readonly address: string
  /** The part of the address that `ip-hash` goes by. */
  readonly host: string
  readonly calls: ClientPort
  readonly logger: Logger
  readonly heartbeatMs: number
  readonly payloadBytes: number
  /** In a cluster. */
  readonly nodes?: NodeList | undefined
}

/** Embedded callers have it, and records leave it out. */
const EMBEDDED_ADDRESS = '127.0.0.1'
const POLICY_VIOLATION = 1008
/** Calls of one client that are not answered yet; more are refused with `OVERLOADED`. */
const OPEN_CALLS_MAX = 100_000

export class ClientConnection {
  readonly #options: ClientConnectionOptions
  readonly #out: OutgoingMessages<EngineReply | EngineNews>
  readonly #closed = Promise.withResolvers<void>()
  readonly #open = new Map<number, AbortController>()

  constructor(options: ClientConnectionOptions) {
    this.#options = options
    const { socket, heartbeatMs, logger, address } = options
    this.#out = new OutgoingMessages(socket)
    const stopPulse = watchPulse(socket, {
      heartbeatMs,
      onSilent: (silentMs) => logger.warn('a client is silent', { address, silentMs }),
    })
    socket.on('message', (data) => this.#onFrame(String(data)))
    socket.on('error', (error) => logger.warn('the connection of a client failed', { address, error }))
    const unfollow = this.#hearsNews ? options.nodes?.follow((nodes) => this.#out.send({ nodes })) : undefined
    // It knows the others now.
    if (this.#hearsNews && options.nodes?.sendsAway() === true) this.#out.send({ leave: true })
    socket.on('close', () => {
      stopPulse()
      unfollow?.()
      this.#closed.resolve()
      for (const controller of this.#open.values()) controller.abort()
      this.#open.clear()
    })
  }

  /** The engine is about to end. Resolves when the client has gone; at once, if it does not listen to such news. */
  async leave(): Promise<void> {
    if (!this.#hearsNews) return
    this.#out.send({ leave: true })
    await this.#closed.promise
  }

  get #hearsNews(): boolean {
    return this.#options.socket.protocol === CLIENT_PROTOCOL_2
  }

  #onFrame(frame: string): void {
    const { logger, address, socket } = this.#options
    try {
      for (const message of clientMessagesOf(frame, (id, error) => this.#failed(id, error))) {
        if ('cancel' in message) this.#open.get(message.cancel)?.abort()
        else void this.#call(message, frame.length)
      }
    } catch (error) {
      if (!(error instanceof PerdureError)) throw error
      logger.warn('a client was refused', { address, error })
      socket.close(POLICY_VIOLATION, error.code)
    }
  }

  async #call({ id, method, args }: ClientCall, characters: number): Promise<void> {
    if (this.#open.has(id)) {
      this.#failed(id, new PerdureError('PROTOCOL_INVALID', `call ${id} is not answered yet`))
      return
    }
    if (this.#open.size >= OPEN_CALLS_MAX) {
      this.#failed(id, new PerdureError('OVERLOADED', `${OPEN_CALLS_MAX} calls are not answered yet`))
      return
    }
    const controller = new AbortController()
    this.#open.set(id, controller)
    try {
      checkPayloadSizes(args, characters, this.#options.payloadBytes)
      // The one cast: what the port answers is made of payloads, texts and numbers.
      const result = (await this.#answer(method, args, controller.signal)) as Json | undefined
      this.#out.send({ id, result })
    } catch (error) {
      this.#failed(id, error)
    } finally {
      this.#open.delete(id)
    }
  }

  #answer(method: ClientMethod, args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const { calls } = this.#options
    const [first, second] = method.split('.')
    // The shapes of the arguments were looked at: they are those of the method.
    const [on, call] = second === undefined ? [calls, first] : [groupOf(calls, first), second]
    const given = withSignal(method, this.#withAddress(method, args), signal)
    const run = (on as unknown as Record<string, (...values: readonly unknown[]) => Promise<unknown>>)[
      call ?? ''
    ]
    if (run === undefined) throw new Error(`invariant: the port has no method ${method}`)
    return run.apply(on, given as unknown[])
  }

  /** Work is balanced by the address of the client that starts it: the engine says which, not the client. */
  #withAddress(method: ClientMethod, args: readonly unknown[]): readonly unknown[] {
    const { host: client } = this.#options
    if (client === EMBEDDED_ADDRESS) return args
    const [first, ...rest] = args
    if (method === 'start') return [{ ...(first as StartRequest), client }, ...rest]
    if (method !== 'tasks.enqueue') return args
    return [(first as readonly TaskRequest[]).map((request) => ({ ...request, client })), ...rest]
  }

  #failed(id: number, error: unknown): void {
    this.#out.send({ id, failure: failureOf(error) })
  }
}

function groupOf(
  { tasks, schedules, queues, people, workers, nodes }: ClientPort,
  name: string | undefined,
): object {
  const groups: Readonly<Record<string, object>> = { tasks, schedules, queues, people, workers, nodes }
  const group = groups[name ?? '']
  if (group === undefined) throw new Error(`invariant: the port has no methods ${name}`)
  return group
}
