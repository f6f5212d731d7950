/**
 * The text of an API key: `pdk_ID_SECRET`.
 *
 * The secret has 256 random bits, so a plain SHA-256 of it is enough to keep. Its last six characters are a checksum of all
 * before: what was mistyped or cut off is told from what was revoked without a look anywhere, and scanners for lost secrets find
 * few other things.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

export interface ApiKeyText {
  readonly id: string
  /** Without the checksum. */
  readonly secret: string
}

const PREFIX = 'pdk_'
const PATTERN = /^pdk_([0-9a-hjkmnp-tv-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/
const ID_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const ID_CHARACTERS = 12
const SECRET_BYTES = 32
const SECRET_CHARACTERS = 43
const CHECKSUM_CHARACTERS = 6
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** @returns its id, and all of it: the only time that the secret is seen */
export function newApiKey(): { readonly id: string; readonly text: string; readonly hash: string } {
  const id = [...randomBytes(ID_CHARACTERS)].map((byte) => ID_ALPHABET[byte & 31]).join('')
  return { id, ...newSecret(id) }
}

/** Another secret of the same key. */
export function newSecret(id: string): { readonly text: string; readonly hash: string } {
  const secret = base62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_CHARACTERS)
  return { text: `${PREFIX}${id}_${secret}${checksumOf(id, secret)}`, hash: hashOfSecret(secret) }
}

export function isApiKey(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** Undefined: it is none, or not as it was made. */
export function apiKeyOf(text: string): ApiKeyText | undefined {
  const [, id, secret, checksum] = PATTERN.exec(text) ?? []
  if (id === undefined || secret === undefined || checksum !== checksumOf(id, secret)) return undefined
  return { id, secret }
}

export function hashOfSecret(secret: string): string {
  return hash('sha256', secret)
}

/** Takes the same time wherever they differ. */
export function isSameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, 'hex'), Buffer.from(b, 'hex')]
  return left.length === right.length && timingSafeEqual(left, right)
}

function checksumOf(id: string, secret: string): string {
  let text = ''
  // Not by `base62`: it is asked for at each request, and big numbers are slow.
  for (
    let rest = crc32(`${PREFIX}${id}_${secret}`);
    text.length < CHECKSUM_CHARACTERS;
    rest = Math.floor(rest / 62)
  )
    text = ALPHABET[rest % 62] + text
  return text
}

function base62(value: bigint, characters: number): string {
  let text = ''
  for (let rest = value; text.length < characters; rest /= 62n) text = ALPHABET[Number(rest % 62n)] + text
  return text
}
