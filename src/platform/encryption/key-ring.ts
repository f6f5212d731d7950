/**
 * The data keys of a process: made, wrapped, found, unwrapped, and remembered for a while.
 *
 * Sealing and opening are synchronous, and what they need may be far away. So keys are asked for first (`keysFor`: at once if all
 * of them are remembered, else a promise), and what was got is held until it is used.
 *
 * Without a store of data keys, each process has one data key for each namespace, for a day, and each payload carries it
 * wrapped. With a store, each execution has its own.
 */

import { type CarriedKey, isUnreadable, MissingKeyError } from '../../protocol/encrypted-payload.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { causeText } from '../../protocol/failure.ts'
import { BoundedCache } from './bounded-cache.ts'
import { DataKey, newPayloadId, newSecret } from './data-key.ts'
import type { KeyService } from './key-service.ts'
import type { StoredKeys } from './stored-keys.ts'

export interface KeyRingOptions {
  readonly keys: KeyService
  readonly stored?: StoredKeys | undefined
  readonly nowMs: () => number
  /** How long a key is remembered. */
  readonly rememberMs: number
  /** Keys that are remembered. */
  readonly rememberMost: number
}

/** What writes: with the key as payloads carry it, if they do. */
export interface WritingKey {
  readonly key: DataKey
  readonly carried?: CarriedKey
}

export interface KeyReference {
  readonly keyId: string
  readonly key?: CarriedKey
}

export interface KeyNeeds {
  readonly namespace: string
  /** Scopes that are written to. */
  readonly scopes: readonly string[]
  readonly references: readonly KeyReference[]
}

/** Keys that were asked for. */
export class HeldKeys {
  readonly #writing: ReadonlyMap<string, WritingKey>
  readonly #reading: ReadonlyMap<string, DataKey | PerdureError>

  constructor(
    writing: ReadonlyMap<string, WritingKey>,
    reading: ReadonlyMap<string, DataKey | PerdureError>,
  ) {
    this.#writing = writing
    this.#reading = reading
  }

  writing(scope: string): WritingKey {
    const key = this.#writing.get(scope)
    if (key === undefined) throw new Error(`invariant: no key was asked for to write to ${scope}`)
    return key
  }

  /** @throws PerdureError `PAYLOAD_UNREADABLE` */
  reading(reference: KeyReference): DataKey {
    const key = this.#reading.get(referenceText(reference))
    if (key === undefined) throw new Error(`invariant: key ${reference.keyId} was not asked for`)
    if (key instanceof PerdureError) throw key
    return key
  }
}

const RENEW_MS = 24 * 3_600_000

export class KeyRing {
  readonly #options: KeyRingOptions
  readonly #reading: BoundedCache<DataKey>
  readonly #writing: BoundedCache<WritingKey>
  /** On their way. */
  readonly #asked = new Map<string, Promise<unknown>>()
  /** Of all namespaces: what was asked for before may be destroyed. */
  #forgotten = 0

  constructor(options: KeyRingOptions) {
    this.#options = options
    const { nowMs, rememberMs: forMs, rememberMost: most } = options
    this.#reading = new BoundedCache({ most, forMs, nowMs })
    this.#writing = new BoundedCache({ most, forMs: options.stored === undefined ? RENEW_MS : forMs, nowMs })
  }

