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
import type { Json } from '../../protocol/json.ts'
import { type Task, type TaskContext, task } from '../../sdk/tasks/task.ts'
import { WEBHOOK_QUEUE } from '../own-queues.ts'
import type { RegistryReads } from '../registry-reads.ts'
import { GivenUpLog } from './given-up-log.ts'
import type { Webhook } from './webhook.ts'
import { webhookHeaders } from './webhook-signature.ts'

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

/** For the whole exchange. */
const TIMEOUT_MS = 15_000
const GONE = 410

interface Delivery {
  readonly namespace: string
  readonly webhook: string
  readonly event: { readonly id: string; readonly type: string } & Readonly<Record<string, Json>>
}

export interface WebhookTaskOptions {
  readonly registry: RegistryReads
  readonly clock: Pick<Clock, 'nowMs'>
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
  readonly call?: typeof callOut
}

export function webhookTask(options: WebhookTaskOptions): Task {
  const givenUp = new GivenUpLog(options.clock)
  return task({
    name: WEBHOOK_TASK,
    queue: WEBHOOK_QUEUE,
    timeouts: { startToClose: 2 * TIMEOUT_MS },
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
  { registry, clock, allowPrivate, call = callWhenNeeded }: WebhookTaskOptions,
  { log }: Pick<TaskContext, 'log'>,
  { namespace, webhook: id, event }: Delivery,
): Promise<{ readonly outcome: string } | { readonly status: number }> {
  const webhook = registry.get(WEBHOOK_KIND, namespace, id)?.body as unknown as Webhook | undefined
  if (webhook === undefined) return { outcome: 'there is no such webhook any more' }
  if (webhook.paused === true) throw new Error(`webhook ${id} is paused`)
  const body = JSON.stringify(event)
  const headers = webhookHeaders({ id: event.id, atMs: clock.nowMs(), body }, webhook.secrets)
  const status = await statusOf(() =>
    call({
      url: webhook.url,
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json', 'user-agent': 'perdure', ...headers },
      body,
      timeoutMs: TIMEOUT_MS,
      allowPrivate,
    }),
  )
  log.debug('a webhook was called', { webhook: id, status, event: event.type })
  if (status >= 200 && status < 300) return { status }
  // The receiver says that it wants no more (Standard Webhooks: 410).
  if (status === GONE) throw new NonRetryableError(`webhook ${id}: ${webhook.url} has answered 410 Gone`)
  throw new Error(`webhook ${id}: ${webhook.url} has answered ${status}`)
}

/** What calls is loaded with the first call. */
const callWhenNeeded: typeof callOut = async (...given) => {
  const { callOut } = await import('../../platform/outgoing-http.ts')
  return callOut(...given)
}

async function statusOf(call: () => ReturnType<typeof callOut>): Promise<number> {
  try {
    return (await call()).status
  } catch (error) {
    if (!(error instanceof OutgoingError)) throw error
    // Trying again changes nothing about these.
    if (error.trouble === 'address-refused' || error.trouble === 'url-invalid')
      throw new NonRetryableError(error.message, { cause: error })
    throw error
  }
}
