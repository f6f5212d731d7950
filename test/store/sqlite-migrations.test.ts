/** Files that older versions wrote open with all their data; files of newer versions and of others stay untouched. */
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openSqliteReader } from '../../src/store/sqlite/sqlite-reader.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { contentOf } from '../contract/store-rows.ts'
import { withDirectory } from './store-directory.ts'
import { STORE_V1 } from './store-v1-rows.ts'

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'store-v1.db')

test('a file of schema version 1 opens with all its data', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'old.db')
    copyFileSync(FIXTURE, path)
    const store = createSqliteStore(path)
    assert.deepEqual(await contentOf(store, STORE_V1.runIds, STORE_V1.keys), STORE_V1.content)
    assert.equal(store.shards, 8, 'the number of shards is that of the file')
    assert.equal(await store.hasCommitted(STORE_V1.session, 4), true)
    const { session, clockFloorMs } = await store.register({ node: 'n', incarnation: 'new', nowMs: 1 })
    assert.equal(session.id, 2)
    assert.equal(clockFloorMs, STORE_V1.clockFloorMs)
    await store.close()
  }))

test('tools read a file of schema version 1', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'old.db')
    copyFileSync(FIXTURE, path)
    const reader = openSqliteReader(path)
    assert.equal(reader.schemaVersion, 1)
    assert.deepEqual([...reader.runs()], STORE_V1.content.executions)
    assert.deepEqual(reader.integrityCheck(), [])
    await reader.close()
  }))

function changedFile(path: string, sql: string): Buffer {
  copyFileSync(FIXTURE, path)
  const database = new DatabaseSync(path)
  database.exec(`pragma journal_mode = delete; ${sql}`)
  database.close()
  return readFileSync(path)
}

test('a file of a newer schema is refused untouched', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'newer.db')
    const bytes = changedFile(path, 'pragma user_version = 1000')
    assert.throws(() => createSqliteStore(path), { code: 'STORE_NEWER', message: /schema version 1000/ })
    assert.throws(() => openSqliteReader(path), { code: 'STORE_NEWER' })
    assert.deepEqual(readFileSync(path), bytes)
  }))

test('a database of another application is refused untouched', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'other.db')
    const database = new DatabaseSync(path)
    database.exec('create table session (id integer); insert into session values (1)')
    database.close()
    const bytes = readFileSync(path)
    assert.throws(() => createSqliteStore(path), { code: 'STORE_INVALID', message: /another application/ })
    assert.throws(() => openSqliteReader(path), { code: 'STORE_INVALID' })
    assert.deepEqual(readFileSync(path), bytes)
  }))
