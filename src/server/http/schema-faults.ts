/** What does not fit a schema, for whoever has sent it: each thing once, with its place. */
import type { Fault } from './problem.ts'

/** As a validator says it. */
export interface SchemaError {
  readonly keyword: string
  readonly schemaPath: string
  readonly instancePath: string
  readonly message: string
  readonly params: object
}

const FAULTS_MAX = 10

export function faultsOf(errors: Iterable<SchemaError>, place: Fault['in']): readonly Fault[] {
  const faults = new Map<string, Fault>()
  for (const { keyword, instancePath, message, params } of meant([...errors])) {
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
    } else if (keyword !== 'boolean' && !faults.has(instancePath))
      faults.set(instancePath, { in: place, pointer: instancePath, detail: textOf(keyword, message, params) })
  }
  return [...faults.values()].slice(0, FAULTS_MAX)
}

/** Alternatives that do not fit say so each. Of what all of them say only what helps is left. */
function meant(errors: readonly SchemaError[]): readonly SchemaError[] {
  // The outer ones first: what is in an alternative that is not meant is not looked at.
  const wholes = errors
    .filter(({ keyword }) => keyword === 'anyOf')
    .toSorted((a, b) => a.schemaPath.length - b.schemaPath.length)
  let left = errors
  for (const whole of wholes) {
    if (!left.includes(whole)) continue
    const branches = branchesOf(whole, left)
    const within = new Set(branches.flat())
    const said = saidOf(whole, branches)
    left = left.flatMap((each) => (each === whole ? said : within.has(each) ? [] : [each]))
  }
  return left
}

function branchesOf({ schemaPath }: SchemaError, errors: readonly SchemaError[]): readonly SchemaError[][] {
  const start = `${schemaPath}/anyOf/`
  const branches = new Map<string, SchemaError[]>()
  for (const each of errors) {
    if (!each.schemaPath.startsWith(start)) continue
    const [index = ''] = each.schemaPath.slice(start.length).split('/')
    branches.set(index, [...(branches.get(index) ?? []), each])
  }
  return [...branches.values()]
}

function saidOf(whole: SchemaError, branches: readonly (readonly SchemaError[])[]): readonly SchemaError[] {
  const ofItsType = branches.filter((branch) => !branch.some((each) => isOfAnotherType(each, whole)))
  const [only, ...others] = ofItsType
  if (only === undefined) {
    const types = branches.map((branch) => branch.find((each) => isOfAnotherType(each, whole))?.params ?? {})
    return types.length === 0 ? [whole] : [{ ...whole, message: `must be ${types.map(typeOf).join(' or ')}` }]
  }
  if (others.length === 0) return only
  // A property that has another value in each alternative, such as `kind`, says which one it means to be.
  const values = ofItsType.flat().filter((each) => isOfValue(each, whole))
  for (const place of new Set(values.map(({ instancePath }) => instancePath))) {
    const isWrong = (each: SchemaError): boolean => each.instancePath === place && isOfValue(each, whole)
    const [chosen, ...more] = ofItsType.filter((branch) => !branch.some(isWrong))
    if (chosen !== undefined && more.length === 0) return chosen
    const [first, ...rest] = values.filter(isWrong)
    if (chosen === undefined && first !== undefined) {
      const allowedValues = [first, ...rest].flatMap(({ params }) => allowedBy(params))
      return [{ ...first, keyword: 'enum', params: { allowedValues } }]
    }
  }
  return [{ ...whole, message: 'is none of its alternatives' }]
}

function isOfValue({ keyword, instancePath }: SchemaError, whole: SchemaError): boolean {
  if (keyword !== 'const' && keyword !== 'enum') return false
  return (
    instancePath.length > whole.instancePath.length &&
    !instancePath.slice(whole.instancePath.length + 1).includes('/')
  )
}

function allowedBy(params: object): readonly unknown[] {
  const { allowedValue, allowedValues = [allowedValue] } = params as {
    readonly allowedValue?: unknown
    readonly allowedValues?: readonly unknown[]
  }
  return allowedValues
}

function isOfAnotherType({ keyword, instancePath }: SchemaError, whole: SchemaError): boolean {
  return keyword === 'type' && instancePath === whole.instancePath
}

function typeOf(params: object): string {
  const { type = [] } = params as { readonly type?: string | readonly string[] }
  return [type].flat().join(' or ')
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
