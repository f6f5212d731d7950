/**
 * `Idempotency-Key`: what a repeat of a request with the same key means.
 *
 * Nothing of a key is kept in memory only, and there is no table of keys: a key becomes a part of what the request makes (the id of
 * an execution or a task, the id of a signal, an update, a trigger, an action), which is durable with it, on any node. So it
 * counts as long as that is kept, and each route says what exactly a repeat does (`repeats`).
 */
import { createHash } from 'node:crypto'
import type { RequestMark } from '../../protocol/request-mark.ts'
import { RequestError } from './problem.ts'

export const IDEMPOTENCY_HEADER = 'idempotency-key'

const KEY = /^[\x21-\x7e]{1,255}$/
const HASH_BYTES = 16

/** @throws RequestError `ARGUMENT_INVALID` */
export function idempotencyKeyOf(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  // A draft of the header has the key in quotes.
  const key = typeof header === 'string' ? header.replace(/^"(.*)"$/, '$1') : ''
  if (KEY.test(key)) return key
  const detail = 'must be 1 to 255 visible ASCII characters'
  throw new RequestError('ARGUMENT_INVALID', `the header Idempotency-Key ${detail}`, {
    faults: [{ in: 'header', pointer: '/Idempotency-Key', detail }],
  })
}

/** @param what of the request: operation, and all that it asks for */
export function markOf(key: string, namespace: string, what: object): RequestMark {
  return { key: hashOf([namespace, key]), body: hashOf(sorted(what)) }
}

/** An id for what the request makes, where the caller names none. */
export function idOfMark({ key }: RequestMark): string {
  return `key-${key}`
}

/** The id of a request: of the body, or the key. @throws RequestError `ARGUMENT_INVALID` if both are there, and differ */
export function requestIdOf(
  key: string | undefined,
  given: string | undefined,
  field: string,
): string | undefined {
  if (key !== undefined && given !== undefined && key !== given) {
    const detail = 'must be the same as the header Idempotency-Key, or absent'
    throw new RequestError('ARGUMENT_INVALID', `/${field} ${detail}`, {
      faults: [{ in: 'body', pointer: `/${field}`, detail }],
    })
  }
  return key ?? given
}

function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value))
    .digest()
    .subarray(0, HASH_BYTES)
    .toString('base64url')
}

/** The same for all orders of fields. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  return Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, item]) => [name, sorted(item)])
}
