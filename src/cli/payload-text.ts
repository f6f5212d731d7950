/** Payloads for people and for `--json`. What cannot be decoded is shown as it is stored. */
import { inspect } from 'node:util'
import { encryptedText, isEncrypted } from '../protocol/encrypted-payload.ts'
import type { Json } from '../protocol/json.ts'
import { decodePayload, type Payload } from '../protocol/payload.ts'

/** What is shown without `--full`. */
const SHORT = { lines: 20, arrayItems: 50, stringLength: 400, depth: 6 }

/** Lines of a value, pretty, cut at a sensible length unless `full`. Control characters come out escaped. */
export function payloadLines(payload: Payload, width: number, full: boolean): string[] {
  if (isEncrypted(payload)) return [encryptedText(payload)]
  const value = decoded(payload)
  if ('unreadable' in value) return [`(${value.unreadable}) ${inspect(payload[3], { depth: 3 })}`]
  const text = inspect(value.value, {
    breakLength: width,
    depth: full ? null : SHORT.depth,
    maxArrayLength: full ? null : SHORT.arrayItems,
    maxStringLength: full ? null : SHORT.stringLength,
    sorted: false,
  })
  const lines = text.split('\n')
  if (full || lines.length <= SHORT.lines) return lines
  return [...lines.slice(0, SHORT.lines), `… ${lines.length - SHORT.lines} more lines, shown with --full`]
}

/** One line for a table; the table cuts it. */
export function payloadGlance(payload: Payload): string {
  if (isEncrypted(payload)) return encryptedText(payload)
  const value = decoded(payload)
  if ('unreadable' in value) return `(${value.unreadable})`
  if (value.value === undefined) return ''
  return inspect(value.value, {
    breakLength: Number.POSITIVE_INFINITY,
    depth: 2,
    maxArrayLength: 5,
    maxStringLength: 80,
  })
}

/**
 * The data of a payload: JSON as it was given, with `{"$": tag}` objects for what JSON cannot hold. The whole envelope if
 * another codec or a key was used.
 */
export function payloadJson(payload: Payload): Json {
  const [format, codec, keyId, data] = payload
  return format === 1 && codec === 'json' && keyId === null ? data : [format, codec, keyId, data]
}

function decoded(payload: Payload): { readonly value: unknown } | { readonly unreadable: string } {
  try {
    return { value: decodePayload(payload) }
  } catch (error) {
    return { unreadable: error instanceof Error ? error.message : String(error) }
  }
}
