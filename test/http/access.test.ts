// The REST API of an engine that asks for credentials: its doors ask who calls, and its ports what they may.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createEngine, silentLogger } from '../../src/index.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import type { AccessAdmin } from '../../src/server/access/access-admin.ts'
import { waiting } from './http-fixture.ts'

const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }

describe('the REST API of an engine with access', () => {
  let engine: Awaited<ReturnType<typeof createEngine>>
  let admin: AccessAdmin
  let base: string
  before(async () => {
    engine = await createEngine({
      store: 'memory',
      workflows: [waiting],
      logger: silentLogger,
      shutdownGrace: 0,
      access: {},
    })
    const found = engine.access?.admin
    assert.ok(found !== undefined)
    admin = found
    base = (await engine.listen()).url.replace('ws', 'http')
  })
  after(() => engine.close())

  const keyOf = (role: string) => admin.createKey(rules, { name: role, roles: [role] })
  const ask = (method: string, path: string, key?: string, body?: unknown) =>
    fetch(base + path, {
      method,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  test('nobody comes in without a credential, but to what is public', async () => {
    for (const key of [undefined, 'nonsense']) {
      const refused = await ask('GET', '/v1/executions', key)
      assert.deepEqual(
        [refused.status, ((await refused.json()) as { readonly code: string }).code],
        [401, 'UNAUTHENTICATED'],
      )
      assert.equal(refused.headers.get('www-authenticate'), 'Bearer')
    }
    for (const path of ['/healthz', '/readyz', '/docs', '/openapi.json'])
      assert.equal((await ask('GET', path)).status, 200, path)
  })

  test('a role may what it may: a viewer reads, a worker claims, neither starts', async () => {
    const [operator, viewer, worker] = await Promise.all(['operator', 'viewer', 'worker'].map(keyOf))
    assert.ok(operator !== undefined && viewer !== undefined && worker !== undefined)
    const start = { workflow: 'waiting', id: 'w' }
    assert.equal((await ask('POST', '/v1/executions', viewer.key, start)).status, 403)
    assert.equal((await ask('POST', '/v1/executions', operator.key, start)).status, 201)
    assert.equal((await ask('GET', '/v1/executions/w', viewer.key)).status, 200)
    const claim = { worker: 'w', tasks: ['work'] }
    assert.equal((await ask('POST', '/v1/queues/q/claims', viewer.key, claim)).status, 403)
    assert.equal((await ask('POST', '/v1/queues/q/claims', worker.key, claim)).status, 200)
  })

  test('a stream ends when its credential is revoked', async () => {
    const { id, key } = await keyOf('operator')
    assert.equal(
      (await ask('POST', '/v1/executions', key, { workflow: 'waiting', id: 'watched' })).status,
      201,
    )
    const stream = await ask('GET', '/v1/executions/watched/watch', key)
    assert.equal(stream.status, 200)
    const text = stream.text()
    await admin.revokeKey(rules, id)
    assert.doesNotMatch(await text, /event: end/)
    assert.equal((await ask('GET', '/v1/executions', key)).status, 401)
  })
})
