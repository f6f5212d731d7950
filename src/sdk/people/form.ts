/** Forms of human tasks: a JSON Schema, or a schema of a library that can say itself as one. */

import { assertJsonSchema, jsonCheck } from '../../platform/json-schema.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { isJson, type Json } from '../../protocol/json.ts'
import type { StandardSchema } from '../standard-schema.ts'

/** JSON Schema, draft 2020-12. */
export type JsonSchema = { readonly [keyword: string]: Json }

/** A Standard Schema that also implements Standard JSON Schema, as those of zod 4 do. */
export interface FormSchema<Input = unknown, Output = Input> extends StandardSchema<Input, Output> {
  readonly '~standard': StandardSchema<Input, Output>['~standard'] & {
    readonly jsonSchema: { readonly input: (options: { readonly target: 'draft-2020-12' }) => object }
  }
}

export type Form = JsonSchema | FormSchema

/** What a person fills in, after the schema has had it: of a plain JSON Schema nothing is known. */
export type FormOutput<F> = F extends {
  readonly '~standard': { readonly types?: { readonly output: infer O } | undefined }
}
  ? O
  : unknown

export function isFormSchema(form: Form): form is FormSchema {
  return '~standard' in form
}

/** Of each form, once: what it says of itself. */
const known = new WeakMap<Form, Json>()

/** @throws PerdureError `ARGUMENT_INVALID` */
export function jsonSchemaOf(form: Form, call: string): Json {
  const before = typeof form === 'object' ? known.get(form) : undefined
  if (before !== undefined) return before
  const schema = saidSchema(form, call)
  try {
    assertJsonSchema(schema)
    jsonCheck(schema)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new PerdureError('ARGUMENT_INVALID', `${call}: the form is no JSON Schema: ${why}`, {
      cause: error,
    })
  }
  known.set(form, schema)
  return schema
}

function saidSchema(form: Form, call: string): Json {
  if ((typeof form !== 'object' && typeof form !== 'function') || form === null)
    throw new PerdureError('ARGUMENT_INVALID', `${call}: the form is no schema`)
  if (!isFormSchema(form)) {
    if (!isJson(form) || Array.isArray(form))
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `${call}: the form is no JSON Schema: it is not a JSON object`,
      )
    return form
  }
  const input = form['~standard'].jsonSchema?.input
  if (typeof input !== 'function')
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `${call}: the schema of the form cannot say itself as JSON Schema: pass a JSON Schema, or a schema with '~standard'.jsonSchema`,
    )
  const schema: unknown = input({ target: 'draft-2020-12' })
  if (!isJson(schema)) throw new PerdureError('ARGUMENT_INVALID', `${call}: the form gives no JSON Schema`)
  return schema
}
