/** A cipher over keys of a test. */

import type { DataKeyStore } from '../../src/platform/encryption/data-key-store.ts'
import { type KeyFileSettings, KeyFiles } from '../../src/platform/encryption/key-files.ts'
import { KeyRing } from '../../src/platform/encryption/key-ring.ts'
import type { KeyService } from '../../src/platform/encryption/key-service.ts'
import { SqliteDataKeys } from '../../src/platform/encryption/sqlite-data-keys.ts'
import { StoredKeys } from '../../src/platform/encryption/stored-keys.ts'
import type { PayloadPlace } from '../../src/protocol/encrypted-payload.ts'
import type { Payload } from '../../src/protocol/payload.ts'
import { PayloadCipher } from '../../src/sdk/encryption/payload-cipher.ts'
import { rsaKeys } from './rsa-keys.ts'

export interface CipherOptions {
  readonly keys?: KeyFileSettings | KeyService
  readonly store?: DataKeyStore | undefined
  readonly takesPlaintext?: boolean
  readonly rememberMs?: number
  readonly nowMs?: () => number
}

export function cipher({
  keys = { privateKeys: [rsaKeys().privateKey] },
  store,
  takesPlaintext = false,
  rememberMs = 300_000,
  nowMs = Date.now,
}: CipherOptions = {}): PayloadCipher {
  const service = 'wrap' in keys ? keys : new KeyFiles(keys)
  const stored = store === undefined ? undefined : new StoredKeys({ keys: service, store, nowMs, rememberMs })
  const ring = new KeyRing({ keys: service, stored, nowMs, rememberMs, rememberMost: 1000 })
  return new PayloadCipher({ ring, nowMs, failures: true, takesPlaintext })
}

export const inMemory = (): DataKeyStore => new SqliteDataKeys(':memory:')

export const seal = async (codec: PayloadCipher, payload: Payload, place: PayloadPlace): Promise<Payload> =>
  codec.code(place.namespace, (coder) => coder.seal(payload, place))

export const open = async (codec: PayloadCipher, payload: Payload, place: PayloadPlace): Promise<Payload> =>
  codec.code(place.namespace, (coder) => coder.open(payload, place))
