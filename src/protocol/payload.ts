/**
 * The payload envelope and its first codec.
 *
 * A payload is a JSON value `[format, codec, keyId, data]`: the format of the envelope, the codec of the data, the id of
 * the key that encrypted it (null: plaintext), the data. The shape is frozen; new codecs get new names.
 *
 * Codec `json`: JSON, plus tagged objects `{"$": tag, "v": …}` for Date, bigint, Uint8Array, Map, Set and undefined. A
 * plain object that has a key `$` itself is wrapped with the tag `object`. Encoding copies, so a later change of the value
 * by the caller changes nothing that was recorded; decoding copies too.
 */
import { PerdureError } from './errors.ts'
import type { Json } from './json.ts'
import { base64ToBytes, bytesToBase64 } from './text-bytes.ts'

export type Payload = readonly [format: 1, codec: string, keyId: string | null, data: Json]

const DEPTH_LIMIT = 200
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The payload of `undefined`: shared, since it is so common. */
export const EMPTY_PAYLOAD: Payload = [1, 'json', null, { $: 'undefined' }]

/** What the value that is being encoded may still take: a lower bound of its bytes is counted on the way. */
let room = Number.POSITIVE_INFINITY
/** What `room` was at the beginning. */
let limit = Number.MAX_SAFE_INTEGER
/** A counted byte stands for at most so many: a number in an array counts as one, and so does its entry in a Map. */
const BYTES_PER_COUNTED = 80

/**
 * Encodes a value. Accepts JSON, Date, bigint, Uint8Array, Map, Set and undefined; anything else (functions, symbols,
 * class instances, cycles, NaN and infinities) throws a `PerdureError` with code `PAYLOAD_UNSUPPORTED` that names the path.
 * A value that is certainly larger than `limitBytes` throws `PAYLOAD_TOO_LARGE` before it is copied.
 */
export function encodePayload(value: unknown, limitBytes: number = Number.POSITIVE_INFINITY): Payload {
  return encodeSized(value, limitBytes, Number.POSITIVE_INFINITY, () => {})
}

/**
 * The same, and tells the size of a payload that may have more than `fromBytes`: an upper bound of its bytes. Smaller ones
 * are not measured.
 */
export function encodeSized(
  value: unknown,
  limitBytes: number,
  fromBytes: number,
  onSize: (bytes: number) => void,
): Payload {
  if (value === undefined) return EMPTY_PAYLOAD
  // A getter of the value may encode another one.
  const outer = { room, limit }
  room = limitBytes
  limit = limitBytes
  try {
    const payload: Payload = [1, 'json', null, encode(value, '', [])]
    if ((limitBytes - room + 1) * BYTES_PER_COUNTED > fromBytes) onSize(payloadBytes(payload, limitBytes))
    return payload
  } catch (error) {
    if (error instanceof PerdureError) throw error
    const detail = `the value cannot be read: ${error instanceof Error ? error.message : error}`
    throw new PerdureError('PAYLOAD_UNSUPPORTED', detail, { cause: error })
  } finally {
    room = outer.room
    limit = outer.limit
  }
}

/** Throws as soon as the parts of a value are more than may be in all. */
function take(bytes: number): void {
  room -= bytes
  if (room < 0)
    throw new PerdureError(
      'PAYLOAD_TOO_LARGE',
      `the payload is larger than limits.payloadBytes, ${limit} bytes`,
    )
}

/**
 * Decodes a payload made by `encodePayload`.
 *
 * @throws PerdureError `PAYLOAD_UNREADABLE`: it was made by something else, or encrypted
 */
export function decodePayload(payload: Payload): unknown {
  assertDecodable(payload)
  try {
    return decode(payload[3])
  } catch (error) {
    if (error instanceof PerdureError) throw error
    const detail = `the data of a payload are wrong: ${error instanceof Error ? error.message : error}`
    throw new PerdureError('PAYLOAD_UNREADABLE', detail, { cause: error })
  }
}

/** @throws PerdureError `PAYLOAD_UNREADABLE` */
export function assertDecodable([format, codec, keyId]: Payload): void {
  if (keyId !== null)
    throw new PerdureError(
      'PAYLOAD_UNREADABLE',
      `a payload is encrypted with key ${keyId} (${codec}), and this program has no encryption`,
    )
  if (format !== 1 || codec !== 'json')
    throw new PerdureError('PAYLOAD_UNREADABLE', `payload of format ${format}, codec ${codec}`)
}

/** Upper bound of the encoded size in bytes, without serialising: stops as soon as `limitBytes` is passed. */
export function payloadBytes(payload: Payload, limitBytes = Number.MAX_SAFE_INTEGER): number {
  return 16 + jsonBytes(payload[3], limitBytes)
}

function jsonBytes(value: Json, limitBytes: number): number {
  if (typeof value === 'string') return textBytes(value)
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) < 1e7 ? 8 : 24
  if (typeof value !== 'object' || value === null) return 8
  let bytes = 2
  if (Array.isArray(value)) {
    for (const item of value) {
      bytes += 1 + jsonBytes(item, limitBytes - bytes)
      if (bytes > limitBytes) return bytes
    }
    return bytes
  }
  for (const [key, item] of Object.entries(value)) {
    bytes += 2 + textBytes(key) + jsonBytes(item as Json, limitBytes - bytes)
    if (bytes > limitBytes) return bytes
  }
  return bytes
}

function textBytes(text: string): number {
  let bytes = 2
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) bytes += code < 0x20 ? 6 : code === QUOTE || code === BACKSLASH ? 2 : 1
    else if (code < 0x800) bytes += 2
    else if (code < 0xd800 || code > 0xdfff) bytes += 3
    else if (code < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 4
      i++
    } else bytes += 6
  }
  return bytes
}

