/**
 * What came over a wire is unknown until it was looked at. A shape takes a value and gives it back as what it is, or throws
 * `PROTOCOL_INVALID`, which names the place. Of objects it copies the fields that it knows; others are left out, so that a
 * newer side may say more.
 */
import { LONGEST_MS } from './duration.ts'
import { PerdureError } from './errors.ts'
import type { Failure } from './failure.ts'
import type { Json } from './json.ts'
import type { Payload } from './payload.ts'

export type Shape<T> = (value: unknown) => T

/** Where an object lacks the field, so does the result. */
export interface OptionalShape<T> {
  readonly optional: Shape<T>
}

type Fields = Readonly<Record<string, Shape<unknown> | OptionalShape<unknown>>>
type ObjectOf<F extends Fields> = {
  readonly [K in keyof F as F[K] extends Shape<unknown> ? K : never]: F[K] extends Shape<infer T> ? T : never
} & {
  readonly [K in keyof F as F[K] extends Shape<unknown> ? never : K]?: F[K] extends OptionalShape<infer T>
    ? T
    : never
}

const CAUSE_DEPTH = 10
const FAILURE_CHARACTERS = 20_000

/** Where in a value, and what is wrong with it. */
class Mismatch extends Error {
  path: string

  constructor(message: string, path = '') {
    super(message)
    this.path = path
  }
}

/** @throws PerdureError `PROTOCOL_INVALID` */
export function shaped<T>(shape: Shape<T>, value: unknown, what: string): T {
  try {
    return shape(value)
  } catch (error) {
    if (error instanceof Mismatch)
      throw new PerdureError('PROTOCOL_INVALID', `${what}${error.path}: ${error.message}`)
    throw error
  }
}

export function text(most = 1024): Shape<string> {
  return (value) => {
    if (typeof value !== 'string') throw new Mismatch('not a string')
    if (value.length > most) throw new Mismatch(`longer than ${most} characters`)
    return value
  }
}

/** One that is the same after it has been bytes: lone surrogates are not. */
export function wellFormedText(most = 1024): Shape<string> {
  const any = text(most)
  return (value) => {
    const found = any(value)
    if (!found.isWellFormed()) throw new Mismatch('not well-formed Unicode')
    return found
  }
}

/** An id or a name: not empty, of so many bytes at most, and no control characters that a store may not hold. */
export function identifier(most = 4096): Shape<string> {
  const any = text(most)
  return (value) => {
    const found = any(value)
    // A UTF-16 unit takes at most 3 bytes: most texts need no counting.
    if (found.length * 3 > most && Buffer.byteLength(found) > most)
      throw new Mismatch(`longer than ${most} bytes`)
    if (found === '' || found.includes('\0') || !found.isWellFormed()) throw new Mismatch('not a name')
    return found
  }
}

export function integer(least = 0, most = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      throw new Mismatch(`not a whole number from ${least} to ${most}`)
    return value
  }
}

export function number(least = 0, most = Number.MAX_VALUE): Shape<number> {
  return (value) => {
    if (typeof value !== 'number' || !(value >= least && value <= most))
      throw new Mismatch(`not a number from ${least} to ${most}`)
    return value
  }
}

/** A duration, ms: whole, and no longer than those that callers may write. Due times that follow from it can be stored. */
export const duration: Shape<number> = integer(0, LONGEST_MS)

/** A time of a `Date` from 1970 on, ms. */
export const time: Shape<number> = integer(0, 8.64e15)

export const flag: Shape<boolean> = (value) => {
  if (typeof value !== 'boolean') throw new Mismatch('not true or false')
  return value
}

/** A text, a finite number, true, false or null. */
export function scalar(most: number): Shape<string | number | boolean | null> {
  const any = text(most)
  return (value) => {
    if (value === null || typeof value === 'boolean') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    return any(value)
  }
}

export function oneOf<const T extends string>(...values: readonly T[]): Shape<T> {
  return (value) => {
    if (!values.includes(value as T)) throw new Mismatch(`not one of ${values.join(', ')}`)
    return value as T
  }
}

export function optional<T>(shape: Shape<T>): OptionalShape<T> {
  return { optional: shape }
}

export function list<T>(shape: Shape<T>, most = 100_000): Shape<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new Mismatch('not a list')
    if (value.length > most) throw new Mismatch(`more than ${most} items`)
    return value.map((item, i) => at(`[${i}]`, shape, item))
  }
}

