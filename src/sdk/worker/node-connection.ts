/**
 * A worker's connection to one engine, or to one node of a cluster: made anew whenever it is lost, with pauses that grow from
 * 100 ms to 10 s, until it is ended.
 */
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Randomness } from '../../platform/randomness.ts'
import type { Socket } from '../../platform/socket.ts'
import type { Tracing } from '../../platform/tracing.ts'
import type { PerdureError } from '../../protocol/errors.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import type { EngineMessage, WorkerHello, WorkerMessage } from '../../protocol/worker-messages.ts'
import type { Workflow } from '../definition.ts'
import type { PayloadCodec } from '../encryption/payload-codec.ts'
import { type Held, WorkerSession } from './worker-session.ts'

const RETRY_FIRST_MS = 100
const RETRY_MOST_MS = 10_000

export type Welcome = EngineMessage & { readonly type: 'welcome' }

export interface NodeConnectionParts {
  readonly hello: WorkerHello
  readonly tasks: TaskWorkerPort<Held>
  readonly workflows: readonly Workflow[]
  readonly codec?: PayloadCodec | undefined
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Randomness
  readonly logger: Logger
  readonly tracing?: Tracing | undefined
  readonly open: (url: string) => Socket
  /** Tasks that the worker can take on beside those that it has. */
  readonly free: () => number
  /** A place is taken. */
  readonly onTaken: () => void
  readonly onWelcome: (connection: NodeConnection, welcome: Welcome) => void
  readonly onNodes: (urls: readonly string[]) => void
  /** @param unended functions that go on, though they were aborted */
  readonly onLost: (connection: NodeConnection, unended: number) => void
  /** The engine refuses the worker for good. */
  readonly onRefused: (connection: NodeConnection, refusal: PerdureError) => void
}

export class NodeConnection {
  readonly url: string
  /** What the node is called in the list of nodes; until it has said so, the URL that it is reached at. */
  node: string
  readonly #parts: NodeConnectionParts
  #session: WorkerSession | undefined
  #id: string | undefined
  #failures = 0
  #cancelRetry: Cancel | undefined
  /** What the engine was told last on this connection. */
  #creditsTold = 0
  #isEnded = false

  constructor(url: string, parts: NodeConnectionParts) {
    this.url = url
    this.node = url
    this.#parts = parts
    this.#connect()
  }

  /** What the engine names the worker by; undefined while it is not connected. */
  get id(): string | undefined {
    return this.#id
  }

  /** Dispatches whose end is still to be told. */
  get held(): number {
    return this.#session?.held ?? 0
  }

  /** Places that its tasks take: those, and functions that were aborted and go on. */
  get occupied(): number {
    return this.#session?.occupied ?? 0
  }

  /** Runs of workflows that are live here. */
  get runs(): number {
    return this.#session?.runs ?? 0
  }

  send(message: WorkerMessage): void {
    if (this.#id !== undefined) this.#session?.send(message)
  }

  /** How many tasks the node may have here follows from what the others have. */
  tellCredits(): void {
    const total = this.#credits
    if (this.#id === undefined || this.#isEnded || total === this.#creditsTold) return
    this.#creditsTold = total
    this.#session?.send({ type: 'credits', total })
  }

  /** Takes no more. */
  drain(): void {
    this.#cancelRetry?.()
    this.#isEnded = true
    this.#session?.drain()
  }

  /** Gives back what still runs, and ends the connection. */
  close(reason: Failure): void {
    this.#cancelRetry?.()
    this.#isEnded = true
    this.#session?.close(reason)
  }

  get #credits(): number {
    return Math.max(0, this.occupied + this.#parts.free())
  }

  #connect(): void {
    const { hello, tasks, workflows, codec, limits, clock, logger, tracing, open, onWelcome, onNodes } =
      this.#parts
    this.#creditsTold = this.#credits
    this.#session = new WorkerSession({
      socket: open(this.url),
      hello: { ...hello, credits: this.#creditsTold },
      worker: tasks,
      workflows,
      codec,
      limits,
      clock,
      logger,
      tracing,
      isFull: () => this.#parts.free() <= 0,
      onTaken: this.#parts.onTaken,
      onWelcome: (welcome) => {
        this.#id = welcome.worker
        this.node = welcome.node ?? this.url
        this.#failures = 0
        // Functions may have ended since hello.
        this.tellCredits()
        onWelcome(this, welcome)
      },
      onNodes,
      onEnd: (refusal, unended) => this.#onEnd(refusal, unended),
    })
  }

  #onEnd(refusal: PerdureError | undefined, unended: number): void {
    this.#id = undefined
    this.#session = undefined
    this.#parts.onLost(this, unended)
    if (this.#isEnded) return
    const { logger, clock, random } = this.#parts
    if (refusal !== undefined && !refusal.retryable) {
      this.#isEnded = true
      this.#parts.onRefused(this, refusal)
      return
    }
    const longest = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** this.#failures)
    this.#failures += 1
    // Many workers that have lost one engine do not come back at the same moment.
    const pauseMs = Math.round(longest * (0.5 + random() / 2))
    const { url } = this
    logger.warn('not connected to the engine: trying again', { url, inMs: pauseMs, reason: refusal?.message })
    this.#cancelRetry = clock.after(pauseMs, () => this.#connect())
  }
}
