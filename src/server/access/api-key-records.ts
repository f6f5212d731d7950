/** API keys in the registry: everything but their secrets. */

import type { Registry, RegistryEntry } from '../../engine/registry/registry-port.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Json } from '../../protocol/json.ts'
import { identifier, integer, list, object, optional, shaped, text, time } from '../../protocol/shapes.ts'

export const API_KEY_KIND = 'api-key'
/** When a key was used last, by its id: apart, so that using a key does not change it. */
export const API_KEY_USE_KIND = 'api-key-use'

export interface ApiKeyRecord {
  /** For people. */
  readonly name: string
  /** It belongs to this namespace, and is administered there; its calls are about it if they name none. */
  readonly namespace?: string
  readonly user?: string
  readonly groups: readonly string[]
  /** `viewer`, `operator@billing`, `admin@*`. */
  readonly roles: readonly string[]
  /** SHA-256 of the secret, hex. */
  readonly hash: string
  readonly createdMs: number
  readonly createdBy: string
  readonly expiresMs?: number
  readonly rotatedMs?: number
  /** The secret before: good until then. */
  readonly previous?: { readonly hash: string; readonly untilMs: number }
  readonly revokedMs?: number
}

const NAMES_MOST = 100
const name = identifier(512)
const hash = text(64)
const shape = object({
  name,
  namespace: optional(name),
  user: optional(name),
  groups: list(name, NAMES_MOST),
  roles: list(name, NAMES_MOST),
  hash,
  createdMs: time,
  createdBy: name,
  expiresMs: optional(time),
  rotatedMs: optional(time),
  previous: optional(object({ hash, untilMs: time })),
  revokedMs: optional(time),
})
const useShape = object({ lastUsedMs: integer() })

/** What was read of an entry: an entry never changes, its object gets another one. */
const records = new WeakMap<RegistryEntry, ApiKeyRecord>()
const uses = new WeakMap<RegistryEntry, { readonly lastUsedMs: number }>()

/** Undefined: it is none that this version understands; then it opens nothing. */
export function apiKeyRecordOf(entry: RegistryEntry | undefined): ApiKeyRecord | undefined {
  return readOnce(records, entry, (body) => shaped(shape, body, 'an API key'))
}

export function bodyOfApiKey(record: ApiKeyRecord): Json {
  return JSON.parse(JSON.stringify(record)) as Json
}

export function lastUseOf(registry: Registry, id: string): number | undefined {
  const entry = registry.get(API_KEY_USE_KIND, '', id)
  return readOnce(uses, entry, (body) => shaped(useShape, body, 'the use of an API key'))?.lastUsedMs
}

function readOnce<T extends object>(
  known: WeakMap<RegistryEntry, T>,
  entry: RegistryEntry | undefined,
  read: (body: Json) => T,
): T | undefined {
  if (entry === undefined) return undefined
  const before = known.get(entry)
  if (before !== undefined) return before
  try {
    const found = read(entry.body)
    known.set(entry, found)
    return found
  } catch (error) {
    if (error instanceof PerdureError) return undefined
    throw error
  }
}
