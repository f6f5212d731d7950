/** Retention by days on a real database: an old day is dropped, and what must stay of it goes on. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createEngine, query, signal, silentLogger, workflow } from '../../src/index.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { type RunId, runDay } from '../../src/protocol/ids.ts'
import { assembleEngine } from '../../src/server/embedded-engine.ts'
import type { EngineSettings } from '../../src/server/engine-settings.ts'
import { createPostgresStore, type PostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { batchOf, change, journalEntry } from '../contract/store-rows.ts'
import { PostgresServer } from './server.ts'

const DAY_MS = 86_400_000
const AGO_DAYS = 10

const go = signal<string>('go')
const seen = query<number>('seen')
const quick = workflow({ name: 'quick', run: (ctx, n: number) => ctx.step('double', () => 2 * n) })
const failing = workflow({
  name: 'failing',
  run: async () => {
    throw new Error('on purpose')
  },
})
const waiter = workflow({
  name: 'waiter',
  run: async (ctx) => {
    const texts: string[] = []
    ctx.onQuery(seen, () => texts.length)
    for (;;) {
      const text = await ctx.waitFor(go)
      if (text === 'end') return texts.join(' ')
      texts.push(await ctx.step('note', () => text))
    }
  },
})
const WORKFLOWS = [quick, waiter, failing]

/** Real time, some days ago. */
class PastClock implements Clock {
  agoMs = AGO_DAYS * DAY_MS
  nowMs(): number {
    return systemClock.nowMs() - this.agoMs
  }
  after: Clock['after'] = (delayMs, run) => systemClock.after(delayMs, run)
  defer: Clock['defer'] = (run) => systemClock.defer(run)
}

