// Every route by every role: in its own namespace, in another one, and in one that is not there; of what is there, and what is not.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { ErrorCode } from '../../src/protocol/errors.ts'
import { claimTokenText } from '../../src/server/claims/claim-token.ts'
import type { Route } from '../../src/server/http/route.ts'
import { ROUTES } from '../../src/server/http/route-table.ts'
import { FOREIGN, InjectFixture, MISSING, OWN } from './inject-fixture.ts'
import { type Line, MATRIX_ROLES, ROUTE_MATRIX } from './route-matrix.ts'
import { Things } from './things.ts'

type Initial = keyof typeof MATRIX_ROLES

const LINES = Object.entries(ROUTE_MATRIX).map(([name, line]) => {
  const [operation] = name.split(' ')
  const route = ROUTES.find(({ operationId }) => operationId === operation)
  assert.ok(route !== undefined, `there is no operation ${operation}`)
  return { name, line, route }
})
/** Of something that is not there; a token that is none is another matter. */
const newId = (line: Line): string => {
  const secret = randomBytes(6).toString('hex')
  return line.of === 'claim' ? claimTokenText({ session: 1, secret, taskId: 'x', attempt: 1 }) : `x-${secret}`
}

test('the matrix has all routes', () => {
  const known = new Set(LINES.map(({ route }) => route.operationId))
  assert.deepEqual(
    ROUTES.map(({ operationId }) => operationId).filter((each) => !known.has(each)),
    [],
  )
})

interface Said {
  readonly status: number
  /** Undefined: it was answered. */
  readonly code: ErrorCode | undefined
  /** Without what must differ: ids of requests, and what was asked for. */
  readonly text: string
}

interface Asked {
  readonly route: Route
  readonly line: Line
  readonly authorization: string | undefined
  readonly namespace: string
  readonly id: string
}

let fixture: InjectFixture
let things: Things
/** By line. */
const foreign = new Map<Line, string>()
const headers = new Map<Initial, { readonly id: string; readonly header: string }>()

async function ask({ route, line, authorization, namespace, id }: Asked): Promise<Said> {
  const path = route.path
    .replace(/\{(id|queue|token|node|name)\}/, encodeURIComponent(id))
    .replace('{signal}', 'other')
    .replace('{query}', 'state')
    .replace('{update}', 'add')
  const { body, query = '' } = line
  const within = route.isInNamespace === false ? '' : `namespace=${namespace}`
  const response = await fixture.inject({
    method: route.method,
    url: `/v1${path}?${[within, query].filter(Boolean).join('&')}`,
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { payload: JSON.stringify(body).replaceAll('MADE', id) }),
  })
  const isProblem = String(response.headers['content-type']).startsWith('application/problem+json')
  assert.equal(isProblem, response.statusCode >= 400, response.payload)
  const problem = isProblem ? (response.json() as Record<string, unknown>) : undefined
  const shown = problem === undefined ? response.payload : JSON.stringify({ ...problem, requestId: '' })
  const { code } = problem ?? {}
  return {
    status: response.statusCode,
    code: code as ErrorCode | undefined,
    text: shown.replaceAll(id, 'ID').replaceAll(namespace, 'NAMESPACE'),
  }
}

/** What this role is told in its own namespace, of what is there. */
function expectedOf(line: Line, role: Initial): ErrorCode | undefined {
  if (line.may.includes(role)) return undefined
  if (role === 'n' || line.blind?.includes(role) === true) return line.unseen
  return line.refused
}

before(async () => {
  fixture = await InjectFixture.open()
  things = new Things(fixture)
  for (const { line } of LINES) foreign.set(line, await things.make(line.of, FOREIGN))
  await things.remember(FOREIGN)
})
after(() => fixture[Symbol.asyncDispose]())

