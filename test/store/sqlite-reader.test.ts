/** Tools read the file of a running engine, and leave no trace. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqliteReader } from '../../src/store/sqlite/sqlite-reader.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import {
  batchOf,
  contentOf,
  executionRow,
  journalEntry,
  rowsOfEveryKind,
  runIdAt,
  SOME_KEYS,
  SOME_RUNS,
} from '../contract/store-rows.ts'
import { withDirectory } from './store-directory.ts'

const node = { node: 'host:1', incarnation: 'i', nowMs: 1 }

test('a reader sees each commit of a running engine at once, and does not disturb it', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path)
    const { session } = await store.register(node)
    const reader = openSqliteReader(path)
    for (let seq = 1; seq <= 5; seq++) {
      const outcome = await store.commit(batchOf(session, seq, rowsOfEveryKind(seq)))
      assert.deepEqual(outcome, { outcome: 'committed' })
      assert.deepEqual(
        await contentOf(reader as never, SOME_RUNS, SOME_KEYS),
        await contentOf(store, SOME_RUNS, SOME_KEYS),
      )
    }
    assert.equal([...reader.runs()].length, 5)
    await reader.close()
    await store.close()
  }))

test('all runs are read page by page, also while they are written', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path, { synchronous: 'normal' })
    const { session } = await store.register(node)
    const rows = Array.from({ length: 1_200 }, (_, i) => executionRow(runIdAt(i)))
    await store.commit(batchOf(session, 1, { executionsInserted: rows }))
    const reader = openSqliteReader(path)
    const seen = []
    for (const row of reader.runs()) {
      seen.push(row)
      if (seen.length === 1) {
        await store.commit(batchOf(session, 2, { executionsInserted: [executionRow(runIdAt(2_000))] }))
      }
    }
    assert.deepEqual(seen, [...rows, executionRow(runIdAt(2_000))])
    await reader.close()
    await store.close()
  }))

test('after a clean end there is one file, and reading it leaves it alone', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path)
    const { session } = await store.register(node)
    await store.commit(batchOf(session, 1, rowsOfEveryKind(0)))
    await store.close()
    assert.deepEqual(readdirSync(directory), ['store.db', 'store.db.lock'])
    const reader = openSqliteReader(path)
    assert.equal([...reader.runs()].length, 1)
    await reader.close()
    const again = createSqliteStore(path)
    assert.equal((await again.list({ limit: 10 })).length, 1)
    await again.close()
  }))

test('journal entries without a summary are found', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path)
    const { session } = await store.register(node)
    const journal = [journalEntry(runIdAt(1), 1), journalEntry(runIdAt(1), 2), journalEntry(runIdAt(2), 1)]
    await store.commit(batchOf(session, 1, { journal, executionsInserted: [executionRow(runIdAt(2))] }))
    await store.close()
    const reader = openSqliteReader(path)
    assert.deepEqual(reader.runsWithoutSummary(10), [runIdAt(1)])
    await reader.close()
  }))

test('a damaged page is told by the integrity check', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'store.db')
    const store = createSqliteStore(path)
    await store.register(node)
    await store.close()
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.fill(0xff, bytes.length - 20_000, bytes.length - 10_000))
    const reader = openSqliteReader(path)
    assert.notDeepEqual(reader.integrityCheck(), [])
    await reader.close()
  }))

test('what is not there is not made', () =>
  withDirectory((directory) => {
    const path = join(directory, 'none.db')
    assert.throws(() => openSqliteReader(path), { code: 'STORE_INVALID', message: /no file/ })
    assert.ok(!existsSync(path))
  }))
