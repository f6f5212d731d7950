/**
 * Tasks of the engine's own: what is to be done with events from outside, and webhooks to be called. They have workers of
 * their own, which take no places of others, and come when there is work for them.
 */
import type { Engine } from '../engine/engine.ts'
import type { LiveTask } from '../engine/tasks/live-task.ts'
import type { CrewMember } from '../engine/workers/crew-member.ts'
import { failureOf, NonRetryableError } from '../protocol/failure.ts'
import { decodePayload, type Payload } from '../protocol/payload.ts'
import type { TaskDispatch, TaskWorkerHost } from '../protocol/task-worker-port.ts'
import { EmbeddedTaskWorker, type EmbeddedTaskWorkerOptions } from '../sdk/tasks/embedded-task-worker.ts'
import type { Task } from '../sdk/tasks/task.ts'
import type { Access } from './access/access.ts'
import { EVENT_RULE_KIND, eventTask } from './events/event-task.ts'
import { EVENT_QUEUE, WEBHOOK_QUEUE } from './own-queues.ts'
import { WebhookNews } from './webhooks/webhook-news.ts'
import { WEBHOOK_KIND, webhookTask } from './webhooks/webhook-task.ts'

export interface OwnTasksOptions {
  readonly engine: Engine
  readonly access: Pick<Access, 'actingPort'>
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
}

/** Tasks that run at once on this node. Events are quick; a receiver may take its time. */
const CREDITS = { [EVENT_QUEUE]: 128, [WEBHOOK_QUEUE]: 512 } as const

/**
 * What workflows, or others who found a way, have put into the queues of the engine is not carried out: such a task has an owner, or
 * speaks of another namespace than its own.
 */
class OwnWorker extends EmbeddedTaskWorker<LiveTask> {
  readonly #host: TaskWorkerHost<LiveTask>

  constructor(options: EmbeddedTaskWorkerOptions, host: TaskWorkerHost<LiveTask>) {
    super(options)
    this.#host = host
  }

  override start(dispatch: TaskDispatch<LiveTask>): void {
    const { owner: task } = dispatch
    if (task.spec.owner === undefined && namespaceIn(dispatch.input) === task.head.namespace) {
      super.start(dispatch)
      return
    }
    const failure = failureOf(new NonRetryableError(`${task.head.name} is a task of the engine's own`))
    // Not within the engine's call.
    queueMicrotask(() => this.#host.onTaskFailed(task, failure))
  }
}

/** What others have made may be anything, also encrypted: it must not stop the engine, which calls this. */
function namespaceIn(input: Payload): unknown {
  try {
    const value = decodePayload(input)
    return typeof value === 'object' && value !== null && 'namespace' in value ? value.namespace : undefined
  } catch {
    return undefined
  }
}

export class OwnTasks {
  readonly #options: OwnTasksOptions
  #unfollow: (() => void)[] = []
  readonly #members: CrewMember<LiveTask>[] = []
  readonly #closing = new AbortController()
  #hasJoined = false

  constructor(options: OwnTasksOptions) {
    this.#options = options
  }

  /** Begins with the first rule or webhook that there is, if not before. */
  start(): void {
    const { engine } = this.#options
    new WebhookNews(engine, engine.registry).start()
    const { registry } = engine
    for (const kind of [EVENT_RULE_KIND, WEBHOOK_KIND]) {
      if (registry.list(kind).length > 0) this.join()
      this.#unfollow.push(registry.follow(kind, () => this.join()))
    }
  }

  /** Whoever listens may be given events. */
  join(): void {
    if (this.#hasJoined) return
    this.#hasJoined = true
    const { engine, access, allowPrivate } = this.#options
    const { clock, limits } = engine.options
    const { registry } = engine
    this.#work(EVENT_QUEUE, eventTask({ access, registry, limits }))
    this.#work(WEBHOOK_QUEUE, webhookTask({ registry, clock, allowPrivate, closing: this.#closing.signal }))
  }

  /** The worker has the name of the queue. */
  #work(queue: keyof typeof CREDITS, task: Task): void {
    const { attempts } = this.#options.engine.tasks
    const { clock, logger, limits } = this.#options.engine.options
    const worker = new OwnWorker({ tasks: [task], clock, logger, limits }, attempts)
    worker.connect(attempts)
    const member = attempts.join(
      { id: queue, credits: CREDITS[queue], isLocal: true, isOwn: true, queues: [queue] },
      worker,
    )
    this.#members.push(member)
  }

  /** The engine closes: nothing more is begun, and what has begun waits for no receiver. It is sent again. */
  stop(): void {
    const { attempts } = this.#options.engine.tasks
    for (const member of this.#members) attempts.setCredits(member, 0)
    this.#closing.abort()
    for (const unfollow of this.#unfollow) unfollow()
    this.#unfollow = []
  }
}
