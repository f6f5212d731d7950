/**
 * The one text of a JSON value, as RFC 8785 (JCS) has it: names in order of their UTF-16 code units, no white space, numbers and
 * strings as `JSON.stringify` writes them. What is hashed or signed is written so.
 */
import type { Json } from './json.ts'

/** @throws TypeError if JSON has no such number */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`JSON has no number ${value}`)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`
  const names = Object.keys(value).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name] ?? null)}`).join(',')}}`
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value)
}
