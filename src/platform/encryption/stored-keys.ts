/**
 * Data keys in a store: one for each scope, wrapped by the key of its namespace, which the key service has wrapped.
 *
 * So a process unwraps one key for each namespace by RSA (1.5 ms) or a call of its KMS, not one for each execution; and whoever
 * wraps keys anew after a rotation wraps those of the namespaces.
 *
 * What is asked for at a time goes to the store in one call.
 *
 * A key of a namespace that is remembered may have been destroyed by another process: the store adds nothing that was wrapped by it, and
 * what it has is held against it, so that no scope gets a key that nobody can unwrap.
 */
import { MissingKeyError } from '../../protocol/encrypted-payload.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { boundBytes, DataKey, newPayloadId, newSecret } from './data-key.ts'
import type { DataKeyStore, FoundDataKey, StoredDataKey } from './data-key-store.ts'
import type { KeyService } from './key-service.ts'

export interface StoredKeysOptions {
  readonly keys: KeyService
  readonly store: DataKeyStore
  readonly nowMs: () => number
  /** How long keys of namespaces are remembered. */
  readonly rememberMs: number
}

interface Question<T> {
  readonly resolve: (answer: T) => void
  readonly reject: (error: unknown) => void
}

type Claim = Question<StoredDataKey | undefined> & { readonly candidate: StoredDataKey }
type Find = Question<FoundDataKey | undefined> & { readonly namespace: string; readonly id: string }

interface NamespaceKey {
  readonly key: DataKey
  readonly untilMs: number
}

const NAMESPACE_SCOPE = ''
/** Keys of its namespace that are tried for one of a scope: each is destroyed while it is asked for. */
const CLAIMS_MOST = 3

export class StoredKeys {
  readonly #options: StoredKeysOptions
  readonly #namespaces = new Map<string, Promise<NamespaceKey>>()
  #claims: Claim[] = []
  #finds: Find[] = []
  #isAsking = false

  constructor(options: StoredKeysOptions) {
    this.#options = options
  }

  /** The key of a scope; it gets one if it has none. */
  async writing(namespace: string, scope: string): Promise<DataKey> {
    for (let attempt = 0; attempt < CLAIMS_MOST; attempt++) {
      const owner = await this.#namespaceKey(namespace)
      const id = newPayloadId(this.#options.nowMs())
      const wrapped = owner.seal(newSecret(), boundTo(namespace, scope, id, owner.id))
      const found = await this.#claim({ namespace, scope, id, wrappedBy: owner.id, wrapped })
      if (found?.wrappedBy === owner.id) return this.#unwrapped(found, owner)
      // What is remembered is the key of the namespace no more.
      this.#forgetKey(namespace, owner)
    }
    throw unavailable(namespace)
  }

  /** @throws PerdureError `PAYLOAD_UNREADABLE`: there is no such key, or not any more */
  async reading(namespace: string, id: string): Promise<DataKey> {
    const found = await this.#found(namespace, id)
    const owner = await this.#namespaceKey(namespace)
    if (found.wrappedBy === owner.id) return this.#unwrapped(found, owner)
    return this.#unwrapped(
      found,
      await this.#unwrappedByService(await this.#found(namespace, found.wrappedBy)),
    )
  }

  /** What was destroyed is not remembered. */
  forget(namespace: string): void {
    this.#namespaces.delete(namespace)
  }

  #forgetKey(namespace: string, { id }: DataKey): void {
    const known = this.#namespaces.get(namespace)
    known?.then(
      ({ key }) => {
        if (key.id === id && this.#namespaces.get(namespace) === known) this.#namespaces.delete(namespace)
      },
      // Whoever asks for it is told.
      () => {},
    )
  }

