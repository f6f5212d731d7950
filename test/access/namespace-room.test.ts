// How many keys and role bindings a namespace may have, so that one tenant does not use up what is there for all.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Caller } from '../../src/protocol/caller.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { AccessAdmin } from '../../src/server/access/access-admin.ts'
import { ADMINISTRATION_BOUNDS, type AdministrationBounds } from '../../src/server/access/namespace-room.ts'
import type { AdministeredChange } from '../../src/server/access/recorded-change.ts'
import { type OpenedAccess, openAccess } from './access-fixtures.ts'

const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }
const local: Caller = { id: 'token:i#bea', kind: 'token', groups: [], roles: ['admin@billing'] }

interface Bounded extends OpenedAccess {
  readonly changes: string[]
}

async function bounded(bounds: Partial<AdministrationBounds>): Promise<Bounded> {
  const on = await openAccess()
  const { access, registry, clock } = on
  const changes: string[] = []
  await on.createNamespace('billing')
  await on.createNamespace('shop')
  const record = <T>(_: Caller, { action, resource }: AdministeredChange, run: () => Promise<T>) => {
    changes.push(`${action} ${resource.id}`)
    return run()
  }
  const admin = new AccessAdmin({
    ...{ access, registry, record, nowMs: () => clock.nowMs() },
    bounds: { ...ADMINISTRATION_BOUNDS, ...bounds },
  })
  return { ...on, admin, changes }
}

async function refusal(result: Promise<unknown>): Promise<string> {
  try {
    await result
    return 'done'
  } catch (error) {
    if (error instanceof PerdureError && error.code === 'QUOTA_EXCEEDED') return error.message
    throw error
  }
}

