// Rules of events act as whoever has made them: decided each time, about the very execution, by what the maker may do by then.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { EngineSettings } from '../../src/index.ts'
import { temporaryFolder } from '../audit/audited-engine.ts'
import { until } from '../tasks/task-fixtures.ts'
import { HttpFixture, waiting, workflowOf } from './http-fixture.ts'

const ROOT = { id: 'test', kind: 'embedded', groups: [], roles: ['admin@*'] } as const
const PAYROLL = 'resource has workflow && resource.workflow == "payroll"'
const SIGNAL = 'Perdure::Action::"SignalExecution"'

interface Made {
  readonly id: string
  readonly headers: { readonly authorization: string }
}

class Ruled implements AsyncDisposable {
  readonly on: HttpFixture
  readonly folder: ReturnType<typeof temporaryFolder>
  readonly root: { readonly authorization: string }
  #last = 0

  private constructor(on: HttpFixture, folder: ReturnType<typeof temporaryFolder>) {
    this.on = on
    this.folder = folder
    this.root = { authorization: `Bearer ${readFileSync(join(folder.path, 'admin.key'), 'utf8').trim()}` }
  }

  static async open(policies = '', file?: string, folder = temporaryFolder()): Promise<Ruled> {
    const directory = join(folder.path, 'policies')
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'own.cedar'), policies)
    const settings: Partial<EngineSettings> = {
      workflows: [waiting, workflowOf('payroll'), workflowOf('orders')],
      access: { adminKeyFile: join(folder.path, 'admin.key'), policies: directory },
      audit: { signingKeyFile: join(folder.path, 'key.pem') },
    }
    return new Ruled(await HttpFixture.open(settings, {}, file), folder)
  }

  get admin() {
    const { access } = this.on.engine
    assert.ok(access)
    return access.admin
  }

  async key(...roles: string[]): Promise<Made> {
    const made = await this.admin.createKey(ROOT, { name: 'maker', roles })
    return { id: made.id, headers: { authorization: `Bearer ${made.key}` } }
  }

  start(workflow: string, id: string): Promise<unknown> {
    const body = { workflow, id, input: null, onConflict: 'terminate-existing' }
    return this.on.ok(201, 'POST', '/v1/executions', { headers: this.root, body })
  }

  rule(maker: Made['headers'], id: string, more: object, status = 201): Promise<unknown> {
    const body = { id, match: { type: id }, ...more }
    return this.on.ok(status, 'POST', '/v1/event-rules', { headers: maker, body })
  }

  /** Publishes one for this rule. */
  async event(rule: string, data: object): Promise<void> {
    this.#last += 1
    const headers = { ...this.root, 'content-type': 'application/cloudevents+json' }
    const body = { specversion: '1.0', id: `e-${this.#last}`, source: '/test', type: rule, data }
    await this.on.ok(202, 'POST', '/v1/events', { headers, body })
  }

  /** What the tasks of events have failed with, so far. */
  async troubles(): Promise<string> {
    const { tasks } = await this.on.ok(200, 'GET', '/v1/tasks?queue=perdure.events', { headers: this.root })
    return tasks
      .map((each: { readonly failure?: { readonly message: string } }) => each.failure?.message ?? '')
      .join('\n')
  }

  async status(id: string): Promise<string | undefined> {
    const { body, status } = await this.on.call('GET', `/v1/executions/${id}`, { headers: this.root })
    return status === 404 ? undefined : body.status
  }

  async audited(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.on.ok(200, 'GET', '/v1/audit?limit=1000', { headers: this.root })).rows
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.on[Symbol.asyncDispose]()
    this.folder[Symbol.dispose]()
  }
}

const signals = { signal: { id: '{/data/id}', name: 'go' } }
const starts = (workflow: string) => ({ start: { workflow, id: '{/data/id}' } })

test('a rule that only signals reaches no execution that its maker may not', async () => {
  await using at = await Ruled.open(`forbid (principal, action == ${SIGNAL}, resource) when { ${PAYROLL} };`)
  const maker = await at.key('operator')
  await at.rule(maker.headers, 'tell', signals)
  await at.start('payroll', 'p-1')
  await at.start('orders', 'o-1')
  await at.event('tell', { id: 'p-1' })
  await at.event('tell', { id: 'o-1' })
  await until(async () => (await at.status('o-1')) === 'completed')
  await until(async () => (await at.troubles()) !== '')
  assert.match(await at.troubles(), /rule tell: key:\w+ has no permission for SignalExecution/)
  assert.equal(await at.status('p-1'), 'running')
  await until(async () => (await at.audited()).some(({ result }) => result === 'denied'))
  const rows = (await at.audited()).filter(({ action }) => action === 'SignalExecution')
  const shown = new Set(rows.map((row) => `${row.caller} ${row.name} ${row.resource} ${row.result}`))
  assert.deepEqual([...shown].sort(), [
    `key:${maker.id} event rule tell o-1 changed`,
    `key:${maker.id} event rule tell p-1 denied`,
  ])
})

