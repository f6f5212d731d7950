/** Events from outside and webhooks, in the name of a caller: each call was decided, and what it changes is recorded. */
import { isDeepStrictEqual } from 'node:util'
import type { Engine } from '../engine/engine.ts'
import type { Caller } from '../protocol/caller.ts'
import type { ClientPort } from '../protocol/client-port.ts'
import { PerdureError } from '../protocol/errors.ts'
import { encodePayload } from '../protocol/payload.ts'
import { checkedAttributes } from '../sdk/checked-attributes.ts'
import type { Access, ActingEffect } from './access/access.ts'
import type { AdministeredChange } from './access/recorded-change.ts'
import { administered } from './audit/audited-port.ts'
import type { CloudEvent } from './events/cloud-event.ts'
import { checkedEventRule, type EventRule, type EventStart, type KeptEventRule } from './events/event-rule.ts'
import { eventRuleRecords } from './events/event-rule-admin.ts'
import { acceptEvents, type EventReceipt } from './events/event-task.ts'
import { textOf } from './events/event-template.ts'
import type { Records, StoredRecord } from './records.ts'
import {
  type NewWebhookSecret,
  WebhookAdmin,
  type WebhookDetails,
  type WebhookSettings,
} from './webhooks/webhook-admin.ts'

export interface AutomationOptions {
  readonly engine: Engine
  readonly access: Pick<Access, 'assertMay' | 'assertMayAct' | 'makerOf' | 'troubleOf' | 'useUp'>
  /** Past any guard: what is asked of it was decided here. */
  readonly port: ClientPort
  /** Webhooks may call addresses of private networks and of this machine. */
  readonly allowPrivate: boolean
}

/** Whose call it is, and about which namespace. */
export interface AutomationCall {
  readonly caller: Caller
  readonly namespace: string
}

/** One call, events or rules of it, at most. */
export const EVENTS_MOST = 1000

export class Automation {
  readonly #options: AutomationOptions
  readonly #rules: Records<KeptEventRule>
  readonly #webhooks: WebhookAdmin

  constructor(options: AutomationOptions) {
    this.#options = options
    this.#rules = eventRuleRecords(options.engine.registry)
    this.#webhooks = new WebhookAdmin(options.engine.registry, options.allowPrivate)
  }

