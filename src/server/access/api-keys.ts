/**
 * Who an API key is of.
 *
 * 1. A key that was changed, such as one that was revoked, is looked at anew as soon as this node knows: what was found of it
 *    counts only for the very entry of the registry that it was found with.
 * 2. A secret that was good is not computed again for 60 seconds, and never after it has ended.
 */

import type { Registry, RegistryEntry } from '../../engine/registry/registry-port.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Caller } from '../../protocol/caller.ts'
import { type ApiKeyText, hashOfSecret, isSameHash } from './api-key.ts'
import {
  API_KEY_KIND,
  API_KEY_USE_KIND,
  type ApiKeyRecord,
  apiKeyRecordOf,
  lastUseOf,
} from './api-key-records.ts'

/** How exactly it is known when a key was used last. */
const USE_WRITTEN_EVERY_MS = 3_600_000
const VERIFIED_MS = 60_000
const VERIFIED_MOST = 2000
/** Uses that are about to be written. */
const USES_MOST = 1000

interface Verified {
  readonly entry: RegistryEntry
  readonly found: FoundKey
  readonly fromMs: number
  readonly untilMs: number
}

export interface FoundKey {
  readonly id: string
  readonly caller: Omit<Caller, 'address'>
  /** Of the secret that was shown. */
  readonly hash: string
}

/** When and why a credential ends; undefined: it does not by itself. */
export interface End {
  readonly atMs: number
  readonly why: string
}

export interface ApiKeysParts {
  readonly registry: Registry
  readonly logger: Logger
  readonly nowMs: () => number
}

export class ApiKeys {
  readonly #parts: ApiKeysParts
  readonly #writing = new Set<string>()
  /** By their text; the one that was verified last is the last. */
  readonly #verified = new Map<string, Verified>()
  /** Of each entry, so that decisions about a key are kept by its caller. */
  readonly #callers = new WeakMap<RegistryEntry, Omit<Caller, 'address'>>()

  constructor(parts: ApiKeysParts) {
    this.#parts = parts
  }

  /** Keys whose text is in memory. */
  get verified(): number {
    return this.#verified.size
  }

  /** What the text was found to be a short while ago, if nothing has changed since. */
  known(text: string): FoundKey | undefined {
    const known = this.#verified.get(text)
    if (known === undefined) return undefined
    const { entry, found, fromMs, untilMs } = known
    const nowMs = this.#parts.nowMs()
    const isSame = this.#parts.registry.get(API_KEY_KIND, '', found.id) === entry
    // A clock that was set back keeps nothing for longer.
    if (isSame && nowMs >= fromMs && nowMs < untilMs) return found
    this.#verified.delete(text)
    return undefined
  }

  /**
   * Why not is not said to the caller: only that it is none.
   *
   * @param text all of the key
   */
  find(given: ApiKeyText, text: string): FoundKey | string {
    const entry = this.#parts.registry.get(API_KEY_KIND, '', given.id)
    const record = apiKeyRecordOf(entry)
    const hash = hashOfSecret(given.secret)
    if (entry === undefined || record === undefined) return 'there is no such API key'
    const end = this.#endOf(record, hash)
    if (end === 'unknown') return 'there is no such API key'
    if (end !== undefined && end.atMs <= this.#parts.nowMs()) return `the API key ${given.id} ${end.why}`
    this.#used(given.id)
    const found = { id: given.id, caller: this.#callerOf(entry, record), hash }
    this.#remember(text, { entry, found }, end)
    return found
  }

  #remember(text: string, good: Pick<Verified, 'entry' | 'found'>, end: End | undefined): void {
    const fromMs = this.#parts.nowMs()
    const untilMs = Math.min(fromMs + VERIFIED_MS, end?.atMs ?? Number.POSITIVE_INFINITY)
    // Those that were verified first are the first: no secret stays for long after its time.
    for (const [other, { untilMs: otherMs }] of this.#verified) {
      if (otherMs > fromMs && this.#verified.size < VERIFIED_MOST) break
      this.#verified.delete(other)
    }
    this.#verified.set(text, { ...good, fromMs, untilMs })
  }

  /** Who the key is of by now, whoever shows it; a text: why it is nobody's any more. */
  holderOf(id: string): Omit<Caller, 'address'> | string {
    const entry = this.#parts.registry.get(API_KEY_KIND, '', id)
    const record = apiKeyRecordOf(entry)
    if (entry === undefined || record === undefined) return `there is no API key ${id} any more`
    const end = this.#endOf(record, record.hash)
    if (end !== 'unknown' && end !== undefined && end.atMs <= this.#parts.nowMs())
      return `the API key ${id} ${end.why}`
    return this.#callerOf(entry, record)
  }

  /** As it is now; `'unknown'`: it is not there, or is another one. */
  endOf(id: string, hash: string): End | 'unknown' | undefined {
    const record = apiKeyRecordOf(this.#parts.registry.get(API_KEY_KIND, '', id))
    return record === undefined ? 'unknown' : this.#endOf(record, hash)
  }

  /** Whether what the key brings along is still the same. */
  isSame(id: string, caller: Caller): boolean {
    const entry = this.#parts.registry.get(API_KEY_KIND, '', id)
    const record = apiKeyRecordOf(entry)
    if (entry === undefined || record === undefined) return false
    const now = this.#callerOf(entry, record)
    const what = ({ user, groups, roles, namespace }: Omit<Caller, 'address'>): string =>
      JSON.stringify([user, groups, roles, namespace])
    return what(now) === what(caller)
  }

  #endOf({ hash, previous, expiresMs, revokedMs }: ApiKeyRecord, given: string): End | 'unknown' | undefined {
    const isCurrent = isSameHash(hash, given)
    const isPrevious = previous !== undefined && isSameHash(previous.hash, given)
    if (!isCurrent && !isPrevious) return 'unknown'
    // At once, also where a clock is behind that of the node that has revoked it.
    if (revokedMs !== undefined) return { atMs: 0, why: 'was revoked' }
    const ends: End[] = [
      ...(expiresMs === undefined ? [] : [{ atMs: expiresMs, why: 'has expired' }]),
      ...(isCurrent || previous === undefined
        ? []
        : [{ atMs: previous.untilMs, why: 'has got another secret, and this one is not good any more' }]),
    ]
    return ends.sort((a, b) => a.atMs - b.atMs)[0]
  }

  #callerOf(entry: RegistryEntry, record: ApiKeyRecord): Omit<Caller, 'address'> {
    const known = this.#callers.get(entry)
    if (known !== undefined) return known
    const { name, namespace, user, groups, roles } = record
    const caller: Omit<Caller, 'address'> = {
      id: `key:${entry.id}`,
      kind: 'api-key',
      name,
      groups,
      roles,
      ...(user === undefined ? {} : { user }),
      ...(namespace === undefined ? {} : { namespace }),
    }
    this.#callers.set(entry, caller)
    return caller
  }

  /** Once an hour: nobody waits for it, and a failure costs no more than that it is not known. */
  #used(id: string): void {
    const { registry, nowMs, logger } = this.#parts
    const lastMs = lastUseOf(registry, id) ?? 0
    if (nowMs() - lastMs < USE_WRITTEN_EVERY_MS || this.#writing.has(id)) return
    if (this.#writing.size >= USES_MOST) return
    this.#writing.add(id)
    registry
      .put({ kind: API_KEY_USE_KIND, namespace: '', id }, { lastUsedMs: nowMs() })
      .catch((error: unknown) =>
        logger.warn('that an API key was used is not recorded', { keyId: id, error }),
      )
      .finally(() => this.#writing.delete(id))
  }
}