describe('retention on PostgreSQL', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  interface Old {
    readonly url: string
    readonly name: string
    readonly day: number
    ask(sql: string, values?: readonly unknown[]): Promise<pg.QueryResultRow[]>
    /** Whether the day has partitions of its own. */
    hasDay(): Promise<boolean>
    session(): Promise<{ id: number; incarnation: string }>
  }

  /** A database with partitions of a day in the past. */
  async function oldDatabase(): Promise<Old> {
    const { url, name } = await server.createDatabase()
    await (await createPostgresStore(url)).close()
    const ask = (sql: string, values: readonly unknown[] = []) => server.query(sql, values, name)
    const today = Math.floor(Date.now() / DAY_MS)
    // The engine may start a moment before midnight.
    for (const day of [today - AGO_DAYS, today - AGO_DAYS + 1])
      for (const table of ['execution', 'journal']) {
        await ask(`create table perdure.${table}_${day} (like perdure.${table} including defaults)`)
        await ask(
          `alter table perdure.${table} attach partition perdure.${table}_${day} for values from (${day}) to (${day + 1})`,
        )
      }
    const day = today - AGO_DAYS
    return {
      url,
      name,
      day,
      ask,
      hasDay: async () =>
        (await ask('select from pg_class where relname = $1', [`journal_${day}`])).length === 1,
      session: async () => {
        const [row] = await ask('select id, incarnation from perdure.session where fenced_at is null')
        return { id: Number(row?.id), incarnation: String(row?.incarnation) }
      },
    }
  }

  const engineIn = (url: string, clock: Clock, settings: Partial<EngineSettings> = {}) =>
    assembleEngine({ store: url, workflows: WORKFLOWS, logger: silentLogger, ...settings }, { clock })

  const dropOnce = async (old: Old, store: PostgresStore) => {
    assert.ok(store.dropDays !== undefined)
    return store.dropDays(await old.session(), Date.now() - DAY_MS)
  }

  /** Drops what was closed before yesterday, until nobody is in the way. */
  async function drop(old: Old, store: PostgresStore): Promise<readonly number[]> {
    for (;;) {
      const { dropped, isBlocked } = await dropOnce(old, store)
      if (!isBlocked) return dropped
      await sleep(50)
    }
  }

  test('a day is dropped; its open executions go on, also after a restart, and ids of the others are free', async () => {
    const old = await oldDatabase()
    const clock = new PastClock()
    const dropper = await createPostgresStore(old.url)
    try {
      {
        await using engine = await engineIn(old.url, clock)
        for (let n = 0; n < 5; n++)
          assert.equal(await (await engine.start(quick, n, { id: `quick-${n}` })).result(), 2 * n)
        const waiting = await engine.start(waiter, undefined, { id: 'waits' })
        await waiting.signal(go, 'one')
        while ((await waiting.query(seen)) < 1) await sleep(5)
        const { runId } = await engine.execution(quick, 'quick-0').describe()
        clock.agoMs = 0
        const historyBefore = await waiting.history()
        assert.ok((await drop(old, dropper)).includes(old.day))
        assert.equal(await old.hasDay(), false)

        assert.deepEqual(
          (await engine.list()).executions.map(({ id }) => id),
          ['waits'],
        )
        assert.deepEqual(await waiting.history(), historyBefore)
        await assert.rejects(engine.execution(quick, 'quick-0').describe(), { code: 'EXECUTION_NOT_FOUND' })
        await assert.rejects(engine.execution(quick, 'quick-0', { runId }).describe(), {
          code: 'EXECUTION_NOT_FOUND',
        })
        assert.deepEqual(await old.ask('select workflow_id from perdure.current'), [{ workflow_id: 'waits' }])
        const again = await engine.start(quick, 21, { id: 'quick-0' })
        assert.equal(await again.result(), 42)

        await waiting.signal(go, 'two')
        while ((await waiting.query(seen)) < 2) await sleep(5)
      }
      await using engine = await engineIn(old.url, clock)
      const waiting = engine.execution(waiter, 'waits')
      await assert.rejects(engine.start(waiter, undefined, { id: 'waits', onConflict: 'fail' }), {
        code: 'EXECUTION_EXISTS',
      })
      await waiting.signal(go, 'end')
      assert.equal(await waiting.result(), 'one two')
      assert.deepEqual(await old.ask('select distinct day from perdure.journal_rest'), [{ day: old.day }])
    } finally {
      await dropper.close()
    }
  })

  test('retention of an engine drops days, and two nodes that do it at once do it once', async () => {
    const old = await oldDatabase()
    const clock = new PastClock()
    {
      await using engine = await engineIn(old.url, clock)
      for (let n = 0; n < 20; n++) await (await engine.start(quick, n)).result()
      await engine.start(waiter, undefined, { id: 'waits' })
    }
    const nodes = await Promise.all(
      [1, 2].map(() =>
        createEngine({
          store: old.url,
          cluster: {},
          workflows: WORKFLOWS,
          logger: silentLogger,
          retention: '5d',
        }),
      ),
    )
    try {
      while (await old.hasDay()) await sleep(20)
      const [node] = nodes
      assert.ok(node !== undefined)
      assert.deepEqual(
        (await node.list()).executions.map(({ id }) => id),
        ['waits'],
      )
      await node.execution(waiter, 'waits').signal(go, 'end')
      assert.equal(await node.execution(waiter, 'waits').result(), '')
    } finally {
      await Promise.all(nodes.map((node) => node.close()))
    }
  })

  test('signals that come while a day is dropped are kept, in their order', async () => {
    const old = await oldDatabase()
    const clock = new PastClock()
    const droppers = await Promise.all([1, 2].map(() => createPostgresStore(old.url)))
    try {
      await using engine = await engineIn(old.url, clock)
      const open = await Promise.all(
        Array.from({ length: 50 }, (_, n) => engine.start(waiter, undefined, { id: `waits-${n}` })),
      )
      for (let n = 0; n < 200; n++) await engine.start(quick, n)
      clock.agoMs = 0
      let sent = 0
      let isOver = false
      const sending = (async () => {
        while (!isOver) {
          const text = String(sent++)
          await Promise.all(open.map((each) => each.signal(go, text)))
        }
      })()
      // What is wrong first is told first.
      sending.catch(() => undefined)
      while (sent < 5) await sleep(1)
      await Promise.all(
        droppers.map(async (dropper) => {
          while (await old.hasDay()) await dropOnce(old, dropper)
        }),
      )
      const atDrop = sent
      while (sent < atDrop + 5) await sleep(1)
      isOver = true
      await sending
      await Promise.all(open.map((each) => each.signal(go, 'end')))
      const expected = Array.from({ length: sent }, (_, n) => n).join(' ')
      for (const each of open) assert.equal(await each.result(), expected)
      assert.equal(engine.counters.refused + engine.counters.fenced + engine.counters.unknownCommits, 0)
    } finally {
      await Promise.all(droppers.map((each) => each.close()))
    }
  })

  test('whoever is in the way, or ends it at its last moment, leaves everything as it was', async () => {
    const old = await oldDatabase()
    const clock = new PastClock()
    const dropper = await createPostgresStore(old.url)
    const reader = new pg.Client({ connectionString: old.url })
    await reader.connect()
    try {
      await using engine = await engineIn(old.url, clock)
      await (await engine.start(quick, 1, { id: 'quick' })).result()
      await engine.start(waiter, undefined, { id: 'waits' })
      clock.agoMs = 0
      const rows = () =>
        old.ask(`select (select count(*) from perdure.journal) as journal, (select count(*) from perdure.execution) as executions,
          (select count(*) from perdure.current) as currents`)
      const all = await rows()
      // A backup, say: it holds every table.
      await reader.query('begin; lock table perdure.journal in access share mode')
      assert.equal((await dropOnce(old, dropper)).isBlocked, true)
      assert.deepEqual(await rows(), all)
      assert.equal(await (await engine.start(quick, 2)).result(), 4)
      const now = await rows()
      await reader.query('commit')

      // The server process of the drop is ended before its commit: by a trigger that runs while rows are moved.
      await old.ask(`create function perdure.die() returns trigger language plpgsql as $$
        begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$`)
      await old.ask(
        'create trigger die before insert on perdure.execution_rest for each row execute function perdure.die()',
      )
      assert.equal((await dropOnce(old, dropper)).isBlocked, true)
      assert.deepEqual(await rows(), now)
      assert.equal(await old.hasDay(), true)
      await old.ask('drop trigger die on perdure.execution_rest')
      await drop(old, dropper)
      assert.equal(await old.hasDay(), false)
      await engine.execution(waiter, 'waits').signal(go, 'end')
      assert.equal(await engine.execution(waiter, 'waits').result(), '')
    } finally {
      await reader.end()
      await dropper.close()
    }
  })

  test('a run that is reopened is kept; one that is gone is not written on', async () => {
    const old = await oldDatabase()
    const clock = new PastClock()
    const dropper = await createPostgresStore(old.url)
    try {
      const ids: RunId[] = []
      {
        await using engine = await engineIn(old.url, clock)
        for (const id of ['reopened', 'gone']) {
          const handle = await engine.start(failing, undefined, { id })
          await assert.rejects(handle.result())
          ids.push((await handle.describe()).runId as RunId)
        }
      }
      {
        clock.agoMs = 0
        await using engine = await engineIn(old.url, clock, { workflows: [quick] })
        // Its code is not there: it is open, and stays so.
        await engine.execution(failing, 'reopened').retry()
        await drop(old, dropper)
        assert.deepEqual(
          (await engine.list()).executions.map(({ id }) => id),
          ['reopened'],
        )
      }
      const { session } = await dropper.register({ node: 'n', incarnation: 'i', nowMs: 0 })
      const [, gone] = ids
      assert.ok(gone !== undefined)
      const batch = batchOf(session, 1, {
        journal: [journalEntry(gone, 9)],
        executionsUpdated: [{ runId: gone, change: change('running') }],
      })
      const outcome = await dropper.commit(batch)
      assert.ok(outcome.outcome === 'refused' && outcome.reason.includes(`run ${gone} was deleted`))
      assert.equal(runDay(gone) - old.day <= 1, true)
    } finally {
      await dropper.close()
    }
  })

  test('a day with too much that must stay is left to be deleted by rows', async () => {
    const old = await oldDatabase()
    const dropper = await createPostgresStore(old.url)
    try {
      await dropper.register({ node: 'n', incarnation: 'i', nowMs: 0 })
      await old.ask(
        `insert into perdure.execution (day, run_id, namespace, workflow_id, shard, workflow, version, status, active, started_at)
         select $1::int, n::text, 'default', n::text, 0, 'waiter', '1', 'running', false, 0 from generate_series(1, 1001) as n`,
        [old.day],
      )
      const { dropped, isBlocked } = await dropOnce(old, dropper)
      assert.deepEqual([dropped.includes(old.day), isBlocked], [false, false])
      assert.equal(await old.hasDay(), true)
      const indexes = await old.ask('select from pg_class where relname = $1', [`execution_${old.day}_kept`])
      assert.equal(indexes.length, 0)
    } finally {
      await dropper.close()
    }
  })

  test('vacuum comes early to tables whose rows change or go', async () => {
    const { ask, day } = await oldDatabase()
    const today = Math.floor(Date.now() / DAY_MS)
    const settingsOf = async (table: string) =>
      (await ask('select reloptions from pg_class where oid = $1::regclass', [`perdure.${table}`]))[0]
        ?.reloptions
    for (const table of ['timer', 'task', 'outbox'])
      assert.deepEqual(await settingsOf(table), [
        'autovacuum_vacuum_scale_factor=0.01',
        'autovacuum_vacuum_threshold=5000',
      ])
    for (const table of ['execution_rest', `execution_${today + 1}`])
      assert.deepEqual(await settingsOf(table), [
        'autovacuum_vacuum_scale_factor=0.05',
        'autovacuum_vacuum_threshold=5000',
      ])
    assert.equal(await settingsOf(`journal_${day}`), null)
  })
})
