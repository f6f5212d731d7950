/** What is said when the file fails under a running store: the reason once, what to do once. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { createEngine, PerdureError, silentLogger, workflow } from '../../src/index.ts'
import type { Session } from '../../src/store/contract/rows.ts'
import type { TimerPage } from '../../src/store/contract/store.ts'
import { createSqliteStore, type SqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { WriterLink } from '../../src/store/sqlite/writer-link.ts'
import { batchOf, journalEntry, runIdAt } from '../contract/store-rows.ts'
import { withDirectory } from './store-directory.ts'

function dropTable(file: string, table: string): void {
  const database = new DatabaseSync(file)
  database.exec(`pragma foreign_keys = off; drop table "${table}"`)
  database.close()
}

const messageOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => assert.fail('it must fail'),
    (error: unknown) => {
      assert.ok(error instanceof PerdureError)
      return error.message
    },
  )

async function withFailing(
  table: string | undefined,
  use: (store: SqliteStore, session: Session) => Promise<void>,
) {
  await withDirectory(async (directory) => {
    const store = createSqliteStore(join(directory, 'store.db'), { shards: 1 })
    const { session } = await store.register({ node: 'host:1', incarnation: 'i', nowMs: 1 })
    if (table !== undefined) dropTable(store.file, table)
    await use(store, session)
    await store.close()
  })
}

const told = (file: string, table: string): string =>
  `${file} failed: no such table: ${table} (SQLite result 1) (STORE_FAILED). ` +
  'Mend the disk or database named in the message and start the engine again.'

describe('a file that fails', () => {
  for (const [where, letters] of [
    ["on the caller's thread", 10],
    ['on the writer thread', 100_000],
  ] as const) {
    test(`in a commit ${where}: all calls after it hear the same`, () =>
      withFailing('journal', async (store, session) => {
        const batch = batchOf(session, 1, { journal: [journalEntry(runIdAt(0), 1, 1, 'x'.repeat(letters))] })
        const said = await messageOf(store.commit(batch))
        assert.equal(said.replace('main.', ''), told(store.file, 'journal'))
        assert.equal(await messageOf(store.commit(batchOf(session, 2))), said)
        assert.equal(await messageOf(store.outbox(1)), said)
      }))
  }

  test('in a read: all calls after it hear the same', () =>
    withFailing('outbox', async (store, session) => {
      assert.equal((await messageOf(store.outbox(1))).replace('main.', ''), told(store.file, 'outbox'))
      assert.equal(
        (await messageOf(store.commit(batchOf(session, 1)))).replace('main.', ''),
        told(store.file, 'outbox'),
      )
    }))

  test('before the writer thread can use it: the reason crosses the threads, and is told once', async () => {
    // A database in memory has no log, as a file on a file system without shared memory.
    const link = new WriterLink({ file: ':memory:', synchronous: 'full' })
    const node = { node: 'host:1', incarnation: 'i', nowMs: 1 }
    const said =
      ':memory: is on a file system without shared memory (journal mode memory) (STORE_FAILED). ' +
      'Mend the disk or database named in the message and start the engine again.'
    assert.equal(await messageOf(link.request({ kind: 'register', node })), said)
    assert.equal(link.stop(new Error('another one')).message, said)
    await link.close()
  })

  test('under an engine: onFailed and the call name the reason and its remedy once', () =>
    withDirectory(async (directory) => {
      const file = join(directory, 'store.db')
      const idle = workflow({ name: 'idle', run: async () => 'done' })
      const heard: Error[] = []
      const engine = await createEngine({
        store: `sqlite:${file}`,
        workflows: [idle],
        logger: silentLogger,
        onFailed: (error) => heard.push(error),
      })
      dropTable(file, 'journal')
      const said = await messageOf(engine.start(idle))
      assert.equal(said.split('no such table').length, 2, said)
      assert.equal(said.split('(STORE_FAILED). Mend the disk').length, 2, said)
      assert.deepEqual(
        heard.map(({ message }) => message),
        [said],
      )
      assert.match(await messageOf(engine.start(idle)), /^the engine has stopped .*see `cause`/)
      await engine.close()
    }))
})

test('a read that fails before it reaches the file fails alone', () =>
  withFailing(undefined, async (store, session) => {
    const page = { upToMs: 5, limit: 1 } as unknown as TimerPage
    assert.match(await messageOf(store.timers(page)), /undefined .*STORE_FAILED/)
    assert.deepEqual(await store.outbox(1), [])
    assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'committed' })
  }))
