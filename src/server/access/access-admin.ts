/**
 * Administration of access, in the name of a caller: keys, roles, policies, namespaces. What REST and the command line offer.
 *
 * 1. Nobody can give away what they could not take themselves: a key or a binding has a role only if who makes it may give that
 *    role there; and so for a new secret of a key.
 * 2. What belongs to a namespace that the caller may not see is not there for it.
 * 3. A namespace has no more keys and bindings than it may have; a key that is over makes room for a new one.
 * 4. Each change that was permitted is recorded in the name of its caller, whatever came of it; a secret never is.
 */

import type {
  Registry,
  RegistryEntry,
  RegistryKey,
  RegistryPutOptions,
} from '../../engine/registry/registry-port.ts'
import type { Caller } from '../../protocol/caller.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import type { Resource } from './access.ts'
import type { Action } from './actions.ts'
import {
  type ApiKeySummary,
  createdKey,
  type NewApiKey,
  rotatedKey,
  summaryOfKey,
} from './api-key-changes.ts'
import {
  API_KEY_KIND,
  API_KEY_USE_KIND,
  type ApiKeyRecord,
  apiKeyRecordOf,
  bodyOfApiKey,
} from './api-key-records.ts'
import type { ClosedAccess } from './closed-access.ts'
import {
  ADMINISTRATION_BOUNDS,
  type AdministrationBounds,
  Turns,
  tooManyBindings,
  tooManyKeys,
} from './namespace-room.ts'
import { POLICY_KIND } from './policies.ts'
import { PolicyInvalidError } from './policy-set.ts'
import { type RecordChange, unrecorded } from './recorded-change.ts'
import * as resources from './resources.ts'
import { bindingId, isPrincipal, ROLE_BINDING_KIND, type RoleBinding } from './role-bindings.ts'
import { type Grant, grantOf, isRole, ROLES } from './roles.ts'

/** With the text of the key, which is never seen again. */
export interface ShownApiKey extends ApiKeySummary {
  readonly key: string
}

export interface PolicySummary {
  readonly id: string
  readonly text: string
  readonly revision: number
  readonly changedMs: number
}

interface KeptKey {
  readonly entry: RegistryEntry
  readonly record: ApiKeyRecord
}

const GRACE_MS = 86_400_000
const GRACE_MOST_MS = 30 * 86_400_000
const POLICY_BYTES_MOST = 64 * 1024

/** Keys that are forgotten for one new key, at most: a large one may need the room of several small ones. */
const FORGOTTEN_MOST = 100

/** @internal */
export interface AccessAdminParts {
  readonly access: ClosedAccess
  readonly registry: Registry
  readonly nowMs: () => number
  /** Default: nothing is recorded. */
  readonly record?: RecordChange
  readonly bounds?: AdministrationBounds
}

export class AccessAdmin {
  readonly #access: ClosedAccess
  readonly #registry: Registry
  readonly #nowMs: () => number
  readonly #record: RecordChange
  readonly #bounds: AdministrationBounds
  readonly #makingKeys = new Turns()
  readonly #makingBindings = new Turns()

  /** @internal */
  constructor({
    access,
    registry,
    nowMs,
    record = unrecorded,
    bounds = ADMINISTRATION_BOUNDS,
  }: AccessAdminParts) {
    this.#access = access
    this.#registry = registry
    this.#nowMs = nowMs
    this.#record = record
    this.#bounds = bounds
  }

