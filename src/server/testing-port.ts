/**
 * The client's port of a test engine: calls go to the engine that runs now, and are repeated when it crashes.
 *
 * Repeating is harmless: calls carry ids. Where the first attempt had its effect and only its answer was lost in the
 * crash, the refusal of the second is taken for success.
 */
import type { Clock } from '../platform/clock.ts'
import type { Randomness } from '../platform/randomness.ts'
import { runIdSource } from '../platform/run-ids.ts'
import type {
  ClientPort,
  ExecutionTarget,
  Outcome,
  StartReply,
  StartRequest,
} from '../protocol/client-port.ts'
import { type ErrorCode, PerdureError } from '../protocol/errors.ts'
import type { RunId, WorkflowKey } from '../protocol/ids.ts'
import type { NodesPort } from '../protocol/nodes-port.ts'
import type { PeoplePort } from '../protocol/people-port.ts'
import type { QueuePort } from '../protocol/queue-port.ts'
import type { SchedulePort } from '../protocol/schedule-port.ts'
import type { TaskPort } from '../protocol/task-port.ts'
import type { WorkersPort } from '../protocol/workers-port.ts'

/** One engine process: it lives until it crashes or is closed. */
export interface EngineLife {
  readonly calls: ClientPort
  /** Rejects when the process is gone. */
  readonly died: Promise<never>
  readonly isDead: boolean
}

export interface TestPortOptions {
  /** The engine that runs, or will when it has started. */
  readonly life: () => Promise<EngineLife>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly random: Randomness
  /** Time is skipped while this waits. */
  readonly whileWaiting: <T>(wait: () => Promise<T>) => Promise<T>
  readonly currentRun: (key: WorkflowKey) => Promise<RunId | undefined>
  /** Rejects when the execution is parked, and nothing else can happen. */
  readonly parked: (target: ExecutionTarget) => { readonly rejected: Promise<never>; forget(): void }
}

export class TestPort implements ClientPort {
  readonly #options: TestPortOptions
  readonly newRequestId: () => string
  readonly tasks: TaskPort = {
    // With ids, so that a repetition finds what was recorded.
    enqueue: (requests) => {
      const named = requests.map((request) => ({ id: this.newRequestId(), ...request }))
      return this.#call((port) => port.tasks.enqueue(named))
    },
    outcome: (target) => this.#options.whileWaiting(() => this.#call((port) => port.tasks.outcome(target))),
    describe: (target) => this.#call((port) => port.tasks.describe(target)),
    explain: (target) => this.#call((port) => port.tasks.explain(target)),
    explainQueue: (queue) => this.#call((port) => port.tasks.explainQueue(queue)),
    list: (query) => this.#call((port) => port.tasks.list(query)),
    cancel: (...args) => this.#repeated('TASK_CLOSED', (port) => port.tasks.cancel(...args)),
    retry: (...args) => this.#repeated('TASK_OPEN', (port) => port.tasks.retry(...args)),
    delete: (...args) => this.#repeated('TASK_NOT_FOUND', (port) => port.tasks.delete(...args)),
    retryMany: (query) => this.#call((port) => port.tasks.retryMany(query)),
    reprioritise: (...args) => this.#call((port) => port.tasks.reprioritise(...args)),
  }

  readonly schedules: SchedulePort = {
    create: (...args) => this.#repeated('SCHEDULE_EXISTS', (port) => port.schedules.create(...args)),
    delete: (...args) => this.#repeated('SCHEDULE_NOT_FOUND', (port) => port.schedules.delete(...args)),
    update: (...args) => this.#call((port) => port.schedules.update(...args)),
    pause: (...args) => this.#call((port) => port.schedules.pause(...args)),
    resume: (...args) => this.#call((port) => port.schedules.resume(...args)),
    trigger: (...args) => this.#call((port) => port.schedules.trigger(...args)),
    backfill: (...args) => this.#call((port) => port.schedules.backfill(...args)),
    describe: (target) => this.#call((port) => port.schedules.describe(target)),
    list: (query) => this.#call((port) => port.schedules.list(query)),
  }

