/** Bytes as text, and the size of text, also where there is no `Buffer`: in browsers and edge runtimes. */

const hasBuffer = typeof Buffer !== 'undefined'

/** UTF-8 bytes of a text. */
export function utf8Length(text: string): number {
  return hasBuffer ? Buffer.byteLength(text) : new TextEncoder().encode(text).length
}

export function bytesToBase64(bytes: Uint8Array): string {
  if (!hasBuffer) return plainBase64(bytes)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

export function base64ToBytes(text: string): Uint8Array {
  if (!hasBuffer) return plainBytes(text)
  const buffer = Buffer.from(text, 'base64')
  const bytes = new Uint8Array(buffer.length)
  bytes.set(buffer)
  return bytes
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** So many bytes are three quarters as many groups: joined at a time, so that no text is made byte by byte. */
const PART_BYTES = 3 * 4096

/** What `bytesToBase64` does without a `Buffer`. */
export function plainBase64(bytes: Uint8Array): string {
  const parts: string[] = []
  for (let from = 0; from < bytes.length; from += PART_BYTES) {
    let part = ''
    const end = Math.min(from + PART_BYTES, bytes.length)
    for (let i = from; i < end; i += 3) part += groupOf(bytes, i)
    parts.push(part)
  }
  return parts.join('')
}

function groupOf(bytes: Uint8Array, at: number): string {
  const left = bytes.length - at
  const bits =
    ((bytes[at] as number) << 16) | ((left > 1 ? (bytes[at + 1] as number) : 0) << 8) | (bytes[at + 2] ?? 0)
  const digit = (shift: number): string => DIGITS.charAt((bits >> shift) & 63)
  return `${digit(18)}${digit(12)}${left > 1 ? digit(6) : '='}${left > 2 ? digit(0) : '='}`
}

/** What `base64ToBytes` does without a `Buffer`: like that it stops at `=`, and passes over what is no digit. */
export function plainBytes(text: string): Uint8Array {
  const bytes: number[] = []
  let bits = 0
  let count = 0
  for (const character of text) {
    if (character === '=') break
    const value = DIGITS.indexOf(character === '-' ? '+' : character === '_' ? '/' : character)
    if (value < 0) continue
    bits = ((bits << 6) | value) & 0xffffff
    count += 6
    if (count < 8) continue
    count -= 8
    bytes.push((bits >> count) & 0xff)
  }
  return Uint8Array.from(bytes)
}