/** A list of arguments: each item has a shape of its own, later ones may be absent. */
export function args<const S extends readonly (Shape<unknown> | OptionalShape<unknown>)[]>(
  ...shapes: S
): Shape<readonly unknown[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new Mismatch('not a list')
    if (value.length > shapes.length) throw new Mismatch(`more than ${shapes.length} arguments`)
    return shapes.map((shape, i) => {
      if (typeof shape === 'function') return at(`[${i}]`, shape, value[i])
      // JSON has null where an argument in between is absent.
      return value[i] === undefined || value[i] === null ? undefined : at(`[${i}]`, shape.optional, value[i])
    })
  }
}

/** An object whose keys are names. */
export function table<T>(shape: Shape<T>, most = 1000): Shape<Readonly<Record<string, T>>> {
  return (value) => {
    const found = Object.entries(plain(value))
    if (found.length > most) throw new Mismatch(`more than ${most} fields`)
    // Own fields only, whatever they are called.
    return Object.fromEntries(found.map(([name, item]) => [name, at(`.${name}`, shape, item)]))
  }
}

export function object<F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  const known = Object.entries(fields)
  return (value) => {
    const given = plain(value)
    const found: Record<string, unknown> = {}
    for (const [name, shape] of known) {
      const item = Object.hasOwn(given, name) ? given[name] : undefined
      if (typeof shape === 'function') found[name] = at(`.${name}`, shape, item)
      else if (item !== undefined) found[name] = at(`.${name}`, shape.optional, item)
    }
    // The one cast: the loop has made what the fields say.
    return found as ObjectOf<F>
  }
}

/** An object of one of several kinds: its field `field` says which. */
export function variant<T extends object, F extends keyof T & string>(
  field: F,
  shapes: { readonly [K in T[F] & string]: Shape<object> },
): Shape<T> {
  return (value) => {
    const kind = plain(value)[field]
    if (typeof kind !== 'string' || !Object.hasOwn(shapes, kind))
      throw new Mismatch(`there is no ${field} ${JSON.stringify(kind)?.slice(0, 100)}`)
    // The one cast: the shape is that of the kind.
    return Object.assign({ [field]: kind }, shapes[kind as T[F] & string](value)) as unknown as T
  }
}

/** With a look at how its fields fit together: `wrong` says what is wrong with them. */
export function refined<T>(shape: Shape<T>, wrong: (value: T) => string | undefined): Shape<T> {
  return (value) => {
    const found = shape(value)
    const mismatch = wrong(found)
    if (mismatch !== undefined) throw new Mismatch(mismatch)
    return found
  }
}

/** Looked at, and taken with all of its fields: of a side that is trusted. */
export function asIs<T>(shape: Shape<unknown>): Shape<T> {
  return (value) => {
    shape(value)
    return value as T
  }
}

export const payload: Shape<Payload> = (value) => {
  if (
    !Array.isArray(value) ||
    value.length !== 4 ||
    value[0] !== 1 ||
    typeof value[1] !== 'string' ||
    !(value[2] === null || typeof value[2] === 'string')
  )
    throw new Mismatch('not a payload [1, codec, key id or null, data]')
  return value as unknown as Payload
}

export const json: Shape<Json> = (value) => {
  if (value === undefined) throw new Mismatch('missing')
  return value as Json
}

const failureFields = {
  kind: oneOf('application', 'platform'),
  name: text(FAILURE_CHARACTERS),
  message: text(FAILURE_CHARACTERS),
  stack: optional(text(FAILURE_CHARACTERS)),
  code: optional(text(FAILURE_CHARACTERS)),
  sealed: optional(payload),
}

export const failure: Shape<Failure> = (value) => failureAt(value, 0)

function failureAt(value: unknown, depth: number): Failure {
  if (depth > CAUSE_DEPTH) throw new Mismatch('causes are nested too deep')
  const found = object(failureFields)(value)
  const { cause, nonRetryable } = plain(value)
  return {
    ...found,
    ...(nonRetryable === true ? { nonRetryable } : {}),
    ...(cause === undefined ? {} : { cause: at('.cause', (each) => failureAt(each, depth + 1), cause) }),
  }
}

function plain(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Mismatch('not an object')
  return value as Readonly<Record<string, unknown>>
}

function at<T>(place: string, shape: Shape<T>, value: unknown): T {
  try {
    return shape(value)
  } catch (error) {
    if (error instanceof Mismatch) error.path = `${place}${error.path}`
    throw error
  }
}