test('a rule whose id is made of the event starts nothing under an id that its maker may not use', async () => {
  await using at = await Ruled.open(
    'forbid (principal, action, resource is Perdure::Execution) when { resource.workflowId like "secret-*" };',
  )
  const maker = await at.key('operator')
  await at.rule(maker.headers, 'begin', starts('orders'))
  await at.event('begin', { id: 'secret-1' })
  await at.event('begin', { id: 'plain-1' })
  await until(async () => (await at.status('plain-1')) === 'running')
  await until(async () => /no permission for StartExecution/.test(await at.troubles()))
  assert.equal(await at.status('secret-1'), undefined)
  const { attributes } = await at.on.ok(200, 'GET', '/v1/executions/plain-1', { headers: at.root })
  assert.deepEqual(attributes, { 'perdure:owner': `key:${maker.id}` })
})

test('a rule that starts what its maker may not start is refused at once', async () => {
  const start = 'Perdure::Action::"StartExecution"'
  await using at = await Ruled.open(`forbid (principal, action == ${start}, resource) when { ${PAYROLL} };`)
  const { headers } = await at.key('operator')
  await at.rule(headers, 'pay', starts('payroll'), 403)
  await at.rule(headers, 'pay', { ...starts('payroll'), ...signals }, 403)
  await at.rule(headers, 'order', starts('orders'))
})

test('a rule does nothing while its maker may not, and goes on when it may again', async () => {
  await using at = await Ruled.open()
  const maker = await at.key()
  const role = { principal: `key:${maker.id}`, role: 'operator', namespace: 'default' } as const
  await at.admin.bindRole(ROOT, role)
  await at.rule(maker.headers, 'begin', starts('orders'))
  await at.admin.unbindRole(ROOT, role)
  await at.event('begin', { id: 'o-1' })
  await until(async () => /no permission for StartExecution in namespace default/.test(await at.troubles()))
  assert.equal(await at.status('o-1'), undefined)
  await at.admin.bindRole(ROOT, role)
  await until(async () => (await at.status('o-1')) === 'running')
})

test('a rule of a key that was revoked does nothing, until somebody else saves it', async () => {
  await using at = await Ruled.open()
  const maker = await at.key('operator')
  await at.rule(maker.headers, 'begin', starts('orders'))
  await at.admin.rotateKey(ROOT, maker.id, 0)
  await at.event('begin', { id: 'o-1' })
  await until(async () => (await at.status('o-1')) === 'running')
  await at.admin.revokeKey(ROOT, maker.id)
  await at.event('begin', { id: 'o-2' })
  await until(async () => (await at.troubles()) !== '')
  assert.match(
    await at.troubles(),
    /rule begin: the API key \w+ was revoked: whoever saves it again is its maker/,
  )
  const { rests } = await at.on.ok(200, 'GET', '/v1/event-rules/begin', { headers: at.root })
  assert.match(rests, /^the API key \w+ was revoked$/)
  const other = await at.key('operator')
  const body = { match: { type: 'begin' }, ...starts('orders') }
  const put = await at.on.ok(200, 'PUT', '/v1/event-rules/begin', { headers: other.headers, body })
  assert.deepEqual([put.maker, put.rests], [`key:${other.id}`, undefined])
  await until(async () => (await at.status('o-2')) === 'running')
})

test('a rule that was made without access has no maker when there is some', async () => {
  const folder = temporaryFolder()
  const file = join(folder.path, 'store.db')
  {
    await using open = await HttpFixture.open({ workflows: [workflowOf('orders')] }, {}, file)
    const body = { id: 'begin', match: { type: 'begin' }, ...starts('orders') }
    assert.equal((await open.ok(201, 'POST', '/v1/event-rules', { body })).maker, 'open')
  }
  await using at = await Ruled.open('', file, folder)
  await at.event('begin', { id: 'o-1' })
  await until(async () => (await at.troubles()) !== '')
  assert.match(await at.troubles(), /it was made when nobody was asked for credentials/)
  assert.equal(await at.status('o-1'), undefined)
})

test('the key of the machine makes rules that policies can forbid to act', async () => {
  await using at = await Ruled.open(
    `forbid (principal, action in [${SIGNAL}, Perdure::Action::"StartExecution"], resource) when { ${PAYROLL} };`,
  )
  await at.rule(at.root, 'pay', starts('payroll'), 403)
  await at.rule(at.root, 'tell', signals)
  await at.start('payroll', 'p-1')
  await at.start('orders', 'o-1')
  await at.event('tell', { id: 'p-1' })
  await at.event('tell', { id: 'o-1' })
  await until(async () => (await at.status('o-1')) === 'completed')
  await until(async () => /no permission for SignalExecution/.test(await at.troubles()))
  assert.equal(await at.status('p-1'), 'running')
})

