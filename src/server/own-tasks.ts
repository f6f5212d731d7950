/** Tasks of the engine's own: what to do with events from outside, and webhooks to be called. Users enqueue none of them. */
import type { Engine } from '../engine/engine.ts'
import type { Clock } from '../platform/clock.ts'
import type { ClientPort } from '../protocol/client-port.ts'
import type { Limits } from '../protocol/limits.ts'
import type { Task } from '../sdk/tasks/task.ts'
import { type EventTaskOptions, eventTask } from './events/event-task.ts'
import type { RegistryReads } from './registry-reads.ts'
import { WebhookNews } from './webhooks/webhook-news.ts'
import { webhookTask } from './webhooks/webhook-task.ts'

/** Names of tasks and queues that begin so are the engine's. */
export const OWN_PREFIX = 'perdure.'

export interface OwnTasksOptions {
  readonly clock: Pick<Clock, 'nowMs'>
  readonly limits: Limits
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
}

interface Parts {
  readonly calls: ClientPort
  readonly registry: RegistryReads
  readonly knows: EventTaskOptions['knows']
}

export class OwnTasks {
  readonly tasks: readonly Task[]
  #parts: Parts | undefined

  /** They are made before the engine is, which runs them. */
  constructor({ clock, limits, allowPrivate }: OwnTasksOptions) {
    const parts = (): Parts => {
      if (this.#parts === undefined) throw new Error('invariant: tasks run in an engine that is open')
      return this.#parts
    }
    const registry: RegistryReads = {
      get: (...key) => parts().registry.get(...key),
      list: (...key) => parts().registry.list(...key),
    }
    const calls: EventTaskOptions['calls'] = {
      start: (request) => parts().calls.start(request),
      signal: (...signal) => parts().calls.signal(...signal),
    }
    this.tasks = [
      webhookTask({ registry, clock, allowPrivate }),
      eventTask({ calls, registry, limits, knows: (...code) => parts().knows(...code) }),
    ]
  }

  connect(engine: Engine, parts: Parts): void {
    this.#parts = parts
    new WebhookNews(engine, parts.registry).start()
  }
}