describe('API keys', () => {
  test('of one namespace do not take the room of another one, nor of those that belong to none', async () => {
    await using on = await bounded({ keys: 2 })
    const make = (namespace?: string) =>
      refusal(on.admin.createKey(rules, { name: 'k', ...(namespace === undefined ? {} : { namespace }) }))
    for (const namespace of ['billing', 'shop', undefined]) {
      assert.deepEqual([await make(namespace), await make(namespace)], ['done', 'done'])
      assert.match(
        await make(namespace),
        namespace === undefined
          ? /what belongs to no namespace has as many API keys .* \(2, of .*revoke and delete/
          : new RegExp(`namespace ${namespace} has as many API keys .* \\(2, of .*revoke and delete`),
      )
    }
    assert.equal(on.registry.list('api-key').length, 6)
  })

  test('that are made together do not go past the bound together', async () => {
    await using on = await bounded({ keys: 3 })
    const wanted = { name: 'k', namespace: 'billing' }
    const all = await Promise.all(
      Array.from({ length: 10 }, () => refusal(on.admin.createKey(local, wanted))),
    )
    assert.equal(all.filter((each) => each === 'done').length, 3)
    assert.equal(on.registry.list('api-key').length, 3)
  })

  test('that are over make room, the one that ended first before the others', async () => {
    await using on = await bounded({ keys: 3 })
    const make = (name: string, expiresInMs?: number) =>
      on.admin.createKey(local, {
        ...{ name, namespace: 'billing' },
        ...(expiresInMs === undefined ? {} : { expiresInMs }),
      })
    const expired = await make('expired', 2000)
    const revoked = await make('revoked')
    await make('used')
    assert.match(await refusal(make('one too many')), /revoke and delete/)
    on.pass(1000)
    await on.admin.revokeKey(local, revoked.id)
    on.pass(1000)
    on.changes.length = 0
    const next = await make('next')
    assert.deepEqual(on.changes, [`DeleteApiKey ${revoked.id}`, `CreateApiKey ${next.id}`])
    await make('after')
    const names = (await on.admin.listKeys(local, 'billing')).map(({ name }) => name)
    assert.deepEqual(names.sort(), ['after', 'next', 'used'])
    assert.equal(on.registry.get('api-key', '', expired.id), undefined)
    assert.match(await refusal(make('one too many')), /revoke and delete/)
  })

  test('that are made together each find the room that keys that are over make', async () => {
    await using on = await bounded({ keys: 10 })
    const make = (more: object) => on.admin.createKey(local, { name: 'k', namespace: 'billing', ...more })
    for (let i = 0; i < 10; i++) await make({ expiresInMs: 1000 })
    on.pass(1000)
    on.changes.length = 0
    const made = await Promise.all(Array.from({ length: 10 }, () => make({})))
    assert.equal(new Set(made.map(({ id }) => id)).size, 10)
    assert.equal(on.changes.filter((change) => change.startsWith('DeleteApiKey')).length, 10)
  })

  test('that are large are bounded by their bytes', async () => {
    await using on = await bounded({ keyBytes: 20_000 })
    const large = {
      name: 'k',
      namespace: 'billing',
      groups: Array.from({ length: 20 }, () => 'g'.repeat(400)),
    }
    const { id } = await on.admin.createKey(rules, large)
    await on.admin.createKey(rules, large)
    assert.match(await refusal(on.admin.createKey(rules, large)), /of 20000 bytes in all/)
    await on.admin.createKey(rules, { name: 'small', namespace: 'billing' })
    await on.admin.revokeKey(rules, id)
    await on.admin.createKey(rules, large)
    assert.equal(on.registry.get('api-key', '', id), undefined)
  })

  test('are rotated, revoked and deleted where there is no room', async () => {
    await using on = await bounded({ keys: 1 })
    const { id } = await on.admin.createKey(rules, { name: 'k', namespace: 'billing' })
    await on.admin.rotateKey(rules, id)
    await on.admin.revokeKey(rules, id)
    await on.admin.deleteKey(rules, id)
    assert.equal(await refusal(on.admin.createKey(rules, { name: 'k', namespace: 'billing' })), 'done')
  })

  test('are made without a look at those of others', async () => {
    await using on = await bounded({})
    for (let i = 0; i < 20; i++) await on.admin.createKey(rules, { name: 'k', namespace: 'shop' })
    on.registry.list = () => assert.fail('all keys are looked at')
    await on.admin.createKey(rules, { name: 'k', namespace: 'billing' })
    await on.admin.bindRole(rules, { principal: 'group:a', role: 'viewer', namespace: 'billing' })
  })

  test('that were there when the engine opened count', async () => {
    await using on = await bounded({})
    await on.admin.createKey(rules, { name: 'k', namespace: 'billing' })
    await on.admin.bindRole(rules, { principal: 'group:a', role: 'viewer', namespace: 'billing' })
    await using again = await openAccess({}, {}, on.registry)
    assert.equal(again.access.namespaceKeys.idsOf('billing').size, 1)
    assert.ok(again.access.namespaceKeys.bytesOf('billing') > 100)
    assert.equal(again.access.bindings.countIn('billing'), 1)
  })
})

describe('role bindings', () => {
  test('are bounded in each namespace, and everywhere', async () => {
    await using on = await bounded({ bindings: 2 })
    for (const where of [{ namespace: 'billing' }, { namespace: 'shop' }, {}]) {
      const bind = (name: string) =>
        refusal(on.admin.bindRole(rules, { principal: `group:${name}`, role: 'viewer', ...where }))
      assert.deepEqual([await bind('a'), await bind('b'), await bind('b')], ['done', 'done', 'done'])
      assert.match(await bind('c'), /has as many role bindings as it may have \(2\): take away/)
      await on.admin.unbindRole(rules, { principal: 'group:a', role: 'viewer', ...where })
      assert.equal(await bind('c'), 'done')
    }
  })

  test('that are made together do not go past the bound together', async () => {
    await using on = await bounded({ bindings: 3 })
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        refusal(on.admin.bindRole(local, { principal: `group:g${i}`, role: 'viewer', namespace: 'billing' })),
      ),
    )
    assert.equal(all.filter((each) => each === 'done').length, 3)
  })
})
