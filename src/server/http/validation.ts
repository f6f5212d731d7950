/** What comes with a request, held against the schemas of its route; what does not fit is said with its place. */
import Type, { type TProperties, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Fault, RequestError } from './problem.ts'
import { faultsOf } from './schema-faults.ts'
import { registerFormats } from './schemas/values.ts'

type Place = Fault['in']
type Check = (value: unknown) => unknown

/** Of a body: absent, it is an empty object. */
export function bodyCheck(schema: TSchema | undefined): Check {
  if (schema === undefined) return noBody
  const check = checkOf(schema, 'body')
  return (value) => check(value ?? {})
}

/** Of the texts of a path or a query, which are what the schemas say of them. */
export function textsCheck(properties: TProperties, place: 'path' | 'query'): Check {
  const check = checkOf(Type.Object(properties, { additionalProperties: false }), place)
  const converted = Object.entries(properties).flatMap(([name, schema]) => {
    const convert = conversionOf(schema)
    return convert === undefined ? [] : [[name, convert] as const]
  })
  if (converted.length === 0) return (value) => check(value)
  return (value) => {
    const given: Record<string, unknown> = { ...(value as object) }
    for (const [name, convert] of converted) if (given[name] !== undefined) given[name] = convert(given[name])
    return check(given)
  }
}

function noBody(value: unknown): undefined {
  if (value === undefined || isEmpty(value)) return undefined
  throw refused([{ in: 'body', pointer: '', detail: 'must be empty: this operation takes no body' }])
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function checkOf(schema: TSchema, place: Place): Check {
  registerFormats()
  const validator = Compile(schema)
  return (value) => {
    if (validator.Check(value)) return value
    throw refused(faultsOf(validator.Errors(value), place))
  }
}

/** Texts stay as they are if they are no number, …: the schema refuses them. */
function conversionOf(schema: TSchema): ((value: unknown) => unknown) | undefined {
  const { type } = schema as { readonly type?: string }
  if (type === 'integer' || type === 'number')
    return (value) =>
      typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)) ? Number(value) : value
  if (type === 'boolean') return (value) => (value === 'true' ? true : value === 'false' ? false : value)
  if (type === 'array') return (value) => (Array.isArray(value) ? value : String(value).split(','))
  if (type !== 'object') return undefined
  return (value) => {
    try {
      return JSON.parse(String(value))
    } catch {
      return value
    }
  }
}

function refused(faults: readonly Fault[]): RequestError {
  const [first] = faults
  const where =
    first === undefined ? 'the request' : `${first.in} ${first.pointer === '' ? '' : first.pointer}`.trim()
  return new RequestError('ARGUMENT_INVALID', `${where} ${first?.detail ?? 'does not fit'}`, { faults })
}
