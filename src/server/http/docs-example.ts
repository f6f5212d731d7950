/** A request that fits an operation, as a command of curl. */
import type { Schema } from './open-api-document.ts'

export interface ExampleParts {
  readonly method: string
  readonly path: string
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[]
  readonly body: Schema | undefined
  readonly schemas: Readonly<Record<string, Schema>>
}

const ORIGIN = 'http://127.0.0.1:7233'
const DEPTH_MAX = 4

export function exampleOf({ method, path, parameters, body, schemas }: ExampleParts): string {
  const url = `${ORIGIN}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => sampleName(name))}`
  const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}${url}`]
  if (parameters.some(({ name }) => name === 'Idempotency-Key')) lines.push(`-H 'Idempotency-Key: 7f2c9a'`)
  if (parameters.some(({ name }) => name === 'If-Match')) lines.push(`-H 'If-Match: "3"'`)
  if (body !== undefined) {
    lines.push(`-H 'Content-Type: application/json'`)
    lines.push(`-d '${JSON.stringify(sampleOf(body, schemas, 0))}'`)
  }
  return lines.join(' \\\n  ')
}

function sampleName(name: string): string {
  return name === 'token' ? 'TOKEN' : name === 'id' ? 'order-1' : name
}

/** Of an object, what it must have; if that is nothing, its first field. */
function sampleOf(schema: Schema, schemas: ExampleParts['schemas'], depth: number, name = ''): unknown {
  const {
    $ref,
    type,
    enum: values,
    const: constant,
    properties,
    required = [],
    items,
    anyOf,
    minimum = 0,
  } = schema
  if ($ref !== undefined)
    return sampleOf(schemas[$ref.slice($ref.lastIndexOf('/') + 1)] ?? {}, schemas, depth)
  if (constant !== undefined) return constant
  if (values !== undefined) return values[0]
  if (anyOf !== undefined) return sampleOf(anyOf[0] ?? {}, schemas, depth, name)
  if (type === 'array') return depth > DEPTH_MAX ? [] : [sampleOf(items ?? {}, schemas, depth + 1)]
  if (type === 'integer' || type === 'number') return minimum > 0 ? minimum : 1
  if (type === 'boolean') return true
  if (type === 'string') return name === '' ? 'name' : name
  if (properties === undefined) return type === 'object' ? {} : { any: 'JSON' }
  const names = required.length > 0 ? required : Object.keys(properties).slice(0, 1)
  return Object.fromEntries(
    names.map((each) => [each, sampleOf(properties[each] ?? {}, schemas, depth + 1, each)]),
  )
}
