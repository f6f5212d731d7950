/// <reference lib="esnext.disposable" preserve="true" />
/** Puts the parts of encryption together. Loaded only by programs that encrypt. */
import type { DataKeyStore } from '../../platform/encryption/data-key-store.ts'
import { type KeyFileSettings, KeyFiles } from '../../platform/encryption/key-files.ts'
import { KeyRing } from '../../platform/encryption/key-ring.ts'
import type { KeyService } from '../../platform/encryption/key-service.ts'
import { StoredKeys } from '../../platform/encryption/stored-keys.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import { checkedOptions, type OptionNames } from '../checked-arguments.ts'
import type { Encryption, EncryptionSettings, ShredTarget } from './encryption.ts'
import { PayloadCipher } from './payload-cipher.ts'
import type { PayloadCodec } from './payload-codec.ts'

const SETTINGS: OptionNames<EncryptionSettings> = {
  keys: true,
  dataKeys: true,
  failures: true,
  plaintext: true,
  rememberFor: true,
}
const KEYS: OptionNames<KeyFileSettings> = { publicKey: true, privateKeys: true }
const REMEMBER_FOR = '5m'
const REMEMBER_MOST = 10_000

export async function openedEncryption(settings: EncryptionSettings): Promise<Encryption> {
  const checked = checkedOptions(settings, 'openEncryption()', SETTINGS)
  const { failures = true, plaintext = 'refuse', dataKeys } = checked
  if (plaintext !== 'refuse' && plaintext !== 'accept')
    throw invalid(`plaintext is ${JSON.stringify(plaintext)}, not one of refuse, accept`)
  if (typeof failures !== 'boolean') throw invalid('failures is neither true nor false')
  const rememberMs = durationMs(checked.rememberFor ?? REMEMBER_FOR, 'rememberFor')
  const keys = keyServiceOf(checked.keys)
  const store = dataKeys === undefined ? undefined : await dataKeyStoreOf(dataKeys)
  return new OpenedEncryption({ keys, store, failures, takesPlaintext: plaintext === 'accept', rememberMs })
}

interface Parts {
  readonly keys: KeyService
  readonly store: DataKeyStore | undefined
  readonly failures: boolean
  readonly takesPlaintext: boolean
  readonly rememberMs: number
}

class OpenedEncryption implements Encryption {
  readonly codec: PayloadCodec
  readonly #parts: Parts
  readonly #stored: StoredKeys | undefined
  readonly #ring: KeyRing

  constructor(parts: Parts) {
    const { keys, store, rememberMs, failures, takesPlaintext } = parts
    const nowMs = (): number => Date.now()
    this.#parts = parts
    this.#stored = store === undefined ? undefined : new StoredKeys({ keys, store, nowMs, rememberMs })
    this.#ring = new KeyRing({ keys, stored: this.#stored, nowMs, rememberMs, rememberMost: REMEMBER_MOST })
    this.codec = new PayloadCipher({ ring: this.#ring, nowMs, failures, takesPlaintext })
  }

  async shred(target: ShredTarget): Promise<number> {
    const { namespace, scope } = selectionOf(target)
    const store = this.#storeFor('shred')
    try {
      return await store.destroy(scope === undefined ? { namespace } : { namespace, scope }, Date.now())
    } finally {
      // Where it has failed they may be destroyed all the same: what is written with them is lost.
      this.#ring.forget(namespace)
      this.#stored?.forget(namespace)
    }
  }

  async rewrap(): Promise<number> {
    const { keys } = this.#parts
    const store = this.#storeFor('rewrap')
    let count = 0
    for (const key of await store.namespaceKeys()) {
      const by = keys.currentKeyId
      if (key.wrappedBy === by) continue
      const context = { namespace: key.namespace, keyId: key.id }
      const secret = await keys.unwrap(key.wrapped, key.wrappedBy, context)
      if (await store.replaceWrapped(key, by, await keys.wrap(secret, context))) count += 1
    }
    return count
  }

  async close(): Promise<void> {
    await this.#parts.store?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #storeFor(call: string): DataKeyStore {
    const { store } = this.#parts
    if (store === undefined)
      throw new PerdureError('SHREDDING_IMPOSSIBLE', `${call}(): this encryption has no store of data keys`)
    return store
  }
}

/** The scopes are those of `keyScopeOf`. */
function selectionOf(given: ShredTarget): { readonly namespace: string; readonly scope?: string } {
  const target = checkedOptions(given, 'shred()', {
    namespace: true,
    workflowId: true,
    taskId: true,
    debouncedTask: true,
    schedulePrefix: true,
    wholeNamespace: true,
  })
  const { namespace = DEFAULT_NAMESPACE, wholeNamespace, ...named } = target
  const checked = checkedName(namespace, 'the namespace')
  const kinds = {
    workflowId: 'execution',
    taskId: 'task',
    debouncedTask: 'tasks',
    schedulePrefix: 'schedule',
  }
  const scopes = Object.entries(named).flatMap(([name, id]) =>
    id === undefined ? [] : [`${kinds[name as keyof typeof kinds]}:${checkedName(id, name)}`],
  )
  const [scope] = scopes
  // Nobody shreds a whole namespace by forgetting an id.
  if (scopes.length + (wholeNamespace === true ? 1 : 0) !== 1)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `shred() takes one of ${Object.keys(kinds).join(', ')} and wholeNamespace: true`,
    )
  return scope === undefined ? { namespace: checked } : { namespace: checked, scope }
}

function keyServiceOf(keys: EncryptionSettings['keys'] | undefined): KeyService {
  if (typeof keys !== 'object' || keys === null) throw invalid('keys is missing')
  if ('wrap' in keys) {
    if (typeof keys.wrap === 'function' && typeof keys.unwrap === 'function') return keys
    throw invalid('keys is a key service that lacks wrap() or unwrap()')
  }
  return new KeyFiles(checkedOptions(keys, 'openEncryption({ keys })', KEYS))
}

async function dataKeyStoreOf(given: string | DataKeyStore): Promise<DataKeyStore> {
  if (typeof given === 'object' && typeof given?.claim === 'function') return given
  if (typeof given === 'string' && /^sqlite:./.test(given)) {
    const { SqliteDataKeys } = await import('../../platform/encryption/sqlite-data-keys.ts')
    return new SqliteDataKeys(given.slice('sqlite:'.length))
  }
  if (typeof given === 'string' && /^postgres(ql)?:\/\//.test(given)) {
    const { PostgresDataKeys } = await import('../../platform/encryption/postgres-data-keys.ts')
    return new PostgresDataKeys(given)
  }
  throw new PerdureError(
    'STORE_INVALID',
    "openEncryption({ dataKeys }) is neither 'sqlite:PATH', nor 'postgres://USER@HOST:PORT/DATABASE', nor a store",
  )
}

function invalid(what: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', `openEncryption(): ${what}`)
}
