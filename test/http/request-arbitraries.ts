/** Requests for fuzzing, made of our own OpenAPI document: as it says, nearly so, and otherwise. */
import fc from 'fast-check'
import type {
  OpenApiDocument,
  Operation,
  Parameter,
  Schema,
} from '../../src/server/http/open-api-document.ts'

export interface FuzzRequest {
  readonly operationId: string
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly payload: string | Uint8Array | undefined
}

/** Values that are there, or were: ids, runs, cursors, tokens. */
export interface Known {
  readonly namespaces: readonly string[]
  readonly ids: readonly string[]
  /** Of them, those of one kind, by the first part of the path under `/v1`. */
  readonly idsOf: Readonly<Record<string, readonly string[]>>
  readonly runIds: readonly string[]
  readonly cursors: readonly string[]
  readonly claims: readonly string[]
  readonly authorizations: readonly string[]
}

interface JsonSchema extends Schema {
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly maxItems?: number
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
}

/** No answer is waited for longer than this: what fits between is left out. */
const WAIT_MOST_MS = 20
const WORKFLOWS = ['waiting', 'quick', 'failing', 'approving'] as const
const CRONS = [
  '@daily',
  '0 0 29 2 *',
  '*/5 * * * * *',
  '0 0 31 2 *',
  '60 * * * *',
  '* * * * * * 1999',
] as const
const DEEPEST = 300
const LONGEST = 70_000

const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme-composite', maxLength: 20 }),
  fc.constantFrom(
    ...[
      '',
      ' ',
      '.',
      '..',
      '../..',
      '%',
      '%00',
      '\0',
      '\u{feff}',
      '\u202e',
      '\ud800',
      '\udfff',
      'ＡＢ',
      'ß',
      '💥',
    ],
    ...[
      '__proto__',
      'constructor',
      'toString',
      'NaN',
      '1e400',
      '-0',
      'null',
      '[]',
      '{}',
      "' OR 1=1 --",
      '{{7*7}}',
    ],
    ...[
      'x'.repeat(513),
      'é'.repeat(300),
      'y'.repeat(LONGEST),
      '\r\nx-injected: 1',
      '<script>',
      '*',
      '%2e%2e',
    ],
  ),
)
const anyJson = fc.oneof(
  { weight: 6, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: oddText },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(
      ...[null, true, -1, 0, 1.5, 2 ** 31, 2 ** 53, 1e308, -1e308, 5e-324, [], {}, '', [[]], [null]],
      ...[
        { $: 'undefined' },
        { $: 'Date', v: 'x' },
        { $payload: [1, 'json', null, 1] },
        [1, 'json', null, 1],
      ],
      ...[[1, 'json', 'key', 'x'], [2, 'json', null, 1], [1, 'nope', null, 1], { ['__proto__']: 1 }],
    ),
  },
)

function deep(levels: number): string {
  return `${'{"a":['.repeat(levels)}1${']}'.repeat(levels)}`
}

export class RequestArbitraries {
  readonly #document: OpenApiDocument
  readonly #known: () => Known

  /** @param known asked for each request anew */
  constructor(document: OpenApiDocument, known: () => Known) {
    this.#document = document
    this.#known = known
  }

