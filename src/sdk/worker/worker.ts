/// <reference lib="esnext.disposable" preserve="true" />
/** Runs tasks and workflows of an engine in another process. */
import { watchExpiry } from '../../platform/certificate-expiry.ts'
import { type Cancel, type Clock, systemClock } from '../../platform/clock.ts'
import { type LoadProbe, loadProbe } from '../../platform/load-probe.ts'
import { openSocket } from '../../platform/outgoing-socket.ts'
import { type Randomness, systemRandomness } from '../../platform/randomness.ts'
import type { Socket } from '../../platform/socket.ts'
import type { Tracing } from '../../platform/tracing.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { platformFailure } from '../../protocol/failure.ts'
import { DEFAULT_LIMITS, type Limits } from '../../protocol/limits.ts'
import type { TaskWorkerHost } from '../../protocol/task-worker-port.ts'
import { WORKER_PROTOCOL, type WorkerHello, type WorkerMessage } from '../../protocol/worker-messages.ts'
import { localTaskWorker } from '../encryption/local-workers.ts'
import { installDeterminismGuards } from '../runtime/determinism-guards.ts'
import { keepFloatingRejections } from '../runtime/floating-rejections.ts'
import type { LocalTaskWorker } from '../runtime/local-worker.ts'
import { NodeConnection, type NodeConnectionParts, type Welcome } from './node-connection.ts'
import type { Held } from './worker-session.ts'
import type { CheckedWorkerSettings } from './worker-settings.ts'

const LOAD_EVERY_MS = 1000
const POLL_MS = 5
/** Hexadecimal. Of a thousand workers, two have the same in one cluster of a hundred million. */
const INSTANCE_DIGITS = 12

/** Seams for tests and simulation. */
export interface WorkerSeams {
  readonly clock?: Clock
  readonly random?: Randomness
  readonly probe?: LoadProbe
  readonly open?: (url: string) => Socket
  readonly tracing?: Tracing | undefined
}

/**
 * A worker. When a connection is lost, its tasks and its steps are aborted (the engine gives them to others), and it
 * connects again, with pauses that grow from 100 ms to 10 s. In a cluster it has a connection to each node.
 */
export class Worker implements AsyncDisposable {
  readonly #settings: CheckedWorkerSettings
  readonly #tasks: LocalTaskWorker<Held>
  readonly #clock: Clock
  readonly #parts: NodeConnectionParts
  readonly #probe: LoadProbe
  /** One to each node; before those are known, to what the settings say. */
  readonly #connections = new Set<NodeConnection>()
  /** As the cluster says; empty: there is none, or it has not said so yet. */
  #nodes: readonly string[] = []
  #cancelReport: Cancel | undefined
  /** What workflow code needs of the process. */
  readonly #releases: (() => void)[] = []
  /** Set by the engine when it is connected. */
  readonly #limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...DEFAULT_LIMITS }
  /** Functions of tasks of lost connections that go on: their places are not free yet. */
  #stray = 0
  #isTelling = false
  #closing: Promise<void> | undefined
  #failure: PerdureError | undefined
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []

