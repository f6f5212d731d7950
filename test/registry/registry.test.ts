/** Administrative objects of one engine: durable before anybody sees them, compared by revision, bounded. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Engine } from '../../src/engine/engine.ts'
import { RegistryDesk } from '../../src/engine/registry/registry-desk.ts'
import { REGISTRY_LIMITS } from '../../src/engine/registry/registry-port.ts'
import { silentLogger } from '../../src/index.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { AccessAdmin } from '../../src/server/access/access-admin.ts'
import { checkedAccessSettings } from '../../src/server/access/access-settings.ts'
import { ClosedAccess } from '../../src/server/access/closed-access.ts'
import { type OpenedEngine, openEngine } from '../../src/server/open-engine.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import { type Store, UnknownCommitError } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { recordingPort } from '../access/access-fixtures.ts'
import { heldStore } from '../sdk/held-store.ts'
import { turns, withEngine } from '../sdk/open-engine.ts'

const A = { kind: 'role', namespace: '', id: 'a' }
const B = { kind: 'role', namespace: 'shop', id: 'b' }

/** An engine on this store, and its registry. */
const withRegistry = (store: Store | undefined, use: (engine: Engine) => Promise<void>): Promise<void> =>
  withEngine(store === undefined ? {} : { store }, (_, { engine }) => use(engine))

/** A store whose commits a test takes in its hands. */
function storeWith(
  commit: (batch: Batch, inner: Store) => ReturnType<Store['commit']>,
  state = new MemoryState(),
) {
  const inner = createMemoryStore(state)
  const store: Store = Object.assign(Object.create(inner), { commit: (batch: Batch) => commit(batch, inner) })
  return { store, state }
}

describe('an administrative object', () => {
  test('is written, changed, listed, deleted, and written again with a higher revision', () =>
    withRegistry(undefined, async ({ registry }) => {
      assert.equal(registry.get('role', '', 'a'), undefined)
      const first = await registry.put(A, { rights: ['read'] })
      assert.deepEqual([first?.revision, first?.body], [1, { rights: ['read'] }])
      assert.deepEqual(registry.get('role', '', 'a'), first)
      const second = await registry.put(A, 'text')
      assert.deepEqual([second?.revision, second?.body], [2, 'text'])
      await registry.put(B, null)
      await registry.put({ ...B, kind: 'policy' }, 1)
      assert.deepEqual(
        registry.list('role').map(({ id }) => id),
        ['a', 'b'],
      )
      assert.deepEqual(
        registry.list('role', 'shop').map(({ id }) => id),
        ['b'],
      )
      assert.equal(await registry.put(A, undefined), undefined)
      assert.equal(registry.get('role', '', 'a'), undefined)
      assert.equal(await registry.put(A, undefined), undefined, 'there is nothing to delete')
      assert.equal((await registry.put(A, false))?.revision, 4)
    }))

  test('is compared by its revision', () =>
    withRegistry(undefined, async ({ registry }) => {
      const conflict = { code: 'REVISION_CONFLICT' }
      await assert.rejects(registry.put(A, 1, { ifRevision: 1 }), conflict)
      await registry.put(A, 1, { ifRevision: 0 })
      await assert.rejects(registry.put(A, 2, { ifRevision: 0 }), {
        ...conflict,
        message: /has revision 1, not 0/,
      })
      await registry.put(A, 2, { ifRevision: 1 })
      await assert.rejects(registry.put(A, undefined, { ifRevision: 1 }), conflict)
      await registry.put(A, undefined, { ifRevision: 2 })
      await assert.rejects(registry.put(A, undefined, { ifRevision: 3 }), conflict)
      assert.equal((await registry.put(A, 3, { ifRevision: 0 }))?.revision, 4)
      assert.equal(registry.get('role', '', 'a')?.body, 3)
    }))

  test('of changes that were made for one revision exactly one is done', () =>
    withRegistry(undefined, async ({ registry }) => {
      await registry.put(A, 0)
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => registry.put(A, i, { ifRevision: 1 })),
      )
      const done = results.filter(({ status }) => status === 'fulfilled')
      assert.equal(done.length, 1)
      assert.equal(registry.get('role', '', 'a')?.revision, 2)
    }))

  test('is there after a restart, with its revision also if it was deleted', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'perdure-registry-'))
    const store = `sqlite:${join(directory, 'store.db')}`
    const open = (): Promise<OpenedEngine> => openEngine({ store, logger: silentLogger }, {})
    try {
      const one = await open()
      await one.engine.registry.put(A, { text: 'ä \u0000 \ud800 😀' })
      await one.engine.registry.put(B, 1)
      await one.engine.registry.put(B, undefined)
      const known = one.engine.registry.get('role', '', 'a')
      await one.close()
      const two = await open()
      assert.deepEqual(two.engine.registry.get('role', '', 'a'), known)
      assert.equal(two.engine.registry.get('role', 'shop', 'b'), undefined)
      assert.equal((await two.engine.registry.put(B, 1))?.revision, 3)
      await two.close()
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('of a change that is asked again with its id there is one revision, also after a restart', async () => {
    const state = new MemoryState()
    const change = { ...A, body: '1', ifRevision: 0, request: 'once' }
    await withRegistry(createMemoryStore(state), async ({ registry }) => {
      const replies = await Promise.all([registry.putHere(change), registry.putHere(change)])
      assert.deepEqual(replies, [replies[0], replies[0]])
      assert.equal(replies[0]?.revision, 1)
    })
    await withRegistry(createMemoryStore(state), async ({ registry }) => {
      assert.equal((await registry.putHere(change)).revision, 1)
      await assert.rejects(registry.putHere({ ...change, request: 'twice' }), { code: 'REVISION_CONFLICT' })
    })
  })
})

