/** Commits without a clear answer, made by a real server. Each is settled as the engine does it: fence, then read. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Batch } from '../../src/store/contract/batch.ts'
import type { Session } from '../../src/store/contract/rows.ts'
import { UnknownCommitError } from '../../src/store/contract/store.ts'
import {
  createPostgresStore,
  type PostgresStore,
  type PostgresStoreOptions,
} from '../../src/store/postgres/postgres-store.ts'
import { batchOf, executionRow, journalEntry, runIdAt } from '../contract/store-rows.ts'
import { PostgresServer } from './server.ts'

/** Connections of the store, and what they do. */
const COMMITTING = "application_name = 'perdure commit'"

interface Scene {
  readonly store: PostgresStore
  readonly session: Session
  readonly database: string
  /** Batch 2, which writes run 1. */
  readonly batch: Batch
}

describe('commits without a clear answer', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server[Symbol.asyncDispose]())

  const scene = async (
    run: (scene: Scene) => Promise<void>,
    options: PostgresStoreOptions = {},
  ): Promise<void> => {
    const { name, url } = await server.createDatabase()
    const store = await createPostgresStore(url, options)
    try {
      const { session } = await store.register({ node: 'host:1', incarnation: 'a', nowMs: 1 })
      assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'committed' })
      const batch = batchOf(session, 2, {
        journal: [journalEntry(runIdAt(1), 1)],
        executionsInserted: [executionRow(runIdAt(1))],
      })
      await run({ store, session, database: name, batch })
    } finally {
      await store.close()
    }
  }

  const isInStore = async ({ store, session }: Scene): Promise<boolean> => {
    await store.fence(session)
    const isIn = await store.hasCommitted(session, 2)
    const [row] = await store.executions([runIdAt(1)])
    assert.equal(row !== undefined, isIn, 'all of the batch is in, or nothing')
    assert.deepEqual(await store.commit(batchOf(session, 3)), { outcome: 'fenced' })
    return isIn
  }

  /** Runs `disturb` while the batch waits for a lock that somebody else has. */
  const whileBlocked = async (
    { store, database, batch }: Scene,
    disturb: (pid: number) => Promise<void>,
  ): Promise<unknown> => {
    const blocker = server.query(
      'begin; lock table perdure.journal in exclusive mode; select pg_sleep(1.2); commit',
      [],
      database,
    )
    await sleep(100)
    const answer = store.commit(batch).catch((error: unknown) => error)
    const pid = await waitingBackend(database)
    await disturb(pid)
    await blocker
    return answer
  }

  const waitingBackend = async (database: string): Promise<number> => {
    for (;;) {
      const [row] = await server.query(
        `select pid from pg_stat_activity where ${COMMITTING} and wait_event_type in ('Lock', 'IPC') and datname = $1`,
        [database],
      )
      if (row !== undefined) return Number(row.pid)
      await sleep(5)
    }
  }

  /**
   * Resolves when it waits in the server, past its guard: another transaction has a row of its key. `go` ends that one, and the
   * batch, and what waits for it, go on.
   */
  const blockedCommit = async ({
    store,
    session,
    database,
    batch,
  }: Scene): Promise<{ readonly answer: Promise<unknown>; go(): Promise<void> }> => {
    const row = `insert into perdure.commit (session_id, seq, at) values (${session.id}, ${batch.seq}, 0)`
    const blocker = server.query(`begin; ${row}; select pg_sleep(60)`, [], database).catch(() => undefined)
    const sleeping = "query like '%pg_sleep(60)%' and wait_event = 'PgSleep'"
    const pid = await backend(database, sleeping)
    const answer = store.commit(batch).catch((error: unknown) => error)
    await waitingBackend(database)
    const go = async (): Promise<void> => {
      await server.query('select pg_terminate_backend($1)', [pid])
      await blocker
    }
    return { answer, go }
  }

  const backend = async (database: string, which: string): Promise<number> => {
    for (;;) {
      const [row] = await server.query(
        `select pid from pg_stat_activity where ${which} and datname = $1 and pid <> pg_backend_pid()`,
        [database],
      )
      if (row !== undefined) return Number(row.pid)
      await sleep(5)
    }
  }

  const FENCE_WAITS = "application_name = 'perdure control' and wait_event_type = 'Lock'"

  test('a fence that has waited for the commit: what is read after it has all of it', () =>
    scene(async (it) => {
      const { answer, go } = await blockedCommit(it)
      const settled = isInStore(it)
      await backend(it.database, FENCE_WAITS)
      await go()
      assert.deepEqual(await answer, { outcome: 'committed' })
      assert.equal(await settled, true)
    }))

  test('a take-over that has waited for the last commit of the one before knows all of it', () =>
    scene(async (it) => {
      const atMs = 4_000_000_000_000
      const { answer, go } = await blockedCommit({ ...it, batch: { ...it.batch, atMs } })
      const next = await createPostgresStore(server.url(it.database))
      try {
        const registered = next.register({ node: 'host:2', incarnation: 'b', nowMs: 1 })
        await backend(it.database, FENCE_WAITS)
        await go()
        assert.deepEqual(await answer, { outcome: 'committed' })
        assert.equal((await registered).clockFloorMs, atMs, 'the time of that commit')
        assert.deepEqual(
          (await next.recoverable(undefined, 10)).map(({ runId }) => runId),
          [runIdAt(1)],
        )
        assert.deepEqual(await it.store.commit(batchOf(it.session, 3)), { outcome: 'fenced' })
      } finally {
        await next.close()
      }
    }))

  test('the connection is ended by the server: the batch is not in', () =>
    scene(async (it) => {
      const answer = await whileBlocked(it, async (pid) => {
        await server.query('select pg_terminate_backend($1)', [pid])
      })
      assert.ok(answer instanceof UnknownCommitError, String(answer))
      assert.equal(await isInStore(it), false)
    }))

  test('the server has crashed: the batch is not in, and the store goes on when it is back', () =>
    scene(async (it) => {
      const blocked = server
        .query('begin; lock table perdure.journal in exclusive mode; select pg_sleep(60)', [], it.database)
        .catch(() => undefined)
      await sleep(100)
      const answer = it.store.commit(it.batch).catch((error: unknown) => error)
      await waitingBackend(it.database)
      await server.stop('immediate')
      assert.ok((await answer) instanceof UnknownCommitError)
      const settled = isInStore(it)
      await sleep(300)
      await server.start()
      await blocked
      assert.equal(await settled, false)
    }))

  test('no answer in time: the fence waits for the old statement, and knows', () =>
    scene(
      async (it) => {
        const startedMs = performance.now()
        const answer = await whileBlocked(it, async () => undefined)
        assert.ok(answer instanceof UnknownCommitError, String(answer))
        assert.ok(performance.now() - startedMs > 200)
        // The server had not noticed that its client is gone: the statement has gone on, and is in.
        assert.equal(typeof (await isInStore(it)), 'boolean')
      },
      { commitMs: 200 },
    ))

  test('a stopped backend: the fence waits until it goes on, and the batch is in', () =>
    scene(
      async (it) => {
        const [row] = await server.query(
          `select pid from pg_stat_activity where ${COMMITTING} and datname = $1`,
          [it.database],
        )
        const pid = Number(row?.pid)
        process.kill(pid, 'SIGSTOP')
        const answer = await it.store.commit(it.batch).catch((error: unknown) => error)
        assert.ok(answer instanceof UnknownCommitError, String(answer))
        const settled = isInStore(it)
        await sleep(100)
        process.kill(pid, 'SIGCONT')
        // It may read what was sent, or the end of the connection first.
        assert.equal(typeof (await settled), 'boolean')
      },
      { commitMs: 200 },
    ))

  test('a statement that was cancelled is settled, not taken for an answer', () =>
    scene(async (it) => {
      const answer = await whileBlocked(it, async (pid) => {
        await server.query('select pg_cancel_backend($1)', [pid])
      })
      assert.ok(answer instanceof UnknownCommitError, String(answer))
      assert.equal(await isInStore(it), false)
    }))
})