  constructor(settings: CheckedWorkerSettings, seams: WorkerSeams = {}) {
    const { clock = systemClock, random = systemRandomness, probe = loadProbe(), tracing } = seams
    const open =
      seams.open ??
      ((url) => openSocket(url, [WORKER_PROTOCOL], { tls: settings.tls, token: settings.token }))
    this.#settings = settings
    this.#clock = clock
    this.#probe = probe
    const { tasks, workflows, logger, codec } = settings
    const hello = named(settings.hello, random)
    if (codec !== undefined) Object.assign(this.#limits, codec.roomIn(this.#limits))
    this.#tasks = localTaskWorker<Held>({ tasks, clock, logger, tracing, limits: this.#limits }, codec)
    this.#tasks.connect(this.#host())
    if (workflows.length > 0) this.#releases.push(keepFloatingRejections())
    if (settings.determinismGuards) this.#releases.push(installDeterminismGuards())
    const { tls } = settings
    if (tls !== undefined)
      this.#releases.push(watchExpiry({ current: () => tls.current, clock, warn: logger.warn }))
    this.#reportLater()
    const limits = this.#limits
    this.#parts = {
      ...{ hello, tasks: this.#tasks, workflows, codec, limits, clock, random, logger, tracing, open },
      free: () => this.#free,
      onWelcome: (connection, welcome) => this.#welcomed(connection, welcome),
      onTaken: () => this.#tellCreditsSoon(),
      onNodes: (urls) => this.#follow(urls),
      onLost: (connection, unended) => {
        this.#stray += unended
        this.#tellCreditsSoon()
        if (!this.#isWanted(connection)) this.#end(connection)
        if (this.id === undefined) this.#begin(settings.urls)
      },
      onRefused: (connection, refusal) => this.#refused(connection, refusal),
    }
    this.#begin(settings.urls)
  }

  /** What the engine names it by; undefined while it is not connected. In a cluster all nodes name it so. */
  get id(): string | undefined {
    for (const { id } of this.#connections) if (id !== undefined) return id
    return undefined
  }

  /** Nodes that it is connected to; of an engine that is alone, 1. */
  get nodes(): number {
    return [...this.#connections].filter(({ id }) => id !== undefined).length
  }

  /** Tasks that run. */
  get running(): number {
    return this.#tasks.running
  }

  /** Resolves when it is connected. Rejects when the engine refuses it, or it is closed. */
  async connected(): Promise<void> {
    if (this.id !== undefined) return
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw new PerdureError('ENGINE_CLOSED', 'the worker is closed')
    await new Promise<void>((resolve, reject) => void this.#waiting.push({ resolve, reject }))
  }

  /** Executions whose code is live here. */
  get executions(): number {
    return this.#sum(({ runs }) => runs)
  }

  /**
   * Takes no more tasks, lets those that run end (up to `shutdownGrace`), and so steps of workflows; gives back the others,
   * and disconnects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    for (const connection of this.#connections) connection.drain()
    const endMs = this.#tickMs() + this.#settings.graceMs
    while (this.#sum(({ held, runs }) => held + runs) > 0 && this.#tickMs() < endMs)
      await new Promise<void>((resolve) => void this.#clock.after(POLL_MS, resolve))
    this.#stop(new PerdureError('ENGINE_CLOSED', 'the worker is closed'))
    const reason = platformFailure('ENGINE_CLOSED', 'the worker closes')
    for (const connection of this.#connections) connection.close(reason)
  }

  #sum(of: (connection: NodeConnection) => number): number {
    let sum = 0
    for (const connection of this.#connections) sum += of(connection)
    return sum
  }

  #stop(error: PerdureError): void {
    this.#cancelReport?.()
    this.#probe.stop()
    for (const release of this.#releases.splice(0)) release()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #welcomed(connection: NodeConnection, { payloadBytes, limits }: Welcome): void {
    Object.assign(this.#limits, limits, { payloadBytes })
    const { codec } = this.#settings
    if (codec !== undefined) Object.assign(this.#limits, codec.roomIn(this.#limits))
    // Two URLs may lead to one node.
    for (const other of this.#connections)
      if (other !== connection && other.node === connection.node && other.id !== undefined)
        this.#end(connection)
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  /** The cluster has these nodes now. */
  #follow(given: readonly string[]): void {
    // Who has a certificate goes on with TLS.
    const urls = this.#settings.tls === undefined ? given : given.filter((url) => url.startsWith('wss:'))
    if (this.#closing !== undefined || urls.length === 0) return
    this.#nodes = urls
    this.#begin(urls)
    // What is connected is there, whatever the list says.
    for (const connection of [...this.#connections])
      if (connection.id === undefined && !this.#isWanted(connection)) this.#end(connection)
  }

  #begin(urls: readonly string[]): void {
    if (this.#closing !== undefined || this.#failure !== undefined) return
    const known = new Set([...this.#connections].flatMap(({ node, url }) => [node, url]))
    for (const url of urls) if (!known.has(url)) this.#connections.add(new NodeConnection(url, this.#parts))
  }

  /** Of an engine that is alone, or before the nodes are known, those of the settings. */
  #isWanted({ node }: NodeConnection): boolean {
    return this.#nodes.length === 0 ? this.#settings.urls.includes(node) : this.#nodes.includes(node)
  }

  #end(connection: NodeConnection): void {
    this.#connections.delete(connection)
    connection.close(platformFailure('ENGINE_CLOSED', 'the worker has another connection to this node'))
  }

  #refused(connection: NodeConnection, refusal: PerdureError): void {
    if (this.#closing !== undefined) return
    this.#connections.delete(connection)
    const { logger } = this.#settings
    const { url } = connection
    if (this.#connections.size > 0) {
      logger.error('a node refuses the worker', { url, error: refusal })
      return
    }
    logger.error('the worker stops', { url, error: refusal })
    this.#failure = refusal
    this.#stop(refusal)
  }

  /** Tasks that it can take on beside those that it has. */
  get #free(): number {
    return this.#settings.hello.credits - this.#stray - this.#sum(({ occupied }) => occupied)
  }

  /** What one node gets, others get no more: they are told at the end of the turn. */
  #tellCreditsSoon(): void {
    if (this.#isTelling || (this.#connections.size < 2 && this.#stray === 0)) return
    this.#isTelling = true
    this.#clock.defer(() => {
      this.#isTelling = false
      this.#tellCredits()
    })
  }

  #tellCredits(): void {
    if (this.#closing !== undefined) return
    for (const connection of this.#connections) connection.tellCredits()
  }

  #tickMs(): number {
    return this.#clock.tickMs?.() ?? this.#clock.nowMs()
  }

  #reportLater(): void {
    this.#cancelReport = this.#clock.after(LOAD_EVERY_MS, () => {
      this.#report()
      this.#reportLater()
    })
  }

  #report(): void {
    const load = this.#probe.read()
    for (const connection of this.#connections)
      connection.send({ type: 'load', ...load, inFlight: this.#tasks.running })
  }

  #host(): TaskWorkerHost<Held> {
    return {
      onTaskCompleted: (held, result) => this.#finish(held, { type: 'completed', token: held.token, result }),
      onTaskFailed: (held, failure) => this.#finish(held, { type: 'failed', token: held.token, failure }),
      onTaskYielded: (held, checkpoint) =>
        this.#finish(held, { type: 'yielded', token: held.token, checkpoint }),
      onTaskReturned: (held) => this.#finish(held, { type: 'returned', token: held.token }),
      onTaskHeartbeat: ({ token, session }, checkpoint) =>
        session.send({ type: 'heartbeat', token, ...(checkpoint === undefined ? {} : { checkpoint }) }),
      onTaskProgress: ({ token, session }, progress) =>
        session.send({ type: 'progress', token, ...progress }),
      onTaskSlotFree: (_, held) => {
        if (held.session.released(held) || this.#stray === 0) return
        this.#stray -= 1
        this.#tellCredits()
      },
    }
  }

  #finish(held: Held, message: WorkerMessage): void {
    held.session.finish(held, message)
    this.#tellCreditsSoon()
  }
}

/** One name on all of its connections: else it would be another worker on each node of a cluster. */
function named(hello: WorkerHello, random: Randomness): WorkerHello {
  if (hello.worker !== undefined) return hello
  const digits = Array.from({ length: INSTANCE_DIGITS }, () => Math.floor(random() * 16).toString(16))
  return { ...hello, instance: `worker-${digits.join('')}` }
}
