// `GET /metrics` of an engine that is really there: formats, who may read it, and what it says when nothing is observed.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { workflow } from 'perdure'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import { createEngine, type EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import type { EngineSettings } from '../../src/server/engine-settings.ts'

const greet = workflow({ name: 'greet', run: (ctx, name: string) => ctx.step('say', () => `hello ${name}`) })
const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }

interface Opened extends AsyncDisposable {
  readonly engine: EmbeddedEngine
  get(headers?: Readonly<Record<string, string>>, method?: string): Promise<Response>
  key(role: string): Promise<string>
}

async function opened(settings: Partial<EngineSettings> = {}): Promise<Opened> {
  const engine = await createEngine({
    store: 'memory',
    workflows: [greet],
    logger: silentLogger,
    ...settings,
  })
  const { url } = await engine.listen({ http: { origins: ['https://app.example.com'] } })
  const address = `${url.replace('ws', 'http')}/metrics`
  return {
    engine,
    get: (headers = {}, method = 'GET') => fetch(address, { method, headers }),
    key: async (role) => {
      const { admin } = engine.access ?? {}
      assert.ok(admin)
      return (await admin.createKey(rules, { name: role, roles: [role] })).key
    },
    [Symbol.asyncDispose]: () => engine.close(),
  }
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

async function problemOf(response: Response): Promise<readonly [number, string, string]> {
  const { code, detail } = (await response.json()) as { readonly code: string; readonly detail: string }
  return [response.status, code, detail]
}

describe('whoever reaches the port may do everything', () => {
  test('it is there without a credential, in the format that is asked for', async () => {
    await using on = await opened()
    await (await on.engine.start(greet, 'ada')).result()
    const plain = await on.get()
    assert.deepEqual(
      [plain.status, plain.headers.get('content-type'), plain.headers.get('cache-control')],
      [200, 'text/plain; version=0.0.4; charset=utf-8', 'no-store'],
    )
    assert.match(
      await plain.text(),
      /^perdure_executions_closed_total\{namespace="default",workflow="greet",status="completed"\} 1$/m,
    )
    const open = await on.get({ accept: 'application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1' })
    assert.equal(
      open.headers.get('content-type'),
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    )
    assert.match(await open.text(), /# EOF\n$/)
    assert.equal(open.headers.get('vary'), 'origin, accept, accept-encoding')
  })

  test('a head has no body, and what changes something is no method of it', async () => {
    await using on = await opened()
    const head = await on.get({}, 'HEAD')
    assert.deepEqual([head.status, await head.text()], [200, ''])
    const post = await on.get({}, 'POST')
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
  })

  test('an engine that does not observe itself says so', async () => {
    await using on = await opened({ metrics: false })
    const [status, code, detail] = await problemOf(await on.get())
    assert.deepEqual([status, code], [404, 'ROUTE_NOT_FOUND'])
    assert.match(detail, /does not observe itself/)
  })
})

describe('whoever connects shows who it is', () => {
  test('roles that may read it everywhere, and no others', async () => {
    await using on = await opened({ access: {} })
    for (const role of ['admin', 'operator', 'viewer', 'auditor'])
      assert.equal((await on.get(bearer(await on.key(`${role}@*`)))).status, 200, role)
    for (const role of ['developer@*', 'worker@*', 'participant@*', 'viewer@default', 'admin@default']) {
      const [status, code, detail] = await problemOf(await on.get(bearer(await on.key(role))))
      assert.deepEqual([status, code], [403, 'FORBIDDEN'], role)
      assert.match(detail, /ReadMetrics, which belongs to no namespace: .* viewer@\*/)
    }
  })

  test('nobody without a credential, nor with a wrong one', async () => {
    await using on = await opened({ access: {} })
    const key = await on.key('viewer@*')
    for (const headers of [{}, bearer(`${key}x`)])
      assert.equal((await problemOf(await on.get(headers)))[1], 'UNAUTHENTICATED')
  })

  test('a policy can name the node', async () => {
    const node = (name: string): string =>
      `permit (principal, action == Perdure::Action::"ReadMetrics", resource) when { resource has name && resource.name ${name} };`
    await using on = await opened({ access: {} })
    const key = await on.key('worker@*')
    const { admin } = on.engine.access ?? {}
    assert.ok(admin)
    await admin.putPolicy(rules, 'scraper', node('== "another"'))
    assert.equal((await on.get(bearer(key))).status, 403)
    await admin.putPolicy(rules, 'scraper', node('like "*:*"'))
    assert.equal((await on.get(bearer(key))).status, 200)
  })

  test('whether it observes itself is for those who may read it', async () => {
    await using on = await opened({ access: {}, metrics: false })
    assert.equal((await on.get(bearer(await on.key('worker@*')))).status, 403)
    assert.equal((await on.get(bearer(await on.key('viewer@*')))).status, 404)
  })
})
