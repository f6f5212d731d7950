/** Standard Schema v1 (https://standardschema.dev): the interface that zod, valibot, arktype and others implement. */
import { type ErrorCode, PerdureError } from '../protocol/errors.ts'

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Validates outside of workflow code, where promises are allowed. */
export async function validate<O>(
  schema: StandardSchema<unknown, O>,
  value: unknown,
  code: ErrorCode,
  what: string,
): Promise<O> {
  return accepted(await schema['~standard'].validate(value), code, what)
}

/** Validates inside workflow code: a validator that returns a promise is refused, since replay could not repeat it. */
export function validateSync<O>(
  schema: StandardSchema<unknown, O>,
  value: unknown,
  code: ErrorCode,
  what: string,
): O {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
    result.catch(() => {})
    throw new PerdureError(
      code,
      `the schema of ${what} validates asynchronously, which workflow code cannot repeat`,
    )
  }
  return accepted(result, code, what)
}

function accepted<O>(result: SchemaResult<O>, code: ErrorCode, what: string): O {
  if (result.issues === undefined) return result.value
  const found = result.issues.map((issue) => {
    const path = issue.path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return path === undefined || path === '' ? issue.message : `${path}: ${issue.message}`
  })
  throw new PerdureError(code, `${what} is not valid: ${found.join('; ')}`)
}

export type InferInput<S> = S extends {
  readonly '~standard': { readonly types?: { readonly input: infer I } | undefined }
}
  ? I
  : unknown
export type InferOutput<S> = S extends {
  readonly '~standard': { readonly types?: { readonly output: infer O } | undefined }
}
  ? O
  : unknown
