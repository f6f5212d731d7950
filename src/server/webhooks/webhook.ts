/** Webhooks: who is told by HTTP of what becomes of executions. */
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import { checkedWebhookSecret } from './webhook-signature.ts'

export const WEBHOOK_EVENTS = [
  'execution.started',
  'execution.completed',
  'execution.failed',
  'execution.cancelled',
  'execution.terminated',
  'execution.timed-out',
] as const

export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number]

export interface Webhook {
  /** `https:`, or `http:`. */
  readonly url: string
  /** Default: all. */
  readonly events?: readonly WebhookEvent[]
  /** Only of executions of these workflows. Default: of all. */
  readonly workflows?: readonly string[]
  /** The one in use first; one that is being replaced second. */
  readonly secrets: readonly [string, ...string[]]
  readonly paused?: boolean
  readonly description?: string
}

const FIELDS = ['url', 'events', 'workflows', 'secrets', 'paused', 'description']
const URL_CHARACTERS = 2048
const WORKFLOWS = 1000
const SECRETS = 4
const DESCRIPTION_CHARACTERS = 1000

/** @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID` */
export function checkedWebhook(value: unknown): Webhook {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('a webhook is an object')
  for (const name of Object.keys(value))
    if (!FIELDS.includes(name))
      throw invalid(`a webhook has no field '${name}'; there are ${FIELDS.join(', ')}`)
  const { url, events, workflows, secrets, paused, description } = value as Partial<Record<string, unknown>>
  checkUrl(url)
  if (events !== undefined) checkEvents(events)
  for (const each of listOf(workflows, 'workflows', WORKFLOWS)) checkedName(each, 'a name in workflows')
  const given = listOf(secrets, 'secrets', SECRETS)
  if (given.length === 0) throw invalid('a webhook has no secret')
  for (const each of given) checkedWebhookSecret(each)
  if (paused !== undefined && typeof paused !== 'boolean') throw invalid('paused is not true or false')
  if (
    description !== undefined &&
    (typeof description !== 'string' || description.length > DESCRIPTION_CHARACTERS)
  )
    throw invalid(`description is no text of at most ${DESCRIPTION_CHARACTERS} characters`)
  // The one cast: all its fields were looked at.
  return value as unknown as Webhook
}

export function isWanted(
  { events, workflows, paused = false }: Webhook,
  event: WebhookEvent,
  workflow: string,
): boolean {
  return !paused && events?.includes(event) !== false && workflows?.includes(workflow) !== false
}

/** Of the status with which an execution has ended. */
export function webhookEventOf(status: ExecutionStatus): WebhookEvent | undefined {
  return WEBHOOK_EVENTS.find((each) => each === `execution.${status}`)
}

function checkUrl(url: unknown): void {
  if (typeof url !== 'string' || url.length > URL_CHARACTERS || !URL.canParse(url))
    throw invalid(`url is ${JSON.stringify(url)?.slice(0, 200)}, not a URL such as https://example.com/hooks`)
  const { protocol, username, password, hash } = new URL(url)
  if (protocol !== 'https:' && protocol !== 'http:')
    throw invalid(`url is of ${protocol}, not https: or http:`)
  if (username !== '' || password !== '')
    throw invalid('url has a user or a password in it: receivers know a webhook by its signature')
  if (hash !== '') throw invalid('url has a fragment, which is never sent')
}

function checkEvents(events: unknown): void {
  for (const each of listOf(events, 'events', WEBHOOK_EVENTS.length))
    if (!WEBHOOK_EVENTS.includes(each as WebhookEvent))
      throw invalid(`there is no event ${JSON.stringify(each)}; there are ${WEBHOOK_EVENTS.join(', ')}`)
}

function listOf(value: unknown, place: string, most: number): readonly unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > most) throw invalid(`${place} is no list of at most ${most}`)
  return value
}

function invalid(what: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', what)
}
