/** One worker that has connected: its messages, from `hello` to the end of its connection. */
import type { WebSocket } from 'ws'
import type { LiveExecution } from '../../engine/live-execution.ts'
import type { LiveTask } from '../../engine/tasks/live-task.ts'
import type { TaskAttempts } from '../../engine/tasks/task-attempts.ts'
import type { CrewMember } from '../../engine/workers/crew-member.ts'
import { RemoteTaskWorker } from '../../engine/workers/remote-task-worker.ts'
import { RemoteWorkflowWorker } from '../../engine/workers/remote-workflow-worker.ts'
import type { TaskCrew } from '../../engine/workers/task-crew.ts'
import type { WorkflowCrew } from '../../engine/workers/workflow-crew.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { OutgoingMessages } from '../../platform/outgoing-messages.ts'
import { watchPulse } from '../../platform/peer-pulse.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Limits } from '../../protocol/limits.ts'
import {
  type EngineMessage,
  type WorkerHello,
  type WorkerMessage,
  workerMessagesOf,
} from '../../protocol/worker-messages.ts'
import type { RemoteWorkerHost } from '../../protocol/worker-port.ts'
import type { WorkflowCode } from '../../protocol/workflow-messages.ts'
import type { NodeList } from './node-list.ts'
import { checkPayloadSizes } from './payload-sizes.ts'

export interface WorkerConnectionOptions {
  readonly socket: WebSocket
  /** Of the worker, for people. */
  readonly address: string
  readonly attempts: TaskAttempts
  readonly crew: TaskCrew
  readonly workflows: WorkflowCrew<LiveExecution>
  readonly host: RemoteWorkerHost<LiveExecution>
  readonly clock: Clock
  readonly logger: Logger
  readonly newToken: () => string
  readonly heartbeatMs: number
  readonly limits: Limits
  /** In a cluster. */
  readonly nodes?: NodeList | undefined
  /** Whether it may be such a worker; absent: whoever has come may. */
  readonly admission?: WorkerAdmission
  /** A failure of the engine itself. */
  readonly guarded: (call: () => void) => void
}

export interface WorkerAdmission {
  /** @throws PerdureError */
  assert(hello: WorkerHello): Promise<void>
  /** Calls when it may not be such a worker any more. */
  follow(hello: WorkerHello, onRefused: (error: PerdureError) => void): () => void
}

interface Joined {
  readonly member: CrewMember<LiveTask>
  readonly worker: RemoteTaskWorker<LiveTask>
  readonly code: RemoteWorkflowWorker<LiveExecution>
}

const HELLO_WITHIN_MS = 10_000
/** What a worker says before it is admitted; more ends its connection. */
const EARLY_MOST = 1000
const POLICY_VIOLATION = 1008

export class WorkerConnection {
  readonly #options: WorkerConnectionOptions
  readonly #out: OutgoingMessages<EngineMessage>
  #joined: Joined | undefined
  #isClosed = false
  #unfollow: (() => void) | undefined
  #unfollowAdmission: (() => void) | undefined
  /** What has come while its admission is decided. */
  #early: WorkerMessage[] | undefined

