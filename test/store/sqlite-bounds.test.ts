/** What a file keeps for its own use stays small, however long it is used. */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { batchOf, journalEntry, runIdAt } from '../contract/store-rows.ts'
import { withDirectory } from './store-directory.ts'

test('numbers of old batches go, one per earlier session stays', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path, { synchronous: 'normal' })
    for (const incarnation of ['a', 'b', 'c']) {
      const { session } = await store.register({ node: 'host:1', incarnation, nowMs: 1 })
      for (let seq = 1; seq <= 2_000; seq++) await store.commit(batchOf(session, seq))
    }
    await store.close()
    const database = new DatabaseSync(path, { readOnly: true })
    const rows = database
      .prepare('select session_id as session, count(*) as n from "commit" group by session_id')
      .all()
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [
        { session: 1, n: 1 },
        { session: 2, n: 1 },
        { session: 3, n: 1_000 },
      ],
    )
    database.close()
  }))

test('the log is copied into the file now and then, also when all batches are small', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path, { synchronous: 'normal' })
    const { session } = await store.register({ node: 'host:1', incarnation: 'i', nowMs: 1 })
    const events = 'x'.repeat(30_000)
    for (let seq = 1; seq <= 3_000; seq++) {
      const outcome = await store.commit(
        batchOf(session, seq, { journal: [journalEntry(runIdAt(seq), 1, 1, events)] }),
      )
      assert.equal(outcome.outcome, 'committed')
    }
    const logMiB = statSync(`${path}-wal`).size / 2 ** 20
    assert.ok(logMiB < 64, `the log has ${logMiB} MiB after 90 MiB of events`)
    await store.close()
  }))

test('a shard belongs to the newest session, in a new epoch', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path, { shards: 4 })
    assert.equal(store.shards, 4)
    for (const incarnation of ['a', 'b']) await store.register({ node: 'host:1', incarnation, nowMs: 1 })
    await store.close()
    const database = new DatabaseSync(path, { readOnly: true })
    const shards = database.prepare('select id, session_id, epoch from shard').all()
    assert.deepEqual(
      shards.map((row) => ({ ...row })),
      [0, 1, 2, 3].map((id) => ({ id, session_id: 2, epoch: 2 })),
    )
    database.close()
  }))
