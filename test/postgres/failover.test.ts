/** The primary is killed and its standby is promoted, while an engine works: it finds the new primary by itself. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, silentLogger, workflow } from '../../src/index.ts'
import { UnknownCommitError } from '../../src/store/contract/store.ts'
import { createPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { Timeline } from '../../src/store/postgres/timeline.ts'
import { batchOf } from '../contract/store-rows.ts'
import { PostgresServer } from './server.ts'

const chain = workflow({
  name: 'chain',
  run: async (ctx, value: number) => {
    const first = await ctx.step('first', () => value + 1)
    await ctx.sleep(10)
    return ctx.step('second', () => first * 2)
  },
})

/** Both hosts, the primary first. */
const both = (primary: PostgresServer, standby: PostgresServer, database: string): string =>
  `postgres://postgres@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/${database}`

/** Ids that were acknowledged, and that the new primary does not have as they were. */
async function failOver({ isSynchronous }: { readonly isSynchronous: boolean }): Promise<{
  readonly lost: readonly string[]
  readonly ended: number
  readonly settled: number
}> {
  await using primary = await PostgresServer.start()
  const { name } = await primary.createDatabase()
  await using standby = await primary.startStandby('second')
  if (isSynchronous) await primary.waitForStandby('second')
  const settings = { workflows: [chain], logger: silentLogger }
  const engine = await createEngine({ store: both(primary, standby, name), ...settings })
  const acknowledged = new Set<string>()
  const ended = new Map<string, number>()
  let isOver = false
  const lane = async (number: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const id = `chain-${number}-${i}`
      try {
        const execution = await engine.start(chain, i, { id })
        acknowledged.add(id)
        ended.set(id, await execution.result())
      } catch (error) {
        // What was not recorded may be asked again; of what is lost there is no execution; nothing else may go wrong.
        const { retryable, code } = error as { retryable?: boolean; code?: string }
        const isExpected = retryable === true || (!isSynchronous && code === 'EXECUTION_NOT_FOUND')
        assert.ok(isExpected, String(error))
      }
    }
  }
  const lanes = Promise.all(Array.from({ length: 20 }, (_, number) => lane(number)))
  await sleep(300)
  if (!isSynchronous) {
    await standby.query("alter system set primary_conninfo = ''")
    await standby.query('select pg_reload_conf()')
  }
  await sleep(300)
  const before = ended.size
  await primary.stop('immediate')
  await standby.promote()
  while (ended.size < before + 200) await sleep(10)
  isOver = true
  await lanes
  assert.ok(before > 0, 'there was work before')
  const settled = engine.counters.unknownSettledIn + engine.counters.unknownSettledOut
  await engine.close()
  await checkJournals(standby, name)
  return { lost: await lostOf(standby.url(name), acknowledged, ended), ended: ended.size, settled }
}

async function lostOf(
  store: string,
  acknowledged: ReadonlySet<string>,
  ended: ReadonlyMap<string, number>,
): Promise<string[]> {
  await using engine = await createEngine({ store, workflows: [chain], logger: silentLogger })
  const lost: string[] = []
  for (const id of acknowledged) {
    const found = await engine
      .execution(chain, id)
      .describe()
      .catch(() => undefined)
    if (found === undefined) {
      lost.push(id)
      continue
    }
    const result = ended.get(id)
    if (result === undefined) continue
    assert.equal(result, (Number(id.split('-')[2]) + 1) * 2)
    if (found.status !== 'completed') lost.push(id)
    else assert.equal(await engine.execution(chain, id).result(), result)
  }
  return lost
}

/** No journal has a gap: nothing was written on top of what is lost. */
async function checkJournals(server: PostgresServer, database: string): Promise<void> {
  const gaps = await server.query(
    `select run_id, seq from (
       select run_id, seq, lag(seq + count, 1, 1) over (partition by run_id order by seq) as due from perdure.journal
     ) as entry where seq <> due`,
    [],
    database,
  )
  assert.deepEqual(gaps, [])
}

describe('a primary with a standby', () => {
  test('is killed under load, the standby is promoted: nothing acknowledged is lost', async () => {
    const { lost, ended, settled } = await failOver({ isSynchronous: true })
    assert.deepEqual(lost, [])
    assert.ok(ended > 200)
    assert.ok(settled > 0, 'a commit was under way')
  })

  test('with a standby that is behind, the check finds what is lost; what goes on is whole', async () => {
    const { lost } = await failOver({ isSynchronous: false })
    assert.ok(lost.length > 0)
  })

  test('an old primary that lives on is not asked any more, once the new one is known', async () => {
    await using primary = await PostgresServer.start()
    const { name } = await primary.createDatabase()
    await using standby = await primary.startStandby('second')
    const store = await createPostgresStore(both(primary, standby, name), { commitMs: 500 })
    try {
      const { session } = await store.register({ node: 'host:1', incarnation: 'a', nowMs: 1 })
      assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'committed' })
      for (;;) {
        const [row] = await primary.query(
          'select replay_lsn >= pg_current_wal_lsn() as is_there from pg_stat_replication',
        )
        if (row?.is_there === true) break
        await sleep(10)
      }
      await standby.promote()
      // Only the connection that fences is lost, and finds the other server.
      await primary.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'perdure control'",
      )
      await primary.query(`alter database ${name} allow_connections false`)
      await store.fence(session)
      assert.equal(await store.hasCommitted(session, 1), true)
      // The connection for batches was to the old primary, where the session is not fenced; and what it was to write was
      // built on what the old primary knew.
      for (const seq of [2, 3]) await assert.rejects(store.commit(batchOf(session, seq)), UnknownCommitError)
      const next = await store.register({ node: 'host:1', incarnation: 'b', nowMs: 1 })
      assert.deepEqual(await store.commit(batchOf(next.session, 1)), { outcome: 'committed' })
      assert.deepEqual(await store.commit(batchOf(session, 4)), { outcome: 'fenced' })
      assert.equal((await standby.query('select from perdure.commit', [], name)).length, 2)
    } finally {
      await store.close()
    }
  })

  test('an old primary that lives on, and whose commits no standby confirms, is left for the new one', async () => {
    await using primary = await PostgresServer.start()
    const { name } = await primary.createDatabase()
    await using standby = await primary.startStandby('second')
    await primary.waitForStandby('second')
    const store = await createPostgresStore(both(primary, standby, name), { commitMs: 500 })
    try {
      const { session } = await store.register({ node: 'host:1', incarnation: 'a', nowMs: 1 })
      assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'committed' })
      await standby.promote()
      await assert.rejects(store.commit(batchOf(session, 2)), UnknownCommitError)
      await store.fence(session)
      assert.equal(await store.hasCommitted(session, 1), true)
      assert.equal(await store.hasCommitted(session, 2), false)
      const { session: next } = await store.register({ node: 'host:1', incarnation: 'b', nowMs: 1 })
      assert.deepEqual(await store.commit(batchOf(next, 1)), { outcome: 'committed' })
    } finally {
      await store.close()
    }
  })

  test('timelines', () => {
    const timeline = new Timeline()
    const met: number[] = []
    timeline.onNewer((host) => met.push(host))
    timeline.admit(3, 0)
    timeline.admit(3, 0)
    assert.deepEqual(met, [])
    timeline.admit(4, 1)
    assert.deepEqual(met, [1])
    assert.throws(() => timeline.admit(3, 0), /it has been replaced: it is at timeline 3, and 4 is known/)
  })
})