describe('commits that wait for a standby', () => {
  test('a wait that was cancelled is answered with a warning: unknown, whatever the answer says', async () => {
    await using server = await PostgresServer.start()
    const { name, url } = await server.createDatabase()
    await using store = disposable(await createPostgresStore(url))
    const { session } = await store.register({ node: 'host:1', incarnation: 'a', nowMs: 1 })
    await setStandby(server, 'nobody')
    const answer = store.commit(batchOf(session, 1)).catch((error: unknown) => error)
    const pid = await syncRepBackend(server, name)
    await server.query('select pg_cancel_backend($1)', [pid])
    assert.ok((await answer) instanceof UnknownCommitError)
    // So is a fence: it is not over before an answer without a warning.
    let isFenced = false
    const fence = store.fence(session).then(() => {
      isFenced = true
    })
    for (let i = 0; i < 3; i++)
      await server.query('select pg_cancel_backend($1)', [await syncRepBackend(server, name)])
    assert.equal(isFenced, false)
    await setStandby(server, '')
    await fence
    assert.equal(await store.hasCommitted(session, 1), true)
  })
})

async function setStandby(server: PostgresServer, name: string): Promise<void> {
  await server.query(`alter system set synchronous_standby_names = '${name}'`)
  await server.query('select pg_reload_conf()')
  for (;;) {
    const [row] = await server.query('show synchronous_standby_names')
    if (row?.synchronous_standby_names === name) return
    await sleep(5)
  }
}

async function syncRepBackend(server: PostgresServer, database: string): Promise<number> {
  for (;;) {
    const [row] = await server.query(
      "select pid from pg_stat_activity where wait_event = 'SyncRep' and datname = $1",
      [database],
    )
    if (row !== undefined) return Number(row.pid)
    await sleep(5)
  }
}

function disposable(store: PostgresStore): PostgresStore & AsyncDisposable {
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() })
}
