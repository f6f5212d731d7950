/**
 * Encrypts and decrypts payloads: gets the keys that are needed, binds each payload to its place, makes and reads the envelope.
 */
import { boundBytes, newPayloadId } from '../../platform/encryption/data-key.ts'
import type { HeldKeys, KeyReference, KeyRing } from '../../platform/encryption/key-ring.ts'
import {
  ENCRYPTED_CODEC,
  ENVELOPE_BYTES_MAX,
  type EncryptedData,
  encryptedDataOf,
  isEncrypted,
  isUnreadable,
  keyScopeOf,
  type PayloadPlace,
  type PayloadPurpose,
} from '../../protocol/encrypted-payload.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { Json } from '../../protocol/json.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { Coder, FailurePlace, PayloadCodec } from './payload-codec.ts'
import { isToSeal, mapSealed, secretPart, withSealed, withSecret } from './sealed-failure.ts'

export interface PayloadCipherOptions {
  readonly ring: KeyRing
  readonly nowMs: () => number
  /** Errors of user code are encrypted too. */
  readonly failures: boolean
  /** Payloads that are not encrypted are taken. */
  readonly takesPlaintext: boolean
}

/** Purposes whose owner whoever reads the payload cannot know. */
const DECLARED: ReadonlySet<PayloadPurpose> = new Set(['schedule-input', 'debounced-input'])
/** base64 takes 4 bytes for 3. */
const PLAIN_SHARE = 3 / 4

export class PayloadCipher implements PayloadCodec {
  readonly #options: PayloadCipherOptions

  constructor(options: PayloadCipherOptions) {
    this.#options = options
  }

  code<T>(namespace: string, use: (coder: Coder) => T): T | Promise<T> {
    const needs = new Needs(namespace, this.#options)
    use(needs)
    const keys = this.#options.ring.keysFor(needs)
    if (keys instanceof Promise)
      return keys.then((held) => use(new KeyedCoder(namespace, held, this.#options)))
    return use(new KeyedCoder(namespace, keys, this.#options))
  }

  roomIn(limits: Limits): Limits {
    const payloadBytes = Math.floor((limits.payloadBytes - ENVELOPE_BYTES_MAX) * PLAIN_SHARE)
    if (payloadBytes < 1)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `limits.payloadBytes is ${limits.payloadBytes}: encrypted payloads take ${ENVELOPE_BYTES_MAX} bytes more than what is in them`,
      )
    return { ...limits, payloadBytes }
  }
}

/** Collects which keys a use needs; changes nothing. */
class Needs implements Coder {
  readonly namespace: string
  readonly scopes: string[] = []
  readonly references: KeyReference[] = []
  readonly #options: PayloadCipherOptions

  constructor(namespace: string, options: PayloadCipherOptions) {
    this.namespace = namespace
    this.#options = options
  }

  seal(payload: Payload, { purpose, owner }: PayloadPlace): Payload {
    this.scopes.push(keyScopeOf(purpose, owner))
    return payload
  }

  open(payload: Payload): Payload {
    if (isEncrypted(payload)) this.references.push(encryptedDataOf(payload))
    return payload
  }

  sealFailure(failure: Failure, { purpose, owner }: FailurePlace): Failure {
    if (this.#options.failures && isToSeal(failure)) this.scopes.push(keyScopeOf(purpose, owner))
    return failure
  }

  openFailure(failure: Failure): Failure {
    return mapSealed(failure, (sealed, sealedFailure) => {
      this.open(sealed)
      return sealedFailure
    })
  }

  readFailure(failure: Failure): Failure {
    return mapSealed(failure, (sealed, sealedFailure) => {
      if (isReadable(sealed)) this.open(sealed)
      return sealedFailure
    })
  }
}

function isReadable(payload: Payload): boolean {
  try {
    encryptedDataOf(payload)
    return true
  } catch {
    return false
  }
}

class KeyedCoder implements Coder {
  readonly #namespace: string
  readonly #keys: HeldKeys
  readonly #options: PayloadCipherOptions

  constructor(namespace: string, keys: HeldKeys, options: PayloadCipherOptions) {
    this.#namespace = namespace
    this.#keys = keys
    this.#options = options
  }

  seal(payload: Payload, { owner, purpose }: PayloadPlace): Payload {
    const { key, carried } = this.#keys.writing(keyScopeOf(purpose, owner))
    const id = newPayloadId(this.#options.nowMs())
    const bound = boundBytes([this.#namespace, owner, purpose, id, key.id])
    const sealed = key.seal(JSON.stringify(payload), bound).toString('base64')
    const data: { [name: string]: Json } = { id, purpose, sealed }
    if (DECLARED.has(purpose)) data.owner = owner
    if (carried !== undefined) data.key = { by: carried.by, wrapped: carried.wrapped }
    return [1, ENCRYPTED_CODEC, key.id, data]
  }

  open(payload: Payload, place: PayloadPlace): Payload {
    if (!isEncrypted(payload)) {
      if (this.#options.takesPlaintext) return payload
      throw new PerdureError(
        'PAYLOAD_UNREADABLE',
        `${placeText(place)} is not encrypted, and this program takes only what is (encryption.plaintext)`,
      )
    }
    const data = encryptedDataOf(payload)
    const owner = ownerOf(data, place)
    const key = this.#keys.reading(data)
    const bound = boundBytes([this.#namespace, owner, data.purpose, data.id, data.keyId])
    const plain = key.open(Buffer.from(data.sealed, 'base64'), bound)
    if (plain === undefined)
      throw new PerdureError(
        'PAYLOAD_UNREADABLE',
        `${placeText(place)} is not what was encrypted there with key ${data.keyId}: it was changed, or is from another place`,
      )
    // The one cast: the tag says that `seal` has written it.
    return JSON.parse(plain.toString()) as Payload
  }

  sealFailure(failure: Failure, place: FailurePlace): Failure {
    if (!this.#options.failures || !isToSeal(failure)) return failure
    return withSealed(failure, this.seal(secretPart(failure), place))
  }

  openFailure(failure: Failure, place: FailurePlace): Failure {
    return mapSealed(failure, (sealed, found) => withSecret(found, this.open(sealed, place)))
  }

  readFailure(failure: Failure, place: FailurePlace): Failure {
    return mapSealed(failure, (sealed, found) => {
      try {
        return withSecret(found, this.open(sealed, place))
      } catch (error) {
        if (isUnreadable(error)) return found
        throw error
      }
    })
  }
}

/** Throws if the payload says of itself that it belongs elsewhere. */
function ownerOf({ purpose, owner: declared = '' }: EncryptedData, place: PayloadPlace): string {
  if (purpose === place.purpose)
    return DECLARED.has(place.purpose) ? checkedOwner(declared, place) : place.owner
  const { or } = place
  if (or === undefined || purpose !== or.purpose || !or.isOwner(declared))
    throw new PerdureError(
      'PAYLOAD_UNREADABLE',
      `${placeText(place)} is a payload of another place (${purpose}${declared === '' ? '' : ` of ${declared}`})`,
    )
  return declared
}

function checkedOwner(declared: string, place: PayloadPlace): string {
  if (declared === place.owner) return declared
  throw new PerdureError('PAYLOAD_UNREADABLE', `${placeText(place)} is a payload of ${declared}`)
}

function placeText({ namespace, owner, purpose }: PayloadPlace): string {
  return `the ${purpose} of ${owner} in namespace ${namespace}`
}