  /** A change that was made, and whose answer was lost, has another revision. */
  readonly queues: QueuePort = {
    list: (namespace) => this.#call((port) => port.queues.list(namespace)),
    get: (target) => this.#call((port) => port.queues.get(target)),
    set: (...args) => this.#call((port) => port.queues.set(...args)),
    pause: (...args) => this.#call((port) => port.queues.pause(...args)),
    resume: (...args) => this.#call((port) => port.queues.resume(...args)),
    reset: (...args) => this.#call((port) => port.queues.reset(...args)),
  }

  readonly people: PeoplePort = {
    inbox: (query) => this.#call((port) => port.people.inbox(query)),
    describe: (target) => this.#call((port) => port.people.describe(target)),
    history: (target) => this.#call((port) => port.people.history(target)),
    act: (...args) => this.#call((port) => port.people.act(...args)),
  }

  readonly workers: WorkersPort = { list: (namespace) => this.#call((port) => port.workers.list(namespace)) }

  readonly nodes: NodesPort = {
    list: () => this.#call((port) => port.nodes.list()),
    shards: () => this.#call((port) => port.nodes.shards()),
    drain: (node) => this.#call((port) => port.nodes.drain(node)),
  }

  constructor(options: TestPortOptions) {
    this.#options = options
    this.newRequestId = runIdSource(options.clock, options.random)
  }

  async start(request: StartRequest): Promise<StartReply> {
    if (request.onConflict === 'use-existing') return this.#call((port) => port.start(request))
    const before = await this.#options.currentRun(request.key)
    return this.#call(async (port, attempt) => {
      const runId = attempt === 1 ? before : await this.#options.currentRun(request.key)
      if (runId !== before && runId !== undefined) return { runId, started: true }
      return port.start(request)
    })
  }

  signal: ClientPort['signal'] = (...args) => this.#call((port) => port.signal(...args))
  query: ClientPort['query'] = (...args) => this.#call((port) => port.query(...args))
  describe: ClientPort['describe'] = (...args) => this.#call((port) => port.describe(...args))
  explain: ClientPort['explain'] = (...args) => this.#call((port) => port.explain(...args))
  list: ClientPort['list'] = (...args) => this.#call((port) => port.list(...args))
  cancel: ClientPort['cancel'] = (...args) =>
    this.#repeated('EXECUTION_CLOSED', (port) => port.cancel(...args))
  terminate: ClientPort['terminate'] = (...args) =>
    this.#repeated('EXECUTION_CLOSED', (port) => port.terminate(...args))
  retry: ClientPort['retry'] = (...args) => this.#repeated('RETRY_IMPOSSIBLE', (port) => port.retry(...args))
  delete: ClientPort['delete'] = (...args) =>
    this.#repeated('EXECUTION_NOT_FOUND', (port) => port.delete(...args))

  update: ClientPort['update'] = (...args) =>
    this.#options.whileWaiting(() => this.#call((port) => port.update(...args)))

  history: ClientPort['history'] = (target, afterSeq, options) => {
    const read = () => this.#call((port) => port.history(target, afterSeq, options))
    return options.wait ? this.#options.whileWaiting(read) : read()
  }

  async outcome(target: ExecutionTarget): Promise<Outcome> {
    const parked = this.#options.parked(target)
    try {
      return await this.#options.whileWaiting(() =>
        Promise.race([this.#call((port) => port.outcome(target)), parked.rejected]),
      )
    } finally {
      parked.forget()
    }
  }

  async #repeated(done: ErrorCode, call: (port: ClientPort) => Promise<void>): Promise<void> {
    await this.#call(async (port, attempt) => {
      try {
        await call(port)
      } catch (error) {
        if (attempt === 1 || !(error instanceof PerdureError && error.code === done)) throw error
      }
    })
  }

  async #call<T>(call: (port: ClientPort, attempt: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const life = await this.#options.life()
      try {
        return await Promise.race([call(life.calls, attempt), life.died])
      } catch (error) {
        if (!life.isDead) throw error
      }
    }
  }
}
