// Requests made of our own OpenAPI document, valid, nearly valid and otherwise, to a real engine with access. Whatever comes:
//
//   - no answer is a fault of ours (500), and each comes;
//   - each has a status that the document lists for the operation, and the shape that it says;
//   - nothing of another namespace is in any of them, and nothing there has changed in the end.
//
//   FUZZ_REQUESTS=1000000 npm test -- http/fuzz
//
// With PROPERTY_SEED as for all properties.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { openApiText } from '../../src/server/http/app-parts.ts'
import type { OpenApiDocument, Response } from '../../src/server/http/open-api-document.ts'
import { ROUTES } from '../../src/server/http/route-table.ts'
import { problem } from '../../src/server/http/schemas/problem.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { assertFits } from './http-fixture.ts'
import { FOREIGN, InjectFixture, MISSING, OWN } from './inject-fixture.ts'
import { type FuzzRequest, type Known, RequestArbitraries } from './request-arbitraries.ts'
import type { Thing } from './route-matrix.ts'
import { Things } from './things.ts'

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 10_000)
/** Things are made anew after so many. */
const ROUND = 250
/** In all data of the other namespace, and in nothing that is asked. */
const MARKER = 'mArKeR-4711'
/** Within which an answer must come, ms: generous, what waits is asked to wait for 20. */
const ANSWER_MS = 60_000
const STREAM_MS = 30
/** Of so many requests, so many operations are done at least; 57 as a rule. */
const ENOUGH = 5000
const ANSWERED_LEAST = 45
/** So many of the other namespace are in the pool of ids. */
const FOREIGN_IDS = 5
/** By the first part of their paths. */
const KINDS: Readonly<Record<string, readonly Thing[]>> = {
  executions: [
    ...Array.from<Thing>({ length: 12 }).fill('open execution'),
    'ended execution',
    'failed execution',
  ],
  tasks: [...Array.from<Thing>({ length: 8 }).fill('waiting task'), 'ended task', 'failed task'],
  schedules: ['schedule', 'schedule', 'schedule'],
  'human-tasks': ['human task', 'human task', 'human task'],
}
const ROLES = ['admin', 'admin', 'operator', 'developer', 'worker', 'participant', 'auditor', 'viewer']
/** Of requests that reach no operation. */
const ELSEWHERE = new Set(['ROUTE_NOT_FOUND', 'METHOD_NOT_ALLOWED'])

const document = JSON.parse(openApiText(ROUTES)) as OpenApiDocument
const RESPONSES = new Map(
  Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId, responses }) => [operationId, responses] as const),
  ),
)

async function plantMarkers(fixture: InjectFixture, authorization: string): Promise<void> {
  const post = async (path: string, payload: object): Promise<void> => {
    const { statusCode, body } = await fixture.inject({
      method: 'POST',
      url: `/v1${path}?namespace=${FOREIGN}`,
      headers: { authorization },
      payload,
    })
    assert.ok(statusCode < 300, body)
  }
  const attributes = { marker: MARKER }
  await post('/executions', { id: 'secret', workflow: 'waiting', input: MARKER, attributes })
  await post('/executions', { id: MARKER, workflow: 'quick', input: MARKER, attributes })
  await post('/executions', { id: 'secret-person', workflow: 'approving', input: MARKER, attributes })
  await post('/executions/secret/signals/go2', { payload: MARKER })
  await post('/tasks', { id: 'secret-task', name: 'outside', queue: 'outside', input: MARKER, key: MARKER })
  await post('/tasks', { id: MARKER, name: MARKER, queue: MARKER, input: MARKER })
  const start = { workflow: 'quick', input: MARKER, attributes }
  const times = { kind: 'interval', everyMs: 3_600_000 }
  await post('/schedules', { id: 'secret-schedule', times, start, paused: MARKER })
  await post('/schedules', { id: MARKER, times, start, paused: MARKER })
  await post('/queues/outside/pause', { reason: MARKER })
}