  /** @throws PerdureError `KEYS_UNAVAILABLE` (as a rejection): it may work later. */
  keysFor(needs: KeyNeeds): HeldKeys | Promise<HeldKeys> {
    const { namespace } = needs
    const writing = new Map<string, WritingKey>()
    const reading = new Map<string, DataKey | PerdureError>()
    const waits: Promise<void>[] = []
    for (const scope of needs.scopes) {
      if (writing.has(scope)) continue
      const known = this.#writingNow(namespace, scope)
      if (known !== undefined) writing.set(scope, known)
      else waits.push(this.#writingSoon(namespace, scope).then((key) => void writing.set(scope, key)))
    }
    for (const reference of needs.references) {
      const text = referenceText(reference)
      if (reading.has(text)) continue
      const known = this.#reading.get(`${namespace}\0${text}`)
      if (known !== undefined) reading.set(text, known)
      else waits.push(this.#readingSoon(namespace, reference).then((key) => void reading.set(text, key)))
    }
    const held = new HeldKeys(writing, reading)
    if (waits.length === 0) return held
    return Promise.all(waits).then(() => held)
  }

  /** They were destroyed: what is remembered of them is forgotten. */
  forget(namespace: string): void {
    this.#forgotten += 1
    for (const text of this.#asked.keys())
      if (text.startsWith(`write\0${namespace}\0`) || text.startsWith(`read\0${namespace}\0`))
        this.#asked.delete(text)
    this.#reading.forget(`${namespace}\0`)
    this.#writing.forget(`${namespace}\0`)
  }

  #writingNow(namespace: string, scope: string): WritingKey | undefined {
    const { stored, keys } = this.#options
    const known = this.#writing.get(`${namespace}\0${stored === undefined ? '' : scope}`)
    // Keys in a store are for one execution each, and never used so often.
    if (known?.carried === undefined) return known
    // A rotation counts from the next payload on.
    return known.key.isUsedUp || known.carried.by !== keys.currentKeyId ? undefined : known
  }

  #writingSoon(namespace: string, scope: string): Promise<WritingKey> {
    const { stored } = this.#options
    const text = `${namespace}\0${stored === undefined ? '' : scope}`
    return this.#once(`write\0${text}`, async () => {
      if (stored === undefined) {
        const made = await this.#made(namespace)
        this.#writing.set(text, made)
        return made
      }
      const before = this.#forgotten
      const key = await stored.writing(namespace, scope)
      const made = { key }
      if (this.#forgotten !== before) return made
      this.#writing.set(text, made)
      this.#reading.set(`${namespace}\0${key.id}`, key)
      return made
    })
  }

  async #readingSoon(namespace: string, reference: KeyReference): Promise<DataKey | PerdureError> {
    const text = `${namespace}\0${referenceText(reference)}`
    try {
      return await this.#once(`read\0${text}`, async () => {
        const before = this.#forgotten
        const key = await this.#unwrapped(namespace, reference)
        if (this.#forgotten === before) this.#reading.set(text, key)
        return key
      })
    } catch (error) {
      if (isUnreadable(error)) return error.code === 'PAYLOAD_SHREDDED' ? error : missing(error)
      throw error
    }
  }

  async #unwrapped(namespace: string, { keyId, key: carried }: KeyReference): Promise<DataKey> {
    const { keys, stored } = this.#options
    if (carried !== undefined) {
      const wrapped = Buffer.from(carried.wrapped, 'base64')
      return new DataKey(keyId, await keys.unwrap(wrapped, carried.by, { namespace, keyId }))
    }
    if (stored !== undefined) return stored.reading(namespace, keyId)
    throw new MissingKeyError(
      `data key ${keyId} is in a store of data keys, and this program was given none (encryption.dataKeys)`,
    )
  }

  async #made(namespace: string): Promise<WritingKey> {
    const { keys, nowMs } = this.#options
    const keyId = newPayloadId(nowMs())
    const secret = newSecret()
    const by = keys.currentKeyId
    const wrapped = Buffer.from(await keys.wrap(secret, { namespace, keyId })).toString('base64')
    const key = new DataKey(keyId, secret)
    // This process reads what it has written also without the private key.
    this.#reading.set(`${namespace}\0${referenceText({ keyId, key: { by, wrapped } })}`, key)
    return { key, carried: { by, wrapped } }
  }

  /** Several that want the same wait for one. */
  #once<T>(text: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#asked.get(text)
    // The one cast: the text says what is asked for.
    if (known !== undefined) return known as Promise<T>
    const asked = ask()
      .catch((error: unknown) => {
        throw unavailable(error)
      })
      .finally(() => {
        if (this.#asked.get(text) === asked) this.#asked.delete(text)
      })
    this.#asked.set(text, asked)
    return asked
  }
}

/** Whatever the key service says: another program may have what is missing here. */
function missing(error: PerdureError): MissingKeyError {
  if (error instanceof MissingKeyError) return error
  return new MissingKeyError(causeText(error, 'PAYLOAD_UNREADABLE'), { cause: error })
}

/** With the wrapped key: a payload that carries another one under the id of a good key spoils nothing. */
function referenceText({ keyId, key }: KeyReference): string {
  return key === undefined ? keyId : `${keyId}\0${key.by}\0${key.wrapped}`
}

function unavailable(error: unknown): PerdureError {
  if (error instanceof PerdureError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new PerdureError('KEYS_UNAVAILABLE', `keys of payloads cannot be reached: ${why}`, { cause: error })
}
