// The audit trail over HTTP, in the name of callers.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { LinesReader } from '../../src/server/audit/audit-lines.ts'
import { AuditVerification } from '../../src/server/audit/audit-verification.ts'
import { publicKeys } from '../../src/server/audit/signing-key.ts'
import { Cursors } from '../../src/server/http/cursors.ts'
import { auditRoutes } from '../../src/server/http/routes/audit.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { temporaryFolder } from '../audit/audited-engine.ts'
import { until } from '../tasks/task-fixtures.ts'
import { HttpFixture, square } from './http-fixture.ts'

interface Secured extends AsyncDisposable {
  readonly on: HttpFixture
  readonly folder: string
  /** Headers of whoever may do everything. */
  readonly root: { readonly authorization: string }
  /** Headers of a new key with these roles, and its id. */
  key(name: string, ...roles: string[]): Promise<{ readonly authorization: string; readonly id: string }>
  start(namespace: string, id: string, headers: Readonly<Record<string, string>>): Promise<void>
}

async function secured(): Promise<Secured> {
  const folder = temporaryFolder()
  const adminKeyFile = join(folder.path, 'admin.key')
  const on = await HttpFixture.open({
    access: { adminKeyFile },
    audit: { signingKeyFile: join(folder.path, 'key.pem') },
  })
  const text = readFileSync(adminKeyFile, 'utf8').trim()
  const root = { authorization: `Bearer ${text}` }
  const caller = { id: 'test', kind: 'embedded', groups: [], roles: ['admin@*'] } as const
  const { access } = on.engine
  assert.ok(access)
  await access.namespaces.create(caller, 'billing')
  return {
    on,
    folder: folder.path,
    root,
    key: async (name, ...roles) => {
      const made = await access.admin.createKey(caller, { name, roles })
      return { authorization: `Bearer ${made.key}`, id: made.id }
    },
    start: async (namespace, id, headers) => {
      const body = { workflow: 'quick', id, input: 1 }
      await on.ok(201, 'POST', `/v1/executions?namespace=${namespace}`, { headers, body })
    },
    [Symbol.asyncDispose]: async () => {
      await on[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

const from = ({ authorization }: { readonly authorization: string }) => ({ headers: { authorization } })
// biome-ignore lint/suspicious/noExplicitAny: JSON of an answer
const starts = (body: any): string[] =>
  body.rows
    .filter(({ action }: { readonly action: string }) => action === 'StartExecution')
    .map(({ resource }: { readonly resource: string }) => resource)

test('a test of a webhook is recorded, with who made it, and so is one that was not permitted', async () => {
  await using at = await secured()
  const { on, root } = at
  const of = '?namespace=billing'
  // A name that nobody has (RFC 6761).
  const body = { id: 'hook', url: 'http://receiver.invalid/' }
  await on.ok(201, 'POST', `/v1/webhooks${of}`, { ...from(root), body })
  const operator = await at.key('operator', 'operator@billing')
  const viewer = await at.key('viewer', 'viewer@billing')
  const told = await on.ok(200, 'POST', `/v1/webhooks/hook/test${of}`, from(operator))
  assert.equal(told.delivered, false)
  const { status } = await on.call('POST', `/v1/webhooks/hook/test${of}`, from(viewer))
  assert.equal(status, 403)
  const rows = async () => (await on.ok(200, 'GET', '/v1/audit', from(root))).rows
  const found = async () =>
    (await rows())
      .filter(({ type }: { readonly type: string }) => type === 'Webhook')
      .map((row: Record<string, unknown>) => [row.action, row.result, row.resource, row.caller])
  await until(async () => (await found()).length === 3)
  assert.deepEqual((await found()).slice(1), [
    ['TestWebhook', 'changed', 'hook', `key:${operator.id}`],
    ['ChangeWebhook', 'denied', 'hook', `key:${viewer.id}`],
  ])
})

test('a caller sees rows of the namespaces in which it may read the audit trail, and of no others', async () => {
  await using at = await secured()
  const { on, root } = at
  for (const [namespace, id] of [
    ['default', 'a'],
    ['billing', 'b'],
    ['billing', 'c'],
  ] as const)
    await at.start(namespace, id, root)
  const everywhere = await at.key('all', 'auditor@*')
  const billing = await at.key('billing', 'auditor@billing')
  const viewer = await at.key('viewer', 'viewer@*')

  const all = await on.ok(200, 'GET', '/v1/audit', from(everywhere))
  assert.deepEqual(starts(all), ['a', 'b', 'c'])
  assert.ok(
    all.rows.some(
      ({ action, namespace }: Record<string, unknown>) =>
        action === 'CreateApiKey' && namespace === undefined,
    ),
  )
  const [row] = all.rows.filter(({ resource }: { readonly resource: string }) => resource === 'b')
  assert.deepEqual(
    [row.type, row.result, row.namespace, row.address, row.policies, row.isErased],
    ['Execution', 'changed', 'billing', '127.0.0.1', ['key-of-this-machine'], false],
  )

  const own = await on.ok(200, 'GET', '/v1/audit?namespace=billing', from(billing))
  assert.deepEqual(starts(own), ['b', 'c'])
  assert.ok(own.rows.every(({ namespace }: { readonly namespace: string }) => namespace === 'billing'))
  for (const path of ['/v1/audit', '/v1/audit?namespace=default', '/v1/audit/heads', '/v1/audit/export'])
    assert.ok([403, 404].includes((await on.call('GET', path, from(billing))).status), path)
  for (const path of ['/v1/audit', '/v1/audit?namespace=billing', '/v1/audit/heads', '/v1/audit/export'])
    assert.equal((await on.call('GET', path, from(viewer))).body.code, 'FORBIDDEN', path)
  for (const who of [everywhere, billing, viewer])
    assert.equal(
      (await on.call('POST', '/v1/audit/erasures', { ...from(who), body: { workflowId: 'b' } })).body.code,
      'FORBIDDEN',
    )
  assert.equal((await on.call('GET', '/v1/audit')).status, 401)

  // A policy takes out a namespace of what one may read everywhere: it is left out of lists, and ends an export.
  const { access } = on.engine
  await access?.admin.putPolicy(
    { id: 'test', kind: 'embedded', groups: [], roles: ['admin@*'] },
    'sealed',
    'forbid (principal, action in [Perdure::Action::"ReadAudit", Perdure::Action::"ExportAudit"], resource in Perdure::Namespace::"billing");',
  )
  assert.deepEqual(starts(await on.ok(200, 'GET', '/v1/audit', from(everywhere))), ['a'])
  await assert.rejects(on.call('GET', '/v1/audit/export', from(everywhere)))
})

test('filters and pages', async () => {
  await using at = await secured()
  const { on, root } = at
  const ann = await at.key('ann', 'developer@*')
  for (let i = 0; i < 7; i++) await at.start('default', `a-${i}`, i % 2 === 0 ? ann : root)
  const person = `key:${ann.id}`
  const of = await on.ok(200, 'GET', `/v1/audit?person=${person}`, from(root))
  assert.deepEqual(starts(of), ['a-0', 'a-2', 'a-4', 'a-6'])
  assert.deepEqual(starts(await on.ok(200, 'GET', '/v1/audit?resource=a-3', from(root))), ['a-3'])
  const { atMs } = of.rows[2]
  const late = await on.ok(200, 'GET', `/v1/audit?person=${person}&sinceMs=${atMs}`, from(root))
  const early = await on.ok(200, 'GET', `/v1/audit?person=${person}&untilMs=${atMs}`, from(root))
  assert.deepEqual([...starts(early), ...starts(late)], starts(of))

  const pages: string[][] = []
  for (let cursor: string | undefined; ; ) {
    const more = cursor === undefined ? '' : `&cursor=${cursor}`
    const page = await on.ok(200, 'GET', `/v1/audit?person=${person}&limit=3${more}`, from(root))
    pages.push(starts(page))
    cursor = page.cursor
    if (cursor === undefined) break
    // It is of that filter only.
    const other = await on.call('GET', `/v1/audit?limit=3&cursor=${cursor}`, from(root))
    assert.equal(other.body.code, 'ARGUMENT_INVALID')
  }
  assert.deepEqual(pages, [['a-0', 'a-2', 'a-4'], ['a-6']])
  const madeUp = new Cursors('audit', {}).field('7/x').cursor
  const { status, body } = await on.call('GET', `/v1/audit?cursor=${madeUp}`, from(root))
  assert.deepEqual([status, body.code], [400, 'ARGUMENT_INVALID'])
})

test('heads and an export that verifies; what is erased is gone, and it verifies still', async () => {
  await using at = await secured()
  const { on, root, folder } = at
  const ann = await at.key('ann', 'developer@*')
  for (const id of ['order-ann', 'order-bob']) await at.start('default', id, ann)
  await on.engine.audit?.sign()
  const { heads } = await on.ok(200, 'GET', '/v1/audit/heads?limit=1', from(root))
  assert.equal(heads.length, 1)

  const verified = async () => {
    const { text, headers, status } = await on.call('GET', '/v1/audit/export', from(root))
    assert.deepEqual([status, headers.get('content-type')], [200, 'application/x-ndjson'])
    const verification = new AuditVerification({ keys: publicKeys(join(folder, 'key.pem')) })
    const reader = new LinesReader(verification)
    reader.take(text)
    reader.end()
    return { text, report: verification.finish(heads[0]) }
  }
  const before = await verified()
  assert.deepEqual(before.report.findings, [])
  assert.ok(before.report.isWhole && before.report.rows > 4)
  assert.ok(before.text.includes(`key:${ann.id}`) && before.text.includes('order-ann'))

  const erase = (body: object, query = '') =>
    on.ok(200, 'POST', `/v1/audit/erasures${query}`, { ...from(root), body })
  assert.deepEqual(await erase({ workflowId: 'order-ann' }, '?namespace=billing'), { rows: 0 })
  assert.deepEqual(await erase({ workflowId: 'order-ann' }), { rows: 1 })
  assert.deepEqual(await erase({ person: `key:${ann.id}` }), { rows: 1 })
  assert.deepEqual(await erase({ person: `key:${ann.id}` }), { rows: 0 })
  assert.equal(
    (await on.call('POST', '/v1/audit/erasures', { ...from(root), body: {} })).body.code,
    'ARGUMENT_INVALID',
  )
  const after = await verified()
  assert.deepEqual(after.report.findings, [])
  assert.deepEqual([after.report.isWhole, after.report.erased], [true, 2])
  assert.ok(!after.text.includes('order-ann') && !after.text.includes('order-bob'))
  const { rows } = await on.ok(200, 'GET', '/v1/audit', from(root))
  assert.deepEqual(
    auditRoutes.map(({ operationId }) => operationId).filter((each) => !on.asked.has(each)),
    [],
  )
  const told = rows.filter(({ action }: { readonly action: string }) => action === 'EraseAudit')
  assert.deepEqual(
    told
      .filter(({ result }: { readonly result: string }) => result === 'changed')
      .map(({ kind, policies, count }: { kind: string; policies: string[]; count?: number }) => [
        kind,
        policies,
        count,
      ]),
    Array.from({ length: 2 }, () => ['api-key', ['key-of-this-machine'], undefined]),
  )
})

test('an export is read as far as it is taken, and only so many go on at a time', async () => {
  using folder = temporaryFolder()
  const inner = createMemoryStore()
  const reads = { count: 0 }
  const store = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: readonly unknown[]) => {
        if (name === 'auditRows') reads.count += 1
        return Reflect.apply(value, target, args)
      }
    },
  })
  await using on = await HttpFixture.open({
    store,
    audit: { signingKeyFile: join(folder.path, 'key.pem') },
    queues: [],
  })
  // More than what sockets keep by themselves: about 18 MB.
  const queue = 'q'.repeat(500)
  for (let i = 0; i < 24; i++)
    await Promise.all(Array.from({ length: 500 }, () => on.engine.enqueue(square, 1, { queue, delay: '1h' })))

  const open = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      get(`${on.base}/v1/audit/export`, resolve).on('error', reject)
    })
  const slow = [await open(), await open(), await open(), await open()]
  assert.deepEqual(
    slow.map(({ statusCode }) => statusCode),
    [200, 200, 200, 200],
  )
  let seen = -1
  while (seen !== reads.count) {
    seen = reads.count
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  assert.ok(seen < 4 * 24, `${seen} pages were read for nobody`)
  const { status, body, headers } = await on.call('GET', '/v1/audit/export')
  assert.deepEqual([status, body.code], [503, 'OVERLOADED'])
  assert.ok(headers.get('retry-after'))
  assert.equal((await on.call('GET', '/v1/audit')).status, 200)

  // One that is taken after all is whole; those whose readers have gone make room.
  const [first, ...others] = slow
  for (const response of others) response.destroy()
  const verification = new AuditVerification({ keys: undefined })
  const reader = new LinesReader(verification)
  first?.setEncoding('utf8')
  for await (const chunk of first ?? []) reader.take(String(chunk))
  reader.end()
  const report = verification.finish()
  assert.deepEqual([report.isWhole, report.rows], [true, 24 * 500 + 1])
  await until(async () => (await on.call('GET', '/v1/audit/export')).status === 200)
})

test('without an audit trail there is none to be asked for', async () => {
  await using on = await HttpFixture.open({ store: 'memory' })
  for (const [method, path] of [
    ['GET', '/v1/audit'],
    ['GET', '/v1/audit/heads'],
    ['GET', '/v1/audit/export'],
    ['POST', '/v1/audit/erasures'],
  ] as const) {
    const body = method === 'POST' ? { body: { person: 'ann' } } : {}
    const { status, body: problem } = await on.call(method, path, body)
    assert.equal(status, 404)
    assert.match(problem.detail, /this engine records nothing/)
  }
})