describe('nothing is seen before it is durable', () => {
  test('a change, and the answer that it conflicts with one', async () => {
    const held = heldStore()
    await withRegistry(held.store, async ({ registry }) => {
      const told: unknown[] = []
      registry.follow('role', ({ id }, entry) => told.push([id, entry?.body]))
      held.hold()
      let answers = 0
      const put = registry.put(A, 1).then(() => answers++)
      const conflict = assert.rejects(registry.put(A, 2, { ifRevision: 0 }), { code: 'REVISION_CONFLICT' })
      void conflict.then(() => answers++)
      await held.held()
      await turns(20)
      assert.deepEqual(
        [registry.get('role', '', 'a'), registry.list('role'), told, answers],
        [undefined, [], [], 0],
      )
      held.release()
      await Promise.all([put, conflict])
      assert.deepEqual([registry.get('role', '', 'a')?.body, told], [1, [['a', 1]]])
    })
  })

  test('a change that was dropped is not there, and what conflicted with it is done', async () => {
    let fate: 'in' | 'out' | undefined
    const { store } = storeWith(async (batch, inner) => {
      if (fate === undefined || batch.registry === undefined) return inner.commit(batch)
      const isIn = fate === 'in'
      fate = undefined
      if (isIn) await inner.commit(batch)
      throw new UnknownCommitError('the answer was lost')
    })
    await withRegistry(store, async ({ registry }) => {
      fate = 'out'
      const lost = assert.rejects(registry.put(A, 1), { code: 'UNCOMMITTED' })
      const other = registry.put(A, 2, { ifRevision: 0 })
      await lost
      assert.equal((await other)?.revision, 1)
      assert.equal(registry.get('role', '', 'a')?.body, 2)
      fate = 'in'
      assert.equal((await registry.put(A, 3))?.revision, 2)
      assert.equal(registry.get('role', '', 'a')?.body, 3)
    })
  })

  test('after a fence the registry is what the store says', async () => {
    const state = new MemoryState()
    await withRegistry(createMemoryStore(state), async (engine) => {
      const { registry } = engine
      await registry.put(A, 1)
      // Another engine takes over, changes it, and is gone.
      const other = createMemoryStore(state)
      const { session } = await other.register({ node: 'other', incarnation: 'o', nowMs: 1 })
      const row = { ...A, revision: 7, body: '"theirs"', changedMs: 5, request: 'o' }
      const nothing = engine.committer.open.builder.fold(session, 1, 5)
      assert.equal((await other.commit({ ...nothing, registry: [row] })).outcome, 'committed')
      await assert.rejects(registry.put(A, 2, { ifRevision: 1 }), { code: 'UNCOMMITTED' })
      await assert.rejects(registry.put(A, 2, { ifRevision: 1 }), { code: 'REVISION_CONFLICT' })
      assert.deepEqual(registry.get('role', '', 'a')?.body, 'theirs')
      assert.equal((await registry.put(A, 2, { ifRevision: 7 }))?.revision, 8)
    })
  })

  test('a change that shares its batch with what the store refuses is done', async () => {
    const { store } = storeWith(async (batch, inner) =>
      batch.timersDropped.some(({ timer }) => timer === 99)
        ? { outcome: 'refused', reason: 'no' }
        : inner.commit(batch),
    )
    await withRegistry(store, async (engine) => {
      await engine.registry.put(B, 1)
      engine.committer.writesFor('01ARZ3NDEKTSV4RRFFQ69G5FAV' as RunId).dropTimer(99)
      assert.equal((await engine.registry.put(A, 1))?.revision, 1)
      assert.equal(engine.registry.get('role', '', 'a')?.revision, 1)
      assert.equal(engine.counters.refused, 1)
    })
  })

  test('times of changes never fall', () =>
    withRegistry(undefined, async (engine) => {
      const { registry } = engine
      const first = await registry.put(A, 1)
      const real = engine.clock
      engine.clock = {
        ...real,
        nowMs: () => 5,
        after: (ms, call) => real.after(ms, call),
        defer: (call) => real.defer(call),
      }
      const second = await registry.put(B, 1)
      assert.equal(second?.changedMs, first?.changedMs)
    }))
})

