/**
 * Standard Webhooks (standardwebhooks.com, spec 1.0.0): who receives a webhook can tell that it is from here, and not an old one.
 *
 * The signature is HMAC-SHA256 over `id.timestamp.body`, in base64, behind `v1,`; several signatures are parted by spaces, so
 * that a secret can be replaced without a gap.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { PerdureError } from '../../protocol/errors.ts'

const PREFIX = 'whsec_'
const BYTES = { least: 24, made: 32, most: 64 } as const
/** How far the time of a webhook may be from the receiver's, seconds. */
const TOLERANCE_SECONDS = 300

export interface WebhookHeaders {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

export function newWebhookSecret(): string {
  return PREFIX + randomBytes(BYTES.made).toString('base64')
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkedWebhookSecret(secret: unknown): string {
  if (typeof secret === 'string' && keyOf(secret) !== undefined) return secret
  throw new PerdureError(
    'ARGUMENT_INVALID',
    `a secret is '${PREFIX}' and base64 of ${BYTES.least} to ${BYTES.most} bytes`,
  )
}

/** @param secrets the one in use first; the ones before it still count with receivers that have not changed yet */
export function webhookHeaders(
  { id, atMs, body }: { readonly id: string; readonly atMs: number; readonly body: string },
  secrets: readonly string[],
): WebhookHeaders {
  const timestamp = String(Math.floor(atMs / 1000))
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map((secret) => `v1,${mac(secret, `${id}.${timestamp}.${body}`)}`).join(' '),
  }
}

/** For receivers: whether it was signed with the secret, within the last five minutes. */
export function isWebhookGenuine(
  headers: WebhookHeaders,
  body: string,
  { secret, nowMs }: { readonly secret: string; readonly nowMs: number },
): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers
  if (!/^\d{1,12}$/.test(timestamp)) return false
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false
  const expected = Buffer.from(mac(secret, `${id}.${timestamp}.${body}`))
  return signatures.split(' ').some((each) => {
    const given = Buffer.from(each.replace(/^v1,/, ''))
    return each.startsWith('v1,') && given.length === expected.length && timingSafeEqual(given, expected)
  })
}

function mac(secret: string, content: string): string {
  const key = keyOf(secret)
  if (key === undefined) throw new PerdureError('ARGUMENT_INVALID', 'the secret of the webhook is none')
  return createHmac('sha256', key).update(content).digest('base64')
}

function keyOf(secret: string): Buffer | undefined {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  const key = Buffer.from(text, 'base64')
  const isWhole = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')
  return isWhole && key.length >= BYTES.least && key.length <= BYTES.most ? key : undefined
}
