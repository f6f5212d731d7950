/**
 * Tasks of the engine's own: what is to be done with events from outside, and webhooks to be called. They have a worker of their
 * own, which takes no places of others, and comes when there is work for it.
 */
import type { Engine } from '../engine/engine.ts'
import type { LiveTask } from '../engine/tasks/live-task.ts'
import { failureOf, NonRetryableError } from '../protocol/failure.ts'
import { decodePayload, type Payload } from '../protocol/payload.ts'
import { RESERVED_PREFIX } from '../protocol/task-port.ts'
import type { TaskDispatch, TaskWorkerHost } from '../protocol/task-worker-port.ts'
import { EmbeddedTaskWorker, type EmbeddedTaskWorkerOptions } from '../sdk/tasks/embedded-task-worker.ts'
import type { Access } from './access/access.ts'
import { EVENT_QUEUE, EVENT_RULE_KIND, eventTask } from './events/event-task.ts'
import type { QueueSettings } from './queue-settings.ts'
import { WebhookNews } from './webhooks/webhook-news.ts'
import { WEBHOOK_KIND, WEBHOOK_QUEUE, webhookTask } from './webhooks/webhook-task.ts'

export interface OwnTasksOptions {
  readonly engine: Engine
  readonly access: Pick<Access, 'actingPort'>
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
}

/**
 * What one tenant's webhooks and events take of the places there are, so that those of others go on while its receivers are slow;
 * and one webhook of what its namespace has.
 */
export const OWN_QUEUES: readonly QueueSettings[] = [
  { name: WEBHOOK_QUEUE, concurrency: 32, keyConcurrency: 8 },
  { name: EVENT_QUEUE, concurrency: 32 },
]

/** Tasks of its own that run at once. */
const CREDITS = 256
const WORKER = `${RESERVED_PREFIX}engine`

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
    const { clock, logger, limits } = engine.options
    const { registry } = engine
    const tasks = [webhookTask({ registry, clock, allowPrivate }), eventTask({ access, registry, limits })]
    const { attempts } = engine.tasks
    const worker = new OwnWorker({ tasks, clock, logger, limits }, attempts)
    worker.connect(attempts)
    attempts.join(
      { id: WORKER, credits: CREDITS, isLocal: true, isOwn: true, queues: [EVENT_QUEUE, WEBHOOK_QUEUE] },
      worker,
    )
  }

  stop(): void {
    for (const unfollow of this.#unfollow) unfollow()
    this.#unfollow = []
  }
}
