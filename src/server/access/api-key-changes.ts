/** What becomes of an API key: made, and given another secret. */

import type { Registry, RegistryEntry } from '../../engine/registry/registry-port.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { newApiKey, newSecret } from './api-key.ts'
import { type ApiKeyRecord, lastUseOf } from './api-key-records.ts'

export interface NewApiKey {
  /** For people. */
  readonly name: string
  /** Where it belongs, and is administered. Default: to the whole engine. */
  readonly namespace?: string
  /** `viewer` (in its own namespace), `operator@billing`, `admin@*`. */
  readonly roles?: readonly string[]
  /** Who it is for human tasks. */
  readonly user?: string
  readonly groups?: readonly string[]
  /** ms from now. Default: it does not expire. */
  readonly expiresInMs?: number
}

/** Everything but what opens doors. */
export interface ApiKeySummary {
  readonly id: string
  /** How its text begins. */
  readonly prefix: string
  readonly name: string
  readonly namespace?: string
  readonly roles: readonly string[]
  readonly user?: string
  readonly groups: readonly string[]
  readonly createdMs: number
  readonly createdBy: string
  readonly expiresMs?: number
  readonly rotatedMs?: number
  /** The secret before is good until then. */
  readonly previousUntilMs?: number
  readonly revokedMs?: number
  /** To the hour. Absent: never, or not known yet. */
  readonly lastUsedMs?: number
}

const NAMES_MOST = 100
const EXPIRY_LEAST_MS = 1000

/** @throws PerdureError `ARGUMENT_INVALID`, `ID_INVALID` */
export function createdKey(
  wanted: NewApiKey,
  { createdBy, nowMs }: { readonly createdBy: string; readonly nowMs: number },
): { readonly id: string; readonly text: string; readonly record: ApiKeyRecord } {
  const { name, namespace, user, expiresInMs } = wanted
  const roles = names(wanted.roles, 'roles')
  const groups = names(wanted.groups, 'groups')
  if (expiresInMs !== undefined && !(Number.isInteger(expiresInMs) && expiresInMs >= EXPIRY_LEAST_MS))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `expiresInMs is ${expiresInMs}, not ${EXPIRY_LEAST_MS} or more`,
    )
  const { id, text, hash } = newApiKey()
  const record: ApiKeyRecord = {
    name: checkedName(name, 'the name of the API key'),
    roles,
    groups,
    hash,
    createdMs: nowMs,
    createdBy,
    ...(namespace === undefined ? {} : { namespace: checkedName(namespace, 'the namespace') }),
    ...(user === undefined ? {} : { user: checkedName(user, 'the user of the API key') }),
    ...(expiresInMs === undefined ? {} : { expiresMs: nowMs + expiresInMs }),
  }
  return { id, text, record }
}

/** @throws PerdureError `ARGUMENT_INVALID`: it was revoked, or has expired */
export function rotatedKey(
  id: string,
  record: ApiKeyRecord,
  { graceMs, nowMs }: { readonly graceMs: number; readonly nowMs: number },
): { readonly text: string; readonly record: ApiKeyRecord } {
  const { revokedMs, expiresMs, hash: before } = record
  if (revokedMs !== undefined || (expiresMs !== undefined && expiresMs <= nowMs))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `the API key ${id} was revoked or has expired: make another one`,
    )
  const { text, hash } = newSecret(id)
  const { previous: _, ...rest } = record
  const previous = graceMs === 0 ? {} : { previous: { hash: before, untilMs: nowMs + graceMs } }
  return { text, record: { ...rest, hash, rotatedMs: nowMs, ...previous } }
}

export function summaryOfKey(
  registry: Registry,
  { id }: RegistryEntry,
  { hash: _, previous, ...visible }: ApiKeyRecord,
): ApiKeySummary {
  const lastUsedMs = lastUseOf(registry, id)
  return {
    id,
    prefix: `pdk_${id}`,
    ...visible,
    ...(previous === undefined ? {} : { previousUntilMs: previous.untilMs }),
    ...(lastUsedMs === undefined ? {} : { lastUsedMs }),
  }
}

function names(given: readonly string[] | undefined, what: string): readonly string[] {
  if (given === undefined) return []
  if (!Array.isArray(given) || given.length > NAMES_MOST)
    throw new PerdureError('ARGUMENT_INVALID', `${what} is no list of at most ${NAMES_MOST} names`)
  return given.map((each) => checkedName(each, `one of ${what}`))
}
