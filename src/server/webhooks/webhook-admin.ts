/** Webhooks of a namespace, for administrators: secrets are told once, when they are made. */
import { Records, type StoredRecord } from '../records.ts'
import type { RegistryWrites } from '../registry-reads.ts'
import { checkedWebhook, type Webhook } from './webhook.ts'
import { newWebhookSecret } from './webhook-signature.ts'
import { assertTarget } from './webhook-target.ts'
import { WEBHOOK_KIND } from './webhook-task.ts'

export type WebhookSettings = Omit<Webhook, 'secrets'>

export interface WebhookDetails extends WebhookSettings {
  readonly id: string
  readonly revision: number
  readonly changedMs: number
}

/** With the secret that was made. */
export interface NewWebhookSecret extends WebhookDetails {
  readonly secret: string
}

/** Each is told of each execution that it wants: so many tasks for one end of an execution. */
const WEBHOOKS_MOST = 100

export class WebhookAdmin {
  readonly #records: Records<Webhook>
  readonly #allowPrivate: boolean

  /** @param allowPrivate they may call addresses of private networks and of this machine */
  constructor(registry: RegistryWrites, allowPrivate: boolean) {
    this.#allowPrivate = allowPrivate
    this.#records = new Records(registry, {
      kind: WEBHOOK_KIND,
      name: 'webhook',
      most: WEBHOOKS_MOST,
      checked: checkedWebhook,
    })
  }

  list(namespace: string): readonly WebhookDetails[] {
    return this.#records.list(namespace).map(detailsOf)
  }

  get(namespace: string, id: string): WebhookDetails {
    return detailsOf(this.#records.get(namespace, id))
  }

  async create(namespace: string, id: string, settings: WebhookSettings): Promise<NewWebhookSecret> {
    assertTarget(settings.url, this.#allowPrivate)
    const secret = newWebhookSecret()
    const made = await this.#records.create(namespace, id, { ...settings, secrets: [secret] })
    return { ...detailsOf(made), secret }
  }

  async replace(
    namespace: string,
    id: string,
    settings: WebhookSettings,
    ifRevision?: number,
  ): Promise<WebhookDetails> {
    assertTarget(settings.url, this.#allowPrivate)
    const change = ({ secrets }: Webhook): unknown => ({ ...settings, secrets })
    return detailsOf(await this.#records.replace(namespace, id, change, ifRevision))
  }

  /** Deliveries are signed with the new secret and with the last one, until the next call: receivers change in between. */
  async rotateSecret(namespace: string, id: string): Promise<NewWebhookSecret> {
    const secret = newWebhookSecret()
    const change = (webhook: Webhook): unknown => ({ ...webhook, secrets: [secret, webhook.secrets[0]] })
    return { ...detailsOf(await this.#records.replace(namespace, id, change)), secret }
  }

  async delete(namespace: string, id: string, ifRevision?: number): Promise<void> {
    await this.#records.delete(namespace, id, ifRevision)
  }
}

function detailsOf({ id, revision, changedMs, value }: StoredRecord<Webhook>): WebhookDetails {
  const { secrets: _, ...settings } = value
  return { id, revision, changedMs, ...settings }
}
