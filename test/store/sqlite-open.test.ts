/** Opening a file: one engine at a time, and a clear error for whatever cannot be opened. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { batchOf, journalEntry, rowsOfEveryKind, runIdAt } from '../contract/store-rows.ts'
import { withDirectory } from './store-directory.ts'

const nodeOf = (node: string) => ({ node, incarnation: node, nowMs: 1 })

/** A file with some data, closed. */
async function makeFile(path: string): Promise<void> {
  const store = createSqliteStore(path)
  const { session } = await store.register(nodeOf('host:1'))
  const journal = Array.from({ length: 200 }, (_, i) => journalEntry(runIdAt(i), 1, 3, 'x'.repeat(300)))
  const outcome = await store.commit(batchOf(session, 1, { journal }))
  assert.equal(outcome.outcome, 'committed')
  await store.close()
}

describe('one engine per file', () => {
  test('the second one is told who holds the file, and fences nobody', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'store.db')
      const store = createSqliteStore(path)
      assert.throws(() => createSqliteStore(path), {
        code: 'STORE_LOCKED',
        message: /an engine that is starting/,
      })
      const { session } = await store.register(nodeOf('host-a:123'))
      assert.throws(() => createSqliteStore(path), { code: 'STORE_LOCKED', message: /host-a:123/ })
      const outcome = await store.commit(batchOf(session, 1, rowsOfEveryKind(0)))
      assert.deepEqual(outcome, { outcome: 'committed' })
      await store.close()
      await createSqliteStore(path).close()
    }))

  test('another name of the file is the same file', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'store.db')
      await makeFile(path)
      mkdirSync(join(directory, 'other'))
      symlinkSync(path, join(directory, 'other', 'link.db'))
      const store = createSqliteStore(path)
      assert.throws(() => createSqliteStore(join(directory, 'other', 'link.db')), { code: 'STORE_LOCKED' })
      assert.throws(() => createSqliteStore(`${directory}/other/../store.db`), { code: 'STORE_LOCKED' })
      await store.close()
    }))

  test('a killed process leaves the file to the next one, with all that it acknowledged', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'store.db')
      const holder = spawn(process.execPath, [join(import.meta.dirname, 'holder-process.ts'), path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(holder, 'exit')
      let acknowledged = 0
      for await (const line of createInterface(holder.stdout)) {
        acknowledged = Number(line)
        if (acknowledged !== 20) continue
        assert.throws(() => createSqliteStore(path), { code: 'STORE_LOCKED', message: /holder-host/ })
        holder.kill('SIGKILL')
      }
      await exited
      assert.ok(acknowledged >= 20)
      const store = createSqliteStore(path)
      const { session } = await store.register(nodeOf('host:2'))
      assert.equal(session.id, 2)
      const runIds = Array.from({ length: acknowledged }, (_, i) => runIdAt(i + 1))
      assert.ok((await store.executions(runIds)).every((row) => row !== undefined))
      const first = { id: 1, incarnation: 'holder-host:1' }
      assert.equal(await store.hasCommitted(first, acknowledged), true)
      assert.deepEqual(await store.commit(batchOf(first, 10_000)), { outcome: 'fenced' })
      await store.close()
    }))
})

describe('an open store', () => {
  const storeUrl = new URL('../../src/store/sqlite/sqlite-store.ts', import.meta.url).href
  const register = `await store.register({ node: 'n', incarnation: 'i', nowMs: 1 })`

  for (const [title, use] of [
    ['unused', ''],
    ['used', register],
  ]) {
    test(`that is ${title} and idle does not keep its process alive`, () =>
      withDirectory((directory) => {
        const path = JSON.stringify(join(directory, 'store.db'))
        const program = `import { createSqliteStore } from '${storeUrl}'
          const store = createSqliteStore(${path}); ${use}; console.log('end')`
        const args = ['--input-type=module', '--eval', program]
        assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 }), 'end\n')
      }))
  }
})

describe('what cannot be opened', () => {
  const refused: readonly [string, (path: string) => void][] = [
    ['a text file', (path) => writeFileSync(path, 'this is no database\n'.repeat(1_000))],
    ['a few bytes', (path) => writeFileSync(path, 'x')],
    ['a file cut to half', (path) => truncateSync(path, readFileSync(path).length / 2)],
    ['a file cut within a page', (path) => truncateSync(path, readFileSync(path).length - 5_000)],
    [
      'a file with its first page overwritten',
      (path) => writeFileSync(path, readFileSync(path).fill(0xee, 100, 4_000)),
    ],
  ]
  for (const [title, damage] of refused) {
    test(`${title} is refused untouched, and leaves no lock`, () =>
      withDirectory(async (directory) => {
        const path = join(directory, 'store.db')
        await makeFile(path)
        damage(path)
        const bytes = readFileSync(path)
        for (let attempt = 1; attempt <= 2; attempt++) {
          assert.throws(() => createSqliteStore(path), { name: 'PerdureError', code: 'STORE_CORRUPT' })
        }
        assert.deepEqual(readFileSync(path), bytes)
      }))
  }

  test('damage that is found later stops the store', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'store.db')
      await makeFile(path)
      const bytes = readFileSync(path)
      writeFileSync(path, bytes.fill(0xff, bytes.indexOf('x'.repeat(300)) - 2_000, bytes.length))
      const store = createSqliteStore(path)
      const readAll = async (): Promise<void> => {
        for (let i = 0; i < 200; i++) await store.journal(runIdAt(i), 0, 10)
      }
      await assert.rejects(readAll(), { code: 'STORE_CORRUPT' })
      await assert.rejects(store.register(nodeOf('host:1')), { code: 'STORE_CORRUPT' })
      await store.close()
    }))

  test('an empty file becomes a store', () =>
    withDirectory(async (directory) => {
      const path = join(directory, 'store.db')
      writeFileSync(path, '')
      const store = createSqliteStore(path)
      assert.equal((await store.register(nodeOf('host:1'))).session.id, 1)
      await store.close()
    }))

  test('a directory that cannot be written', () =>
    withDirectory((directory) => {
      // Permissions do not bind the superuser; the system's own tree does.
      const closed = process.getuid?.() === 0 ? '/sys' : directory
      if (closed === directory) chmodSync(directory, 0o555)
      const path = join(closed, 'store.db')
      assert.throws(() => createSqliteStore(path), { code: 'STORE_READ_ONLY' })
      assert.ok(!existsSync(path))
      if (closed === directory) chmodSync(directory, 0o755)
    }))

  test('a path that is no file', () =>
    withDirectory((directory) => {
      const invalid = { code: 'STORE_INVALID' }
      assert.throws(() => createSqliteStore(join(directory, 'missing', 'store.db')), invalid)
      assert.throws(() => createSqliteStore(directory), invalid)
      assert.throws(() => createSqliteStore(''), invalid)
      assert.throws(() => createSqliteStore(':memory:'), invalid)
      assert.deepEqual(readdirSync(directory), [])
    }))
})