interface Pool extends Known {
  readonly ids: string[]
  readonly idsOf: Record<string, string[]>
  readonly claims: string[]
}

/** Ids of what is there, and in the other namespace. */
async function poolOf(
  fixture: InjectFixture,
  authorizations: readonly string[],
  admin: string,
): Promise<Pool> {
  const get = async (path: string): Promise<Record<string, unknown>> => {
    const { body } = await fixture.inject({ url: `/v1${path}`, headers: { authorization: admin } })
    return JSON.parse(body) as Record<string, unknown>
  }
  const all = [OWN, FOREIGN].map((namespace) => get(`/executions?namespace=${namespace}&limit=2`))
  const pages = (await Promise.all(all)) as unknown as readonly {
    readonly executions: readonly { readonly runId: string }[]
    readonly cursor?: string
  }[]
  const tasks = await get(`/tasks?namespace=${FOREIGN}&limit=1`)
  const people = await get(`/human-tasks?namespace=${FOREIGN}`)
  const [person] = people.tasks as readonly { readonly id: string }[]
  assert.ok(person !== undefined)
  return {
    namespaces: [...Array.from({ length: 12 }, () => OWN), FOREIGN, FOREIGN, MISSING, 'default'],
    ids: ['secret', 'secret-task', 'secret-schedule', 'secret-person', person.id],
    runIds: pages.flatMap(({ executions }) => executions.map(({ runId }) => runId)),
    cursors: [...pages.map(({ cursor }) => cursor), tasks.cursor].filter((each) => typeof each === 'string'),
    idsOf: {},
    claims: [],
    authorizations,
  }
}

/** What is listed of an operation, by status. */
function listed(response: Response | undefined): Response | undefined {
  const { $ref } = response ?? {}
  return $ref === undefined ? response : document.components.responses[$ref.slice($ref.lastIndexOf('/') + 1)]
}

function textOf({ headers, rawPayload }: LightMyRequestResponse): string {
  const encoding = headers['content-encoding']
  if (encoding === 'gzip') return gunzipSync(rawPayload).toString()
  return encoding === 'br' ? brotliDecompressSync(rawPayload).toString() : rawPayload.toString()
}

function check(request: FuzzRequest, response: LightMyRequestResponse): void {
  const { statusCode: status, headers } = response
  const text = textOf(response)
  const what = `${request.method} ${request.url} is answered ${status}: ${text.slice(0, 2000)}`
  assert.notEqual(status, 500, what)
  assert.ok(!text.includes(MARKER) && !JSON.stringify(headers).includes(MARKER), what)
  assert.match(String(headers['x-request-id']), /^[\w.:+/=@-]{1,128}$/, what)
  assert.equal(headers['x-injected'], undefined, what)
  const type = String(headers['content-type'] ?? '')
  if (status >= 400) {
    if (request.method === 'HEAD') return
    assert.match(type, /^application\/problem\+json/, what)
    const body = JSON.parse(text) as { readonly code: string }
    assertFits(problem, body, what)
    if (ELSEWHERE.has(body.code)) return
  }
  const { operationId } = request
  const route = ROUTES.find((each) => each.operationId === operationId)
  assert.ok(route !== undefined)
  // Another method, or a path that has become that of another operation: it is held against that one when it is asked for itself.
  if (request.method !== route.method || !isPathOf(route.path, request.url)) return
  const found = listed(RESPONSES.get(operationId)?.[String(status)])
  assert.ok(found !== undefined, `${operationId} does not list it: ${what}`)
  if (status >= 400) {
    const { code } = JSON.parse(text) as { readonly code: string }
    assert.match(
      found.description ?? '',
      new RegExp(`\\b${code}\\b`),
      `${operationId} does not list ${code}: ${what}`,
    )
    return
  }
  const spec = route.answers[status]
  if (spec?.body === undefined) assert.equal(text, '', what)
  else if (spec.mediaType === undefined) assertFits(spec.body, JSON.parse(text), what)
}

