/** Opening a store on PostgreSQL: what is refused, in words that help, and what is waited for. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, silentLogger, task } from '../../src/index.ts'
import { createPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { batchOf } from '../contract/store-rows.ts'
import { PostgresServer } from './server.ts'

describe('opening a store on PostgreSQL', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  const refused = async (url: string, code: string, message: RegExp): Promise<void> => {
    const error = await createPostgresStore(url, { openMs: 400 }).then(
      () => assert.fail('it has opened'),
      (reason: unknown) => reason as Error & { code: string },
    )
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.doesNotMatch(error.message, /secret/)
  }

  test('a URL that is none', async () => {
    await refused('postgres://', 'STORE_FAILED', /./)
    await refused('postgres://ann:secret@db:port/orders', 'STORE_INVALID', /'db:port' is no host with a port/)
    await refused(
      'postgres://ann:secret@db/orders?pooler=session',
      'STORE_INVALID',
      /pooler is 'transaction'/,
    )
    const any = 'postgres://db/orders?target_session_attrs=standby'
    await refused(any, 'STORE_INVALID', /target_session_attrs is 'read-write'/)
    await assert.rejects(createEngine({ store: 'postgres:orders' }), { code: 'STORE_INVALID' })
  })

  test('a database or a server that is not there', async () => {
    await refused(server.url('nothing'), 'STORE_FAILED', /database "nothing" does not exist/)
    const url = `postgres://ann:secret@127.0.0.1:1/orders`
    await refused(
      url,
      'STORE_FAILED',
      /cannot connect to postgres:\/\/ann@127\.0\.0\.1:1\/orders.*ECONNREFUSED/,
    )
    const two = `postgres://ann:secret@127.0.0.1:1,127.0.0.1:2/orders`
    await refused(two, 'STORE_FAILED', /127\.0\.0\.1:1: .*; 127\.0\.0\.1:2: /)
  })

  test('a setting under which acknowledged work could be lost, or isolation is another', async () => {
    const { name, url } = await server.createDatabase()
    await server.query(`alter database ${name} set synchronous_commit = off`)
    await refused(url, 'STORE_INVALID', /synchronous_commit is off.*set it to on/)
    await server.query(`alter database ${name} reset synchronous_commit`)
    await server.query(`alter database ${name} set default_transaction_isolation = 'serializable'`)
    const pooled = `${url}?pooler=transaction`
    await refused(
      pooled,
      'STORE_INVALID',
      /default_transaction_isolation must be 'read committed' for this user/,
    )
    // Without a pooler it is set for the connection.
    await (await createPostgresStore(url)).close()
  })

  test('a database of another encoding', async () => {
    await server.query("create database latin template template0 encoding 'LATIN1' locale 'C'")
    await refused(server.url('latin'), 'STORE_INVALID', /encoding of the database must be UTF8, it is LATIN1/)
  })

  test('a newer schema is refused untouched, unless it says that this program can live with it', async () => {
    const { name, url } = await server.createDatabase()
    await (await createPostgresStore(url)).close()
    await server.query("update perdure.meta set value = 99 where key = 'schema_version'", [], name)
    // Nodes of this version can live with the next steps, until one says otherwise.
    await (await createPostgresStore(url)).close()
    await server.query("update perdure.meta set value = 99 where key = 'oldest_program'", [], name)
    await refused(url, 'STORE_NEWER', /has schema version 99/)
    await server.query("delete from perdure.meta where key = 'oldest_program'", [], name)
    await refused(url, 'STORE_NEWER', /has schema version 99/)
  })

  test('nodes that open a new database at the same time make its schema once', async () => {
    const { url } = await server.createDatabase()
    const stores = await Promise.all(
      Array.from({ length: 8 }, () => createPostgresStore(url, { shards: 16 })),
    )
    assert.deepEqual(
      stores.map(({ shards }) => shards),
      Array(8).fill(16),
    )
    await Promise.all(stores.map((store) => store.close()))
    const again = await createPostgresStore(url, { shards: 32 })
    assert.equal(again.shards, 16, 'the number of shards never changes')
    await again.close()
  })

  test('a host that does not answer is passed over', async () => {
    const { url } = await server.createDatabase()
    const store = await createPostgresStore(url.replace('127.0.0.1', '127.0.0.1:1,127.0.0.1'))
    const { session } = await store.register({ node: 'host:1', incarnation: 'a', nowMs: 1 })
    assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'committed' })
    await store.close()
  })

  test('an engine is refused while another lives, and opens when that one is gone', async () => {
    const { name, url } = await server.createDatabase()
    const first = await createEngine({ store: url, logger: silentLogger })
    await assert.rejects(createEngine({ store: url, logger: silentLogger }), { code: 'STORE_LOCKED' })
    await first.close()
    await (await createEngine({ store: url, logger: silentLogger })).close()
    // A session whose node was killed: nobody has ended it, and its heartbeat stands still.
    await server.query('update perdure.session set fenced_at = null', [], name)
    await (await createEngine({ store: url, logger: silentLogger })).close()
  })

  test('of engines that open in the same moment one goes on, and nobody fences another again and again', async () => {
    const { name, url } = await server.createDatabase()
    await (await createPostgresStore(url)).close()
    const failed: Error[] = []
    const opened = await Promise.allSettled(
      Array.from({ length: 4 }, () =>
        createEngine({
          store: url,
          logger: silentLogger,
          workflows: [],
          onFailed: (error) => failed.push(error),
        }),
      ),
    )
    const engines = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    try {
      for (const each of opened)
        if (each.status === 'rejected') assert.equal((each.reason as { code: string }).code, 'STORE_LOCKED')
      // Those that were fenced find out when they commit.
      const wish = task({ name: 'wish', run: () => 1 })
      for (const engine of engines) await engine.enqueue(wish, null).catch(() => undefined)
      const living = engines.filter((engine) => !engine.isFailed)
      assert.equal(living.length, 1)
      assert.equal(failed.length, engines.length - 1)
      const sessions = await server.query('select from perdure.session where fenced_at is null', [], name)
      assert.equal(sessions.length, 1)
    } finally {
      for (const engine of engines) await engine.close()
    }
  })

  test('of stores that register in the same moment, only the last one is not fenced', async () => {
    const { name, url } = await server.createDatabase()
    const stores = await Promise.all(Array.from({ length: 6 }, () => createPostgresStore(url)))
    try {
      for (let round = 0; round < 20; round++) {
        const sessions = await Promise.all(
          stores.map((store, i) => store.register({ node: 'n', incarnation: `${round}-${i}`, nowMs: 1 })),
        )
        const newest = Math.max(...sessions.map(({ session }) => session.id))
        const left = await server.query('select id from perdure.session where fenced_at is null', [], name)
        assert.deepEqual(
          left.map(({ id }) => Number(id)),
          [newest],
        )
      }
    } finally {
      await Promise.all(stores.map((store) => store.close()))
    }
  })

  test('a server that starts at the same time is waited for', async () => {
    await using late = await PostgresServer.start()
    await late.stop()
    const opening = createPostgresStore(late.url(), { openMs: 20_000 })
    await sleep(300)
    await late.start()
    await (await opening).close()
  })
})
