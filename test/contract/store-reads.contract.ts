/** What every store promises of its reads: all that was written, in order, page by page. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { RunId } from '../../src/protocol/ids.ts'
import type { ExecutionRow } from '../../src/store/contract/rows.ts'
import type { Store } from '../../src/store/contract/store.ts'
import {
  attributesOf,
  change,
  EVERYTHING_DUE,
  executionRow,
  journalEntry,
  keyAt,
  outboxRow,
  runIdAt,
  timerRow,
} from './store-rows.ts'
import type { DefineTest } from './store-test.ts'

export function describeReads(storeTest: DefineTest): void {
  describe('executions and currents', () => describeExecutions(storeTest))
  describe('recovery and copies', () => describeRecovery(storeTest))
  describe('journal', () => describeJournal(storeTest))
  describe('timers and outbox', () => describeTimersAndOutbox(storeTest))
  describe('lists', () => describeLists(storeTest))
}

function describeExecutions(storeTest: DefineTest): void {
  storeTest('summaries come in the order asked, with all columns', async ({ store, write }) => {
    const open = executionRow(runIdAt(0), { startedAt: 123, shard: 255, version: '2', active: false })
    const closed = executionRow(runIdAt(5), {
      key: { namespace: 'ns\nwith "all"', workflowId: 'ä 漢字 😀' },
      status: 'timed-out',
      closedAt: 4_000_000_000_000,
      active: false,
      attributes: { customer: "O'Neill", amount: 1.5, paid: true, note: null, count: -3, text: '漢字' },
    })
    await write({ executionsInserted: [open, closed] })
    const asked = [runIdAt(5), runIdAt(1), runIdAt(0), runIdAt(5)]
    assert.deepEqual(await store.executions(asked), [closed, undefined, open, closed])
    assert.deepEqual(await store.executions([]), [])
  })

  storeTest('a change writes its columns and no others', async ({ store, write }) => {
    const row = executionRow(runIdAt(0), { version: '7' })
    await write({ executionsInserted: [row] })
    const closed = change('failed', { attributes: { a: 1 } })
    await write({ executionsUpdated: [{ runId: row.runId, change: closed }] })
    assert.deepEqual(await store.executions([row.runId]), [{ ...row, ...closed }])
    await write({ executionsUpdated: [{ runId: row.runId, change: change('running') }] })
    assert.deepEqual(await store.executions([row.runId]), [{ ...row, ...change('running') }])
  })

  storeTest('a change of a run that does not exist does nothing', async ({ store, write }) => {
    await write({ executionsUpdated: [{ runId: runIdAt(0), change: change('failed') }] })
    assert.deepEqual(await store.executions([runIdAt(0)]), [undefined])
  })

  storeTest('what is open in a namespace is counted, up to a bound', async ({ store, write }) => {
    const key = (namespace: string) => ({ namespace, workflowId: 'x' })
    const row = (n: number, namespace: string, status: ExecutionRow['status'], active = true) =>
      executionRow(runIdAt(n), { key: key(namespace), status, active })
    await write({
      executionsInserted: [
        row(0, 'a', 'running'),
        row(1, 'a', 'running', false),
        row(2, 'a', 'parked', false),
        row(3, 'a', 'completed', false),
        row(4, 'b', 'running'),
        row(5, 'a', 'continued', false),
      ],
    })
    const counts = () =>
      Promise.all(['a', 'b', 'c'].map((namespace) => store.countOpen(namespace, 1_000_000)))
    assert.deepEqual(await counts(), [3, 1, 0])
    assert.deepEqual(await Promise.all([2, 1, 0].map((most) => store.countOpen('a', most))), [2, 1, 0])
    await write({
      executionsUpdated: [
        { runId: runIdAt(0), change: change('failed') },
        { runId: runIdAt(4), change: change('parked') },
      ],
    })
    assert.deepEqual(await counts(), [2, 1, 0])
    await write({ executionsUpdated: [{ runId: runIdAt(0), change: change('running') }] })
    assert.deepEqual(await counts(), [3, 1, 0])
  })

  storeTest('current names the newest run of a key, in its namespace', async ({ store, write }) => {
    const key = { namespace: 'a', workflowId: 'x' }
    const twin = { namespace: 'b', workflowId: 'x' }
    await write({ currents: [{ key, runId: runIdAt(0) }] })
    assert.deepEqual(await store.currents([twin, key]), [undefined, runIdAt(0)])
    await write({
      currents: [
        { key, runId: runIdAt(5) },
        { key: twin, runId: runIdAt(1) },
      ],
    })
    assert.deepEqual(await store.currents([key, twin, key]), [runIdAt(5), runIdAt(1), runIdAt(5)])
    await write({ currentsDropped: [key, { namespace: 'c', workflowId: 'x' }] })
    assert.deepEqual(await store.currents([key, twin]), [undefined, runIdAt(1)])
    assert.deepEqual(await store.currents([]), [])
  })

  storeTest('many keys are answered at once', async ({ store, write }) => {
    const keys = Array.from({ length: 150 }, (_, i) => keyAt(i))
    await write({
      currents: keys.map((key, i) => ({ key, runId: runIdAt(i) })).filter((_, i) => i % 3 !== 0),
    })
    const expected = keys.map((_, i) => (i % 3 === 0 ? undefined : runIdAt(i)))
    assert.deepEqual(await store.currents(keys), expected)
    assert.deepEqual(await store.currents(keys.toReversed()), expected.toReversed())
  })
}

function describeRecovery(storeTest: DefineTest): void {
  storeTest('recovery finds active and parked ones, page by page', async ({ store, write }) => {
    const active = executionRow(runIdAt(0))
    const sleeping = executionRow(runIdAt(1), { active: false })
    const parked = executionRow(runIdAt(4), { status: 'parked', active: false })
    const closed = executionRow(runIdAt(5), { status: 'completed', closedAt: 5, active: true })
    const later = executionRow(runIdAt(9))
    await write({ executionsInserted: [later, closed, parked, sleeping, active] })
    assert.deepEqual(await store.recoverable(undefined, 10), [active, parked, later])
    assert.deepEqual(await store.recoverable(undefined, 1), [active])
    assert.deepEqual(await store.recoverable(active.runId, 1), [parked])
    assert.deepEqual(await store.recoverable(closed.runId, 5), [later])
    assert.deepEqual(await store.recoverable(later.runId, 5), [])
    await write({
      executionsUpdated: [
        { runId: active.runId, change: change('completed') },
        { runId: sleeping.runId, change: change('running', { active: true }) },
        { runId: parked.runId, change: change('running', { active: false }) },
      ],
    })
    const found = await store.recoverable(undefined, 10)
    assert.deepEqual(
      found.map((row) => row.runId),
      [sleeping.runId, later.runId],
    )
  })

  storeTest('rows given and rows answered are separate', async ({ store, write }) => {
    const attributes = { mutable: 1 }
    const key = { namespace: 'default', workflowId: 'mutable' }
    const row = executionRow(runIdAt(0), { key, attributes })
    await write({ executionsInserted: [row] })
    attributes.mutable = 2
    key.workflowId = 'changed'
    const [answered] = (await store.executions([row.runId])) as [ExecutionRow]
    assert.deepEqual(answered.attributes, { mutable: 1 })
    assert.equal(answered.key.workflowId, 'mutable')
    Object.assign(answered.attributes ?? {}, { mutable: 3 })
    Object.assign(answered.key, { workflowId: 'changed' })
    Object.assign(answered, { status: 'failed' })
    const [again] = (await store.executions([row.runId])) as [ExecutionRow]
    assert.deepEqual(
      again,
      executionRow(row.runId, { key: { ...key, workflowId: 'mutable' }, attributes: { mutable: 1 } }),
    )
  })
}

function describeJournal(storeTest: DefineTest): void {
  const first = runIdAt(0)

  storeTest('entries come in order, from the one that holds the next event', async ({ store, write }) => {
    const entries = [journalEntry(first, 1, 3), journalEntry(first, 4), journalEntry(first, 5, 2)]
    await write({ journal: entries.slice(0, 2) })
    await write({ journal: entries.slice(2) })
    assert.deepEqual(await store.journal(first, 0, 10), entries)
    assert.deepEqual(await store.journal(first, 2, 10), entries)
    assert.deepEqual(await store.journal(first, 3, 10), entries.slice(1))
    assert.deepEqual(await store.journal(first, 4, 10), entries.slice(2))
    assert.deepEqual(await store.journal(first, 5, 10), entries.slice(2))
    assert.deepEqual(await store.journal(first, 6, 10), [])
    assert.deepEqual(await store.journal(first, 2, 1), entries.slice(0, 1))
    assert.deepEqual(await store.journal(first, 3, 1), entries.slice(1, 2))
    assert.deepEqual(await store.journal(first, 0, 0), [])
    assert.deepEqual(await store.journal(runIdAt(1), 0, 10), [])
    assert.deepEqual(await store.journal(first, 0, Number.POSITIVE_INFINITY), entries)
  })

  storeTest('the newest entry of a run', async ({ store, write }) => {
    assert.equal(await store.lastEntry(first), undefined)
    await write({ journal: [journalEntry(first, 1, 2), journalEntry(runIdAt(1), 9)] })
    await write({ journal: [journalEntry(first, 3)] })
    assert.deepEqual(await store.lastEntry(first), journalEntry(first, 3))
  })

  storeTest('text is kept as it is, also a megabyte of it', async ({ store, write }) => {
    const odd = journalEntry(first, 1, 1, 'line\nfeed, "quotes", back\\slash, ä, 漢字, 😀, \u2028, \u0000')
    const large = journalEntry(runIdAt(5), 1, 1, 'x漢'.repeat(500_000))
    await write({ journal: [odd, large] })
    assert.deepEqual(await store.journal(odd.runId, 0, 1), [odd])
    assert.deepEqual(await store.lastEntry(large.runId), large)
  })

  for (const runs of [31, 32, 33, 70, 1_000]) {
    storeTest(`a batch of ${runs} runs is written whole`, async ({ store, write }) => {
      const runIds = Array.from({ length: runs }, (_, i) => runIdAt(i))
      const rows: ExecutionRow[] = runIds.map((runId, i) => executionRow(runId, { shard: i }))
      await write({
        journal: runIds.map((runId, i) => journalEntry(runId, 1, 1, `event ${i}`)),
        executionsInserted: rows,
        currents: rows.map(({ key, runId }) => ({ key, runId })),
        timersArmed: runIds.map((runId, i) => timerRow(runId, 1, i)),
      })
      assert.deepEqual(await store.executions(runIds), rows)
      assert.deepEqual(await store.currents(rows.map((row) => row.key)), runIds)
      const timers = await store.timers({ ...EVERYTHING_DUE, limit: runs + 1 })
      assert.deepEqual(
        timers,
        runIds.map((runId, i) => timerRow(runId, 1, i)),
      )
      for (const [i, runId] of runIds.entries()) {
        assert.deepEqual(await store.journal(runId, 0, 2), [journalEntry(runId, 1, 1, `event ${i}`)])
      }
    })
  }
}

function describeTimersAndOutbox(storeTest: DefineTest): void {
  const a = runIdAt(0)
  const b = runIdAt(5)

  storeTest(
    'timers come by (due, run, timer), page by page, up to the time inclusive',
    async ({ store, write }) => {
      const rows = [
        timerRow(a, -2, 10),
        timerRow(a, -1, 10),
        timerRow(a, 2, 10),
        timerRow(b, -1, 10),
        timerRow(a, 1, 20),
      ]
      await write({ timersArmed: rows.toReversed() })
      assert.deepEqual(await store.timers(EVERYTHING_DUE), rows)
      assert.deepEqual(await store.timers({ ...EVERYTHING_DUE, upToMs: 10 }), rows.slice(0, 4))
      assert.deepEqual(await store.timers({ ...EVERYTHING_DUE, upToMs: 9 }), [])
      let after: typeof EVERYTHING_DUE.after | (typeof rows)[number] = EVERYTHING_DUE.after
      const seen: unknown[] = []
      for (let page = 0; page < rows.length; page++) {
        const [row] = await store.timers({ after, upToMs: 20, limit: 1 })
        assert.ok(row)
        seen.push(row)
        after = row
      }
      assert.deepEqual(seen, rows)
      assert.deepEqual(await store.timers({ after, upToMs: 20, limit: 1 }), [])
    },
  )

  storeTest('a position that no timer has', async ({ store, write }) => {
    await write({ timersArmed: [timerRow(a, 1, 10), timerRow(b, 1, 10)] })
    const page = await store.timers({ after: { dueAt: 10, runId: a, timer: 5 }, upToMs: 10, limit: 5 })
    assert.deepEqual(page, [timerRow(b, 1, 10)])
    assert.deepEqual(
      await store.timers({ after: { dueAt: 10, runId: '~', timer: 0 }, upToMs: 99, limit: 5 }),
      [],
    )
  })

  storeTest('arming again moves a timer; dropping removes it', async ({ store, write }) => {
    await write({ timersArmed: [timerRow(a, 1, 10), timerRow(a, 2, 20)] })
    await write({ timersArmed: [timerRow(a, 1, 30, 9)] })
    assert.deepEqual(await store.timers(EVERYTHING_DUE), [timerRow(a, 2, 20), timerRow(a, 1, 30, 9)])
    await write({
      timersDropped: [
        { runId: a, timer: 2 },
        { runId: b, timer: 2 },
      ],
    })
    assert.deepEqual(await store.timers(EVERYTHING_DUE), [timerRow(a, 1, 30, 9)])
  })

  storeTest('messages come by (from, to, seq) until they are dropped', async ({ store, write }) => {
    const rows = [outboxRow(1, 2, 9), outboxRow(1, 2, 10), outboxRow(1, 11, 1), outboxRow(2, 1, 1)]
    await write({ outboxAdded: rows.toReversed() })
    assert.deepEqual(await store.outbox(10), rows)
    assert.deepEqual(await store.outbox(2), rows.slice(0, 2))
    await write({
      outboxDropped: [
        { fromShard: 1, toShard: 2, seq: 9 },
        { fromShard: 1, toShard: 2, seq: 1 },
      ],
    })
    assert.deepEqual(await store.outbox(10), rows.slice(1))
  })
}

function describeLists(storeTest: DefineTest): void {
  const idsOf = (rows: readonly ExecutionRow[]): RunId[] => rows.map((row) => row.runId)

  storeTest('newest first or oldest first, from any position', async ({ store, write }) => {
    const runIds = Array.from({ length: 10 }, (_, i) => runIdAt(i))
    await write({ executionsInserted: runIds.map((runId) => executionRow(runId)) })
    const list = async (query: Omit<Parameters<Store['list']>[0], 'limit'>, limit = 100) =>
      idsOf(await store.list({ ...query, limit }))
    assert.deepEqual(await list({}), runIds.toReversed())
    assert.deepEqual(await list({}, 3), runIds.slice(7).toReversed())
    assert.deepEqual(await list({ before: runIdAt(4) }), runIds.slice(0, 4).toReversed())
    assert.deepEqual(await list({ oldestFirst: true }), runIds)
    assert.deepEqual(await list({ oldestFirst: true, before: runIdAt(4) }, 2), runIds.slice(5, 7))
    assert.deepEqual(await list({ oldestFirst: true, before: runIdAt(9) }), [])
    assert.deepEqual(await list({ before: runIdAt(0) }), [])
    assert.deepEqual(await list({}, 0), [])
  })

  storeTest('filters', async ({ store, write }) => {
    const rows = [
      executionRow(runIdAt(0), { key: { namespace: 'a', workflowId: '1' }, startedAt: 100 }),
      executionRow(runIdAt(1), { workflow: 'other', startedAt: 200 }),
      executionRow(runIdAt(2), { status: 'completed', closedAt: 900, startedAt: 300 }),
      executionRow(runIdAt(3), { status: 'failed', closedAt: 1_000, startedAt: 400 }),
      executionRow(runIdAt(4), attributesOf({ paid: true, amount: 1, customer: null, constructor: 'x' })),
      executionRow(runIdAt(5), attributesOf({ paid: 1, amount: '1' })),
    ]
    await write({ executionsInserted: rows })
    const list = async (query: Omit<Parameters<Store['list']>[0], 'limit'>) => {
      const found = idsOf(await store.list({ ...query, oldestFirst: true, limit: 100 }))
      return found.map((runId) => rows.findIndex((row) => row.runId === runId))
    }
    assert.deepEqual(await list({ namespace: 'a' }), [0])
    assert.deepEqual(await list({ namespace: 'none' }), [])
    assert.deepEqual(await list({ workflow: 'other' }), [1])
    assert.deepEqual(await list({ status: ['completed', 'failed'] }), [2, 3])
    assert.deepEqual(await list({ status: [] }), [])
    assert.deepEqual(await list({ startedFrom: 200, startedTo: 400 }), [1, 2])
    assert.deepEqual(await list({ closedBefore: 1_000 }), [2])
    assert.deepEqual(await list({ attributes: {} }), [0, 1, 2, 3, 4, 5])
    assert.deepEqual(await list({ attributes: { paid: true } }), [4])
    assert.deepEqual(await list({ attributes: { paid: 1 } }), [5])
    assert.deepEqual(await list({ attributes: { amount: 1, paid: true } }), [4])
    assert.deepEqual(await list({ attributes: { amount: 1, paid: 1 } }), [])
    assert.deepEqual(await list({ attributes: { customer: null } }), [4])
    assert.deepEqual(await list({ attributes: { toString: null } }), [])
    assert.deepEqual(await list({ attributes: { constructor: 'x' } }), [4])
    assert.deepEqual(await list({ namespace: 'default', status: ['running'], workflow: 'other' }), [1])
  })

  storeTest('a few among many are found', async ({ store, write }) => {
    const rows = Array.from({ length: 9_000 }, (_, i) =>
      executionRow(runIdAt(i), { workflow: i % 4_100 === 7 ? 'rare' : 'common' }),
    )
    for (let i = 0; i < rows.length; i += 3_000) await write({ executionsInserted: rows.slice(i, i + 3_000) })
    const expected = [7, 4_107, 8_207].map((i) => runIdAt(i))
    assert.deepEqual(idsOf(await store.list({ workflow: 'rare', limit: 10 })), expected.toReversed())
    assert.deepEqual(
      idsOf(await store.list({ workflow: 'rare', limit: 2, oldestFirst: true })),
      expected.slice(0, 2),
    )
    // From within a day, so that no part that a store may read at a time ends with one.
    const ids = rows.map((row) => row.runId)
    const newest = await store.list({ limit: 8_500, before: runIdAt(8_998) })
    assert.deepEqual(idsOf(newest), ids.slice(498, 8_998).toReversed())
    const oldest = await store.list({ limit: 8_500, before: runIdAt(2), oldestFirst: true })
    assert.deepEqual(idsOf(oldest), ids.slice(3, 8_503))
  })
}
