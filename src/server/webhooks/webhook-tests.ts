/**
 * Test deliveries of webhooks, in the name of a caller: one event, at once, in the way of real ones, and what came of it. It is not
 * tried again, and stays nowhere but in the audit trail.
 *
 * Who may change a webhook could have any server called by it; so a namespace tests a few times a minute, on each node.
 */
import type { Engine } from '../../engine/engine.ts'
import { TrackedCall } from '../../platform/call-context.ts'
import { OutgoingError } from '../../platform/outgoing-error.ts'
import type { callOut } from '../../platform/outgoing-http.ts'
import type { Caller } from '../../protocol/caller.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Access } from '../access/access.ts'
import { RateLimiter } from '../access/rate-limiter.ts'
import { recorded, whoOf } from '../audit/audited-port.ts'
import type { Webhook } from './webhook.ts'
import { callWebhook, isTaken, type WebhookDelivery } from './webhook-delivery.ts'
import { WEBHOOK_KIND } from './webhook-task.ts'

export interface WebhookTestsOptions {
  readonly engine: Engine
  readonly access: Pick<Access, 'assertMay' | 'useUp'>
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
  /** Of a clock that only counts on. */
  readonly tickMs: () => number
  readonly call?: typeof callOut
}

export interface WebhookTestResult {
  /** Of the event: the header `webhook-id`. */
  readonly eventId: string
  /** It was answered with 2xx. */
  readonly delivered: boolean
  /** Absent: there was no answer. */
  readonly status?: number
  readonly durationMs: number
  /** Why it was not delivered. */
  readonly error?: string
}

export const WEBHOOK_TEST_TYPE = 'perdure.test'

/** Of each namespace: so many at once, and then one in six seconds. */
const RATE = { perSecond: 1 / 6, burst: 10 }
const NAMESPACES_MOST = 10_000

export class WebhookTests {
  readonly #options: WebhookTestsOptions
  readonly #rate: RateLimiter

  constructor(options: WebhookTestsOptions) {
    this.#options = options
    this.#rate = new RateLimiter(RATE, NAMESPACES_MOST, options.tickMs)
  }

  /** Also of one that is paused. @throws PerdureError `FORBIDDEN`, `NAMESPACE_NOT_FOUND`, `RECORD_NOT_FOUND`, `RATE_LIMITED` */
  async test(
    { caller, namespace }: { readonly caller: Caller; readonly namespace: string },
    id: string,
  ): Promise<WebhookTestResult> {
    const { engine, access } = this.#options
    const policies = await access.assertMay(caller, 'ChangeWebhook', { type: 'Webhook', id, namespace })
    access.useUp(namespace)
    const run = (): Promise<WebhookTestResult> => this.#deliver(namespace, id)
    if (engine.audit === undefined) return run()
    const call = new TrackedCall({
      caller: whoOf(caller),
      action: 'TestWebhook',
      namespace,
      resource: { type: 'Webhook', id },
      policies,
      requestId: engine.newRunId(),
    })
    return recorded(engine.audit, { call, audited: { isOutside: true }, run })
  }

  async #deliver(namespace: string, id: string): Promise<WebhookTestResult> {
    const { engine, tickMs, allowPrivate, call } = this.#options
    const webhook = engine.registry.get(WEBHOOK_KIND, namespace, id)?.body as unknown as Webhook | undefined
    if (webhook === undefined)
      throw new PerdureError('RECORD_NOT_FOUND', `there is no webhook ${id} in namespace ${namespace}`)
    const waitMs = this.#rate.take(namespace)
    if (waitMs !== undefined)
      throw new PerdureError(
        'RATE_LIMITED',
        `webhooks of namespace ${namespace} were tested too often: again in ${waitMs} ms`,
        { retryAfterMs: waitMs },
      )
    const nowMs = engine.clock.nowMs()
    const event = eventOf({ namespace, id, eventId: engine.newRunId(), nowMs })
    const begunMs = tickMs()
    const outcome = await outcomeOf(() =>
      callWebhook(webhook, event, { nowMs, allowPrivate, ...(call === undefined ? {} : { call }) }),
    )
    return { eventId: event.id, durationMs: Math.round(tickMs() - begunMs), ...outcome }
  }
}

async function outcomeOf(
  call: () => Promise<number>,
): Promise<Pick<WebhookTestResult, 'delivered' | 'status' | 'error'>> {
  try {
    const status = await call()
    if (isTaken(status)) return { delivered: true, status }
    return { delivered: false, status, error: `it was answered ${status}, and not 2xx` }
  } catch (error) {
    if (!(error instanceof OutgoingError)) throw error
    return { delivered: false, error: error.message }
  }
}

/** A CloudEvent that is about no execution. */
function eventOf({
  namespace,
  id,
  eventId,
  nowMs,
}: {
  readonly namespace: string
  readonly id: string
  readonly eventId: string
  readonly nowMs: number
}): WebhookDelivery {
  return {
    specversion: '1.0',
    id: eventId,
    source: `/namespaces/${encodeURIComponent(namespace)}/webhooks/${encodeURIComponent(id)}`,
    type: WEBHOOK_TEST_TYPE,
    subject: id,
    time: new Date(nowMs).toISOString(),
    datacontenttype: 'application/json',
    data: { namespace, webhook: id },
  }
}
