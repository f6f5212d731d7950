/** The OpenAPI 3.1 document of the API, made of the table of routes. */
import Type, { type TProperties, type TSchema } from 'typebox'
import { ERROR_CATALOGUE, type ErrorCode } from '../../protocol/errors.ts'
import { PROBLEM_TYPE } from './problem.ts'
import type { AnswerSpec, Route } from './route.ts'
import { namespaceQuery } from './schemas/namespace.ts'
import { problem } from './schemas/problem.ts'

type Json = { readonly [name: string]: unknown }

/** Any route may answer with these. */
const COMMON_ERRORS: readonly ErrorCode[] = [
  'ARGUMENT_INVALID',
  'ID_INVALID',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
  'NAMESPACE_NOT_FOUND',
  'ENGINE_CLOSED',
  'ENGINE_FAILED',
  'SHARD_MOVED',
  'CONNECTION_LOST',
  'UNCOMMITTED',
  'INTERNAL',
]
const COMMON = byStatus(COMMON_ERRORS, (code) => ERROR_CATALOGUE[code].httpStatus)
/** Also of those that take no body: what comes with it is looked at first. */
const BODY_ERRORS: readonly ErrorCode[] = ['CONTENT_TYPE_UNSUPPORTED', 'PAYLOAD_TOO_LARGE']

const DESCRIPTION = `Start, watch and steer workflows, and run their tasks, over HTTP.

Times are milliseconds since 1970. Errors are problem documents (RFC 9457) with a \`code\`. Payloads (\`input\`, \`result\`, …) are plain JSON values; with the header \`Perdure-Payloads: envelope\` they are the envelopes that typed clients use. A payload that is no plain JSON value, such as one that is encrypted, is shown as \`{ "$payload": [1, codec, keyId, data] }\`.

See docs/api.md for a guide with examples.`

/** @param version of the package */
export function openApiOf(routes: readonly Route[], version: string): Json {
  const schemas = new Map<string, Json>()
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    const path = `/v1${route.path}`
    paths[path] ??= {}
    paths[path][route.method.toLowerCase()] = operationOf(route, schemas)
  }
  shown(problem, schemas)
  const tags = [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name }))
  return {
    openapi: '3.1.0',
    info: {
      title: 'Perdure',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{}, { bearer: [] }],
    tags,
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, or a token of an issuer that is trusted.',
        },
      },
      responses: Object.fromEntries([...COMMON].map(([status, of]) => [`Error${status}`, errorOf(of)])),
      schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  }
}

function operationOf(route: Route, schemas: Map<string, Json>): Json {
  const { body, repeats, description } = route
  const texts = [description, repeats === undefined ? undefined : `**Repeats.** ${repeats}`]
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(texts.some((text) => text !== undefined) ? { description: texts.filter(Boolean).join('\n\n') } : {}),
    parameters: parametersOf(route, schemas),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: hasRequired(body),
            content: { 'application/json': { schema: shown(body, schemas) } },
          },
        }),
    responses: responsesOf(route, schemas),
    'x-needs': route.needs,
  }
}

function hasRequired(body: TSchema): boolean {
  const { required = [] } = body as { readonly required?: readonly string[] }
  return required.length > 0
}

function parametersOf(route: Route, schemas: Map<string, Json>): readonly Json[] {
  const query: TProperties = { ...route.query, ...(route.isInNamespace === false ? {} : namespaceQuery) }
  const of = (place: 'path' | 'query', properties: TProperties): Json[] => {
    const { required = [] } = Type.Object(properties) as { readonly required?: readonly string[] }
    return Object.entries(properties).map(([name, schema]) => {
      const { description, ...rest } = shown(schema, schemas)
      const { type } = rest as { readonly type?: string }
      const parameter = { name, in: place, ...(description === undefined ? {} : { description }) }
      if (required.includes(name)) return { ...parameter, required: true, schema: rest }
      if (type === 'object') return { ...parameter, content: { 'application/json': { schema: rest } } }
      return type === 'array'
        ? { ...parameter, explode: false, schema: rest }
        : { ...parameter, schema: rest }
    })
  }
  const header = (name: string, description: string): Json => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  })
  const headers = Object.entries(route.headers ?? {}).map(([name, description]) => header(name, description))
  if (route.method === 'POST' && route.repeats !== undefined)
    headers.push(
      header(
        'Idempotency-Key',
        '1 to 255 visible ASCII characters. See “Repeats” for what it promises here.',
      ),
    )
  return [...of('path', route.params ?? {}), ...of('query', query), ...headers]
}

function responsesOf(route: Route, schemas: Map<string, Json>): Json {
  const answers = Object.entries(route.answers).map(([status, spec]) => [status, responseOf(spec, schemas)])
  const codes = [...COMMON_ERRORS, ...(route.method === 'GET' ? [] : BODY_ERRORS), ...(route.errors ?? [])]
  const errors = [...byStatus(codes, (code) => statusOf(code, route))].map(([status, of]) => {
    const isCommon =
      COMMON.get(status)?.size === of.size && [...of].every((code) => COMMON.get(status)?.has(code))
    return [status, isCommon ? { $ref: `#/components/responses/Error${status}` } : errorOf(of)]
  })
  return Object.fromEntries([...answers, ...errors])
}

function errorOf(codes: ReadonlySet<ErrorCode>): Json {
  return {
    description: [...codes].map((code) => `\`${code}\``).join(', '),
    content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
  }
}

function byStatus(
  codes: readonly ErrorCode[],
  statusOfCode: (code: ErrorCode) => number,
): ReadonlyMap<number, ReadonlySet<ErrorCode>> {
  const found = new Map<number, Set<ErrorCode>>()
  for (const code of codes) {
    const status = statusOfCode(code)
    found.set(status, (found.get(status) ?? new Set()).add(code))
  }
  return new Map([...found].sort(([a], [b]) => a - b))
}

/** With `If-Match` it is a precondition that fails. */
function statusOf(code: ErrorCode, { headers }: Route): number {
  if (code === 'REVISION_CONFLICT' && headers !== undefined && 'If-Match' in headers) return 412
  return ERROR_CATALOGUE[code].httpStatus
}

function responseOf(
  { description, body, mediaType = 'application/json', headers }: AnswerSpec,
  schemas: Map<string, Json>,
): Json {
  return {
    description,
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [
              name,
              { description: text, schema: { type: 'string' } },
            ]),
          ),
        }),
    ...(body === undefined ? {} : { content: { [mediaType]: { schema: shown(body, schemas) } } }),
  }
}

/** A schema with a title is a component, which others refer to. */
function shown(schema: TSchema, schemas: Map<string, Json>): Json {
  const text = JSON.stringify(schema)
  return (walk(JSON.parse(text), schemas) ?? {}) as Json
}

function walk(value: unknown, schemas: Map<string, Json>): unknown {
  if (Array.isArray(value)) return value.map((item) => walk(item, schemas))
  if (typeof value !== 'object' || value === null) return value
  const { title, ...rest } = value as { readonly title?: unknown }
  const found = Object.fromEntries(
    Object.entries(rest)
      // A description that says nothing is none.
      .filter(([name, item]) => !(name === 'description' && item === ''))
      .map(([name, item]) => [name, walk(item, schemas)]),
  )
  if (typeof title !== 'string' || !('type' in rest))
    return title === undefined ? found : { ...found, title: walk(title, schemas) }
  const known = schemas.get(title)
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(found))
    throw new Error(`invariant: two schemas have the title ${title}`)
  schemas.set(title, found)
  return { $ref: `#/components/schemas/${title}` }
}
