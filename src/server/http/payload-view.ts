/**
 * Payloads in requests and answers.
 *
 * `plain`, the default: JSON values as they are. An answer has `{ "$payload": [1, codec, keyId, data] }` in the place of a payload
 * that is no plain JSON value: one that is encrypted, or has a Date, a Map, … in it, or a field `$payload` of its own.
 * `envelope`, by the header `Perdure-Payloads: envelope`: in both directions the four-element envelope of `protocol/payload.ts`.
 */

import { PerdureError } from '../../protocol/errors.ts'
import type { SequencedEvent } from '../../protocol/event.ts'
import type { Json } from '../../protocol/json.ts'
import {
  decodePayload,
  EMPTY_PAYLOAD,
  encodePayload,
  type Payload,
  payloadBytes,
} from '../../protocol/payload.ts'
import { payload as payloadShape, shaped } from '../../protocol/shapes.ts'
import { RequestError } from './problem.ts'

export type PayloadStyle = 'plain' | 'envelope'

export const PAYLOAD_HEADER = 'perdure-payloads'

/** Fields of events, at any depth, that hold payloads. */
const PAYLOAD_FIELDS: ReadonlySet<string> = new Set(['input', 'result', 'payload', 'data', 'checkpoint'])
/** Fields whose values are the caller's own JSON, whatever is in them. */
const FOREIGN_FIELDS: ReadonlySet<string> = new Set(['form', 'attributes', 'values'])

/** @throws RequestError `ARGUMENT_INVALID` */
export function payloadStyleOf(header: string | readonly string[] | undefined): PayloadStyle {
  if (header === undefined || header === 'plain') return 'plain'
  if (header === 'envelope') return 'envelope'
  throw new RequestError('ARGUMENT_INVALID', 'the header Perdure-Payloads is neither plain nor envelope', {
    faults: [{ in: 'header', pointer: '/Perdure-Payloads', detail: 'must be plain or envelope' }],
  })
}

export class PayloadView {
  readonly #style: PayloadStyle
  readonly #limitBytes: number

  constructor(style: PayloadStyle, limitBytes: number) {
    this.#style = style
    this.#limitBytes = limitBytes
  }

  /** Of a request; `undefined`: there is none. @throws PerdureError `PAYLOAD_TOO_LARGE`, `ARGUMENT_INVALID` */
  taken(value: unknown, pointer: string): Payload {
    if (value === undefined) return EMPTY_PAYLOAD
    const payload =
      this.#style === 'plain' ? encodePayload(value, this.#limitBytes) : envelopeOf(value, pointer)
    if (payloadBytes(payload, this.#limitBytes) > this.#limitBytes)
      throw new PerdureError(
        'PAYLOAD_TOO_LARGE',
        `the payload at ${pointer} is larger than ${this.#limitBytes} bytes`,
      )
    return payload
  }

  /** For an answer; undefined: of nothing, nothing is shown. */
  show(payload: Payload | undefined): unknown {
    if (payload === undefined || this.#style === 'envelope') return payload
    const [format, codec, keyId, data] = payload
    if (format !== 1 || codec !== 'json' || keyId !== null) return { $payload: payload }
    if (isUndefined(data)) return undefined
    return isPlain(data) ? decodePayload(payload) : { $payload: payload }
  }

  /** The same as a field, if there is one. */
  field<K extends string>(name: K, payload: Payload | undefined): { readonly [P in K]?: unknown } {
    const shown = this.show(payload)
    return (shown === undefined ? {} : { [name]: shown }) as { readonly [P in K]?: unknown }
  }

  event(event: SequencedEvent): unknown {
    return this.#style === 'envelope' ? event : this.#walk(event)
  }

  #walk(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((item) => this.#walk(item))
    const shown: Record<string, unknown> = {}
    for (const [name, item] of Object.entries(value)) {
      if (FOREIGN_FIELDS.has(name)) shown[name] = item
      else if (PAYLOAD_FIELDS.has(name) && isPayload(item)) {
        const payload = this.show(item)
        if (payload !== undefined) shown[name] = payload
      } else shown[name] = this.#walk(item)
    }
    return shown
  }
}

function envelopeOf(value: unknown, pointer: string): Payload {
  try {
    return shaped(payloadShape, value, pointer)
  } catch {
    const detail = 'must be an envelope [1, codec, key id or null, data], as the header Perdure-Payloads says'
    throw new RequestError('ARGUMENT_INVALID', `${pointer} ${detail}`, {
      faults: [{ in: 'body', pointer, detail }],
    })
  }
}

function isPayload(value: unknown): value is Payload {
  return (
    Array.isArray(value) &&
    value.length === 4 &&
    value[0] === 1 &&
    typeof value[1] === 'string' &&
    (value[2] === null || typeof value[2] === 'string')
  )
}

function isUndefined(data: Json): boolean {
  return (
    typeof data === 'object' && data !== null && !Array.isArray(data) && '$' in data && data.$ === 'undefined'
  )
}

/** JSON has it as it is: no tag but that of an object with a field `$`. */
function isPlain(data: Json): boolean {
  if (typeof data !== 'object' || data === null) return true
  if (Array.isArray(data)) return data.every(isPlain)
  const fields = data as { readonly [name: string]: Json }
  if (Object.hasOwn(fields, '$')) return fields.$ === 'object' && hasPlainFields(fields.v)
  return hasPlainFields(fields)
}

function hasPlainFields(fields: Json | undefined): boolean {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return false
  return !Object.hasOwn(fields, '$payload') && Object.values(fields).every(isPlain)
}