test('a payload that a rule has made larger than the quota of its namespace is refused', async () => {
  await using at = await Ruled.open()
  assert.ok(at.on.engine.access)
  await at.on.engine.access.namespaces.setQuotas(ROOT, 'default', { payloadBytes: 2000 })
  const input = { first: '{/data/text}', second: '{/data/text}' }
  await at.rule(at.root, 'twice', { start: { workflow: 'orders', id: '{/data/id}', input } })
  await at.event('twice', { id: 'large', text: 'x'.repeat(1200) })
  await until(async () => (await at.troubles()) !== '')
  assert.match(await at.troubles(), /a payload is larger than the 2000 bytes/)
  await at.event('twice', { id: 'small', text: 'x' })
  await until(async () => (await at.status('small')) === 'running')
  assert.equal(await at.status('large'), undefined)
})

test('what a rule has done is not done again because another rule could not', async () => {
  await using at = await Ruled.open()
  const [good, bad] = [await at.key('operator'), await at.key('operator')]
  const put = (id: string, { headers }: Made, more: object, status: number): Promise<unknown> => {
    const [method, path, named] =
      status === 201
        ? (['POST', '/v1/event-rules', { id }] as const)
        : (['PUT', `/v1/event-rules/${id}`, {}] as const)
    return at.on.ok(status, method, path, { headers, body: { ...named, match: { type: 't' }, ...more } })
  }
  await put('begin', good, { start: { workflow: 'orders', id: 'a-{/data/id}' } }, 201)
  await put('tell', good, { signal: { id: 'told', name: 'go' } }, 201)
  await put('rest', bad, { start: { workflow: 'orders', id: 'b-{/data/id}' } }, 201)
  await at.admin.revokeKey(ROOT, bad.id)
  await at.start('orders', 'told')
  await at.event('t', { id: '1' })
  await until(async () => (await at.troubles()) !== '')
  assert.equal(await at.status('a-1'), 'running')
  assert.equal(await at.status('told'), 'completed')
  // The next run of that id has been sent nothing; and a rule that was changed has acted.
  await at.start('orders', 'told')
  await put('begin', good, { start: { workflow: 'orders', id: 'z-{/data/id}' } }, 200)
  await put('rest', good, { start: { workflow: 'orders', id: 'b-{/data/id}' } }, 200)
  await until(async () => (await at.status('b-1')) === 'running')
  await until(async () => (await at.troubles()) === '')
  assert.equal(await at.status('a-1'), 'running')
  assert.equal(await at.status('z-1'), undefined)
  assert.equal(await at.status('told'), 'running')
  await until(async () => (await at.audited()).some(({ result }) => result === 'denied'))
  const rows = (await at.audited()).filter(({ name }) => String(name).startsWith('event rule'))
  const done = rows.filter(({ result }) => result !== 'denied')
  assert.deepEqual(done.map(({ name, resource, result }) => `${name} ${resource} ${result}`).sort(), [
    'event rule begin a-1 changed',
    'event rule rest b-1 changed',
    'event rule tell told changed',
  ])
  const denied = rows.filter(({ result }) => result === 'denied')
  for (const { caller, action, resource } of denied)
    assert.deepEqual([caller, action, resource], [`key:${bad.id}`, 'StartExecution', 'b-1'])
})

test('a rule acts though its maker may not read its namespace', async () => {
  await using at = await Ruled.open(
    `permit (principal is Perdure::Key,
       action in [Perdure::Action::"StartExecution", Perdure::Action::"ChangeEventRule"], resource);`,
  )
  const maker = await at.key()
  await at.rule(maker.headers, 'begin', starts('orders'))
  await at.event('begin', { id: 'o-1' })
  await until(async () => (await at.status('o-1')) === 'running')
})

test('a rule of the key of the machine rests when that key is another one', async () => {
  const folder = temporaryFolder()
  const file = join(folder.path, 'store.db')
  {
    const at = await Ruled.open('', file, folder)
    await at.rule(at.root, 'begin', starts('orders'))
    await at.on[Symbol.asyncDispose]()
  }
  rmSync(join(folder.path, 'admin.key'))
  await using at = await Ruled.open('', file, folder)
  await at.event('begin', { id: 'o-1' })
  await until(async () => (await at.troubles()) !== '')
  assert.match(
    await at.troubles(),
    /the key of the machine that has made it is not that of this node any more/,
  )
  assert.equal(await at.status('o-1'), undefined)
})

