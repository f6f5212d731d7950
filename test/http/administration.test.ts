// Keys, roles, policies and namespaces over HTTP, and requests of callers that have to say who they are.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { accessRoutes } from '../../src/server/http/routes/access.ts'
import { apiKeyRoutes } from '../../src/server/http/routes/api-keys.ts'
import { namespaceRoutes } from '../../src/server/http/routes/namespaces.ts'
import { IssuerServer } from '../access/issuer-server.ts'
import { until } from '../tasks/task-fixtures.ts'
import { type Called, type CallOptions, HttpFixture } from './http-fixture.ts'

const ROUTES = [...apiKeyRoutes, ...accessRoutes, ...namespaceRoutes]

/** Somebody who asks. */
interface Asker {
  readonly id: string
  readonly key: string
  call(method: string, path: string, options?: CallOptions): Promise<Called>
  ok(status: number, method: string, path: string, options?: CallOptions): Promise<Called['body']>
  refused(status: number, code: string, method: string, path: string, body?: unknown): Promise<Called['body']>
}

/** The engine has seen the head of the request; the rest of it is sent when it is called. */
async function begunRequest(
  url: string,
  headers: Readonly<Record<string, string>>,
  text: string,
): Promise<() => Promise<number>> {
  const type = { 'content-type': 'application/json', 'content-length': text.length, expect: '100-continue' }
  const asked = request(url, { method: 'POST', agent: false, headers: { ...headers, ...type } })
  const answered = once(asked, 'response')
  asked.flushHeaders()
  await once(asked, 'continue')
  return async () => {
    asked.end(text)
    const [answer] = (await answered) as [IncomingMessage]
    answer.resume()
    return answer.statusCode ?? 0
  }
}