/** A role in one namespace; of what is in none, everywhere. */
async function headerOf(
  initial: Initial,
  isEverywhere: boolean,
): Promise<{ readonly id: string; readonly header: string }> {
  const role = MATRIX_ROLES[initial]
  const where = isEverywhere ? '*' : OWN
  return fixture.bearer(role === undefined ? [] : [`${role}@${where}`], 'ann')
}

for (const [initial, role = 'no role'] of Object.entries(MATRIX_ROLES) as [Initial, string | undefined][])
  describe(role, () => {
    before(async () => {
      headers.set(initial, await headerOf(initial, false))
    })
    for (const { name, line, route } of LINES)
      test(name, async () => {
        const isEverywhere = route.isInNamespace === false
        const key = headers.get(initial)
        assert.ok(key !== undefined)
        const caller = isEverywhere ? await headerOf(initial, true) : key
        const authorization = caller.header
        const asked = { route, line, authorization }
        const mayClaim = line.of === 'claim' && line.may.includes(initial)
        const own = await things.make(line.of, OWN, mayClaim ? `key:${key.id}` : undefined)
        const expected = expectedOf(line, initial)
        const said = await ask({ ...asked, namespace: OWN, id: own })
        assert.equal(said.code ?? said.status, expected ?? codeOrStatus(line), `${said.text}, of its own`)
        if (isEverywhere) {
          // Who has a role in a namespace has none here.
          const narrow = await ask({ ...asked, authorization: key.header, namespace: OWN, id: own })
          assert.equal(narrow.code ?? 'OK', line.narrow ?? line.refused, narrow.text)
          return
        }
        await assertMissing(asked, expected)
        await assertForeign(asked)
      })
  })

/** A lone engine has no node: what those are told who may. */
function codeOrStatus(line: Line): number | string {
  return line.status === 404 ? 'NODE_NOT_FOUND' : line.status
}

/** In its own namespace, what is not there, and what is there in another one. */
async function assertMissing(
  asked: Omit<Asked, 'namespace' | 'id'>,
  expected: ErrorCode | undefined,
): Promise<void> {
  const { line } = asked
  if (line.of === 'nothing') return
  const missing = await ask({ ...asked, namespace: OWN, id: newId(line) })
  const elsewhere = await ask({ ...asked, namespace: OWN, id: foreign.get(line) ?? '' })
  if (expected === undefined && line.missing === 'OK') {
    assert.ok(missing.status < 300, missing.text)
    assert.ok(elsewhere.status < 300, elsewhere.text)
    return
  }
  const refused = expected === line.refused ? (line.refusedMissing ?? expected) : expected
  assert.equal(missing.code, refused ?? line.missing ?? line.unseen, `${missing.text}, of what is missing`)
  assert.deepEqual(elsewhere, missing)
}

/** In another namespace, what is there and what is not; and in one that is not there. */
async function assertForeign(asked: Omit<Asked, 'namespace' | 'id'>): Promise<void> {
  const { line } = asked
  const missing = await ask({ ...asked, namespace: MISSING, id: newId(line) })
  assert.equal(missing.code, line.unseen, `${missing.text}, where nothing is`)
  const there = await ask({ ...asked, namespace: FOREIGN, id: foreign.get(line) ?? '' })
  assert.deepEqual(there, missing)
  assert.deepEqual(await ask({ ...asked, namespace: FOREIGN, id: newId(line) }), missing)
}

describe('nobody', () => {
  for (const { name, line, route } of LINES)
    test(name, async () => {
      const asked = { route, line, id: foreign.get(line) ?? '' }
      for (const authorization of [undefined, 'Bearer prd_no', 'Basic YTpi'])
        for (const namespace of [OWN, FOREIGN, MISSING]) {
          const { code } = await ask({ ...asked, authorization, namespace })
          assert.ok(code === 'UNAUTHENTICATED' || code === 'RATE_LIMITED', code)
        }
    })
})

test('what is in the other namespace is as it was', async () => {
  await things.assertUntouched(FOREIGN)
})
