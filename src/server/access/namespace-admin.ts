/** Administration of namespaces, in the name of a caller. */

import type { Registry } from '../../engine/registry/registry-port.ts'
import type { Caller } from '../../protocol/caller.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import type { ClientPort } from '../../protocol/client-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import type { Json } from '../../protocol/json.ts'
import { noNamespace } from '../../protocol/missing.ts'
import { EVENT_RULE_KIND } from '../events/event-task.ts'
import { WEBHOOK_KIND } from '../webhooks/webhook-task.ts'
import type { Action } from './actions.ts'
import { API_KEY_KIND, type ApiKeyRecord, apiKeyRecordOf } from './api-key-records.ts'
import type { ClosedAccess } from './closed-access.ts'
import { checkedQuotas, NAMESPACE_KIND, type Quotas } from './namespaces.ts'
import { type RecordChange, unrecorded } from './recorded-change.ts'
import * as resources from './resources.ts'
import { ROLE_BINDING_KIND } from './role-bindings.ts'
import { grantOf } from './roles.ts'

const KEPT_KINDS = [EVENT_RULE_KIND, WEBHOOK_KIND, ROLE_BINDING_KIND] as const

export interface NamespaceSummary {
  readonly name: string
  readonly quotas: Quotas
  /** 0: `default`, which is always there, and nobody has changed. */
  readonly revision: number
}

/** @internal */
export interface NamespaceAdminParts {
  readonly access: ClosedAccess
  readonly registry: Registry
  /** Of the engine, without a guard. */
  readonly port: ClientPort
  /** Default: nothing is recorded. */
  readonly record?: RecordChange
}

export class NamespaceAdmin {
  readonly #parts: NamespaceAdminParts

  /** @internal */
  constructor(parts: NamespaceAdminParts) {
    this.#parts = parts
  }

  /** @throws PerdureError `RECORD_EXISTS`, `FORBIDDEN`, `ARGUMENT_INVALID`, `ID_INVALID` */
  async create(caller: Caller, name: string, quotas: Quotas = {}): Promise<NamespaceSummary> {
    checkedName(name, 'the namespace')
    return await this.#change(caller, 'CreateNamespace', name, async () => {
      if (name === DEFAULT_NAMESPACE || this.#entryOf(name) !== undefined)
        throw new PerdureError('RECORD_EXISTS', `there is a namespace ${name}`)
      return await this.#put(name, checkedQuotas(quotas), undefined)
    })
  }

  /** What is not given has no bound from then on. */
  async setQuotas(
    caller: Caller,
    name: string,
    quotas: Quotas,
    options: { readonly ifRevision?: number } = {},
  ): Promise<NamespaceSummary> {
    return await this.#change(caller, 'ChangeNamespace', name, async () => {
      if (name !== DEFAULT_NAMESPACE && this.#entryOf(name) === undefined) throw noNamespace(name)
      return await this.#put(name, checkedQuotas(quotas), options.ifRevision)
    })
  }

  /** Those that the caller may know of, in the order of their names. */
  list(caller: Caller): readonly NamespaceSummary[] {
    const { access, registry } = this.#parts
    const names = new Set([DEFAULT_NAMESPACE, ...registry.list(NAMESPACE_KIND).map(({ id }) => id)])
    return [...names]
      .filter((name) => access.guard.sees(caller, name))
      .sort()
      .map((name) => this.#summaryOf(name))
  }

  /** @throws PerdureError `NAMESPACE_NOT_FOUND` */
  get(caller: Caller, name: string): NamespaceSummary {
    const { access } = this.#parts
    if (!access.guard.sees(caller, name) || !access.namespaces.exists(name)) throw noNamespace(name)
    return this.#summaryOf(name)
  }

  /** An empty one. @throws PerdureError `ARGUMENT_INVALID`: it is not empty, or `default` */
  async delete(caller: Caller, name: string): Promise<void> {
    await this.#change(caller, 'DeleteNamespace', name, () => this.#delete(name))
  }

  async #delete(name: string): Promise<void> {
    const entry = this.#entryOf(name)
    if (name === DEFAULT_NAMESPACE)
      throw new PerdureError('ARGUMENT_INVALID', `namespace ${name} is always there`)
    if (entry === undefined) throw noNamespace(name)
    const { registry, port } = this.#parts
    const [{ executions }, { tasks }, { schedules }] = await Promise.all([
      port.list({ namespace: name, limit: 1 }),
      port.tasks.list({ namespace: name, limit: 1 }),
      port.schedules.list({ namespace: name, limit: 1 }),
    ])
    if (executions.length + tasks.length + schedules.length > 0)
      throw new PerdureError('ARGUMENT_INVALID', `namespace ${name} has executions, tasks or schedules`)
    // What is left of one tenant must not count for the next one that gets the name.
    const kept = KEPT_KINDS.find((kind) => registry.list(kind, name).length > 0)
    if (kept !== undefined)
      throw new PerdureError('ARGUMENT_INVALID', `namespace ${name} has records of the kind ${kept}`)
    const key = registry.list(API_KEY_KIND).find((each) => isKeyOf(name, apiKeyRecordOf(each)))
    if (key !== undefined)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `namespace ${name} has API keys, or there are some with a role in it, such as ${key.id}: revoke and delete them first`,
      )
    await registry.put({ kind: NAMESPACE_KIND, namespace: '', id: name }, undefined, {
      ifRevision: entry.revision,
    })
  }

  /** Whoever may not is told the same whether the namespace is there or not. */
  async #change<T>(caller: Caller, action: Action, name: string, run: () => Promise<T>): Promise<T> {
    const { access, record = unrecorded } = this.#parts
    const check = { actions: [action], resource: resources.namespace(name) }
    const policies = await access.guard.admit(caller, [check], () => undefined)
    const resource = { type: 'Namespace', id: name, namespace: name }
    return await record(caller, { action, resource, policies }, run)
  }

  async #put(name: string, quotas: Quotas, ifRevision: number | undefined): Promise<NamespaceSummary> {
    const body = JSON.parse(JSON.stringify({ quotas })) as Json
    const place = { kind: NAMESPACE_KIND, namespace: '', id: name }
    await this.#parts.registry.put(place, body, ifRevision === undefined ? {} : { ifRevision })
    return this.#summaryOf(name)
  }

  #summaryOf(name: string): NamespaceSummary {
    const quotas = this.#parts.access.namespaces.quotasOf(name)
    return { name, quotas, revision: this.#entryOf(name)?.revision ?? 0 }
  }

  #entryOf(name: string): ReturnType<Registry['get']> {
    return this.#parts.registry.get(NAMESPACE_KIND, '', name)
  }
}

/** It belongs there, or brings a role there along. */
function isKeyOf(name: string, record: ApiKeyRecord | undefined): boolean {
  if (record === undefined) return false
  const { namespace: own = DEFAULT_NAMESPACE, roles } = record
  return own === name || roles.some((text) => grantOf(text, own)?.namespace === name)
}
