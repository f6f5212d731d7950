// Namespaces, quotas and rates, and why somebody may do something.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Caller } from '../../src/protocol/caller.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { explainAccess } from '../../src/server/access/access-explanation.ts'
import type { AccessSettings } from '../../src/server/access/access-settings.ts'
import { NamespaceAdmin } from '../../src/server/access/namespace-admin.ts'
import type { Quotas } from '../../src/server/access/namespaces.ts'
import { type Answers, openAccess, person, recordingPort } from './access-fixtures.ts'

const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }
const local: Caller = { id: 'token:i#bea', kind: 'token', groups: [], roles: ['admin@billing'] }
const EMPTY: Answers = {
  list: () => ({ executions: [] }),
  'tasks.list': () => ({ tasks: [] }),
  'schedules.list': () => ({ schedules: [] }),
}

async function refused(result: Promise<unknown>): Promise<PerdureError | undefined> {
  try {
    await result
    return undefined
  } catch (error) {
    if (error instanceof PerdureError) return error
    throw error
  }
}

async function opened(settings: AccessSettings = {}, answers: Answers = EMPTY) {
  const on = await openAccess(settings, answers)
  const { port } = recordingPort(answers)
  return { ...on, namespaces: new NamespaceAdmin({ access: on.access, registry: on.registry, port }) }
}

describe('namespaces', () => {
  test('are made, listed, changed and deleted by those who administer all of them', async () => {
    await using on = await opened()
    await on.namespaces.create(rules, 'billing', { requestsPerSecond: 10 })
    const list = (caller: Caller): readonly string[] => on.namespaces.list(caller).map(({ name }) => name)
    assert.deepEqual(list(rules), ['billing', 'default'])
    assert.deepEqual(list(local), ['billing'])
    assert.deepEqual(list(person('ann')), [])
    assert.deepEqual(on.namespaces.get(local, 'billing').quotas, { requestsPerSecond: 10 })
    assert.equal((await refused(on.namespaces.create(rules, 'billing')))?.code, 'RECORD_EXISTS')
    assert.equal((await refused(on.namespaces.create(rules, 'default')))?.code, 'RECORD_EXISTS')
    // Whom its quotas bind does not set them, and whoever sees nothing learns nothing.
    for (const caller of [local, person('ann')])
      for (const name of ['billing', 'nowhere']) {
        assert.equal((await refused(on.namespaces.setQuotas(caller, name, {})))?.code, 'FORBIDDEN')
        assert.equal((await refused(on.namespaces.create(caller, name)))?.code, 'FORBIDDEN')
        assert.equal((await refused(on.namespaces.delete(caller, name)))?.code, 'FORBIDDEN')
      }
    assert.throws(() => on.namespaces.get(local, 'default'), /NAMESPACE_NOT_FOUND/)
    const { revision } = await on.namespaces.setQuotas(rules, 'billing', { payloadBytes: 5 })
    assert.equal(
      (await refused(on.namespaces.setQuotas(rules, 'billing', {}, { ifRevision: revision + 1 })))?.code,
      'REVISION_CONFLICT',
    )
    await on.namespaces.delete(rules, 'billing')
    assert.equal((await refused(on.namespaces.delete(rules, 'billing')))?.code, 'NAMESPACE_NOT_FOUND')
    assert.equal((await refused(on.namespaces.delete(rules, 'default')))?.code, 'ARGUMENT_INVALID')
    for (const bad of [
      { openQueues: 1 },
      { openTasks: -1 },
      { openExecutions: 1_000_001 },
      { payloadBytes: -1 },
      { requestsPerSecond: 0 },
      { payloadBytes: 1.5 },
      7,
    ])
      assert.equal((await refused(on.namespaces.create(rules, 'x', bad as Quotas)))?.code, 'ARGUMENT_INVALID')
  })

  test('with something in them stay', async () => {
    await using on = await opened({}, { ...EMPTY, 'tasks.list': () => ({ tasks: [{}] }) })
    await on.namespaces.create(rules, 'billing')
    assert.match(
      (await refused(on.namespaces.delete(rules, 'billing')))?.message ?? '',
      /has executions, tasks/,
    )
  })

  test('leave no key behind that would count for the next one of that name', async () => {
    await using on = await opened()
    await on.namespaces.create(rules, 'billing')
    for (const wanted of [
      { namespace: 'billing', roles: ['viewer'] },
      { namespace: 'default', roles: ['viewer', 'operator@billing'] },
      { roles: ['operator@billing'] },
    ]) {
      const { id } = await on.admin.createKey(rules, { name: 'k', ...wanted })
      const refusal = await refused(on.namespaces.delete(rules, 'billing'))
      assert.match(refusal?.message ?? '', new RegExp(`API keys.*${id}`))
      await on.admin.revokeKey(rules, id)
      await on.admin.deleteKey(rules, id)
    }
    await on.admin.createKey(rules, { name: 'k', roles: ['operator@default', 'viewer@*', 'viewer'] })
    await on.namespaces.delete(rules, 'billing')
  })

  test('need not be made before they are used, if that is so set', async () => {
    await using on = await opened({ strictNamespaces: false })
    assert.equal(await refused(on.access.portOf(rules).list({ namespace: 'anything' })), undefined)
  })
})

