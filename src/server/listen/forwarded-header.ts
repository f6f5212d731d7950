/**
 * What proxies say of where a request comes from: `X-Forwarded-For`, and `Forwarded` (RFC 7239).
 *
 * Each proxy adds its item at the end, so these are read from the end, and no further than to the first item that was not
 * written by a trusted one: what stands before that, anybody may have written. So nothing that a client sends can make an
 * item of a proxy look like another.
 */
import { canonicalAddress } from './ip-address.ts'

export const FORWARDED_HEADERS = ['x-forwarded-for', 'forwarded'] as const

export type ForwardedHeader = (typeof FORWARDED_HEADERS)[number]

/** Address of each hop, the last one first; undefined: its proxy does not say (`unknown`, `_hidden`), or nothing that is understood. */
export function* hopsOf(header: ForwardedHeader, value: string): Generator<string | undefined> {
  const isQuoting = header === 'forwarded'
  for (const item of itemsFromEnd(value, isQuoting)) yield isQuoting ? forOf(item) : addressOf(item.trim())
}

/** Parts between commas, from the end; commas in quoted strings count as text. */
function* itemsFromEnd(value: string, isQuoting: boolean): Generator<string> {
  let end = value.length
  let isQuoted = false
  for (let at = value.length - 1; at >= 0; at--) {
    const character = value[at]
    if (isQuoting && character === '"' && !isEscaped(value, at)) isQuoted = !isQuoted
    if (character !== ',' || isQuoted) continue
    yield value.slice(at + 1, end)
    end = at
  }
  yield value.slice(0, end)
}

function isEscaped(value: string, at: number): boolean {
  let first = at
  while (value[first - 1] === '\\') first -= 1
  return (at - first) % 2 === 1
}

const PAIR = /\s*([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^"\s;]*))\s*(?:;|$)/y

/** Of `for=192.0.2.43;proto=https`. A semicolon in a quoted string, such as a host that the client made up, is text. */
function forOf(item: string): string | undefined {
  let found: string | undefined
  for (let at = 0; at < item.length; at = PAIR.lastIndex) {
    PAIR.lastIndex = at
    const pair = PAIR.exec(item)
    if (pair === null) return undefined
    const [, name = '', quoted, plain = ''] = pair
    if (name.toLowerCase() === 'for') found ??= quoted?.replaceAll(/\\(.)/g, '$1') ?? plain
  }
  return found === undefined ? undefined : addressOf(found)
}

const WITH_PORT = /^(?:\[([^\]]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\w*)?$/

/** `192.0.2.43`, `192.0.2.43:47011`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:47011`. */
function addressOf(text: string): string | undefined {
  const parts = WITH_PORT.exec(text)
  return canonicalAddress(parts?.[1] ?? parts?.[2] ?? text)
}