function encode(value: unknown, path: string, parents: object[]): Json {
  switch (typeof value) {
    case 'string':
      take(value.length)
      return value
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw unsupported(path, `the number ${value}`)
      // JSON has no minus zero: what code gets must not depend on whether it went through a store.
      return value === 0 ? 0 : value
    case 'undefined':
      return { $: 'undefined' }
    case 'bigint':
      return encodeBigint(value)
    case 'object':
      if (value === null) return null
      return encodeObject(value, path, parents)
    default:
      throw unsupported(path, `a ${typeof value}`)
  }
}

function encodeBigint(value: bigint): Json {
  const v = value.toString()
  take(v.length)
  return { $: 'bigint', v }
}

function encodeObject(value: object, path: string, parents: object[]): Json {
  if (parents.includes(value)) throw unsupported(path, 'a cycle')
  if (parents.length >= DEPTH_LIMIT) throw unsupported(path, `nesting deeper than ${DEPTH_LIMIT}`)
  parents.push(value)
  const encoded = encodeKind(value, path, parents)
  parents.pop()
  return encoded
}

function encodeKind(value: object, path: string, parents: object[]): Json {
  if (Array.isArray(value)) {
    take(value.length)
    const items: Json[] = new Array(value.length)
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i]
      if (item === undefined && !(i in value)) throw unsupported(`${path}[${i}]`, 'a hole in an array')
      if (typeof item === 'string') {
        take(item.length)
        items[i] = item
      } else items[i] = encode(item, `${path}[${i}]`, parents)
    }
    return items
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return encodePlain(value, path, parents)
  if (value instanceof Date) {
    const time = value.getTime()
    if (Number.isNaN(time)) throw unsupported(path, 'an invalid Date')
    return { $: 'Date', v: time }
  }
  if (value instanceof Uint8Array) {
    take((value.length / 3) * 4)
    return { $: 'Uint8Array', v: bytesToBase64(value) }
  }
  if (value instanceof Map) {
    take(value.size)
    const entries: Json[] = []
    for (const [key, item] of value) {
      const at = `${path}[Map entry ${entries.length}]`
      entries.push([encode(key, at, parents), encode(item, at, parents)])
    }
    return { $: 'Map', v: entries }
  }
  if (value instanceof Set) {
    take(value.size)
    const items: Json[] = []
    for (const item of value) items.push(encode(item, `${path}[Set item ${items.length}]`, parents))
    return { $: 'Set', v: items }
  }
  const name = (prototype as { constructor?: { name?: string } }).constructor?.name
  throw unsupported(path, `an instance of ${name === undefined || name === '' ? 'a class' : name}`)
}

function encodePlain(value: object, path: string, parents: object[]): Json {
  const plain: { [key: string]: Json } = {}
  let tagged = false
  const keys = Object.keys(value)
  take(keys.length)
  for (const key of keys) {
    if (key === '$') tagged = true
    take(key.length)
    const item = (value as Record<string, unknown>)[key]
    let encoded: Json
    if (typeof item === 'string') {
      take(item.length)
      encoded = item
    } else encoded = encode(item, path === '' ? key : `${path}.${key}`, parents)
    if (key === '__proto__')
      Object.defineProperty(plain, key, {
        value: encoded,
        enumerable: true,
        writable: true,
        configurable: true,
      })
    else plain[key] = encoded
  }
  if (Object.getOwnPropertySymbols(value).length > 0) throw unsupported(path, 'an object with symbol keys')
  return tagged ? { $: 'object', v: plain } : plain
}

function decode(data: Json): unknown {
  if (typeof data !== 'object' || data === null) return data
  if (Array.isArray(data)) return data.map(decode)
  const plain = data as { readonly [key: string]: Json }
  if (plain.$ !== undefined) return decodeTagged(plain)
  return decodePlain(plain)
}

function decodePlain(plain: { readonly [key: string]: Json }): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  // No list of its keys is made; what `JSON.parse` or `encodePlain` made has no enumerable properties but its own.
  for (const key in plain) {
    if (!Object.hasOwn(plain, key)) continue
    const item = plain[key] as Json
    const decoded = typeof item === 'object' ? decode(item) : item
    if (key === '__proto__')
      Object.defineProperty(value, key, {
        value: decoded,
        enumerable: true,
        writable: true,
        configurable: true,
      })
    else value[key] = decoded
  }
  return value
}

function decodeTagged(plain: { readonly [key: string]: Json }): unknown {
  const v = plain.v as Json
  switch (plain.$) {
    case 'undefined':
      return undefined
    case 'bigint':
      return BigInt(textOf(v))
    case 'Date':
      return dateOf(v)
    case 'Uint8Array':
      return base64ToBytes(textOf(v))
    case 'Map':
      return new Map(
        (v as readonly (readonly [Json, Json])[]).map(([key, item]) => [decode(key), decode(item)]),
      )
    case 'Set':
      return new Set((v as readonly Json[]).map(decode))
    case 'object':
      return decodePlain(v as { readonly [key: string]: Json })
    default:
      throw new PerdureError('PAYLOAD_UNREADABLE', `payload with unknown tag ${JSON.stringify(plain.$)}`)
  }
}

function textOf(v: Json): string {
  if (typeof v !== 'string') throw new TypeError('what should be a text is none')
  return v
}

function dateOf(ms: Json): Date {
  const date = typeof ms === 'number' ? new Date(ms) : undefined
  if (date === undefined || Number.isNaN(date.getTime())) throw new RangeError('a Date is not a time')
  return date
}

function unsupported(path: string, what: string): PerdureError {
  return new PerdureError(
    'PAYLOAD_UNSUPPORTED',
    `${path === '' ? 'the value' : `the value at ${path}`} is ${what}`,
  )
}