  /** @throws PerdureError `FORBIDDEN`, `NAMESPACE_NOT_FOUND`, `ARGUMENT_INVALID`, `ID_INVALID`, `QUOTA_EXCEEDED` */
  async createKey(caller: Caller, wanted: NewApiKey): Promise<ShownApiKey> {
    const made = createdKey(wanted, { createdBy: caller.id, nowMs: this.#nowMs() })
    const { id, record } = made
    const about = keyResource(id, record)
    const policies = await this.#access.assertMay(caller, 'CreateApiKey', about)
    const giving = await this.#assertMayGive(caller, record)
    const change = { action: 'CreateApiKey', resource: about, policies: union(policies, giving) }
    // One after the other: each makes room for itself.
    const entry = await this.#makingKeys.take(record.namespace ?? '', async () => {
      await this.#makeRoom(caller, record, policies)
      return await this.#record(caller, change, () => this.#putNewKey(id, record))
    })
    return { ...summaryOfKey(this.#registry, entry, record), key: made.text }
  }

  /** @param namespace only those that belong there */
  async listKeys(caller: Caller, namespace?: string): Promise<readonly ApiKeySummary[]> {
    if (namespace !== undefined)
      await this.#access.assertMay(caller, 'ReadApiKey', { type: 'ApiKey', id: '', namespace })
    return this.#registry.list(API_KEY_KIND).flatMap((entry) => {
      const record = apiKeyRecordOf(entry)
      if (record === undefined || (namespace !== undefined && record.namespace !== namespace)) return []
      return this.#mayRead(caller, record, entry.id) ? [summaryOfKey(this.#registry, entry, record)] : []
    })
  }