test('whoever has a rule rest and go on does not become its maker, and need not be allowed what it does', async () => {
  await using at = await Ruled.open(
    `forbid (principal, action == Perdure::Action::"StartExecution", resource) when { ${PAYROLL} };`,
  )
  const [maker, other] = [await at.key('operator'), await at.key('operator')]
  const put = (headers: Made['headers'], body: object, status = 200) =>
    at.on.ok(status, 'PUT', '/v1/event-rules/begin', { headers, body })
  const rule = { match: { type: 'begin' }, ...starts('orders') }
  await at.rule(maker.headers, 'begin', starts('orders'))
  for (const paused of [true, false])
    assert.equal((await put(other.headers, { ...rule, paused })).maker, `key:${maker.id}`)
  // The same rule again is saved again.
  assert.equal((await put(other.headers, rule)).maker, `key:${other.id}`)
  assert.equal(
    (await put(maker.headers, { ...rule, ...starts('waiting'), paused: true })).maker,
    `key:${maker.id}`,
  )
  await put(maker.headers, { ...rule, ...starts('payroll'), paused: false }, 403)
})

test('what a rule says itself is looked at when it is saved, and the rest when it acts', async () => {
  const tier = 'resource.hasTag("tier") && resource.getTag("tier") == "gold"'
  await using at = await Ruled.open(
    `forbid (principal, action == Perdure::Action::"StartExecution", resource) unless { ${tier} };`,
  )
  const { headers } = await at.key('operator')
  const start = (value: string) => ({
    start: { workflow: 'orders', id: '{/data/id}', attributes: { tier: value } },
  })
  await at.rule(headers, 'gold', start('gold'))
  await at.rule(headers, 'tin', start('tin'), 403)
  await at.rule(headers, 'made', start('{/data/tier}'))
  await at.event('made', { id: 'g-1', tier: 'gold' })
  await at.event('made', { id: 't-1', tier: 'tin' })
  await until(async () => (await at.status('g-1')) === 'running')
  await until(async () => /no permission for StartExecution/.test(await at.troubles()))
  assert.equal(await at.status('t-1'), undefined)
})

test('what waits for a rule waits also while the rule is paused', async () => {
  await using at = await Ruled.open()
  const [maker, other] = [await at.key('operator'), await at.key('operator')]
  await at.rule(maker.headers, 'begin', starts('orders'))
  await at.admin.revokeKey(ROOT, maker.id)
  await at.event('begin', { id: 'o-1' })
  await until(async () => /was revoked/.test(await at.troubles()))
  const save = async (paused: boolean): Promise<void> => {
    const body = { match: { type: 'begin' }, ...starts('orders'), paused }
    await at.on.ok(200, 'PUT', '/v1/event-rules/begin', { headers: other.headers, body })
  }
  await save(true)
  await until(async () => /rule begin: it is paused/.test(await at.troubles()))
  // What comes while it is paused is not for it.
  await at.event('begin', { id: 'o-2' })
  await save(false)
  // Now it is another maker's.
  await at.on.ok(200, 'PUT', '/v1/event-rules/begin', {
    headers: other.headers,
    body: { match: { type: 'begin' }, ...starts('orders') },
  })
  await until(async () => (await at.status('o-1')) === 'running')
  assert.equal(await at.status('o-2'), undefined)
})

test('whoever may not change rules learns nothing of which there are', async () => {
  await using at = await Ruled.open()
  assert.ok(at.on.engine.access)
  await at.on.engine.access.namespaces.create(ROOT, 'shipping')
  const payload = { match: { type: 'begin' }, ...starts('orders') }
  const place = '?namespace=shipping'
  const body = { id: 'there', ...payload }
  await at.on.ok(201, 'POST', `/v1/event-rules${place}`, { headers: at.root, body })
  for (const roles of [[], ['operator@default']]) {
    const { headers } = await at.key(...roles)
    const [there, absent] = await Promise.all(
      ['there', 'absent'].map(async (id) => {
        const put = { headers, body: payload }
        const { status, body } = await at.on.call('PUT', `/v1/event-rules/${id}${place}`, put)
        return [status, body.code, body.detail]
      }),
    )
    assert.deepEqual(there, absent)
    assert.deepEqual(there?.slice(0, 2), [404, 'NAMESPACE_NOT_FOUND'])
  }
})

test('an older revision does not come back with its maker by a node that does not know of the newer one', async () => {
  await using at = await Ruled.open()
  const [maker, other] = [await at.key('operator'), await at.key('operator')]
  await at.rule(maker.headers, 'begin', starts('orders'))
  const paused = { match: { type: 'begin' }, ...starts('orders'), paused: true }
  const call = { headers: { ...other.headers, 'if-match': '"7"' }, body: paused }
  await at.on.ok(412, 'PUT', '/v1/event-rules/begin', call)
  const { maker: still, revision } = await at.on.ok(200, 'GET', '/v1/event-rules/begin', { headers: at.root })
  assert.deepEqual([still, revision], [`key:${maker.id}`, 1])
})
