/** What every store promises of sessions, commits, refusals, deletion and closing. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import {
  type BatchRows,
  batchOf,
  change,
  contentOf,
  executionRow,
  journalEntry,
  keyAt,
  outboxRow,
  rowsOfEveryKind,
  runIdAt,
  SOME_KEYS,
  SOME_RUNS,
  timerRow,
} from './store-rows.ts'
import type { DefineTest } from './store-test.ts'

export function describeWrites(storeTest: DefineTest): void {
  describe('sessions and the guard', () => describeSessions(storeTest))
  describe('what is refused', () => describeRefusals(storeTest))
  describe('deletion', () => describeDeletion(storeTest))
  describe('open and close', () => describeClosing(storeTest))
}

const node = (incarnation: string) => ({ node: 'host:1', incarnation, nowMs: 20 })

function describeSessions(storeTest: DefineTest): void {
  storeTest('registering gives rising ids and fences the sessions before', async ({ store, session }) => {
    const second = await store.register(node('second'))
    assert.ok(second.session.id > session.id)
    assert.equal(second.session.incarnation, 'second')
    assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'fenced' })
    assert.deepEqual(await store.commit(batchOf(second.session, 1)), { outcome: 'committed' })
  })

  storeTest('the clock floor is the highest time of any commit', async ({ store, write }) => {
    assert.equal((await store.register(node('a'))).clockFloorMs, 0)
    const { session } = await store.register(node('b'))
    await store.commit(batchOf(session, 1, {}, 500))
    await store.commit(batchOf(session, 2, {}, 900))
    await store.commit(batchOf(session, 3, {}, 700))
    assert.equal((await store.register(node('c'))).clockFloorMs, 900)
    await assert.rejects(write({}), 'the first session is fenced')
  })

  storeTest(
    'the clock floor and the newest numbers survive thousands of commits',
    async ({ store, session, write }) => {
      for (let i = 1; i <= 2_100; i++) await write({}, i === 5 ? 100_000 : i)
      assert.equal(await store.hasCommitted(session, 2_100), true)
      assert.equal(await store.hasCommitted(session, 1_200), true)
      assert.equal(await store.hasCommitted(session, 2_101), false)
      const next = await store.register(node('next'))
      assert.equal(next.clockFloorMs, 100_000)
      for (let i = 1; i <= 1_000; i++) await store.commit(batchOf(next.session, i))
      assert.equal(
        await store.hasCommitted(session, 2_100),
        true,
        'the last number of an earlier session stays',
      )
    },
  )

  storeTest('a fenced session writes no row in any table', async ({ store, session, write }) => {
    await write(rowsOfEveryKind(0))
    const before = await contentOf(store, SOME_RUNS, SOME_KEYS)
    await store.fence(session)
    const runId = runIdAt(0)
    const outcome = await store.commit(
      batchOf(session, 2, {
        ...rowsOfEveryKind(1),
        executionsUpdated: [{ runId, change: change('completed') }],
        currentsDropped: [keyAt(0)],
        timersDropped: [{ runId, timer: 1 }],
        outboxDropped: [{ fromShard: 1, toShard: 2, seq: 0 }],
        deleted: [{ runId, key: keyAt(0) }],
      }),
    )
    assert.deepEqual(outcome, { outcome: 'fenced' })
    assert.deepEqual(await contentOf(store, SOME_RUNS, SOME_KEYS), before)
    assert.equal(await store.hasCommitted(session, 2), false)
  })

  storeTest('an unknown id or a wrong incarnation is fenced', async ({ store, session }) => {
    const imposter = { ...session, incarnation: 'imposter' }
    assert.deepEqual(await store.commit(batchOf(imposter, 1)), { outcome: 'fenced' })
    assert.deepEqual(await store.commit(batchOf({ ...session, id: 99 }, 1)), { outcome: 'fenced' })
    await store.fence(imposter)
    assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'committed' })
  })

  storeTest('a number is found after its commit, and only with its session', async ({ store, session }) => {
    assert.equal(await store.hasCommitted(session, 1), false)
    await store.commit(batchOf(session, 1))
    assert.equal(await store.hasCommitted(session, 1), true)
    assert.equal(await store.hasCommitted(session, 2), false)
    assert.equal(await store.hasCommitted({ ...session, incarnation: 'imposter' }, 1), false)
    await store.fence(session)
    await store.fence(session)
    assert.equal(await store.hasCommitted(session, 1), true)
  })
}

function describeRefusals(storeTest: DefineTest): void {
  const refusals: readonly [string, BatchRows][] = [
    ['a journal key that exists', { journal: [journalEntry(runIdAt(2), 1), journalEntry(runIdAt(0), 1)] }],
    ['a journal key twice', { journal: [journalEntry(runIdAt(1), 2), journalEntry(runIdAt(1), 2)] }],
    [
      'an execution that exists',
      { executionsInserted: [executionRow(runIdAt(3)), executionRow(runIdAt(0))] },
    ],
    ['an execution twice', { executionsInserted: [executionRow(runIdAt(3)), executionRow(runIdAt(3))] }],
    ['a message that exists', { outboxAdded: [outboxRow(4, 4, 4), outboxRow(1, 2, 0)] }],
  ]
  for (const [title, rows] of refusals) {
    storeTest(`${title} is refused, and nothing is written`, async ({ store, session, write }) => {
      await write(rowsOfEveryKind(0))
      const before = await contentOf(store, SOME_RUNS, SOME_KEYS)
      const batch = batchOf(session, 2, {
        executionsUpdated: [{ runId: runIdAt(0), change: change('completed') }],
        currents: [{ key: keyAt(0), runId: runIdAt(9) }],
        timersArmed: [timerRow(runIdAt(0), 1, 900)],
        deleted: [{ runId: runIdAt(0), key: keyAt(0) }],
        ...rows,
      })
      for (const attempt of [1, 2]) {
        const outcome = await store.commit(batch)
        assert.equal(outcome.outcome, 'refused', `attempt ${attempt}`)
        assert.ok(outcome.outcome === 'refused' && outcome.reason.length > 0)
      }
      assert.deepEqual(await contentOf(store, SOME_RUNS, SOME_KEYS), before)
      assert.equal(await store.hasCommitted(session, 2), false)
      await write(rowsOfEveryKind(1))
    })
  }

  storeTest('a number that is in use is refused', async ({ store, session, write }) => {
    await write(rowsOfEveryKind(0))
    assert.equal((await store.commit(batchOf(session, 1, rowsOfEveryKind(1)))).outcome, 'refused')
    assert.deepEqual(await store.executions([runIdAt(1)]), [undefined])
  })

  storeTest(
    'after a refusal of many rows, a batch of as many is whole',
    async ({ store, session, write }) => {
      const journal = Array.from({ length: 77 }, (_, i) => journalEntry(runIdAt(i), 1))
      const outcome = await store.commit(
        batchOf(session, 1, { journal: [...journal, journalEntry(runIdAt(3), 1)] }),
      )
      assert.equal(outcome.outcome, 'refused')
      await write({ journal })
      for (const entry of journal) assert.deepEqual(await store.journal(entry.runId, 0, 9), [entry])
    },
  )
}

function describeDeletion(storeTest: DefineTest): void {
  storeTest('all rows of a run go, those of others and its messages stay', async ({ store, write }) => {
    await write(rowsOfEveryKind(1))
    const others = await contentOf(store, SOME_RUNS, SOME_KEYS)
    await write({
      ...rowsOfEveryKind(0),
      journal: [journalEntry(runIdAt(0), 1), journalEntry(runIdAt(0), 2)],
    })
    await write({ timersArmed: [timerRow(runIdAt(0), 2, 40)] })
    await write({ deleted: [{ runId: runIdAt(0), key: keyAt(0) }] })
    const outbox = [outboxRow(1, 2, 0), outboxRow(1, 2, 1)]
    assert.deepEqual(await contentOf(store, SOME_RUNS, SOME_KEYS), { ...others, outbox })
  })

  storeTest('current stays if it names another run', async ({ store, write }) => {
    await write(rowsOfEveryKind(0))
    await write({ currents: [{ key: keyAt(0), runId: runIdAt(5) }] })
    await write({ deleted: [{ runId: runIdAt(0), key: keyAt(0) }] })
    assert.deepEqual(await store.currents([keyAt(0)]), [runIdAt(5)])
  })

  storeTest('deleting what does not exist does nothing', async ({ store, write }) => {
    await write({ deleted: [{ runId: runIdAt(0), key: keyAt(0) }] })
    assert.deepEqual(await store.list({ limit: 1 }), [])
  })
}

function describeClosing(storeTest: DefineTest): void {
  storeTest(
    'a store that is opened again on the same data has it all',
    async ({ fixture, store, session, write }) => {
      await write(rowsOfEveryKind(0), 77)
      await write(rowsOfEveryKind(1), 78)
      const before = await contentOf(store, SOME_RUNS, SOME_KEYS)
      await store.close()
      const again = await fixture.open()
      try {
        assert.deepEqual(await contentOf(again, SOME_RUNS, SOME_KEYS), before)
        assert.equal(await again.hasCommitted(session, 2), true)
        const registered = await again.register(node('again'))
        assert.ok(registered.session.id > session.id)
        assert.equal(registered.clockFloorMs, 78)
        assert.deepEqual(await again.commit(batchOf(session, 3)), { outcome: 'fenced' })
      } finally {
        await again.close()
      }
    },
  )

  storeTest('a closed store refuses everything, and may be closed again', async ({ store, session }) => {
    await store.close()
    await store.close()
    await assert.rejects(store.commit(batchOf(session, 1)), { code: 'ENGINE_CLOSED' })
    await assert.rejects(store.register(node('late')), { code: 'ENGINE_CLOSED' })
    await assert.rejects(store.list({ limit: 1 }), { code: 'ENGINE_CLOSED' })
  })

  storeTest('what was asked before the close is answered', async ({ fixture, store, session }) => {
    const commits = [1, 2, 3].map((seq) => store.commit(batchOf(session, seq, rowsOfEveryKind(seq))))
    await store.close()
    assert.deepEqual(await Promise.all(commits), Array(3).fill({ outcome: 'committed' }))
    const again = await fixture.open()
    assert.equal((await again.list({ limit: 9 })).length, 3)
    await again.close()
  })
}