  #namespaceKey(namespace: string): Promise<DataKey> {
    const { nowMs, rememberMs } = this.#options
    const known = this.#namespaces.get(namespace)
    const asked =
      known ?? this.#claimedNamespaceKey(namespace).then((key) => ({ key, untilMs: nowMs() + rememberMs }))
    if (known === undefined) {
      this.#namespaces.set(namespace, asked)
      asked.catch(() => this.#namespaces.delete(namespace))
    }
    return asked.then(({ key, untilMs }) => {
      if (nowMs() < untilMs) return key
      if (this.#namespaces.get(namespace) === asked) this.#namespaces.delete(namespace)
      return this.#namespaceKey(namespace)
    })
  }

  async #claimedNamespaceKey(namespace: string): Promise<DataKey> {
    const { keys, nowMs } = this.#options
    const id = newPayloadId(nowMs())
    const secret = newSecret()
    const wrappedBy = keys.currentKeyId
    const wrapped = await keys.wrap(secret, { namespace, keyId: id })
    const found = await this.#claim({ namespace, scope: NAMESPACE_SCOPE, id, wrappedBy, wrapped })
    if (found === undefined) throw unavailable(namespace)
    return found.id === id ? new DataKey(id, secret) : this.#unwrappedByService(found)
  }

  async #unwrappedByService({ namespace, id, wrapped, wrappedBy }: StoredDataKey): Promise<DataKey> {
    return new DataKey(id, await this.#options.keys.unwrap(wrapped, wrappedBy, { namespace, keyId: id }))
  }

  #unwrapped({ namespace, scope, id, wrapped, wrappedBy }: StoredDataKey, owner: DataKey): DataKey {
    const secret = owner.open(wrapped, boundTo(namespace, scope, id, wrappedBy))
    if (secret === undefined)
      throw new MissingKeyError(
        `data key ${id} in the store of data keys was changed, or is not from namespace ${namespace}`,
      )
    return new DataKey(id, secret)
  }

  async #found(namespace: string, id: string): Promise<StoredDataKey> {
    const found = await new Promise<FoundDataKey | undefined>((resolve, reject) => {
      this.#finds.push({ namespace, id, resolve, reject })
      this.#askSoon()
    })
    if (found === undefined)
      throw new MissingKeyError(
        `data key ${id} is not in the store of data keys of this program (encryption.dataKeys)`,
      )
    if ('destroyedMs' in found)
      throw new PerdureError(
        'PAYLOAD_SHREDDED',
        `data key ${id} was destroyed at ${new Date(found.destroyedMs).toISOString()}: what it encrypted is gone for good`,
      )
    return found
  }

  #claim(candidate: StoredDataKey): Promise<StoredDataKey | undefined> {
    return new Promise((resolve, reject) => {
      this.#claims.push({ candidate, resolve, reject })
      this.#askSoon()
    })
  }

  #askSoon(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    setImmediate(() => void this.#ask())
  }

  /** One call at a time: what comes meanwhile goes with the next. */
  async #ask(): Promise<void> {
    while (this.#claims.length + this.#finds.length > 0) {
      const claims = this.#claims.splice(0)
      const finds = this.#finds.splice(0)
      await Promise.all([this.#askClaims(claims), this.#askFinds(finds)])
    }
    this.#isAsking = false
  }

  async #askClaims(claims: readonly Claim[]): Promise<void> {
    if (claims.length === 0) return
    try {
      const found = await this.#options.store.claim(claims.map(({ candidate }) => candidate))
      for (const [i, { resolve }] of claims.entries()) resolve(found[i])
    } catch (error) {
      for (const { reject } of claims) reject(error)
    }
  }

  async #askFinds(finds: readonly Find[]): Promise<void> {
    for (const [namespace, group] of Map.groupBy(finds, (find) => find.namespace)) {
      try {
        const found = await this.#options.store.find(
          namespace,
          group.map(({ id }) => id),
        )
        for (const [i, { resolve }] of group.entries()) resolve(found[i])
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
  }
}

function unavailable(namespace: string): PerdureError {
  return new PerdureError('KEYS_UNAVAILABLE', `keys of namespace ${namespace} are being destroyed`)
}

function boundTo(namespace: string, scope: string, id: string, wrappedBy: string): Buffer {
  return boundBytes([namespace, scope, id, wrappedBy])
}