  /** Resolves when all are recorded. @throws PerdureError `FORBIDDEN`, `PAYLOAD_TOO_LARGE`, `ARGUMENT_INVALID` */
  async publish(call: AutomationCall, events: readonly CloudEvent[]): Promise<readonly EventReceipt[]> {
    const { engine, port, access } = this.#options
    const { namespace, caller } = call
    if (events.length > EVENTS_MOST)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `there are ${events.length} events; at most ${EVENTS_MOST} go at once`,
      )
    const resource = { type: 'Namespace', id: namespace, namespace }
    const policies = await access.assertMay(caller, 'PublishEvent', resource)
    const { payloadBytes } = engine.options.limits
    access.useUp(namespace, () => events.map((event) => encodePayload(event, payloadBytes)))
    return this.#recorded(call, { action: 'PublishEvent', resource, policies }, () =>
      acceptEvents(port, { namespace, events }, { newRunId: () => engine.newRunId(), payloadBytes }),
    )
  }

  async rules(call: AutomationCall): Promise<readonly StoredRecord<KeptEventRule>[]> {
    await this.#mayRead(call, 'EventRule', '')
    return this.#rules.list(call.namespace)
  }

  /** Why it does nothing, whatever the event; undefined: that is not so. */
  troubleOf({ value }: StoredRecord<KeptEventRule>): string | undefined {
    return this.#options.access.troubleOf(value.maker)
  }

  async rule(call: AutomationCall, id: string): Promise<StoredRecord<KeptEventRule>> {
    await this.#mayRead(call, 'EventRule', id)
    return this.#rules.get(call.namespace, id)
  }

  async createRule(call: AutomationCall, id: string, rule: unknown): Promise<StoredRecord<KeptEventRule>> {
    const kept = await this.#actable(call, rule)
    return this.#change(call, 'EventRule', id, () => this.#rules.create(call.namespace, id, kept))
  }

  async replaceRule(
    call: AutomationCall,
    { id, ifRevision }: { readonly id: string; readonly ifRevision?: number },
    rule: unknown,
  ): Promise<StoredRecord<KeptEventRule>> {
    // Before anything is said of what is there, or is not.
    const about = { type: 'EventRule', id, namespace: call.namespace }
    await this.#options.access.assertMay(call.caller, 'ChangeEventRule', about)
    const paused = this.#onlyPaused(call, id, rule)
    if (paused !== undefined && (ifRevision ?? paused.revision) === paused.revision)
      return this.#replaceRule(call, { id, ifRevision: paused.revision }, paused.value)
    const kept = await this.#actable(call, rule)
    return this.#replaceRule(call, { id, ...(ifRevision === undefined ? {} : { ifRevision }) }, kept)
  }

  #replaceRule(
    call: AutomationCall,
    { id, ifRevision }: { readonly id: string; readonly ifRevision?: number },
    kept: KeptEventRule,
  ): Promise<StoredRecord<KeptEventRule>> {
    return this.#change(call, 'EventRule', id, () =>
      this.#rules.replace(call.namespace, id, () => kept, ifRevision),
    )
  }

  deleteRule(call: AutomationCall, id: string, ifRevision?: number): Promise<void> {
    return this.#change(call, 'EventRule', id, () => this.#rules.delete(call.namespace, id, ifRevision))
  }

  async webhooks(call: AutomationCall): Promise<readonly WebhookDetails[]> {
    await this.#mayRead(call, 'Webhook', '')
    return this.#webhooks.list(call.namespace)
  }

  async webhook(call: AutomationCall, id: string): Promise<WebhookDetails> {
    await this.#mayRead(call, 'Webhook', id)
    return this.#webhooks.get(call.namespace, id)
  }

  createWebhook(call: AutomationCall, id: string, settings: WebhookSettings): Promise<NewWebhookSecret> {
    return this.#change(call, 'Webhook', id, () => this.#webhooks.create(call.namespace, id, settings))
  }

  replaceWebhook(
    call: AutomationCall,
    { id, ifRevision }: { readonly id: string; readonly ifRevision?: number },
    settings: WebhookSettings,
  ): Promise<WebhookDetails> {
    return this.#change(call, 'Webhook', id, () =>
      this.#webhooks.replace(call.namespace, id, settings, ifRevision),
    )
  }

  rotateWebhookSecret(call: AutomationCall, id: string): Promise<NewWebhookSecret> {
    return this.#change(call, 'Webhook', id, () => this.#webhooks.rotateSecret(call.namespace, id))
  }

  deleteWebhook(call: AutomationCall, id: string, ifRevision?: number): Promise<void> {
    return this.#change(call, 'Webhook', id, () => this.#webhooks.delete(call.namespace, id, ifRevision))
  }

  /**
   * Whoever pauses a rule, or has it go on, is not its maker. It is kept as it was at this very revision, so that no older one comes
   * back with its maker. Undefined: something else is to be changed.
   */
  #onlyPaused(
    { namespace }: AutomationCall,
    id: string,
    given: unknown,
  ): Pick<StoredRecord<KeptEventRule>, 'revision' | 'value'> | undefined {
    const { paused = false, ...rule } = checkedEventRule(given)
    const { revision, value } = this.#rules.get(namespace, id)
    const { paused: wasPaused = false, maker, ...known } = value
    if (paused === wasPaused || !isDeepStrictEqual(rule, known)) return undefined
    return { revision, value: { ...known, paused, ...(maker === undefined ? {} : { maker }) } }
  }

  /** A rule acts later, as its maker: whoever may not do what it does is told so at once, where that is known. */
  async #actable({ caller, namespace }: AutomationCall, given: unknown): Promise<KeptEventRule> {
    const { access } = this.#options
    const rule: EventRule = checkedEventRule(given)
    const { start, signal } = rule
    const workflowId = start?.id ?? signal?.id ?? ''
    await access.assertMayAct(caller, namespace, {
      workflowId: textOf(workflowId) ?? workflowId,
      isTemplate: textOf(workflowId) === undefined,
      ...(start === undefined ? {} : { start: saidOf(start) }),
      isSignal: signal !== undefined,
    })
    return { ...rule, maker: access.makerOf(caller) }
  }

  async #mayRead({ caller, namespace }: AutomationCall, type: Managed, id: string): Promise<void> {
    await this.#options.access.assertMay(caller, `Read${type}`, { type, id, namespace })
    this.#options.access.useUp(namespace)
  }

  async #change<T>(call: AutomationCall, type: Managed, id: string, run: () => Promise<T>): Promise<T> {
    const { caller, namespace } = call
    const action = `Change${type}`
    const resource = { type, id, namespace }
    const policies = await this.#options.access.assertMay(caller, action, resource)
    this.#options.access.useUp(namespace)
    return this.#recorded(call, { action, resource, policies }, run)
  }

  #recorded<T>(
    { caller, namespace }: AutomationCall,
    { action, resource: { type, id }, policies }: AdministeredChange,
    run: () => Promise<T>,
  ): Promise<T> {
    const { engine } = this.#options
    const by = { audit: engine.audit, caller, newRequestId: () => engine.newRunId() }
    return administered(by, { action, namespace, resource: { type, id }, policies }, run)
  }
}

type Managed = 'EventRule' | 'Webhook'

/** What is known of an execution before the rule starts it. */
function saidOf({ workflow, attributes = {} }: EventStart): NonNullable<ActingEffect['start']> {
  const said = Object.entries(attributes).map(([name, value]) => [
    name,
    typeof value === 'string' ? textOf(value) : value,
  ])
  return said.some(([, value]) => value === undefined)
    ? { workflow }
    : { workflow, attributes: checkedAttributes(Object.fromEntries(said)) }
}