describe('over HTTP, with access', () => {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-http-access-'))
  const keyFile = join(directory, 'admin.key')
  let issuer: IssuerServer
  let on: HttpFixture
  let admin: Asker
  before(async () => {
    issuer = await IssuerServer.start()
    on = await HttpFixture.open({ access: { adminKeyFile: keyFile, tokens: [issuer.settings()] } })
    admin = askerOf({ id: '', key: readFileSync(keyFile, 'utf8').trim() })
  })
  after(async () => {
    await on[Symbol.asyncDispose]()
    await issuer[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })

  function askerOf({ id, key }: { readonly id: string; readonly key: string }): Asker {
    const withKey = ({ headers = {}, ...rest }: CallOptions = {}): CallOptions => ({
      ...rest,
      headers: { ...headers, authorization: `Bearer ${key}` },
    })
    const call: Asker['call'] = (method, path, options) => on.call(method, path, withKey(options))
    return {
      id,
      key,
      call,
      ok: (status, method, path, options) => on.ok(status, method, path, withKey(options)),
      refused: async (status, code, method, path, body) => {
        const answer = await call(method, path, body === undefined ? {} : { body })
        assert.deepEqual(
          [answer.status, answer.body?.code],
          [status, code],
          `${method} ${path}: ${answer.text}`,
        )
        return answer.body
      },
    }
  }

  const made = async (body: object): Promise<Asker> =>
    askerOf(await admin.ok(201, 'POST', '/v1/api-keys', { body }))

  test('nobody is let in without a credential', async () => {
    for (const { method, path } of ROUTES) {
      const place = `/v1${path.replaceAll(/\{\w+\}/g, 'x')}`
      assert.equal((await on.call(method, place)).status, 401, `${method} ${place}`)
    }
    assert.equal((await on.call('GET', '/v1/executions')).status, 401)
    assert.equal((await on.call('GET', '/healthz')).status, 200)
  })

  test('a key is made, shown once, and opens what its roles permit', async () => {
    const answer = await admin.call('POST', '/v1/api-keys', {
      body: { name: 'ci', roles: ['developer@default'], groups: ['staff'], expiresInMs: 60_000 },
      headers: { 'accept-encoding': 'gzip, br' },
    })
    assert.equal(answer.status, 201, answer.text)
    const { id, key, expiresMs } = answer.body
    assert.match(key, /^pdk_/)
    assert.ok(expiresMs > Date.now())
    assert.equal(answer.headers.get('location'), `/v1/api-keys/${id}`)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    assert.equal(answer.headers.get('content-encoding'), null)
    const asker = askerOf({ id, key })
    await asker.ok(201, 'POST', '/v1/executions', { body: { workflow: 'quick', id: 'of-ci' } })
    const shown = await admin.ok(200, 'GET', `/v1/api-keys/${id}`)
    assert.deepEqual([shown.name, shown.roles, shown.groups], ['ci', ['developer@default'], ['staff']])
    const secret = key.slice(shown.prefix.length + 1)
    for (const path of ['/v1/api-keys', `/v1/api-keys/${id}`, '/v1/api-keys?namespace=default']) {
      const { text } = await admin.call('GET', path)
      assert.ok(!text.includes(secret) && !text.includes('hash'), path)
    }
    assert.equal((await asker.ok(200, 'GET', `/v1/api-keys/${id}`)).id, id)
    await asker.refused(403, 'FORBIDDEN', 'POST', '/v1/api-keys', { name: 'more', roles: ['admin@*'] })
    await asker.refused(404, 'RECORD_NOT_FOUND', 'GET', '/v1/api-keys/0000')
    await admin.refused(400, 'ARGUMENT_INVALID', 'POST', '/v1/api-keys', { name: 'x', roles: ['king'] })
  })

  test('another secret leaves the one before for a time of grace; revoked, a key opens nothing', async () => {
    const before = await made({ name: 'rotating', roles: ['viewer'] })
    const { key } = await before.ok(200, 'POST', `/v1/api-keys/${before.id}/rotate`, {
      body: { graceMs: 60_000 },
    })
    const now = askerOf({ id: before.id, key })
    for (const each of [before, now]) await each.ok(200, 'GET', '/v1/executions')
    const { key: third } = await admin.ok(200, 'POST', `/v1/api-keys/${before.id}/rotate`, {
      body: { graceMs: 0 },
    })
    for (const each of [before, now]) assert.equal((await each.call('GET', '/v1/executions')).status, 401)
    const last = askerOf({ id: before.id, key: third })
    await last.ok(200, 'GET', '/v1/executions')
    await admin.refused(400, 'ARGUMENT_INVALID', 'DELETE', `/v1/api-keys/${before.id}`)
    await admin.ok(204, 'POST', `/v1/api-keys/${before.id}/revoke`)
    await admin.ok(204, 'POST', `/v1/api-keys/${before.id}/revoke`)
    assert.equal((await last.call('GET', '/v1/executions')).status, 401)
    await admin.refused(400, 'ARGUMENT_INVALID', 'POST', `/v1/api-keys/${before.id}/rotate`)
    await admin.ok(204, 'DELETE', `/v1/api-keys/${before.id}`)
    await admin.refused(404, 'RECORD_NOT_FOUND', 'GET', `/v1/api-keys/${before.id}`)
  })

  test('a stream of events ends when the key that has opened it is revoked', async () => {
    const asker = await made({ name: 'watching', roles: ['developer'] })
    await asker.ok(201, 'POST', '/v1/executions', { body: { workflow: 'waiting', id: 'watched' } })
    const response = await fetch(`${on.base}/v1/executions/watched/watch`, {
      headers: { authorization: `Bearer ${asker.key}` },
    })
    assert.equal(response.status, 200)
    await admin.ok(204, 'POST', `/v1/api-keys/${asker.id}/revoke`)
    // It would go on for as long as the execution does.
    const text = await response.text()
    assert.match(text, /workflow|started/)
    assert.doesNotMatch(text, /event: end/)
    await admin.ok(204, 'POST', '/v1/executions/watched/terminate', { body: { reason: 'the end' } })
  })

  test('what belongs to another namespace looks as if it were not there', async () => {
    const namespace = await admin.ok(201, 'POST', '/v1/namespaces', { body: { name: 'billing' } })
    assert.deepEqual(namespace, { name: 'billing', quotas: {}, revision: 1 })
    const billing = await made({ name: 'b', namespace: 'billing', roles: ['admin'] })
    const stranger = await made({ name: 's', roles: ['operator'] })
    await billing.ok(201, 'POST', '/v1/executions', { body: { workflow: 'quick', id: 'invoice' } })
    await billing.ok(200, 'GET', '/v1/executions/invoice?namespace=billing')
    const foreign = await stranger.call('GET', '/v1/executions/invoice?namespace=billing')
    const missing = await stranger.call('GET', '/v1/executions/nothing?namespace=billing')
    assert.deepEqual([foreign.status, foreign.body.code], [404, missing.body.code])
    assert.equal(foreign.body.detail.replace('invoice', 'nothing'), missing.body.detail)
    await stranger.refused(404, 'EXECUTION_NOT_FOUND', 'GET', '/v1/executions/invoice')
    await stranger.refused(404, 'NAMESPACE_NOT_FOUND', 'GET', '/v1/namespaces/billing')
    await stranger.refused(404, 'NAMESPACE_NOT_FOUND', 'GET', '/v1/namespaces/nothing')
    await stranger.refused(404, 'RECORD_NOT_FOUND', 'GET', `/v1/api-keys/${billing.id}`)
    await stranger.refused(404, 'RECORD_NOT_FOUND', 'POST', `/v1/api-keys/${billing.id}/revoke`)
    assert.deepEqual((await stranger.ok(200, 'GET', '/v1/namespaces')).namespaces.map(nameOf), ['default'])
    assert.deepEqual((await billing.ok(200, 'GET', '/v1/namespaces')).namespaces.map(nameOf), ['billing'])
    // It administers its own namespace, and nothing beyond it.
    await billing.ok(201, 'POST', '/v1/api-keys', {
      body: { name: 'own', namespace: 'billing', roles: ['viewer'] },
    })
    const keys = await billing.ok(200, 'GET', '/v1/api-keys')
    assert.deepEqual(keys.keys.map(nameOf).toSorted(), ['b', 'own'])
    await billing.refused(403, 'FORBIDDEN', 'POST', '/v1/api-keys', { name: 'x', roles: ['viewer@*'] })
    await billing.refused(403, 'FORBIDDEN', 'PUT', '/v1/policies/mine', {
      text: 'permit (principal, action, resource);',
    })
    await billing.refused(403, 'FORBIDDEN', 'PUT', '/v1/namespaces/billing', { quotas: {} })
  })

  test('namespaces have quotas, which change only as they were read', async () => {
    await admin.ok(201, 'POST', '/v1/namespaces', {
      body: { name: 'small', quotas: { payloadBytes: 40 } },
    })
    await admin.refused(409, 'RECORD_EXISTS', 'POST', '/v1/namespaces', { name: 'small' })
    await admin.refused(400, 'ARGUMENT_INVALID', 'POST', '/v1/namespaces', {
      name: 'x',
      quotas: { openQueues: 1 },
    })
    const asker = await made({ name: 's', namespace: 'small', roles: ['developer'] })
    const large = { workflow: 'quick', input: 'x'.repeat(100) }
    await asker.refused(413, 'PAYLOAD_TOO_LARGE', 'POST', '/v1/executions', large)
    const { headers, body } = await admin.call('GET', '/v1/namespaces/small')
    assert.deepEqual(body.quotas, { payloadBytes: 40 })
    const etag = headers.get('etag') ?? ''
    const put = { quotas: { requestsPerSecond: 1000 } }
    const set = await admin.call('PUT', '/v1/namespaces/small', { body: put, headers: { 'if-match': etag } })
    assert.equal(set.status, 200, set.text)
    assert.notEqual(set.headers.get('etag'), etag)
    const late = await admin.call('PUT', '/v1/namespaces/small', { body: put, headers: { 'if-match': etag } })
    assert.deepEqual([late.status, late.body.code], [412, 'REVISION_CONFLICT'])
    await asker.ok(201, 'POST', '/v1/executions', { body: { ...large, id: 'large' } })
    await admin.refused(400, 'ARGUMENT_INVALID', 'DELETE', '/v1/namespaces/small')
    await asker.ok(200, 'GET', '/v1/executions/large/result?waitMs=20000')
    await admin.ok(204, 'DELETE', '/v1/executions/large?namespace=small')
    // Its key would be one of whoever gets the name next.
    await admin.refused(400, 'ARGUMENT_INVALID', 'DELETE', '/v1/namespaces/small')
    await admin.ok(204, 'POST', `/v1/api-keys/${asker.id}/revoke`)
    await admin.ok(204, 'DELETE', `/v1/api-keys/${asker.id}`)
    await admin.ok(204, 'DELETE', '/v1/namespaces/small')
    await admin.refused(404, 'NAMESPACE_NOT_FOUND', 'GET', '/v1/namespaces/small')
  })

  test('what is open in a namespace is bounded, and what ends gives its place to others', async () => {
    const quotas = { openExecutions: 2, openTasks: 2 }
    await admin.ok(201, 'POST', '/v1/namespaces', { body: { name: 'tight', quotas } })
    const asker = await made({ name: 't', namespace: 'tight', roles: ['developer', 'operator'] })
    const execution = (id: string, headers = {}) =>
      asker.call('POST', '/v1/executions', { body: { workflow: 'waiting', id }, headers })
    const key = { 'idempotency-key': 'the-first' }
    assert.equal((await execution('one', key)).status, 201)
    assert.equal((await execution('two')).status, 201)
    const third = await execution('three')
    assert.deepEqual([third.status, third.body.code], [429, 'QUOTA_EXCEEDED'], third.text)
    assert.equal(third.headers.get('retry-after'), '1')
    await asker.refused(429, 'QUOTA_EXCEEDED', 'POST', '/v1/executions/three/signal-with-start', {
      workflow: 'waiting',
      signal: { name: 'go' },
    })
    // What was asked before is answered as it was.
    assert.equal((await execution('one', key)).status, 201)
    await asker.ok(204, 'POST', '/v1/executions/two/terminate', { body: { reason: 'enough' } })
    await until(async () => (await execution('three')).status === 201)
    assert.equal((await execution('one', key)).status, 201)
    const task = { name: 'any', queue: 'nobody' }
    await asker.refused(429, 'QUOTA_EXCEEDED', 'POST', '/v1/bulk/tasks', { tasks: [task, task, task] })
    await asker.ok(201, 'POST', '/v1/tasks', { body: { ...task, id: 'a' } })
    await asker.ok(201, 'POST', '/v1/tasks', { body: { ...task, delayMs: 3_600_000 } })
    await asker.refused(429, 'QUOTA_EXCEEDED', 'POST', '/v1/tasks', task)
    // An event is a task too.
    const event = { specversion: '1.0', id: '1', source: 'here', type: 'some' }
    await asker.refused(429, 'QUOTA_EXCEEDED', 'POST', '/v1/events', event)
    await asker.ok(200, 'POST', '/v1/tasks', { body: { ...task, id: 'a' } })
    await asker.ok(204, 'POST', '/v1/tasks/a/cancel')
    await until(async () => (await asker.call('POST', '/v1/tasks', { body: task })).status === 201)
  })

  test('what a rule starts waits for a place', async () => {
    const body = { name: 'ruled', quotas: { openExecutions: 1 } }
    await admin.ok(201, 'POST', '/v1/namespaces', { body })
    const asker = await made({ name: 'u', namespace: 'ruled', roles: ['admin'] })
    await asker.ok(201, 'POST', '/v1/event-rules', {
      body: { id: 'start', match: { type: 'some' }, start: { workflow: 'waiting', id: 'by-{/id}' } },
    })
    await asker.ok(201, 'POST', '/v1/executions', { body: { workflow: 'waiting', id: 'full' } })
    const event = { specversion: '1.0', id: '1', source: 'here', type: 'some' }
    await asker.ok(202, 'POST', '/v1/events', { body: event })
    let refused: unknown
    await until(async () => {
      const { tasks } = await asker.ok(200, 'GET', '/v1/tasks?queue=perdure.events')
      refused = tasks[0]?.failure
      return refused !== undefined
    })
    assert.match(JSON.stringify(refused), /has its 1 open executions/)
    await asker.refused(404, 'EXECUTION_NOT_FOUND', 'GET', '/v1/executions/by-1')
    await asker.ok(204, 'POST', '/v1/executions/full/terminate', { body: { reason: 'enough' } })
    await until(async () => (await asker.call('GET', '/v1/executions/by-1')).status === 200)
  })

  test('rates count at each door: no request is free', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'perdure-http-rate-'))
    const adminKeyFile = join(directory, 'admin.key')
    await using limited = await HttpFixture.open({
      access: { adminKeyFile, rateLimit: { perSecond: 0.001, burst: 4 } },
    })
    const master = { authorization: `Bearer ${readFileSync(adminKeyFile, 'utf8').trim()}` }
    const keyOf = async (name: string): Promise<{ readonly authorization: string }> => {
      const body = { name, roles: ['admin@*', 'worker'] }
      const { key } = await limited.ok(201, 'POST', '/v1/api-keys', { body, headers: master })
      return { authorization: `Bearer ${key}` }
    }
    const event = { specversion: '1.0', id: '1', source: 'here', type: 'some' }
    const doors = [
      ['POST', '/v1/events', event],
      ['GET', '/metrics', undefined],
      ['GET', '/v1/api-keys', undefined],
    ] as const
    for (const [method, path, body] of doors) {
      const headers = await keyOf(path)
      const codes: number[] = []
      for (let i = 0; i < 5; i++) {
        const { status } = await limited.call(method, path, {
          headers,
          ...(body === undefined ? {} : { body }),
        })
        codes.push(status)
      }
      assert.ok(
        codes.slice(0, 4).every((code) => code < 300),
        `${path}: ${codes}`,
      )
      assert.equal(codes[4], 429, `${path}: ${codes}`)
    }
    rmSync(directory, { recursive: true })
  })

  test('a request counts once, however many come at a time', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'perdure-http-rate-'))
    const adminKeyFile = join(directory, 'admin.key')
    await using limited = await HttpFixture.open({
      access: { adminKeyFile, rateLimit: { perSecond: 0.001, burst: 20 } },
    })
    const headers = { authorization: `Bearer ${readFileSync(adminKeyFile, 'utf8').trim()}` }
    // Each has its body when all have begun. Of these routes one calls the engine, and one does not.
    const bodies = { '/v1/executions': { workflow: 'quick' }, '/v1/api-keys': { name: 'k', roles: [] } }
    for (const path of ['/v1/executions', '/v1/api-keys', '/v1/api-keys', '/v1/executions'] as const) {
      const text = JSON.stringify(bodies[path])
      const begun = await Promise.all(
        Array.from({ length: 5 }, () => begunRequest(`${limited.base}${path}`, headers, text)),
      )
      const statuses = await Promise.all(begun.map((send) => send()))
      assert.deepEqual(statuses, [201, 201, 201, 201, 201], path)
    }
    assert.equal((await limited.call('GET', '/v1/executions', { headers })).status, 429)
    rmSync(directory, { recursive: true })
  })

  test('rates and sizes of a namespace count for events, claims and their results', async () => {
    const quotas = { payloadBytes: 300, requestsPerSecond: 0.001 }
    const event = (data: string) => ({ specversion: '1.0', id: '1', source: 'here', type: 'some', data })
    await admin.ok(201, 'POST', '/v1/namespaces', { body: { name: 'rated', quotas: { payloadBytes: 300 } } })
    const asker = await made({ name: 'r', namespace: 'rated', roles: ['developer', 'worker'] })
    await asker.refused(413, 'PAYLOAD_TOO_LARGE', 'POST', '/v1/events', event('x'.repeat(500)))
    await asker.ok(202, 'POST', '/v1/events', { body: event('short') })
    await asker.ok(201, 'POST', '/v1/tasks', { body: { name: 'any', queue: 'rated' } })
    const claim = { worker: 'w', tasks: ['any'], waitMs: 10_000 }
    const { claims } = await asker.ok(200, 'POST', '/v1/queues/rated/claims', { body: claim })
    const [{ token }] = claims
    await asker.refused(413, 'PAYLOAD_TOO_LARGE', 'POST', `/v1/claims/${token}/complete`, {
      result: 'x'.repeat(500),
    })
    await admin.ok(200, 'PUT', '/v1/namespaces/rated', { body: { quotas } })
    await asker.ok(204, 'POST', `/v1/claims/${token}/complete`, { body: { result: 'short' } })
    await asker.refused(429, 'RATE_LIMITED', 'POST', '/v1/events', event('short'))
    await asker.refused(429, 'RATE_LIMITED', 'POST', '/v1/queues/rated/claims', claim)
    await asker.refused(429, 'RATE_LIMITED', 'POST', `/v1/claims/${token}/complete`, { result: 'short' })
    // Whoever administers it is not kept out.
    await admin.ok(200, 'PUT', '/v1/namespaces/rated', { body: { quotas: {} } })
    await asker.ok(204, 'POST', `/v1/claims/${token}/complete`, { body: { result: 'short' } })
  })

  test('roles are given and taken; tokens of an issuer have those that were given to them', async () => {
    const token = await issuer.sign(Date.now())
    const ann = askerOf({ id: '', key: token })
    const principal = `token:${issuer.url}#ann`
    await ann.refused(404, 'EXECUTION_NOT_FOUND', 'GET', '/v1/executions/of-ci')
    const binding = { principal, role: 'viewer', namespace: 'default' }
    await admin.ok(204, 'POST', '/v1/role-bindings', { body: binding })
    await admin.ok(204, 'POST', '/v1/role-bindings', { body: binding })
    await ann.ok(200, 'GET', '/v1/executions/of-ci')
    await ann.refused(403, 'FORBIDDEN', 'POST', '/v1/role-bindings', { ...binding, role: 'admin' })
    for (const place of ['', '?namespace=default'])
      assert.deepEqual((await admin.ok(200, 'GET', `/v1/role-bindings${place}`)).bindings, [binding])
    assert.deepEqual((await admin.ok(200, 'GET', '/v1/role-bindings?namespace=billing')).bindings, [])
    const asked = new URLSearchParams({ principal, role: 'viewer' })
    // That is the one everywhere, which was not given.
    await admin.ok(204, 'DELETE', `/v1/role-bindings?${asked}`)
    await ann.ok(200, 'GET', '/v1/executions/of-ci')
    asked.set('namespace', 'default')
    await admin.ok(204, 'DELETE', `/v1/role-bindings?${asked}`)
    await ann.refused(404, 'EXECUTION_NOT_FOUND', 'GET', '/v1/executions/of-ci')
    await admin.refused(400, 'ARGUMENT_INVALID', 'DELETE', '/v1/role-bindings?role=viewer')
    await admin.refused(400, 'ARGUMENT_INVALID', 'POST', '/v1/role-bindings', {
      principal: 'ann',
      role: 'viewer',
    })
  })

  test('policies are checked, put, and decide; it can be asked which of them did', async () => {
    const developer = await made({ name: 'd', roles: ['developer'] })
    const principal = `key:${developer.id}`
    const text = `@id("no-starts")\nforbid (principal == Perdure::Key::"${principal}", action == Perdure::Action::"StartExecution", resource);`
    const put = await admin.call('PUT', '/v1/policies/freeze', { body: { text } })
    assert.equal(put.status, 200, put.text)
    assert.deepEqual([put.body.text, put.headers.get('etag')], [text, `"${put.body.revision}"`])
    await developer.refused(403, 'FORBIDDEN', 'POST', '/v1/executions', { workflow: 'quick', id: 'frozen' })
    const question = { action: 'StartExecution', namespace: 'default', id: 'frozen' }
    const explained = await admin.ok(200, 'POST', '/v1/access/explain', { body: { ...question, principal } })
    assert.deepEqual([explained.isAllowed, explained.roles], [false, ['developer']])
    assert.equal(explained.policies.length, 1)
    assert.match(explained.policies[0].id, /freeze:no-starts$/)
    assert.match(explained.sentence, /may not StartExecution in namespace default: .*no-starts forbids it/)
    // Of itself, everybody may ask.
    assert.equal((await developer.ok(200, 'POST', '/v1/access/explain', { body: question })).isAllowed, false)
    await developer.refused(403, 'FORBIDDEN', 'POST', '/v1/access/explain', {
      ...question,
      principal: 'key:x',
    })
    await admin.refused(404, 'RECORD_NOT_FOUND', 'POST', '/v1/access/explain', {
      ...question,
      principal: 'key:x',
    })
    const wrong = await admin.refused(400, 'ARGUMENT_INVALID', 'PUT', '/v1/policies/freeze', {
      text: `${text}\n\npermit (principal, action resource);`,
    })
    assert.match(wrong.detail, /line 4/)
    const unfit = await admin.refused(400, 'ARGUMENT_INVALID', 'PUT', '/v1/policies/freeze', {
      text: `${text}\n// Ää\npermit (principal, action == Perdure::Action::"ReadExecution",\n  resource) when { principal.size > 3 };`,
    })
    assert.match(unfit.detail, /line 5/)
    assert.equal((await admin.ok(200, 'GET', '/v1/policies/freeze')).text, text)
    const late = await admin.call('PUT', '/v1/policies/freeze', {
      body: { text },
      headers: { 'if-match': '"77"' },
    })
    assert.equal(late.status, 412)
    assert.deepEqual(
      (await admin.ok(200, 'GET', '/v1/policies')).policies.map(({ id }: { id: string }) => id),
      ['freeze'],
    )
    await admin.ok(204, 'DELETE', '/v1/policies/freeze')
    await admin.refused(404, 'RECORD_NOT_FOUND', 'DELETE', '/v1/policies/freeze')
    await developer.ok(201, 'POST', '/v1/executions', { body: { workflow: 'quick', id: 'frozen' } })
  })

  test('a field that is not known is refused before anything is done', async () => {
    await admin.refused(400, 'ARGUMENT_INVALID', 'POST', '/v1/api-keys', { name: 'x', secret: 'mine' })
    const { keys } = await admin.ok(200, 'GET', '/v1/api-keys')
    assert.ok(!keys.map(nameOf).includes('x'))
  })

  test('all routes were asked, and answered as they are documented', () => {
    const missing = ROUTES.filter(({ operationId }) => !on.asked.has(operationId))
    assert.deepEqual(
      missing.map(({ operationId }) => operationId),
      [],
    )
  })
})

test('a credential that is not good lets nobody in, and not often', async () => {
  await using on = await HttpFixture.open({ store: 'memory', access: {} })
  const statuses: number[] = []
  for (let i = 0; i < 12; i++) {
    const authorization = i % 2 === 0 ? 'Bearer pdk_x_y' : 'Basic eDp5'
    statuses.push((await on.call('GET', '/v1/api-keys', { headers: { authorization } })).status)
  }
  assert.deepEqual(statuses.slice(0, 10), new Array(10).fill(401))
  assert.equal(statuses.at(-1), 429)
})

test('an engine that asks nobody who they are has nothing to administer, and says so', async () => {
  await using on = await HttpFixture.open({ store: 'memory' })
  for (const [method, path] of [
    ['GET', '/v1/api-keys'],
    ['GET', '/v1/role-bindings'],
    ['GET', '/v1/policies/x'],
    ['GET', '/v1/namespaces'],
    ['DELETE', '/v1/namespaces/x'],
  ] as const) {
    const { status, body } = await on.call(method, path)
    assert.deepEqual([status, body.code], [404, 'ROUTE_NOT_FOUND'], path)
    assert.match(body.detail, /asks nobody who they are/)
  }
})

function nameOf({ name }: { readonly name: string }): string {
  return name
}
