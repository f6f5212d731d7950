/** What comes with a request, held against the schemas of its route; what does not fit is said with its place. */
import Type, { type TProperties, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Fault, RequestError } from './problem.ts'
import { registerFormats } from './schemas/values.ts'

type Place = Fault['in']
type Check = (value: unknown) => unknown

const FAULTS_MAX = 10

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

interface SchemaError {
  readonly keyword: string
  readonly instancePath: string
  readonly message: string
  readonly params: object
}

/** An alternative that does not fit says so for each of its branches: what is said of the whole is enough. */
function faultsOf(errors: readonly SchemaError[], place: Place): readonly Fault[] {
  const faults = new Map<string, Fault>()
  for (const { keyword, instancePath, message, params } of errors) {
    if (keyword === 'additionalProperties') {
      const { additionalProperties = [] } = params as { readonly additionalProperties?: readonly string[] }
      for (const name of additionalProperties) {
        const pointer = `${instancePath}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
        faults.set(pointer, { in: place, pointer, detail: 'is not known here' })
      }
    } else if (keyword === 'required') {
      const { requiredProperties = [] } = params as { readonly requiredProperties?: readonly string[] }
      for (const name of requiredProperties) {
        const pointer = `${instancePath}/${name}`
        faults.set(pointer, { in: place, pointer, detail: 'is missing' })
      }
    } else if (keyword !== 'boolean' && (!faults.has(instancePath) || keyword === 'anyOf'))
      faults.set(instancePath, { in: place, pointer: instancePath, detail: textOf(keyword, message, params) })
  }
  return [...faults.values()].slice(0, FAULTS_MAX)
}

function textOf(keyword: string, message: string, params: object): string {
  const { allowedValues, format } = params as {
    readonly allowedValues?: readonly unknown[]
    readonly format?: string
  }
  if (keyword === 'enum' && allowedValues !== undefined)
    return `must be one of ${allowedValues.map((each) => JSON.stringify(each)).join(', ')}`
  if (keyword === 'format' && format === 'name')
    return 'must be a name: not empty, 512 bytes of UTF-8 or less, without NUL and lone surrogates'
  return message
}

function refused(faults: readonly Fault[]): RequestError {
  const [first] = faults
  const where =
    first === undefined ? 'the request' : `${first.in} ${first.pointer === '' ? '' : first.pointer}`.trim()
  return new RequestError('ARGUMENT_INVALID', `${where} ${first?.detail ?? 'does not fit'}`, { faults })
}
