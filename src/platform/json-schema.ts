/** JSON Schema, draft 2020-12. The library interprets schemas: nothing of them runs as code. */
import { dereference, type Schema, Validator } from '@cfworker/json-schema'
import type { Json } from '../protocol/json.ts'
import { SCHEMA_OF_SCHEMAS } from './json-schema-dialect.ts'

/** What is wrong with a value: one sentence with the path of it. */
export type JsonCheck = (value: Json) => string | undefined

const DRAFT = '2020-12'

let ofSchemas: JsonCheck | undefined

/**
 * The library takes what it does not know for a note, or for something that no value fits: `jsonCheck` cannot tell.
 *
 * @throws Error that says where a keyword has a value that it must not have
 */
export function assertJsonSchema(schema: Json): void {
  ofSchemas ??= jsonCheck(SCHEMA_OF_SCHEMAS)
  const wrong = ofSchemas(schema)
  if (wrong !== undefined) throw new Error(wrong)
}

/**
 * @throws Error if it is no schema, or refers to one that is not in it
 */
export function jsonCheck(schema: Json): JsonCheck {
  if (typeof schema !== 'boolean' && (typeof schema !== 'object' || schema === null || Array.isArray(schema)))
    throw new Error('a JSON Schema is an object')
  // The library leaves marks in it.
  const parsed = structuredClone(schema) as Schema | boolean
  const validator = new Validator(parsed, DRAFT, false)
  if (typeof parsed === 'object') {
    assertReferences(parsed)
    assertPatterns(schema)
  }
  return (value) => {
    const { valid, errors } = validator.validate(value)
    if (valid) return undefined
    // The outer errors only say that an inner one happened: the last one is where it is.
    const error = errors.at(-1)
    const path = error?.instanceLocation.replace(/^#\/?/, '') ?? ''
    const what = error?.keyword === 'false' ? 'Nothing is allowed here.' : error?.error
    return `${path === '' ? 'the whole' : path}: ${what ?? 'does not fit the schema'}`
  }
}

/** The library would compile them when a value comes, and throw then. */
function assertPatterns(schema: Json): void {
  if (typeof schema !== 'object' || schema === null) return
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'pattern' && typeof value === 'string') new RegExp(value, 'u')
    if (keyword === 'patternProperties' && typeof value === 'object' && value !== null)
      for (const pattern of Object.keys(value)) new RegExp(pattern, 'u')
    // Values are not schemas.
    if (keyword !== 'const' && keyword !== 'enum' && keyword !== 'default' && keyword !== 'examples')
      assertPatterns(value)
  }
}

function assertReferences(schema: Schema): void {
  const known = dereference(schema)
  for (const part of Object.values(known)) {
    if (typeof part === 'boolean') continue
    const target = part.__absolute_ref__
    if (target !== undefined && known[target] === undefined)
      throw new Error(`the schema refers to ${String(part.$ref)}, which is not in it`)
  }
}