  requests(): fc.Arbitrary<FuzzRequest> {
    const all = Object.entries(this.#document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) =>
        this.#requestOf(path, method.toUpperCase(), operation),
      ),
    )
    return fc.oneof(...all)
  }

  #requestOf(path: string, method: string, operation: Operation): fc.Arbitrary<FuzzRequest> {
    const { parameters } = operation
    const inPath = parameters.filter((each) => each.in === 'path')
    return fc
      .record({
        parts: fc.tuple(...inPath.map((each) => this.#pathPart(path, each))),
        query: this.#query(parameters.filter((each) => each.in === 'query')),
        headers: this.#headers(),
        payload: this.#payload(operation),
        method: fc.oneof(
          { weight: 40, arbitrary: fc.constant(method) },
          {
            weight: 1,
            arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'),
          },
        ),
      })
      .map(({ parts, query, headers, payload, method: used }) => {
        const filled = inPath.reduce(
          (text, { name }, i) => text.replace(`{${name}}`, () => parts[i] ?? ''),
          path,
        )
        const url = query === '' ? filled : `${filled}?${query}`
        const hasBody = payload !== undefined && used !== 'GET' && used !== 'HEAD'
        const type = hasBody ? { 'content-type': 'application/json' } : {}
        return {
          operationId: operation.operationId,
          method: used,
          url,
          headers: { ...type, ...headers },
          payload: hasBody ? payload : undefined,
        }
      })
  }

  #pathPart(path: string, { name }: Parameter): fc.Arbitrary<string> {
    const [, , kind = ''] = path.split('/')
    const ofKind = this.#of(({ ids, idsOf, claims }) => (name === 'token' ? claims : (idsOf[kind] ?? ids)))
    const known = fc.oneof(
      { weight: 5, arbitrary: ofKind },
      { weight: 1, arbitrary: this.#of(({ ids }) => ids) },
    )
    const handlers = fc.constantFrom('go', 'state', 'add', 'other')
    const usual = name === 'signal' || name === 'query' || name === 'update' ? handlers : known
    return fc.oneof(
      { weight: 12, arbitrary: usual.map(encoded) },
      { weight: 2, arbitrary: oddText.filter((text) => text !== '').map(encoded) },
      // As nobody should write it.
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '%',
          '%zz',
          '%ff',
          '%00',
          '%2F',
          '..',
          '*',
          'a%2Fb',
          '%ED%A0%80',
          ';',
          ':',
        ),
      },
    )
  }

  #query(parameters: readonly Parameter[]): fc.Arbitrary<string> {
    const pairs = parameters.map((parameter) => {
      const isAlways = parameter.name === 'namespace' || parameter.name === 'waitMs'
      return fc
        .oneof(
          { weight: isAlways ? 0 : 80, arbitrary: fc.constant<readonly string[]>([]) },
          { weight: isAlways ? 150 : 25, arbitrary: this.#queryValue(parameter).map((value) => [value]) },
          { weight: 1, arbitrary: fc.tuple(oddText, oddText).map((both) => both) },
          { weight: 1, arbitrary: oddText.map((value) => [value]) },
        )
        .map((values) => values.map((value) => `${parameter.name}=${encoded(value)}`))
    })
    const odd = fc.oneof(
      { weight: 20, arbitrary: fc.constant('') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '=',
          '&&',
          '%',
          '%ff=1',
          'a[b]=1',
          '__proto__=1',
          'limit[]=1',
          'namespace=',
          'x=1',
          '+',
        ),
      },
    )
    return fc
      .tuple(fc.tuple(...pairs), odd)
      .map(([all, more]) => [...all.flat(), more].filter(Boolean).join('&'))
  }

  #queryValue({ name, schema, content }: Parameter): fc.Arbitrary<string> {
    if (name === 'namespace') return this.#of(({ namespaces }) => namespaces)
    const of = schema ?? content?.['application/json']?.schema
    const value = this.#value(name, of ?? {}, 0.02)
    return value.map((each) => {
      if (Array.isArray(each)) return each.map(String).join(',')
      return typeof each === 'object' ? JSON.stringify(each) : String(each)
    })
  }

  #headers(): fc.Arbitrary<Readonly<Record<string, string | readonly string[]>>> {
    const sometimes = <T>(weight: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
      fc.oneof({ weight: 100 - weight, arbitrary: fc.constant(undefined) }, { weight, arbitrary })
    const odd = fc.string({
      unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)),
      maxLength: 300,
    })
    return fc
      .record({
        authorization: fc.oneof(
          { weight: 60, arbitrary: this.#of(({ authorizations }) => authorizations) },
          { weight: 1, arbitrary: odd },
          { weight: 1, arbitrary: odd.map((text) => `Bearer ${text}`) },
          { weight: 1, arbitrary: fc.constant(undefined) },
        ),
        'idempotency-key': sometimes(15, fc.oneof(fc.stringMatching(/^[a-d]{1,3}$/), odd)),
        'perdure-payloads': sometimes(10, fc.oneof(fc.constantFrom('plain', 'envelope'), odd)),
        'if-match': sometimes(
          6,
          fc.oneof(fc.constantFrom('*', '"0"', '"1"', '1', 'W/"1"', '"999999999999999"'), odd),
        ),
        'last-event-id': sometimes(
          8,
          fc.oneof(
            odd,
            fc
              .tuple(
                this.#of(({ runIds }) => runIds),
                fc.constantFrom('0', '1', '2', '999999999999999', '-1', '1e9'),
              )
              .map((parts) => parts.join(':')),
          ),
        ),
        'accept-encoding': sometimes(5, fc.constantFrom('gzip', 'br', 'identity;q=0', '*', 'gzip;q=x', ',')),
        accept: sometimes(3, fc.constantFrom('text/event-stream', 'text/html', '*/*;q=0', 'x')),
        'content-type': sometimes(
          3,
          fc.constantFrom(
            'text/plain',
            'application/json; charset=utf-16',
            'application/x-www-form-urlencoded',
            '/',
            'a',
          ),
        ),
        'content-length': sometimes(1, fc.constantFrom('0', '1', '99999999999', '-1', 'x')),
        'content-encoding': sometimes(1, fc.constantFrom('gzip', 'x')),
        'x-request-id': sometimes(3, odd),
        'x-forwarded-for': sometimes(3, odd),
        origin: sometimes(1, fc.constantFrom('https://evil.test', 'null', 'x')),
        expect: sometimes(1, fc.constantFrom('100-continue', 'x')),
      })
      .map((headers) =>
        Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
      ) as fc.Arbitrary<Readonly<Record<string, string>>>
  }

  #payload({ requestBody }: Operation): fc.Arbitrary<string | Uint8Array | undefined> {
    const schema = requestBody?.content['application/json']?.schema
    const raw = fc.oneof<fc.Arbitrary<string | Uint8Array>[]>(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.constantFrom(
        '',
        '{',
        '[',
        '{"a":1,"a":2}',
        '"',
        'nul',
        '{"__proto__":{"x":1}}',
        '1e999',
        '\ufeff{}',
        '{} {}',
      ),
      fc.integer({ min: 1, max: DEEPEST }).map(deep),
      fc.integer({ min: 1, max: LONGEST }).map((length) => JSON.stringify({ input: 'z'.repeat(length) })),
    )
    if (schema === undefined)
      return fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: raw })
    const json = (wrong: number): fc.Arbitrary<string> =>
      this.#value('', schema, wrong).map((value) => JSON.stringify(value))
    return fc.oneof<fc.MaybeWeightedArbitrary<string | Uint8Array | undefined>[]>(
      { weight: 30, arbitrary: json(0) },
      { weight: 10, arbitrary: json(0.04) },
      { weight: 4, arbitrary: json(0.3) },
      { weight: 2, arbitrary: anyJson.map((value) => JSON.stringify(value)) },
      { weight: 2, arbitrary: raw },
      { weight: 1, arbitrary: fc.constant(undefined) },
    )
  }

  /** @param wrong the share of values, at each place, that are something else than the schema says */
  #value(name: string, schema: JsonSchema, wrong: number): fc.Arbitrary<unknown> {
    const right = this.#right(name, schema, wrong)
    if (wrong === 0) return right
    const weight = Math.round(wrong * 1000)
    const other =
      name === 'waitMs' || name === 'leaseMs' ? fc.constantFrom<unknown>('x', null, -1, 1e9, 0.5) : anyJson
    return fc.oneof({ weight: 1000 - weight, arbitrary: right }, { weight, arbitrary: other })
  }

  #right(name: string, schema: JsonSchema, wrong: number): fc.Arbitrary<unknown> {
    const { $ref, type, enum: words, anyOf, items, properties, patternProperties } = schema
    if ($ref !== undefined) {
      const found = this.#document.components.schemas[$ref.slice($ref.lastIndexOf('/') + 1)]
      if (found === undefined) throw new Error(`there is no schema ${$ref}`)
      return this.#right(name, found, wrong)
    }
    if (schema.const !== undefined) return fc.constant(schema.const)
    if (words !== undefined) return fc.constantFrom(...words)
    if (anyOf !== undefined) return fc.oneof(...anyOf.map((each) => this.#right(name, each, wrong)))
    if (type === 'string') return this.#text(name, schema, wrong)
    if (type === 'integer' || type === 'number') return numberOf(name, schema)
    if (type === 'boolean') return fc.boolean()
    if (type === 'null') return fc.constant(null)
    if (type === 'array') return fc.array(this.#value(name, items ?? {}, wrong), { maxLength: 3 })
    if (type !== 'object') return anyJson
    if (patternProperties !== undefined) {
      const [of = {}] = Object.values(patternProperties)
      return fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), this.#right(name, of, wrong), {
        maxKeys: 3,
      })
    }
    return this.#object(schema, properties ?? {}, wrong)
  }

  #object(
    { required = [] }: JsonSchema,
    properties: Readonly<Record<string, JsonSchema>>,
    wrong: number,
  ): fc.Arbitrary<unknown> {
    const fields = Object.fromEntries(
      Object.entries(properties).map(([field, of]) => [field, this.#value(field, of, wrong)]),
    )
    const requiredKeys = wrong > 0.1 ? [] : [...required]
    const right = fc.record(fields, { requiredKeys })
    if (wrong === 0) return right
    const more = fc.oneof(
      { weight: 12, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.dictionary(oddText, anyJson, { maxKeys: 2 }) },
    )
    return fc.tuple(right, more).map(([a, b]) => ({ ...a, ...b }))
  }

  #text(name: string, { minLength = 0, maxLength = 100 }: JsonSchema, wrong: number): fc.Arbitrary<string> {
    const plain = fc.oneof(
      { weight: 6, arbitrary: fc.string({ minLength, maxLength: Math.min(maxLength, 12) }) },
      {
        weight: 1,
        arbitrary: fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 30) }),
      },
      { weight: wrong === 0 ? 0 : 1, arbitrary: oddText },
    )
    const special = this.#special(name)
    if (special === undefined) return plain
    return fc.oneof({ weight: 8, arbitrary: special }, { weight: 1, arbitrary: plain })
  }

  /** What makes a request get somewhere. */
  #special(name: string): fc.Arbitrary<string> | undefined {
    if (name === 'workflow') return fc.constantFrom(...WORKFLOWS)
    if (name === 'version') return fc.constant('1')
    if (name === 'cron')
      return fc.oneof(
        fc.constantFrom(...CRONS),
        fc.string({ unit: fc.constantFrom(...'0123456789*/,-? LW#@'), maxLength: 20 }),
      )
    if (name === 'timezone') return fc.constantFrom('UTC', 'Europe/Berlin', 'Nowhere/At_All', '+25:00')
    if (name === 'cursor') return this.#of(({ cursors }) => cursors)
    if (name === 'runId') return this.#of(({ runIds }) => runIds)
    if (name === 'queue') return fc.constantFrom('default', 'outside', 'fuzz')
    if (['id', 'workflowId', 'owner', 'idPrefix'].includes(name)) return this.#of(({ ids }) => ids)
    return undefined
  }

  /** The list may be another one for each request. */
  #of(list: (known: Known) => readonly string[]): fc.Arbitrary<string> {
    return fc.nat().map((n) => {
      const all = list(this.#known())
      return all[n % all.length] ?? 'nothing'
    })
  }
}

function numberOf(name: string, schema: JsonSchema): fc.Arbitrary<number> {
  const { type, minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema
  if (name === 'waitMs' && maximum === 60_000) return fc.integer({ min: 0, max: WAIT_MOST_MS })
  if (type === 'number') return fc.double({ min: minimum, max: Math.min(maximum, 1e6), noNaN: true })
  const most = Math.min(maximum, Number.MAX_SAFE_INTEGER)
  return fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: minimum, max: Math.min(most, minimum + 5000) }) },
    { weight: 1, arbitrary: fc.maxSafeInteger().map((n) => Math.min(most, Math.max(minimum, Math.abs(n)))) },
    { weight: 1, arbitrary: fc.constantFrom(minimum, most) },
  )
}

/** Text of its own form stays itself. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}
