/**
 * One connection of a worker to its engine: tasks in, reports out.
 *
 * When it is lost, the engine gives its tasks to others at once. So they are aborted here, and what they still say is not
 * sent: the tokens are void.
 */

import type { Cancel, Clock } from '../../platform/clock.ts'
import { connectionTrouble } from '../../platform/connection-trouble.ts'
import type { Logger } from '../../platform/logger.ts'
import { OutgoingMessages } from '../../platform/outgoing-messages.ts'
import { watchPulse } from '../../platform/peer-pulse.ts'
import type { Socket } from '../../platform/socket.ts'
import type { Tracing } from '../../platform/tracing.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type Failure, platformFailure } from '../../protocol/failure.ts'
import { messageBytesFor } from '../../protocol/frame-bytes.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { TaskDispatch, TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import {
  type EngineMessage,
  engineMessagesOf,
  type WorkerHello,
  type WorkerMessage,
} from '../../protocol/worker-messages.ts'
import type { Workflow } from '../definition.ts'
import type { PayloadCodec } from '../encryption/payload-codec.ts'
import { shortReport } from './short-report.ts'
import { WorkflowSession } from './workflow-session.ts'

/** One dispatch: what the code of a task is known by. */
export interface Held {
  readonly token: string
  readonly session: WorkerSession
}

export interface WorkerSessionOptions {
  readonly socket: Socket
  readonly hello: WorkerHello
  readonly worker: TaskWorkerPort<Held>
  readonly workflows: readonly Workflow[]
  readonly codec?: PayloadCodec | undefined
  /** Of the engine, once it has said them. */
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  readonly tracing?: Tracing | undefined
  /** Another node has given it a task meanwhile: what comes beyond that is given back. */
  readonly isFull: () => boolean
  /** A place is taken. */
  readonly onTaken: () => void
  readonly onNodes: (urls: readonly string[]) => void
  readonly onWelcome: (welcome: EngineMessage & { readonly type: 'welcome' }) => void
  /**
   * @param refusal what the engine said before it closed the connection
   * @param unended functions that go on, though they were aborted
   */
  readonly onEnd: (refusal: PerdureError | undefined, unended: number) => void
}

/** Refusals that are told by their own code: the first three can end by themselves. */
const REFUSALS = [
  'WORKER_ID_TAKEN',
  'CONNECTION_LOST',
  'OVERLOADED',
  'FORBIDDEN',
  'NAMESPACE_NOT_FOUND',
] as const
/** From the attempt to connect on. The engine waits 10 s for `hello`. */
const WELCOME_WITHIN_MS = 20_000

export class WorkerSession {
  readonly #options: WorkerSessionOptions
  readonly #out: OutgoingMessages<WorkerMessage>
  readonly #held = new Map<string, Held>()
  /** Aborted by the engine, and their functions go on. */
  readonly #aborted = new Set<Held>()
  readonly #code: WorkflowSession
  readonly #cancelWelcome: Cancel
  #stopPulse: (() => void) | undefined
  #refusal: PerdureError | undefined
  /** Of one message. Undefined: the engine has not said it yet. */
  #mostBytes: number | undefined
  #isDraining = false
  #isEnded = false

