/**
 * A data key, and what it does: AES-256-GCM with a fresh random IV of 96 bits and a tag of 128 bits.
 *
 * With random IVs a key is good for 2^32 uses (NIST SP 800-38D, section 8.3); far before that another one takes its place.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
  randomFillSync,
} from 'node:crypto'
import { PerdureError } from '../../protocol/errors.ts'
import { runIdOf } from '../../protocol/ids.ts'

export const KEY_BYTES = 32
const ALGORITHM = 'aes-256-gcm'
const IV_BYTES = 12
/** Node would accept shorter ones if it is not told. */
const TAG = { authTagLength: 16 } as const
/** Of one process: what random IVs allow, and half of it. */
const USES_MAX = 2 ** 32
const USES_RENEWED = 2 ** 31
const DRAWN = 256

export class DataKey {
  readonly id: string
  readonly #secret: KeyObject
  #uses = 0

  constructor(id: string, secret: Uint8Array) {
    if (secret.length !== KEY_BYTES)
      throw new PerdureError(
        'PAYLOAD_UNREADABLE',
        `data key ${id} has ${secret.length} bytes, not ${KEY_BYTES}`,
      )
    this.id = id
    this.#secret = createSecretKey(secret)
  }

  /** Another one has to take its place for what is new. */
  get isUsedUp(): boolean {
    return this.#uses >= USES_RENEWED
  }

  /** IV, ciphertext and tag. */
  seal(plain: Uint8Array | string, bound: Uint8Array): Buffer {
    this.#uses += 1
    if (this.#uses > USES_MAX) throw new Error(`invariant: data key ${this.id} was used ${USES_MAX} times`)
    const iv = drawnIvs.next()
    const cipher = createCipheriv(ALGORITHM, this.#secret, iv, TAG)
    cipher.setAAD(bound)
    const first = typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain)
    const last = cipher.final()
    return Buffer.concat([iv, first, last, cipher.getAuthTag()])
  }

  /** Undefined: it is not what this key has sealed and bound so. */
  open(sealed: Uint8Array, bound: Uint8Array): Buffer | undefined {
    const end = sealed.length - TAG.authTagLength
    if (end < IV_BYTES) return undefined
    const decipher = createDecipheriv(ALGORITHM, this.#secret, sealed.subarray(0, IV_BYTES), TAG)
    decipher.setAAD(bound)
    decipher.setAuthTag(sealed.subarray(end))
    const plain = decipher.update(sealed.subarray(IV_BYTES, end))
    try {
      return Buffer.concat([plain, decipher.final()])
    } catch {
      // The tag does not fit.
      return undefined
    }
  }
}

/** Random pieces of one length, drawn for many at once. No piece is given twice. */
class Drawn {
  readonly #bytes: number
  #pool = Buffer.alloc(0)
  #at = 0

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  next(): Buffer {
    if (this.#at === this.#pool.length) {
      // A new pool each time: pieces of the last one may still be in use.
      this.#pool = randomFillSync(Buffer.allocUnsafeSlow(this.#bytes * DRAWN))
      this.#at = 0
    }
    this.#at += this.#bytes
    return this.#pool.subarray(this.#at - this.#bytes, this.#at)
  }
}

const drawnIvs = new Drawn(IV_BYTES)
const drawnIds = new Drawn(16)

/** A ULID. */
export function newPayloadId(nowMs: number): string {
  return runIdOf(nowMs, drawnIds.next())
}

export function newSecret(): Buffer {
  return randomBytes(KEY_BYTES)
}

/** What a tag covers beside the ciphertext: each part as its length in 4 bytes, big-endian, and its UTF-8. */
export function boundBytes(parts: readonly string[]): Buffer {
  let bytes = 0
  for (const part of parts) bytes += 4 + Buffer.byteLength(part)
  const bound = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const part of parts) {
    const length = bound.write(part, at + 4)
    bound.writeUInt32BE(length, at)
    at += 4 + length
  }
  return bound
}