  /** A key may read itself. @throws PerdureError `RECORD_NOT_FOUND` */
  async getKey(caller: Caller, id: string): Promise<ApiKeySummary> {
    const { entry, record } = this.#keyOf(caller, id, 'ReadApiKey')
    return summaryOfKey(this.#registry, entry, record)
  }

  /**
   * A new secret. The old one is good for `graceMs` more: default a day, at most 30. A key may do it to itself.
   *
   * @throws PerdureError `RECORD_NOT_FOUND`, `FORBIDDEN`, `ARGUMENT_INVALID`
   */
  async rotateKey(caller: Caller, id: string, graceMs: number = GRACE_MS): Promise<ShownApiKey> {
    if (!Number.isInteger(graceMs) || graceMs < 0 || graceMs > GRACE_MOST_MS)
      throw new PerdureError('ARGUMENT_INVALID', `graceMs is ${graceMs}, not 0 to ${GRACE_MOST_MS}`)
    const { entry, record } = this.#keyOf(caller, id, 'RotateApiKey')
    const resource = keyResource(id, record)
    // Whoever has an old secret, within its grace, must not take the key from those who have the new one.
    const policies =
      caller.id === `key:${id}` && this.#access.showsSecret(caller, record.hash)
        ? []
        : union(
            await this.#access.assertMay(caller, 'RotateApiKey', resource),
            await this.#assertMayGive(caller, record, `key:${id}`),
          )
    return await this.#record(caller, { action: 'RotateApiKey', resource, policies }, async () => {
      const { text, record: changed } = rotatedKey(id, record, { graceMs, nowMs: this.#nowMs() })
      const put = await this.#putKey(id, changed, { ifRevision: entry.revision })
      return { ...summaryOfKey(this.#registry, put, changed), key: text }
    })
  }

  /** It opens nothing any more, on all nodes within a second. Again: nothing happens. */
  async revokeKey(caller: Caller, id: string): Promise<void> {
    const { entry, record } = this.#keyOf(caller, id, 'RevokeApiKey')
    const resource = keyResource(id, record)
    const policies =
      caller.id === `key:${id}` ? [] : await this.#access.assertMay(caller, 'RevokeApiKey', resource)
    await this.#record(caller, { action: 'RevokeApiKey', resource, policies }, async () => {
      if (record.revokedMs !== undefined) return
      const how = { ifRevision: entry.revision, always: true } as const
      await this.#putKey(id, { ...record, revokedMs: this.#nowMs() }, how)
    })
  }

  /** Forgets a key that was revoked or has expired. */
  async deleteKey(caller: Caller, id: string): Promise<void> {
    const { entry, record } = this.#keyOf(caller, id, 'RevokeApiKey')
    const resource = keyResource(id, record)
    const policies = await this.#access.assertMay(caller, 'RevokeApiKey', resource)
    const isOver = this.#isOver(record)
    await this.#record(caller, { action: 'DeleteApiKey', resource, policies }, async () => {
      if (!isOver) throw new PerdureError('ARGUMENT_INVALID', `the API key ${id} is in use: revoke it first`)
      await this.#removeKey(entry)
    })
    await this.#forgetUse(id)
  }

  /** Again: nothing happens. @throws PerdureError `FORBIDDEN`, `ARGUMENT_INVALID`, `NAMESPACE_NOT_FOUND`, `QUOTA_EXCEEDED` */
  async bindRole(caller: Caller, binding: RoleBinding): Promise<void> {
    await this.#changeBinding(caller, binding, { createdBy: caller.id })
  }

  async unbindRole(caller: Caller, binding: RoleBinding): Promise<void> {
    await this.#changeBinding(caller, binding, undefined)
    const { principal, role, namespace } = binding
    if (this.#access.isRoleOfKey(principal, role, namespace))
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `${principal} was made with the role ${role}${namespace === undefined ? '@*' : `@${namespace}`}, which cannot be taken from it: revoke the key, and make another one without it`,
      )
  }

  async listBindings(caller: Caller, namespace?: string): Promise<readonly RoleBinding[]> {
    if (namespace !== undefined)
      await this.#access.assertMay(caller, 'ReadRoleBinding', { type: 'RoleBinding', id: '', namespace })
    return this.#registry.list(ROLE_BINDING_KIND, namespace).flatMap(({ namespace: of, id }) => {
      const [role = '', ...rest] = id.split(' ')
      const where = of === '' ? undefined : of
      if (!isRole(role)) return []
      const resource = resources.administrative('RoleBinding', where, role)
      if (!this.#access.authorizer.decide(caller, 'ReadRoleBinding', resource).isAllowed) return []
      const principal = rest.join(' ')
      return [where === undefined ? { principal, role } : { principal, role, namespace: where }]
    })
  }

  /**
   * One or several policies under one name. In force on all nodes within a second.
   *
   * @throws PerdureError `ARGUMENT_INVALID`: it is no policy, or does not fit the schema; `REVISION_CONFLICT`, `FORBIDDEN`
   */
  async putPolicy(
    caller: Caller,
    id: string,
    text: string,
    options: { readonly ifRevision?: number } = {},
  ): Promise<PolicySummary> {
    const resource = { type: 'Policy', id: checkedName(id, 'the name of the policy') }
    const policies = await this.#access.assertMay(caller, 'ChangePolicy', resource)
    return await this.#record(caller, { action: 'ChangePolicy', resource, policies }, () =>
      this.#putPolicy(id, text, options),
    )
  }

  async #putPolicy(
    id: string,
    text: string,
    options: { readonly ifRevision?: number },
  ): Promise<PolicySummary> {
    if (typeof text !== 'string' || Buffer.byteLength(text) > POLICY_BYTES_MOST)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `the policy is no text of at most ${POLICY_BYTES_MOST} bytes`,
      )
    try {
      this.#access.policies.check(id, text)
    } catch (error) {
      if (!(error instanceof PolicyInvalidError)) throw error
      throw new PerdureError('ARGUMENT_INVALID', `the policy ${id}: ${error.message}`, { cause: error })
    }
    const entry = await this.#registry.put({ kind: POLICY_KIND, namespace: '', id }, { text }, options)
    if (entry === undefined) throw new Error('invariant: a policy was put and is not there')
    return policySummaryOf(entry)
  }

  async deletePolicy(caller: Caller, id: string): Promise<void> {
    const resource = { type: 'Policy', id }
    const policies = await this.#access.assertMay(caller, 'ChangePolicy', resource)
    await this.#record(caller, { action: 'DeletePolicy', resource, policies }, async () => {
      const entry = this.#registry.get(POLICY_KIND, '', id)
      if (entry === undefined) throw noRecord('policy', id)
      await this.#registry.put({ kind: POLICY_KIND, namespace: '', id }, undefined, {
        ifRevision: entry.revision,
      })
    })
  }

  async listPolicies(caller: Caller): Promise<readonly PolicySummary[]> {
    await this.#access.assertMay(caller, 'ReadPolicy', { type: 'Policy', id: '' })
    return this.#registry.list(POLICY_KIND).map(policySummaryOf)
  }

  /** @throws PerdureError `RECORD_NOT_FOUND`, `FORBIDDEN` */
  async getPolicy(caller: Caller, id: string): Promise<PolicySummary> {
    await this.#access.assertMay(caller, 'ReadPolicy', { type: 'Policy', id })
    const entry = this.#registry.get(POLICY_KIND, '', id)
    if (entry === undefined) throw noRecord('policy', id)
    return policySummaryOf(entry)
  }

  async #changeBinding(
    caller: Caller,
    binding: RoleBinding,
    body: { readonly createdBy: string } | undefined,
  ): Promise<void> {
    const { principal, role, namespace } = binding
    if (!isRole(role))
      throw new PerdureError('ARGUMENT_INVALID', `there is no role ${role}; there are ${ROLES.join(', ')}`)
    if (!isPrincipal(principal))
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `${JSON.stringify(principal)} is none of key:ID, token:ISSUER#SUBJECT, certificate:NAME, group:NAME`,
      )
    const policies = await this.#access.assertMay(
      caller,
      'ChangeRoleBinding',
      inNamespace('RoleBinding', role, namespace),
    )
    const id = checkedName(bindingId(binding), 'the role binding')
    const action = body === undefined ? 'UnbindRole' : 'BindRole'
    const resource = inNamespace('RoleBinding', id, namespace)
    await this.#record(caller, { action, resource, policies }, async () => {
      const place = { kind: ROLE_BINDING_KIND, namespace: namespace ?? '', id }
      const isThere = this.#registry.get(place.kind, place.namespace, id) !== undefined
      if (isThere === (body !== undefined)) return
      if (body === undefined) await this.#registry.put(place, undefined)
      else await this.#putBinding(place, body)
    })
  }

  async #putBinding(place: RegistryKey, body: { readonly createdBy: string }): Promise<void> {
    const { namespace } = place
    await this.#makingBindings.take(namespace, async () => {
      if (this.#access.bindings.countIn(namespace) >= this.#bounds.bindings)
        throw tooManyBindings(namespace, this.#bounds)
      await this.#registry.put(place, body)
    })
  }

  /**
   * Each role, where it counts; and a group or a user may have roles anywhere.
   *
   * @returns ids of the policies that permit it
   */
  async #assertMayGive(caller: Caller, record: ApiKeyRecord, principal?: string): Promise<readonly string[]> {
    const own = record.roles.map((text) => {
      const grant = grantOf(text, record.namespace ?? DEFAULT_NAMESPACE)
      if (grant !== undefined) return grant
      throw new PerdureError('ARGUMENT_INVALID', `${text} is no role; there are ${ROLES.join(', ')}`)
    })
    const given: Pick<Grant, 'role' | 'namespace'>[] = [...own, ...this.#boundTo(principal)]
    if (record.groups.length > 0 || record.user !== undefined) given.push({ role: 'admin' })
    const policies: string[] = []
    for (const { role, namespace } of given) {
      const resource = inNamespace('RoleBinding', role, namespace)
      policies.push(...(await this.#access.assertMay(caller, 'ChangeRoleBinding', resource)))
    }
    return policies
  }

  #boundTo(principal: string | undefined): readonly Grant[] {
    if (principal === undefined) return []
    return this.#access.bindings.grantsOf({ id: principal, kind: 'api-key', groups: [] })
  }

  /**
   * @param action what is to be done to it
   * @throws PerdureError `RECORD_NOT_FOUND`: also if the caller may not see it
   */
  #keyOf(caller: Caller, id: string, action: Action): KeptKey {
    const entry = this.#registry.get(API_KEY_KIND, '', id)
    const record = apiKeyRecordOf(entry)
    if (entry === undefined || record === undefined) throw noRecord('API key', id)
    if (caller.id !== `key:${id}` && !this.#mayRead(caller, record, id)) {
      this.#access.guard.hide(caller, action, resources.administrative('ApiKey', record.namespace, id))
      throw noRecord('API key', id)
    }
    return { entry, record }
  }

  #mayRead(caller: Caller, { namespace }: ApiKeyRecord, id: string): boolean {
    const resource = resources.administrative('ApiKey', namespace, id)
    return this.#access.authorizer.decide(caller, 'ReadApiKey', resource).isAllowed
  }

  #hasRoomForKey(namespace: string, bytes: number): boolean {
    const { namespaceKeys } = this.#access
    return (
      namespaceKeys.idsOf(namespace).size < this.#bounds.keys &&
      namespaceKeys.bytesOf(namespace) + bytes <= this.#bounds.keyBytes
    )
  }

  /** Where there is no room, keys that are over go, the one that ended first before the others. */
  async #makeRoom(caller: Caller, record: ApiKeyRecord, policies: readonly string[]): Promise<void> {
    const { namespace = '' } = record
    const bytes = bytesOf(record)
    for (let i = 0; i < FORGOTTEN_MOST && !this.#hasRoomForKey(namespace, bytes); i++) {
      const over = this.#firstOver(namespace)
      if (over === undefined) return
      const resource = keyResource(over.entry.id, over.record)
      try {
        await this.#record(caller, { action: 'DeleteApiKey', resource, policies }, () =>
          this.#removeKey(over.entry),
        )
      } catch (error) {
        // Somebody else was faster: it is gone, or another one now.
        if (!(error instanceof PerdureError && error.code === 'REVISION_CONFLICT')) throw error
      }
      await this.#forgetUse(over.entry.id)
    }
  }

  #firstOver(namespace: string): KeptKey | undefined {
    let first: KeptKey | undefined
    for (const id of this.#access.namespaceKeys.idsOf(namespace)) {
      const entry = this.#registry.get(API_KEY_KIND, '', id)
      const record = apiKeyRecordOf(entry)
      if (entry === undefined || record === undefined || !this.#isOver(record)) continue
      if (first === undefined || endedMs(record) < endedMs(first.record)) first = { entry, record }
    }
    return first
  }

  /** Revoked counts at once, also where the clock of the node that has revoked it is ahead. */
  #isOver({ revokedMs, expiresMs = Number.POSITIVE_INFINITY }: ApiKeyRecord): boolean {
    return revokedMs !== undefined || expiresMs <= this.#nowMs()
  }

  async #putNewKey(id: string, record: ApiKeyRecord): Promise<RegistryEntry> {
    const { namespace = '' } = record
    if (!this.#hasRoomForKey(namespace, bytesOf(record))) throw tooManyKeys(namespace, this.#bounds)
    return await this.#putKey(id, record)
  }

  async #removeKey({ id, revision }: RegistryEntry): Promise<void> {
    await this.#registry.put({ kind: API_KEY_KIND, namespace: '', id }, undefined, { ifRevision: revision })
  }

  /** When it was last used goes with it, and is no change of its own. */
  async #forgetUse(id: string): Promise<void> {
    await this.#registry.put({ kind: API_KEY_USE_KIND, namespace: '', id }, undefined)
  }

  async #putKey(id: string, record: ApiKeyRecord, how: RegistryPutOptions = {}): Promise<RegistryEntry> {
    const place = { kind: API_KEY_KIND, namespace: '', id }
    const entry = await this.#registry.put(place, bodyOfApiKey(record), how)
    if (entry === undefined) throw new Error('invariant: an API key was put and is not there')
    return entry
  }
}

const union = (...lists: readonly (readonly string[])[]): readonly string[] => [...new Set(lists.flat())]

/** When it was revoked, or expires. */
function endedMs({ revokedMs, expiresMs }: ApiKeyRecord): number {
  return Math.min(revokedMs ?? Number.POSITIVE_INFINITY, expiresMs ?? Number.POSITIVE_INFINITY)
}

function bytesOf(record: ApiKeyRecord): number {
  return Buffer.byteLength(JSON.stringify(bodyOfApiKey(record)))
}

function keyResource(id: string, { namespace }: ApiKeyRecord): Resource {
  return inNamespace('ApiKey', id, namespace)
}

function inNamespace(type: string, id: string, namespace: string | undefined): Resource {
  return { type, id, ...(namespace === undefined ? {} : { namespace }) }
}

function policySummaryOf({ id, body, revision, changedMs }: RegistryEntry): PolicySummary {
  return { id, text: String(Reflect.get(Object(body), 'text')), revision, changedMs }
}

export function noRecord(what: string, id: string): PerdureError {
  return new PerdureError('RECORD_NOT_FOUND', `there is no ${what} ${id}`)
}
