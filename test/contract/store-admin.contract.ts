/** What every store promises of administrative objects, and of the audit trail. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { AuditQuery } from '../../src/store/contract/audit-rows.ts'
import type { RegistryQuery } from '../../src/store/contract/registry-rows.ts'
import { auditHeadRow, auditRow, batchOf, journalEntry, registryRow, runIdAt } from './store-rows.ts'
import type { DefineTest } from './store-test.ts'

const NOTHING = { registry: { count: 0, revisions: 0, changedMs: 0 }, rows: [], sessions: [], heads: [] }

export function describeAdmin(storeTest: DefineTest): void {
  describe('administrative objects', () => describeRegistry(storeTest))
  describe('the audit trail', () => describeAudit(storeTest))
  describe('the chains of the audit trail', () => describeChains(storeTest))
  describe('the beginning of a chain is dropped', () => describeDropping(storeTest))
}

function describeRegistry(storeTest: DefineTest): void {
  storeTest('a row comes back whole; another write replaces it', async ({ store, write }) => {
    const first = registryRow('ä 漢字 😀', { namespace: 'other', body: '{"a":"O\'Neill"}' })
    await write({ registry: [first, registryRow('b')] })
    assert.deepEqual(await store.registryRows({ limit: 10 }), [registryRow('b'), first])
    const second = { ...first, revision: 2, body: null, changedMs: 30, request: 'r2' }
    await write({ registry: [second] })
    assert.deepEqual(await store.registryRows({ limit: 10 }), [registryRow('b'), second])
    assert.deepEqual(await store.registryRows({ limit: 10, changedFromMs: 30 }), [second])
    assert.deepEqual(await store.registryRows({ limit: 10, changedFromMs: 31 }), [])
  })

  storeTest('lists, in the order of their bytes, page by page', async ({ store, write }) => {
    const names = ['z', 'a', '\u{10ffff}', '\uffff']
    await write({ registry: names.map((id) => registryRow(id, { namespace: 'n' })) })
    await write({ registry: [registryRow('k', { kind: 'policy' }), registryRow('m')] })
    await write({ registry: [registryRow('y', { namespace: 'm' })] })
    const idsOf = async (query: Partial<RegistryQuery>): Promise<string[]> =>
      (await store.registryRows({ limit: 100, ...query })).map(({ id }) => id)
    assert.deepEqual(await idsOf({}), ['m', 'y', 'a', 'z', '\uffff', '\u{10ffff}', 'k'])
    assert.deepEqual(await idsOf({ limit: 2 }), ['m', 'y'])
    assert.deepEqual(await idsOf({ limit: 0 }), [])
    const after = { kind: 'api-key', namespace: 'n', id: 'a' }
    assert.deepEqual(await idsOf({ after, limit: 2 }), ['z', '\uffff'])
    assert.deepEqual(await idsOf({ after: { ...after, id: '\u{10ffff}' } }), ['k'])
  })

  storeTest('the mark changes with each change', async ({ store, write }) => {
    assert.deepEqual(await store.registryMark(), { count: 0, revisions: 0, changedMs: 0 })
    await write({ registry: [registryRow('a'), registryRow('b', { revision: 5 })] })
    assert.deepEqual(await store.registryMark(), { count: 2, revisions: 6, changedMs: 20 })
    await write({ registry: [registryRow('a', { revision: 2, body: null, changedMs: 21 })] })
    assert.deepEqual(await store.registryMark(), { count: 2, revisions: 7, changedMs: 21 })
  })

  storeTest('of a refused batch nothing stays', async ({ store, session, write }) => {
    const entry = journalEntry(runIdAt(0), 1)
    await write({ journal: [entry], registry: [registryRow('a')] })
    const rows = { journal: [entry], registry: [registryRow('a', { revision: 2 })], audit: [auditRow(1, 1)] }
    assert.equal((await store.commit(batchOf(session, 90, rows))).outcome, 'refused')
    assert.deepEqual(await store.registryRows({ limit: 10 }), [registryRow('a')])
    assert.deepEqual(await store.auditRows({ limit: 10 }), [])
  })
}

function describeAudit(storeTest: DefineTest): void {
  storeTest('a row comes back whole', async ({ store, write }) => {
    const row = auditRow(3, 1, {
      namespace: 'ä 😀',
      entry: '{"a":"O\'Neill\\u0000"}',
      personal: '{"ip":"::1"}',
    })
    const head = auditHeadRow(7, { body: '{"size":1}', signature: 'ed25519:ä', keyId: 'k2' })
    await write({ audit: [row], auditHeads: [head] })
    assert.deepEqual(await store.auditRows({ limit: 10 }), [row])
    assert.deepEqual(await store.auditHeads({ limit: 10 }), [head])
  })

  storeTest('lists, in the order of sessions and numbers, page by page', async ({ store, write }) => {
    await write({ audit: [auditRow(2, 1, { atMs: 5 }), auditRow(2, 2, { atMs: 6, namespace: 'other' })] })
    await write({ audit: [auditRow(1, 1, { atMs: 7 }), auditRow(10, 1, { atMs: 8 })] })
    const found = async (query: Partial<AuditQuery>): Promise<string[]> =>
      (await store.auditRows({ limit: 100, ...query })).map(({ session, seq }) => `${session}.${seq}`)
    assert.deepEqual(await found({}), ['1.1', '2.1', '2.2', '10.1'])
    assert.deepEqual(await found({ limit: 2 }), ['1.1', '2.1'])
    assert.deepEqual(await found({ limit: 0 }), [])
    assert.deepEqual(await found({ after: { session: 2, seq: 1 } }), ['2.2', '10.1'])
    assert.deepEqual(await found({ after: { session: 3, seq: 0 } }), ['10.1'])
    assert.deepEqual(await found({ session: 2 }), ['2.1', '2.2'])
    assert.deepEqual(await found({ session: 2, after: { session: 2, seq: 2 } }), [])
    assert.deepEqual(await found({ namespace: 'other' }), ['2.2'])
    assert.deepEqual(await found({ fromMs: 6, toMs: 8 }), ['1.1', '2.2'])
  })

  storeTest('a number that exists is refused, and nothing is written', async ({ store, session, write }) => {
    await write({ audit: [auditRow(1, 1)], auditHeads: [auditHeadRow(1)] })
    const before = await store.auditRows({ limit: 10 })
    for (const rows of [
      { audit: [auditRow(1, 2), auditRow(1, 1)] },
      { audit: [auditRow(1, 2), auditRow(1, 2)] },
      { audit: [auditRow(1, 2)], auditHeads: [auditHeadRow(2), auditHeadRow(1)] },
    ]) {
      const batch = batchOf(session, 90, { registry: [registryRow('a')], ...rows })
      assert.equal((await store.commit(batch)).outcome, 'refused')
      assert.deepEqual(await store.auditRows({ limit: 10 }), before)
      assert.deepEqual(await store.auditHeads({ limit: 10 }), [auditHeadRow(1)])
      assert.deepEqual(await store.registryRows({ limit: 10 }), [])
    }
    await write({ audit: [auditRow(1, 2)] })
  })

  storeTest('what is personal is erased, and nothing else', async ({ store, write }) => {
    const rows = [1, 2, 3].map((seq) => auditRow(1, seq, { personal: `{"name":${seq}}` }))
    await write({ audit: rows })
    const erased = { session: 1, seq: 2 }
    await write({ auditErased: [erased, { session: 1, seq: 9 }, { session: 2, seq: 1 }] })
    const after = rows.map((row) => (row.seq === 2 ? { ...row, personal: null } : row))
    assert.deepEqual(await store.auditRows({ limit: 10 }), after)
  })
}

function describeChains(storeTest: DefineTest): void {
  storeTest('heads are listed from either end', async ({ store, write }) => {
    await write({ auditHeads: [1, 2, 3, 10].map((number) => auditHeadRow(number)) })
    const numbers = async (query: Parameters<typeof store.auditHeads>[0]): Promise<number[]> =>
      (await store.auditHeads(query)).map(({ number }) => number)
    assert.deepEqual(await numbers({ limit: 3 }), [1, 2, 3])
    assert.deepEqual(await numbers({ limit: 3, after: 2 }), [3, 10])
    assert.deepEqual(await numbers({ limit: 1, newestFirst: true }), [10])
    assert.deepEqual(await numbers({ limit: 5, newestFirst: true, after: 3 }), [2, 1])
    assert.deepEqual(await numbers({ limit: 0 }), [])
  })

  storeTest('each session says where its chain begins and ends', async ({ store, write }) => {
    assert.deepEqual(await store.auditSessions(), [])
    await write({ audit: [auditRow(10, 1), auditRow(2, 1), auditRow(2, 2)] })
    assert.deepEqual(await store.auditSessions(), [
      { session: 2, firstSeq: 1, lastSeq: 2, lastHash: auditRow(2, 2).hash, dropped: undefined },
      { session: 10, firstSeq: 1, lastSeq: 1, lastHash: auditRow(10, 1).hash, dropped: undefined },
    ])
  })

  storeTest('it is there when the store is opened again', async ({ fixture, store, write }) => {
    const rows = { registry: [registryRow('a')], audit: [auditRow(1, 1)], auditHeads: [auditHeadRow(1)] }
    await write(rows)
    await store.close()
    const again = await fixture.open()
    try {
      assert.deepEqual(await again.registryRows({ limit: 9 }), rows.registry)
      assert.deepEqual(await again.auditRows({ limit: 9 }), rows.audit)
      assert.deepEqual(await again.auditHeads({ limit: 9 }), rows.auditHeads)
    } finally {
      await again.close()
    }
  })

  storeTest('a fenced session writes none of it', async ({ store, session }) => {
    await store.fence(session)
    const rows = { registry: [registryRow('a')], audit: [auditRow(1, 1)], auditHeads: [auditHeadRow(1)] }
    assert.deepEqual(await store.commit(batchOf(session, 1, rows)), { outcome: 'fenced' })
    const found = {
      registry: await store.registryMark(),
      rows: await store.auditRows({ limit: 9 }),
      sessions: await store.auditSessions(),
      heads: await store.auditHeads({ limit: 9 }),
    }
    assert.deepEqual(found, NOTHING)
  })
}

function describeDropping(storeTest: DefineTest): void {
  const chain = [1, 2, 3, 4].map((seq) => auditRow(1, seq))
  const viewed = (firstSeq: number, droppedSeq: number) => ({
    session: 1,
    firstSeq,
    lastSeq: 4,
    lastHash: auditRow(1, 4).hash,
    dropped: { seq: droppedSeq, hash: auditRow(1, droppedSeq).hash },
  })

  storeTest('the hash of the last row stays', async ({ store, write }) => {
    await write({ audit: [...chain, auditRow(2, 1)] })
    await write({ auditDropped: [{ session: 1, upToSeq: 2 }] })
    assert.deepEqual(await store.auditRows({ limit: 9, session: 1 }), chain.slice(2))
    const [first, second] = await store.auditSessions()
    assert.deepEqual(first, viewed(3, 2))
    assert.equal(second?.dropped, undefined)
    await write({ auditDropped: [{ session: 1, upToSeq: 3 }] })
    assert.deepEqual((await store.auditSessions())[0], viewed(4, 3))
  })

  storeTest('less than was dropped changes nothing', async ({ store, write }) => {
    await write({ audit: chain })
    await write({ auditDropped: [{ session: 1, upToSeq: 3 }] })
    await write({
      auditDropped: [
        { session: 1, upToSeq: 2 },
        { session: 5, upToSeq: 2 },
      ],
    })
    assert.deepEqual(await store.auditSessions(), [viewed(4, 3)])
  })

  storeTest('a whole chain is still known', async ({ store, write }) => {
    await write({ audit: chain })
    await write({ auditDropped: [{ session: 1, upToSeq: 99 }] })
    assert.deepEqual(await store.auditRows({ limit: 9 }), [])
    assert.deepEqual(await store.auditSessions(), [viewed(5, 4)])
    await write({ audit: [auditRow(1, 5)] })
    assert.deepEqual(await store.auditSessions(), [
      { ...viewed(5, 4), lastSeq: 5, lastHash: auditRow(1, 5).hash },
    ])
  })
}
