/// <reference lib="esnext.disposable" preserve="true" />
/** `createWorker`: runs tasks and workflows of an engine in another process. */
import { WebSocket } from 'ws'
import { type Cancel, type Clock, systemClock } from '../../platform/clock.ts'
import { type LoadProbe, loadProbe } from '../../platform/load-probe.ts'
import { type Randomness, systemRandomness } from '../../platform/randomness.ts'
import type { Socket } from '../../platform/socket.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { platformFailure } from '../../protocol/failure.ts'
import { DEFAULT_LIMITS, type Limits } from '../../protocol/limits.ts'
import type { TaskWorkerHost } from '../../protocol/task-worker-port.ts'
import { WORKER_PROTOCOL, type WorkerMessage } from '../../protocol/worker-messages.ts'
import { installDeterminismGuards } from '../runtime/determinism-guards.ts'
import { keepFloatingRejections } from '../runtime/floating-rejections.ts'
import { EmbeddedTaskWorker } from '../tasks/embedded-task-worker.ts'
import { type Held, WorkerSession } from './worker-session.ts'
import { type CheckedWorkerSettings, checkedWorkerSettings, type WorkerSettings } from './worker-settings.ts'

const LOAD_EVERY_MS = 1000
const RETRY_FIRST_MS = 100
const RETRY_MOST_MS = 10_000
const POLL_MS = 5

/** Seams for tests and simulation. */
export interface WorkerSeams {
  readonly clock?: Clock
  readonly random?: Randomness
  readonly probe?: LoadProbe
  readonly open?: (url: string) => Socket
}

/** Connects to the engine, and resolves when it has; until then it tries again, with a warning in its log for each failure. */
export async function createWorker(settings: WorkerSettings): Promise<Worker> {
  const worker = new Worker(checkedWorkerSettings(settings))
  await worker.connected()
  return worker
}

/**
 * A worker. When its connection is lost, its tasks and its steps are aborted (the engine gives them to others), and it
 * connects again, with pauses that grow from 100 ms to 10 s.
 */
export class Worker implements AsyncDisposable {
  readonly #settings: CheckedWorkerSettings
  readonly #tasks: EmbeddedTaskWorker<Held>
  readonly #clock: Clock
  readonly #random: Randomness
  readonly #probe: LoadProbe
  readonly #open: (url: string) => Socket
  #cancelReport: Cancel | undefined
  /** What workflow code needs of the process. */
  readonly #releases: (() => void)[] = []
  /** Set by the engine when it is connected. */
  readonly #limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...DEFAULT_LIMITS }
  #session: WorkerSession | undefined
  #id: string | undefined
  #failures = 0
  #cancelRetry: Cancel | undefined
  /** Functions of tasks of lost connections that go on: their places are not free yet. */
  #stray = 0
  /** What the engine was told last on this connection. */
  #creditsTold = 0
  #closing: Promise<void> | undefined
  #failure: PerdureError | undefined
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []

  constructor(settings: CheckedWorkerSettings, seams: WorkerSeams = {}) {
    const { clock = systemClock, random = systemRandomness, probe = loadProbe(), open = opened } = seams
    this.#settings = settings
    this.#clock = clock
    this.#random = random
    this.#probe = probe
    this.#open = open
    const { tasks, logger } = settings
    this.#tasks = new EmbeddedTaskWorker<Held>({ tasks, clock, logger, limits: this.#limits })
    this.#tasks.connect(this.#host())
    if (settings.workflows.length > 0) this.#releases.push(keepFloatingRejections())
    if (settings.determinismGuards) this.#releases.push(installDeterminismGuards())
    this.#reportLater()
    this.#connect()
  }

  /** What the engine names it by; undefined while it is not connected. */
  get id(): string | undefined {
    return this.#id
  }

  /** Tasks that run. */
  get running(): number {
    return this.#tasks.running
  }

  /** Resolves when it is connected. Rejects when the engine refuses it, or it is closed. */
  async connected(): Promise<void> {
    if (this.#id !== undefined) return
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw new PerdureError('ENGINE_CLOSED', 'the worker is closed')
    await new Promise<void>((resolve, reject) => void this.#waiting.push({ resolve, reject }))
  }

  /** Executions whose code is live here. */
  get executions(): number {
    return this.#session?.runs ?? 0
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
    this.#cancelRetry?.()
    const session = this.#session
    session?.drain()
    const endMs = this.#tickMs() + this.#settings.graceMs
    while (session !== undefined && session.held + session.runs > 0 && this.#tickMs() < endMs)
      await new Promise<void>((resolve) => void this.#clock.after(POLL_MS, resolve))
    this.#stop(new PerdureError('ENGINE_CLOSED', 'the worker is closed'))
    session?.close(platformFailure('ENGINE_CLOSED', 'the worker closes'))
  }

  #stop(error: PerdureError): void {
    this.#cancelReport?.()
    this.#probe.stop()
    for (const release of this.#releases.splice(0)) release()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #connect(): void {
    const { url, hello, logger, workflows } = this.#settings
    this.#creditsTold = this.#credits
    this.#session = new WorkerSession({
      socket: this.#open(url),
      hello: { ...hello, credits: this.#creditsTold },
      worker: this.#tasks,
      workflows,
      limits: this.#limits,
      clock: this.#clock,
      logger,
      onWelcome: ({ worker, payloadBytes, limits }) => {
        this.#id = worker
        this.#failures = 0
        Object.assign(this.#limits, limits, { payloadBytes })
        // Functions may have ended since hello.
        this.#tellCredits()
        for (const { resolve } of this.#waiting.splice(0)) resolve()
      },
      onEnd: (refusal, unended) => {
        this.#stray += unended
        this.#onEnd(refusal)
      },
    })
  }

  #onEnd(refusal: PerdureError | undefined): void {
    this.#id = undefined
    this.#session = undefined
    if (this.#closing !== undefined) return
    const { logger, url } = this.#settings
    if (refusal !== undefined && !refusal.retryable) {
      this.#failure = refusal
      logger.error('the worker stops', { url, error: refusal })
      this.#stop(refusal)
      return
    }
    const longest = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** this.#failures)
    this.#failures += 1
    // Many workers that have lost one engine do not come back at the same moment.
    const pauseMs = Math.round(longest * (0.5 + this.#random() / 2))
    logger.warn('not connected to the engine: trying again', { url, inMs: pauseMs, reason: refusal?.message })
    this.#cancelRetry = this.#clock.after(pauseMs, () => this.#connect())
  }

  get #credits(): number {
    return Math.max(0, this.#settings.hello.credits - this.#stray)
  }

  #tellCredits(): void {
    const total = this.#credits
    if (this.#id === undefined || this.#closing !== undefined || total === this.#creditsTold) return
    this.#creditsTold = total
    this.#session?.send({ type: 'credits', total })
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
    if (this.#id !== undefined) this.#session?.send({ type: 'load', ...load, inFlight: this.#tasks.running })
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
  }
}

function opened(url: string): Socket {
  return new WebSocket(url, [WORKER_PROTOCOL], { perMessageDeflate: false, maxPayload: 0 })
}