describe('what is refused', () => {
  const cases: [what: string, put: (engine: Engine) => Promise<unknown>, code: string, message: RegExp][] = [
    [
      'a kind with capitals',
      ({ registry }) => registry.put({ ...A, kind: 'Role' }, 1),
      'ARGUMENT_INVALID',
      /'Role'/,
    ],
    ['no id', ({ registry }) => registry.put({ ...A, id: '' }, 1), 'ID_INVALID', /the id of a role is empty/],
    ['NUL', ({ registry }) => registry.put({ ...A, namespace: 'a\0b' }, 1), 'ID_INVALID', /NUL/],
    [
      'no JSON',
      ({ registry }) => registry.put(A, { at: new Date() } as never),
      'ARGUMENT_INVALID',
      /no JSON value/,
    ],
    [
      'a revision that is none',
      ({ registry }) => registry.put(A, 1, { ifRevision: -1 }),
      'ARGUMENT_INVALID',
      /ifRevision is -1/,
    ],
    [
      'an object that is too large',
      ({ registry }) => registry.put(A, 'ä'.repeat(32_768)),
      'ARGUMENT_INVALID',
      /65538 bytes is too large: at most 65536/,
    ],
  ]
  for (const [what, put, code, message] of cases)
    test(what, () =>
      withRegistry(undefined, async (engine) => {
        await assert.rejects(put(engine), { code, message })
        await engine.registry.put(A, 'ä'.repeat(32_767))
      }),
    )

  test('more than fit, also while others are on their way; what makes it smaller is done', () =>
    withRegistry(undefined, async (engine) => {
      const registry = new RegistryDesk(engine, { ...REGISTRY_LIMITS, entries: 2, rows: 3, totalBytes: 20 })
      const full = { code: 'QUOTA_EXCEEDED' }
      const key = (id: string) => ({ ...A, id })
      const three = await Promise.allSettled(['1', '2', '3'].map((id) => registry.put(key(id), 1)))
      assert.deepEqual(
        three.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'rejected'],
      )
      await assert.rejects(registry.put(key('3'), 1), { ...full, message: /there are 2 .* at most 2/ })
      await assert.rejects(registry.put(key('1'), 'x'.repeat(20)), { ...full, message: /at most 20/ })
      await registry.put(key('1'), 'x'.repeat(10))
      await registry.put(key('1'), undefined)
      await registry.put(key('3'), 1)
      await registry.put(key('3'), undefined)
      await assert.rejects(registry.put(key('4'), 1), {
        ...full,
        message: /of 3 objects, deleted ones included/,
      })
      assert.equal((await registry.put(key('1'), 1))?.revision, 4)
    }))

  test('where there is no room left, not that an API key is revoked, and then deleted', () =>
    withRegistry(undefined, async (engine) => {
      const registry = new RegistryDesk(engine, { ...REGISTRY_LIMITS, totalBytes: 400 })
      const access = await ClosedAccess.open({
        ...{ settings: checkedAccessSettings({}), registry, port: recordingPort().port },
        ...{ logger: silentLogger, clock: new VirtualClock(1000) },
      })
      const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }
      const admin = new AccessAdmin({ access, registry, nowMs: () => 1000 })
      const { id } = await admin.createKey(rules, { name: 'k' })
      for (let bytes = 400, i = 0; bytes > 2; bytes >>= 1, i++)
        await registry.put({ ...A, id: `${i}` }, 'x'.repeat(bytes - 2)).catch(() => {})
      await assert.rejects(registry.put({ ...A, id: 'more' }, 'x'.repeat(20)), { code: 'QUOTA_EXCEEDED' })
      await assert.rejects(admin.rotateKey(rules, id), { code: 'QUOTA_EXCEEDED' })
      await admin.revokeKey(rules, id)
      assert.equal((await admin.getKey(rules, id)).revokedMs, 1000)
      await admin.deleteKey(rules, id)
      access.close()
    }))

  test('more keys of a namespace than it may have, however they come, and those of others go on', () =>
    withRegistry(undefined, async ({ registry }) => {
      const access = await ClosedAccess.open({
        ...{ settings: checkedAccessSettings({ strictNamespaces: false }), registry },
        ...{ port: recordingPort().port, logger: silentLogger, clock: new VirtualClock(1000) },
      })
      const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }
      const bounds = { keys: 5, keyBytes: 1_000_000, bindings: 5 }
      const admin = new AccessAdmin({ access, registry, nowMs: () => 1000, bounds })
      const make = (namespace: string) => admin.createKey(rules, { name: 'k', namespace })
      const bind = (i: number) =>
        admin.bindRole(rules, { principal: `group:${i}`, role: 'viewer', namespace: 'a' })
      const all = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? make('a') : bind(i))),
      )
      assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 10)
      for (const each of all) if (each.status === 'rejected') assert.equal(each.reason.code, 'QUOTA_EXCEEDED')
      await make('b')
      assert.equal(registry.list('api-key').length, 6)
      assert.equal(registry.list('role-binding', 'a').length, 5)
      access.close()
    }))

  test('an engine that has closed', async () => {
    let closed: Engine | undefined
    await withRegistry(undefined, async (engine) => {
      closed = engine
    })
    await assert.rejects(closed?.registry.put(A, 1) ?? Promise.resolve(), { code: 'ENGINE_CLOSED' })
  })
})