function isPathOf(path: string, url: string): boolean {
  const [plain = ''] = url.split('?')
  if (!new RegExp(`^/v1${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(plain)) return false
  const fixed = path.split('/').filter((part) => !part.startsWith('{')).length
  const others = ROUTES.filter(
    (each) => each.path !== path && each.path.split('/').length === path.split('/').length,
  )
  return !others.some(
    (each) =>
      new RegExp(`^/v1${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(plain) &&
      each.path.split('/').filter((part) => !part.startsWith('{')).length > fixed,
  )
}

async function answerTo(fixture: InjectFixture, request: FuzzRequest): Promise<LightMyRequestResponse> {
  const { method, url, headers, payload, operationId } = request
  // A stream of what goes on has no end of its own.
  const timer =
    operationId === 'watchExecution' ? setInterval(() => fixture.streams.end(), STREAM_MS) : undefined
  const late = new AbortController()
  try {
    const asked = {
      ...{ method, url, headers, remoteAddress: '192.0.2.9' },
      ...(payload === undefined
        ? {}
        : { payload: typeof payload === 'string' ? payload : Buffer.from(payload) }),
    } as InjectOptions
    const limit = AbortSignal.any([late.signal, AbortSignal.timeout(ANSWER_MS)])
    const none = new Promise<never>((_, reject) => {
      limit.addEventListener('abort', () =>
        reject(new Error(`no answer to ${method} ${url} in ${ANSWER_MS} ms`)),
      )
    })
    none.catch(() => {})
    return await Promise.race([fixture.inject(asked), none])
  } finally {
    clearInterval(timer)
    late.abort()
  }
}

async function renew(things: Things, pool: Pool, workers: readonly string[]): Promise<void> {
  pool.ids.length = Math.min(pool.ids.length, FOREIGN_IDS)
  pool.claims.length = 0
  for (const [kind, made] of Object.entries(KINDS)) {
    const ids = await Promise.all(made.map((of) => things.make(of, OWN)))
    pool.idsOf[kind] = ids
    pool.ids.push(...ids)
  }
  for (const worker of workers) pool.claims.push(await things.make('claim', OWN, worker))
  pool.claims.push(await things.make('claim', OWN))
}

test(`${REQUESTS} requests`, async () => {
  const log = recordedLog()
  await using fixture = await InjectFixture.open({}, log)
  const things = new Things(fixture)
  const admin = await fixture.bearer(['admin@*'])
  await plantMarkers(fixture, admin.header)
  const claimed = await things.make('claim', FOREIGN)
  await things.make('human task', FOREIGN)
  const keys = await Promise.all(ROLES.map((role) => fixture.bearer([`${role}@${OWN}`], 'ann')))
  const pool = await poolOf(
    fixture,
    keys.map(({ header }) => header),
    admin.header,
  )
  await things.remember(FOREIGN)
  const answered = new Set<string>()
  let asked = 0
  const requests = new RequestArbitraries(document, () => pool).requests()
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      if (asked % ROUND === 0) {
        await renew(
          things,
          pool,
          keys.map(({ id }) => `key:${id}`),
        )
        pool.claims.push(claimed)
      }
      asked += 1
      const response = await answerTo(fixture, request)
      check(request, response)
      if (response.statusCode < 300) answered.add(request.operationId)
    }),
    { numRuns: REQUESTS, endOnFailure: true },
  )
  const failures = log.entries.filter(({ message }) => message === 'a request failed')
  assert.deepEqual(failures, [])
  await things.assertUntouched(FOREIGN)
  // Else it looks at refusals only.
  if (REQUESTS >= ENOUGH) assert.ok(answered.size >= ANSWERED_LEAST, `${answered.size} operations were done`)
})
