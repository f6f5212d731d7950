/** Queues of tasks of the engine's own. */
import type { QueueSettings } from './queue-settings.ts'

export const EVENT_QUEUE = 'perdure.events'
export const WEBHOOK_QUEUE = 'perdure.webhooks'

/**
 * What one namespace takes of the places that there are for all, so that others go on while its receivers are slow; and one webhook of
 * what its namespace has.
 */
export const OWN_QUEUES: readonly QueueSettings[] = [
  { name: WEBHOOK_QUEUE, concurrency: 32, keyConcurrency: 8 },
  { name: EVENT_QUEUE, concurrency: 32 },
]
