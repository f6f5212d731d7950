/**
 * Keys in files: RSA, 3,072 bits or more, PEM. The public key wraps data keys (RSA-OAEP with SHA-256, the context as its label);
 * private keys unwrap them, also those of former public keys.
 *
 * Wrapping takes some 40 microseconds. Unwrapping takes 1.5 ms, and is done by Node's threads.
 */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  publicEncrypt,
  type webcrypto,
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import { MissingKeyError } from '../../protocol/encrypted-payload.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { contextLabel, type KeyContext, type KeyService } from './key-service.ts'

export interface KeyFileSettings {
  /**
   * Public key that wraps new data keys: path of a PEM file, or PEM. Default: that of the first private key. Programs that have
   * no private key can write payloads, and read none.
   */
  readonly publicKey?: string
  /** Private keys: each the path of a PEM file, or PEM. Those of former public keys stay as long as there is what they wrapped. */
  readonly privateKeys?: readonly string[]
}

const LEAST_BITS = 3072
const PEM = /-----BEGIN /
const OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' } as const

export class KeyFiles implements KeyService {
  readonly #wrapping: { readonly id: string; readonly key: KeyObject }
  readonly #unwrapping = new Map<string, Promise<webcrypto.CryptoKey>>()

  /** @throws PerdureError `ARGUMENT_INVALID`: a file cannot be read, or is no RSA key of 3,072 bits or more */
  constructor({ publicKey, privateKeys = [] }: KeyFileSettings) {
    if (!Array.isArray(privateKeys)) throw invalid('privateKeys is not a list')
    const privates = privateKeys.map((given, i) => read(given, `privateKeys[${i}]`, createPrivateKey))
    for (const key of privates) {
      const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
      const imported = crypto.subtle.importKey('pkcs8', pkcs8, OAEP, false, ['decrypt'])
      // Whoever unwraps with it hears of it.
      imported.catch(() => {})
      this.#unwrapping.set(idOf(key), imported)
    }
    const own = privates[0]
    const wrapping = publicKey === undefined ? own : read(publicKey, 'publicKey', createPublicKey)
    if (wrapping === undefined) throw invalid('keys has neither a publicKey nor privateKeys')
    this.#wrapping = { id: idOf(wrapping), key: wrapping }
  }

  get currentKeyId(): string {
    return this.#wrapping.id
  }

  async wrap(key: Uint8Array, context: KeyContext): Promise<Uint8Array> {
    const oaepLabel = Buffer.from(contextLabel(context))
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    return publicEncrypt({ key: this.#wrapping.key, padding, oaepHash: 'sha256', oaepLabel }, key)
  }

  async unwrap(wrapped: Uint8Array, keyId: string, context: KeyContext): Promise<Uint8Array> {
    const key = await this.#unwrapping.get(keyId)
    if (key === undefined) {
      const known = [...this.#unwrapping.keys()].join(', ')
      throw new MissingKeyError(
        `data key ${context.keyId} was wrapped with key ${keyId}, whose private key is not here (here: ${known || 'none'})`,
      )
    }
    const label = Buffer.from(contextLabel(context))
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ ...OAEP, label }, key, Buffer.from(wrapped)))
    } catch (error) {
      const what = `data key ${context.keyId} of namespace ${context.namespace} cannot be unwrapped with key ${keyId}`
      throw new MissingKeyError(`${what}: it was changed, or belongs to another namespace`, {
        cause: error,
      })
    }
  }
}

/** 96 bits of the SHA-256 of the public key (SubjectPublicKeyInfo, DER). */
function idOf(key: KeyObject): string {
  const spki = (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' })
  return `rsa-${createHash('sha256').update(spki).digest().subarray(0, 12).toString('base64url')}`
}

function read(given: string, what: string, parse: (pem: string) => KeyObject): KeyObject {
  if (typeof given !== 'string' || given === '')
    throw invalid(`${what} is neither PEM nor the path of a file`)
  const isPem = PEM.test(given)
  const named = isPem ? what : `${what}, ${given},`
  let key: KeyObject
  try {
    key = parse(isPem ? given : readFileSync(given, 'utf8'))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw invalid(`${named} cannot be read as a key in PEM: ${why}`, error)
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType !== 'rsa' || bits < LEAST_BITS)
    throw invalid(`${named} is not an RSA key of ${LEAST_BITS} bits or more`)
  return key
}

function invalid(what: string, cause?: unknown): PerdureError {
  return new PerdureError(
    'ARGUMENT_INVALID',
    `encryption.keys: ${what}`,
    cause === undefined ? undefined : { cause },
  )
}