  constructor(options: WorkerConnectionOptions) {
    this.#options = options
    const { socket, heartbeatMs, clock, logger, address } = options
    this.#out = new OutgoingMessages(socket, clock)
    const cancelHello = clock.after(HELLO_WITHIN_MS, () =>
      // It may have stood still, and may come again.
      this.#refuse(new PerdureError('CONNECTION_LOST', 'the first message did not come in time')),
    )
    const stopPulse = watchPulse(socket, {
      heartbeatMs,
      clock,
      onSilent: (silentMs) =>
        logger.warn('a worker is silent', { worker: this.#joined?.member.id, address, silentMs }),
    })
    socket.on('message', (data, isBinary) => {
      cancelHello()
      if (!this.#isClosed) this.#onFrame(isBinary ? undefined : String(data))
    })
    socket.on('error', (error) => logger.warn('the connection of a worker failed', { address, error }))
    socket.on('close', () => {
      cancelHello()
      stopPulse()
      this.#closed()
    })
  }

  #onFrame(frame: string | undefined): void {
    let messages: readonly WorkerMessage[]
    try {
      if (frame === undefined) throw new PerdureError('PROTOCOL_INVALID', 'a frame is binary, not text')
      messages = workerMessagesOf(frame)
      checkPayloadSizes(messages, frame.length, this.#options.limits.payloadBytes)
    } catch (error) {
      if (!(error instanceof PerdureError)) throw error
      this.#refuse(error)
      return
    }
    if (this.#early !== undefined) this.#keep(messages)
    else this.#take(messages)
  }

  #take(messages: readonly WorkerMessage[]): void {
    this.#options.guarded(() => {
      try {
        for (const [index, message] of messages.entries()) {
          if (this.#isClosed) break
          this.#onMessage(message)
          if (this.#early === undefined) continue
          this.#keep(messages.slice(index + 1))
          break
        }
        if (!this.#isClosed) this.#joined?.code.flush()
      } catch (error) {
        if (!(error instanceof PerdureError) || error.code !== 'PROTOCOL_INVALID') throw error
        this.#refuse(error)
      }
    })
  }

  #onMessage(message: WorkerMessage): void {
    if (message.type === 'hello') {
      this.#admit(message)
      return
    }
    const joined = this.#joined
    if (joined === undefined) {
      this.#refuse(new PerdureError('PROTOCOL_INVALID', `the first message is ${message.type}, not hello`))
      return
    }
    const { attempts, crew, workflows } = this.#options
    if ('token' in message) joined.worker.receive(message)
    else if ('run' in message) joined.code.receive(message)
    else if (message.type === 'load') {
      const { type: _, ...load } = message
      crew.reported(joined.member, load)
    } else if (message.type === 'credits') attempts.setCredits(joined.member, message.total)
    else workflows.leave(joined.code, 'leave')
  }

  #keep(messages: readonly WorkerMessage[]): void {
    this.#early?.push(...messages)
    if ((this.#early?.length ?? 0) > EARLY_MOST)
      this.#refuse(new PerdureError('OVERLOADED', 'too much was said before the welcome'))
  }

  /** Nothing that it says counts before it is decided whether it may. */
  #admit(hello: WorkerHello): void {
    const { admission, guarded } = this.#options
    if (admission === undefined || this.#joined !== undefined) {
      this.#hello(hello)
      return
    }
    this.#early = []
    const admitted = admission.assert(hello).then(
      () => undefined,
      (error: unknown) => error,
    )
    void admitted.then((error) => {
      const early = this.#early ?? []
      this.#early = undefined
      if (this.#isClosed) return
      guarded(() => {
        if (error instanceof PerdureError) this.#refuse(error)
        else if (error !== undefined) throw error
        else this.#hello(hello)
      })
      if (this.#joined === undefined) return
      this.#unfollowAdmission = admission.follow(hello, (refusal) => this.#refuse(refusal))
      this.#take(early)
    })
  }

  #hello(hello: WorkerHello): void {
    if (this.#joined !== undefined) {
      this.#refuse(new PerdureError('PROTOCOL_INVALID', 'hello was said before'))
      return
    }
    const { attempts, workflows: crew, logger, newToken, heartbeatMs, limits, address } = this.#options
    const { worker: _, type: __, followsNodes: ___, tasks, workflows = [], build, ...profile } = hello
    const id = this.#idOf(hello)
    const send = (message: EngineMessage): void => this.#out.send(message)
    const worker = new RemoteTaskWorker<LiveTask>({ id, tasks, host: attempts, logger, newToken, send })
    let member: CrewMember<LiveTask>
    try {
      member = attempts.join(
        { ...profile, id, tasks, ...(build === undefined ? {} : { build }), address },
        worker,
      )
    } catch (error) {
      if (!(error instanceof PerdureError)) throw error
      this.#refuse(error)
      return
    }
    const code = this.#codeOf(id, hello, workflows)
    this.#joined = { member, worker, code }
    const { nodes } = this.#options
    const node = nodes === undefined ? {} : { node: nodes.own }
    send({ type: 'welcome', worker: id, heartbeatMs, payloadBytes: limits.payloadBytes, ...node, limits })
    if (nodes !== undefined && hello.followsNodes === true)
      this.#unfollow = nodes.follow((urls) => send({ type: 'nodes', urls }))
    crew.join(code)
    logger.info('a worker has connected', {
      worker: id,
      address,
      tasks: tasks.length,
      workflows: workflows.length,
      credits: hello.credits,
    })
  }

  /** One that it has not chosen is never in use: a connection of the same worker may not be known to be lost yet. */
  #idOf({ worker, instance, namespace }: WorkerHello): string {
    if (worker !== undefined) return worker
    const { crew, newToken } = this.#options
    if (instance !== undefined && !crew.has(instance, namespace)) return instance
    return `${instance ?? 'worker'}-${newToken().slice(0, 8)}`
  }

  #codeOf(
    id: string,
    { namespace, build, weight = 1 }: WorkerHello,
    workflows: readonly WorkflowCode[],
  ): RemoteWorkflowWorker<LiveExecution> {
    const { workflows: crew, host, logger } = this.#options
    const code: RemoteWorkflowWorker<LiveExecution> = new RemoteWorkflowWorker<LiveExecution>({
      id,
      namespace,
      build,
      weight,
      workflows,
      host,
      logger,
      send: (message) => this.#out.send(message),
      isTriedElsewhere: (run) => crew.isTriedElsewhere(code, run),
      onReplayed: (run) => crew.replayed(run),
    })
    return code
  }

  /** Says why, and ends the connection. */
  #refuse({ code, message }: PerdureError): void {
    const { socket, logger, address } = this.#options
    logger.warn('a worker was refused', { worker: this.#joined?.member.id, address, code, message })
    this.#out.send({ type: 'error', code, message })
    this.#out.flush()
    this.#closed()
    socket.close(POLICY_VIOLATION, code)
  }

  #closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unfollow?.()
    this.#unfollowAdmission?.()
    const joined = this.#joined
    if (joined === undefined) return
    const { attempts, workflows, logger, guarded } = this.#options
    const { dispatched } = joined.worker
    const { runs } = joined.code
    joined.worker.lost()
    guarded(() => {
      attempts.leave(joined.member)
      workflows.leave(joined.code, 'lost')
    })
    logger.info('a worker has left', { worker: joined.member.id, tasks: dispatched, runs })
  }
}
