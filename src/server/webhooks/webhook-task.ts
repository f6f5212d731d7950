/**
 * Delivers one event to one webhook: a task of the engine's own, with the retries, the limits and the list of what has failed that
 * all tasks have.
 *
 * What has failed for good is a failed task of the queue `perdure.webhooks`: `perdure tasks retry` sends it again, with the same
 * `webhook-id`, by which receivers know it.
 */

import type { Clock } from '../../platform/clock.ts'
import { OutgoingError } from '../../platform/outgoing-error.ts'
import type { callOut } from '../../platform/outgoing-http.ts'
import { NonRetryableError } from '../../protocol/failure.ts'
import { type Task, type TaskContext, task } from '../../sdk/tasks/task.ts'
import { WEBHOOK_QUEUE } from '../own-queues.ts'
import type { RegistryReads } from '../registry-reads.ts'
import { GivenUpLog } from './given-up-log.ts'
import type { Webhook } from './webhook.ts'
import { callWebhook, isTaken, WEBHOOK_TIMEOUT_MS, type WebhookDelivery } from './webhook-delivery.ts'

export const WEBHOOK_KIND = 'webhook'
export const WEBHOOK_TASK = 'perdure.deliver-webhook'

/** Twelve attempts within about half a day: seconds, minutes, then hours. */
export const WEBHOOK_RETRY = {
  maxAttempts: 12,
  initialMs: 5000,
  maxMs: 4 * 3_600_000,
  backoff: 'full-jitter',
  nonRetryable: [],
} as const

const GONE = 410

interface Delivery {
  readonly namespace: string
  readonly webhook: string
  readonly event: WebhookDelivery
}

export interface WebhookTaskOptions {
  readonly registry: RegistryReads
  readonly clock: Pick<Clock, 'nowMs'>
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
  readonly call?: typeof callOut
  /** The engine closes: nobody waits for receivers. */
  readonly closing?: AbortSignal
}

export function webhookTask(options: WebhookTaskOptions): Task {
  const givenUp = new GivenUpLog(options.clock)
  return task({
    name: WEBHOOK_TASK,
    queue: WEBHOOK_QUEUE,
    timeouts: { startToClose: 2 * WEBHOOK_TIMEOUT_MS },
    run: async (context, delivery: Delivery) => {
      try {
        return await deliver(options, context, delivery)
      } catch (error) {
        const { namespace, webhook, event } = delivery
        const isLast = error instanceof NonRetryableError || context.attempt >= WEBHOOK_RETRY.maxAttempts
        if (isLast) givenUp.add(context.log, { namespace, webhook, event: event.id, error })
        else context.log.debug('a delivery of a webhook has failed', { webhook, event: event.id, error })
        throw error
      }
    },
  }) as Task
}

async function deliver(
  { registry, clock, allowPrivate, call, closing }: WebhookTaskOptions,
  { log }: Pick<TaskContext, 'log'>,
  { namespace, webhook: id, event }: Delivery,
): Promise<{ readonly outcome: string } | { readonly status: number }> {
  const webhook = registry.get(WEBHOOK_KIND, namespace, id)?.body as unknown as Webhook | undefined
  if (webhook === undefined) return { outcome: 'there is no such webhook any more' }
  if (webhook.paused === true) throw new Error(`webhook ${id} is paused`)
  const nowMs = clock.nowMs()
  const given = {
    ...(call === undefined ? {} : { call }),
    ...(closing === undefined ? {} : { signal: closing }),
  }
  const status = await statusOf(() => callWebhook(webhook, event, { nowMs, allowPrivate, ...given }))
  log.debug('a webhook was called', { webhook: id, status, event: event.type })
  if (isTaken(status)) return { status }
  // The receiver says that it wants no more (Standard Webhooks: 410).
  if (status === GONE) throw new NonRetryableError(`webhook ${id}: ${webhook.url} has answered 410 Gone`)
  throw new Error(`webhook ${id}: ${webhook.url} has answered ${status}`)
}

async function statusOf(call: () => Promise<number>): Promise<number> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof OutgoingError)) throw error
    // Trying again changes nothing about these.
    if (error.trouble === 'address-refused' || error.trouble === 'url-invalid')
      throw new NonRetryableError(error.message, { cause: error })
    throw error
  }
}