  constructor(options: WorkerSessionOptions) {
    this.#options = options
    const { socket, hello, logger, workflows, codec, limits, clock, tracing } = options
    this.#out = new OutgoingMessages(socket, clock, {
      mostBytes: () => this.#mostBytes,
      instead: (message) => {
        logger.error('a report is larger than the engine takes: it was told so instead', {
          report: message.type,
        })
        return shortReport(message)
      },
    })
    this.#code = new WorkflowSession({
      workflows,
      codec,
      clock,
      logger,
      limits,
      tracing,
      send: (report) => this.send(report),
    })
    // An engine, or a network, that goes away before `welcome` may do so without a word.
    this.#cancelWelcome = clock.after(WELCOME_WITHIN_MS, () => {
      logger.warn('the engine does not answer', { url: socket.url })
      socket.terminate()
    })
    socket.on('open', () => this.#out.send(hello))
    socket.on('message', (data) => {
      if (!this.#isEnded) this.#onFrame(String(data))
    })
    socket.on('error', (error) => {
      const { url } = socket
      logger.warn('no connection to the engine', { url, reason: connectionTrouble(url, error) })
    })
    socket.on('close', () => this.#ended())
  }

  /** Dispatches whose end is still to be told. */
  get held(): number {
    return this.#held.size
  }

  /** Places that its tasks take: those, and functions that were aborted and go on. */
  get occupied(): number {
    return this.#held.size + this.#aborted.size
  }

  /** Runs of workflows that are live here. */
  get runs(): number {
    return this.#code.live
  }

  send(message: WorkerMessage): void {
    if (!this.#isEnded) this.#out.send(message)
  }

  /** The end of a task, told once. */
  finish({ token }: Held, message: WorkerMessage): void {
    if (this.#held.delete(token)) this.send(message)
  }

  /** The function of an aborted task has ended; false: the connection ended before. */
  released(held: Held): boolean {
    if (!this.#aborted.delete(held)) return false
    this.send({ type: 'released', token: held.token })
    return true
  }

  /** Takes no more tasks. */
  drain(): void {
    this.#isDraining = true
    this.send({ type: 'credits', total: 0 })
    this.send({ type: 'leave' })
  }

  /** Gives back what still runs, and ends the connection. */
  close(reason: Failure): void {
    for (const held of [...this.#held.values()]) {
      this.finish(held, { type: 'returned', token: held.token })
      this.#options.worker.abort(held, reason)
    }
    this.#out.flush()
    this.#options.socket.close()
  }

  #onFrame(frame: string): void {
    try {
      for (const message of engineMessagesOf(frame)) this.#onMessage(message)
    } catch (error) {
      if (!(error instanceof PerdureError)) throw error
      this.#refusal = error
      this.#options.logger.error('the engine said what this worker does not understand', { error })
      this.#options.socket.close(1002)
    }
  }

  #onMessage(message: EngineMessage): void {
    const { logger, onWelcome, onNodes, socket, clock } = this.#options
    switch (message.type) {
      case 'task':
        this.#start(message)
        return
      case 'abort':
        this.#abort(message.token, message.reason)
        return
      case 'rejected':
        logger.warn('the engine has rejected a report', { reason: message.reason })
        return
      case 'welcome':
        this.#cancelWelcome()
        this.#mostBytes = messageBytesFor(message.payloadBytes)
        this.#stopPulse = watchPulse(socket, {
          heartbeatMs: message.heartbeatMs,
          clock,
          onSilent: (silentMs) => logger.warn('the engine is silent', { silentMs }),
        })
        onWelcome(message)
        return
      case 'nodes':
        onNodes(message.urls)
        return
      case 'error':
        this.#refusal = refusalOf(message)
        return
      default:
        this.#code.receive(message)
    }
  }

  #start(message: EngineMessage & { readonly type: 'task' }): void {
    const { token, type: _, ...rest } = message
    const { worker, isFull } = this.#options
    if (this.#isDraining || isFull() || !worker.supports(message.name)) {
      this.send({ type: 'returned', token })
      return
    }
    const held: Held = { token, session: this }
    this.#held.set(token, held)
    this.#options.onTaken()
    const { checkpoint, quantumMs } = rest
    const dispatch: TaskDispatch<Held> = { ...rest, owner: held, checkpoint, quantumMs }
    worker.start(dispatch)
  }

  #abort(token: string, reason: Failure): void {
    const held = this.#held.get(token)
    // Its end was told before the engine gave it up.
    if (held === undefined) return
    this.#held.delete(token)
    this.#aborted.add(held)
    this.#options.worker.abort(held, reason)
  }

  #ended(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelWelcome()
    this.#stopPulse?.()
    const lost = platformFailure('CONNECTION_LOST', 'the connection to the engine is lost')
    const unended = this.#held.size + this.#aborted.size
    for (const held of this.#held.values()) this.#options.worker.abort(held, lost)
    this.#held.clear()
    this.#aborted.clear()
    this.#code.end()
    this.#options.onEnd(this.#refusal, unended)
  }
}

function refusalOf({ code, message }: EngineMessage & { readonly type: 'error' }): PerdureError {
  const known = REFUSALS.find((each) => each === code) ?? 'PROTOCOL_INVALID'
  return new PerdureError(known, `the engine has refused this worker: ${message}`)
}
