/** A commit that is acknowledged is on the disk; a disk that fails stops the store. Proven on the calls to the system. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { before, describe, test } from 'node:test'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { runIdAt } from '../contract/store-rows.ts'
import { buildDiskShim, shimObstacle } from './disk-shim.ts'
import { withDirectory } from './store-directory.ts'

const obstacle = shimObstacle()
if (obstacle !== undefined) console.log(`NOT RUN: durability of the SQLite store, because ${obstacle}`)

interface Report {
  readonly commits: number
  readonly syncs: number
  readonly failed: string
  readonly after: readonly string[]
}

/** Few rows are written by the caller, more by the writer thread: both must hold. */
const BATCHES = [
  { title: 'small batches', runs: 1 },
  { title: 'large batches', runs: 20 },
] as const

interface Run {
  readonly mode: 'count' | 'fail-sync' | 'fail-write'
  readonly runs: number
  readonly synchronous?: 'full' | 'normal'
}

function runWithShim(directory: string, { mode, runs, synchronous = 'full' }: Run): Report {
  const { control, env } = buildDiskShim(directory, 'store.db')
  const program = join(import.meta.dirname, 'durability-process.ts')
  const args = [program, join(directory, 'store.db'), control, mode, synchronous, String(runs)]
  return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }))
}

/** Every acknowledged commit is there, and the store can be used again. */
async function assertAllCommitted(directory: string, runs: number): Promise<void> {
  const store = createSqliteStore(join(directory, 'store.db'))
  const runIds = Array.from({ length: runs }, (_, i) => runIdAt(i))
  assert.ok((await store.executions(runIds)).every((row) => row !== undefined))
  await store.register({ node: 'host:2', incarnation: 'next', nowMs: 1 })
  await store.close()
}

function describeDurability(runs: number): void {
  let full: Report

  before(async () => {
    full = await withDirectory((directory) => runWithShim(directory, { mode: 'count', runs }))
  })

  test('every commit is synced to the disk', () => {
    assert.ok(full.syncs >= full.commits, `${full.syncs} syncs for ${full.commits} commits`)
    assert.ok(
      full.syncs <= full.commits * 1.5,
      `${full.syncs} syncs for ${full.commits} commits are too many`,
    )
  })

  test('the count tells: without `synchronous = full` there are far fewer', () =>
    withDirectory((directory) => {
      const normal = runWithShim(directory, { mode: 'count', runs, synchronous: 'normal' })
      assert.ok(normal.syncs < full.syncs / 10, `${normal.syncs} against ${full.syncs}`)
    }))

  for (const [mode, fault] of [
    ['fail-sync', 'a sync that fails'],
    ['fail-write', 'a full disk'],
  ] as const) {
    test(`${fault} stops the store, and no acknowledged commit is lost`, () =>
      withDirectory(async (directory) => {
        const report = runWithShim(directory, { mode, runs })
        assert.match(report.failed, /store\.db failed: .* \(SQLite result \d+\) \(STORE_FAILED\)\. [^(]+$/)
        assert.deepEqual(report.after, Array(4).fill(report.failed))
        await assertAllCommitted(directory, report.commits * runs)
      }))
  }
}

if (obstacle === undefined) {
  describe('durability of the SQLite store', () => {
    for (const { title, runs } of BATCHES) describe(title, () => describeDurability(runs))
  })
}