describe('bounds', () => {
  test('of calls in a namespace count those alone that are permitted', async () => {
    await using on = await opened()
    await on.namespaces.create(rules, 'billing', { requestsPerSecond: 2 })
    const list = (caller: Caller, namespace = 'billing'): Promise<PerdureError | undefined> =>
      refused(on.access.portOf(caller).list({ namespace }))
    for (let i = 0; i < 10; i++) assert.equal((await list(person('ann')))?.code, 'NAMESPACE_NOT_FOUND')
    assert.deepEqual([await list(rules), await list(local)], [undefined, undefined])
    const error = await list(local)
    assert.equal(error?.code, 'RATE_LIMITED')
    assert.equal(error?.retryAfterMs, 500)
    assert.equal(await list(rules, 'default'), undefined)
    on.clock.advance(500)
    assert.equal(await list(rules), undefined)
    assert.equal((await list(rules))?.code, 'RATE_LIMITED')
    await on.namespaces.setQuotas(rules, 'billing', {})
    assert.equal(await list(rules), undefined)
  })

  test('of the calls of one identity count them all, whatever its address', async () => {
    await using on = await opened({ rateLimit: { perSecond: 1, burst: 3 } })
    const codes: (string | undefined)[] = []
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'])
      codes.push(
        (await refused(on.access.portOf({ ...local, address }).list({ namespace: 'default' })))?.code,
      )
    assert.deepEqual(codes.slice(2), ['NAMESPACE_NOT_FOUND', 'RATE_LIMITED'])
    assert.equal(await refused(on.access.portOf(rules).list({ namespace: 'default' })), undefined)
  })

  test('of payloads', async () => {
    await using on = await opened()
    await on.namespaces.setQuotas(rules, 'default', { payloadBytes: 100 })
    const start = (data: string): Promise<PerdureError | undefined> =>
      refused(
        on.access.portOf(rules).start({
          key: { namespace: 'default', workflowId: 'w' },
          workflow: 'order',
          version: '1',
          input: [1, 'json', null, data] as never,
          onConflict: 'fail',
        }),
      )
    assert.equal(await start('short'), undefined)
    assert.equal((await start('x'.repeat(200)))?.code, 'PAYLOAD_TOO_LARGE')
  })
})

describe('explain', () => {
  test('names the roles that count, and the policies that decided', async () => {
    await using on = await opened()
    const ask = (question: object, caller = rules) =>
      explainAccess(on, caller, {
        principal: 'token:https://i.test#eve',
        action: 'TerminateExecution',
        namespace: 'default',
        ...question,
      })
    assert.match(
      (await ask({})).sentence,
      /may not TerminateExecution in namespace default: nothing permits it; it has no role there/,
    )
    assert.match((await ask({ roles: ['viewer'] })).sentence, /nothing permits it; it is viewer there/)
    const permitted = await ask({ roles: ['developer'] })
    assert.deepEqual(
      [permitted.isAllowed, permitted.policies.map(({ id }) => id)],
      [true, ['role:developer']],
    )
    assert.match(permitted.policies[0]?.text ?? '', /Perdure::Role::"developer"/)
    await on.admin.putPolicy(
      rules,
      'gold',
      '@id("no-gold") forbid (principal, action, resource is Perdure::Execution) when { resource.hasTag("tier") && resource.getTag("tier") == "gold" };',
    )
    const forbidden = await ask({ roles: ['developer'], id: 'w', attributes: { tier: 'gold' } })
    assert.match(forbidden.sentence, /: api:gold:no-gold forbids it/)
    const { id } = await on.admin.createKey(rules, { name: 'k', roles: ['operator'] })
    assert.equal((await ask({ principal: `key:${id}` })).isAllowed, true)
    assert.equal((await refused(ask({ principal: 'key:none' })))?.code, 'RECORD_NOT_FOUND')
    assert.equal((await refused(ask({ principal: 'eve' })))?.code, 'ARGUMENT_INVALID')
    assert.equal((await refused(ask({ action: 'Fly' })))?.code, 'ARGUMENT_INVALID')
  })

  test('a role that a key was made with is not said to be taken from it', async () => {
    await using on = await opened()
    const { id } = await on.admin.createKey(rules, { name: 'k', roles: ['operator@default', 'viewer@*'] })
    const principal = `key:${id}`
    for (const binding of [{ role: 'operator', namespace: 'default' }, { role: 'viewer' }] as const) {
      const refusal = await refused(on.admin.unbindRole(rules, { principal, ...binding }))
      assert.equal(refusal?.code, 'ARGUMENT_INVALID')
      assert.match(refusal?.message ?? '', /was made with the role \w+@.*: revoke the key/)
    }
    await on.admin.bindRole(rules, { principal, role: 'auditor' })
    await on.admin.unbindRole(rules, { principal, role: 'auditor' })
    await on.admin.unbindRole(rules, { principal, role: 'operator' })
  })

  test('oneself may be asked about by everybody, others only with the permission for it', async () => {
    await using on = await opened()
    const eve = person('eve', [], ['viewer'])
    const question = { principal: eve.id, action: 'ReadExecution', namespace: 'default' }
    assert.equal((await explainAccess(on, eve, question)).isAllowed, true)
    assert.equal(
      (await refused(explainAccess(on, eve, { ...question, principal: 'key:x' })))?.code,
      'FORBIDDEN',
    )
  })
})
