/** Values that many schemas have in common. */
import Type, { type TProperties, type TSchema } from 'typebox'
import { Format } from 'typebox/format'
import { Settings } from 'typebox/system'
import { LONGEST_MS } from '../../../protocol/duration.ts'

const NAME_BYTES = 512
const REASON_BYTES = 4096
const TEXT_CHARACTERS = 4096
const LATEST_MS = 8.64e15

let areRegistered = false

/** Errors of one value: several of each of its alternatives. */
const ERRORS_MAX = 64

/** Formats of our own, which all nodes of a schema know by name; and how much is said of a value that does not fit. */
export function registerFormats(): void {
  if (areRegistered) return
  areRegistered = true
  Settings.Set({ maxErrors: ERRORS_MAX })
  Format.Set('name', (text) => text !== '' && isStorable(text, NAME_BYTES))
  Format.Set('storable', (text) => isStorable(text, REASON_BYTES))
}

function isStorable(text: string, mostBytes: number): boolean {
  return (
    !text.includes('\0') &&
    text.isWellFormed() &&
    (text.length * 3 <= mostBytes || Buffer.byteLength(text) <= mostBytes)
  )
}

/** An id or a name. */
export const name = (description: string) =>
  Type.String({ format: 'name', minLength: 1, maxLength: NAME_BYTES, description })
export const text = (description: string) =>
  Type.String({ format: 'storable', maxLength: TEXT_CHARACTERS, description })
export const timeMs = (description: string) =>
  Type.Integer({ minimum: 0, maximum: LATEST_MS, description: `${description} Milliseconds since 1970.` })
export const durationMs = (description: string) =>
  Type.Integer({ minimum: 0, maximum: LONGEST_MS, description: `${description} Milliseconds.` })
export const count = (description: string) => Type.Integer({ minimum: 0, description })
export const flag = (description: string) => Type.Boolean({ description })
export const words = <const T extends readonly string[]>(values: T, description?: string) =>
  Type.Unsafe<T[number]>({
    type: 'string',
    enum: [...values],
    ...(description === undefined ? {} : { description }),
  })

/** Any JSON value, or an envelope: see the header `Perdure-Payloads`. */
export const payload = (description: string) => Type.Unknown({ description })

/** What is asked for: a field that is not known is refused. */
export const asked = <P extends TProperties>(properties: P, description?: string) =>
  Type.Object(properties, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  })

/** What is answered, with the name that it has in the documentation: later versions may have more fields. */
export const answered = <P extends TProperties>(title: string, properties: P, description?: string) =>
  Type.Object(properties, { title, ...(description === undefined ? {} : { description }) })

export const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)
export const list = <T extends TSchema>(items: T, description?: string, maxItems?: number) =>
  Type.Array(items, {
    ...(description === undefined ? {} : { description }),
    ...(maxItems === undefined ? {} : { maxItems }),
  })

export const PAGE_MOST = 1000
export const paging = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: PAGE_MOST, description: 'Of one page. Default 100.' }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: TEXT_CHARACTERS,
      description: 'Of the page before: the rest of the same list.',
    }),
  ),
}
export const cursor = Type.Optional(Type.String({ description: 'There is more: ask again with it.' }))

const waiting = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: 60_000, description }))
export const waitMs = waiting('How long to wait for it, milliseconds. Default 0: the answer comes at once.')
export const historyWaitMs = waiting(
  'How long to wait for an event, if there is none, milliseconds. Default 0: the answer comes at once.',
)

export const attributes = Type.Record(
  Type.String({ format: 'name' }),
  Type.Union([Type.String({ maxLength: TEXT_CHARACTERS }), Type.Number(), Type.Boolean(), Type.Null()]),
  { maxProperties: 64, description: 'Search attributes: plain values, stored in the clear.' },
)

export const failure = Type.Object(
  {
    kind: Type.Enum(['application', 'platform'], {
      description: '`application`: thrown by your code. `platform`: Perdure’s, with a code of the catalogue.',
    }),
    name: Type.String(),
    message: Type.String(),
    stack: Type.Optional(Type.String()),
    code: Type.Optional(Type.String()),
    nonRetryable: Type.Optional(Type.Boolean({ description: 'It is never tried again.' })),
    cause: Type.Optional(Type.Object({}, { description: 'A failure too.' })),
  },
  { title: 'Failure' },
)

export const nothing = { description: 'Done, and durable.' }
