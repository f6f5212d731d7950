/** One event to one webhook, signed, over HTTP: what deliveries and their tests have in common. */

import type { callOut } from '../../platform/outgoing-http.ts'
import type { Json } from '../../protocol/json.ts'
import type { Webhook } from './webhook.ts'
import { webhookHeaders } from './webhook-signature.ts'

/** A CloudEvent. */
export type WebhookDelivery = { readonly id: string; readonly type: string } & Readonly<Record<string, Json>>

export interface WebhookCallOptions {
  readonly nowMs: number
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
  readonly call?: typeof callOut
  /** Aborted: it is cut. */
  readonly signal?: AbortSignal
}

/** For the whole exchange. */
export const WEBHOOK_TIMEOUT_MS = 15_000

/** @returns the status of the answer, whatever it is. @throws OutgoingError: there is none */
export async function callWebhook(
  { url, secrets }: Webhook,
  event: WebhookDelivery,
  { nowMs, allowPrivate, call = callWhenNeeded, signal }: WebhookCallOptions,
): Promise<number> {
  const body = JSON.stringify(event)
  const headers = webhookHeaders({ id: event.id, atMs: nowMs, body }, secrets)
  const { status } = await call({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json', 'user-agent': 'perdure', ...headers },
    body,
    timeoutMs: WEBHOOK_TIMEOUT_MS,
    allowPrivate,
    ...(signal === undefined ? {} : { signal }),
  })
  return status
}

export function isTaken(status: number): boolean {
  return status >= 200 && status < 300
}

/** What calls is loaded with the first call. */
const callWhenNeeded: typeof callOut = async (...given) => {
  const { callOut } = await import('../../platform/outgoing-http.ts')
  return callOut(...given)
}
