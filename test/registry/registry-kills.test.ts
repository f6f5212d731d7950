/** An engine on a file is killed while it changes an administrative object: what it has said is there, and at most one change more. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { auditFile } from '../../src/cli/doctor/file-audit.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'

const KILLS = 5
const PROGRAM = join(import.meta.dirname, 'registry-process.ts')

interface Life {
  readonly opened: number
  readonly done: number
}

/** From its start until it is killed. */
async function live(path: string, killAfterMs: number): Promise<Life> {
  const child = fork(PROGRAM, [`sqlite:${path}`], { execArgv: ['--conditions=perdure-source'] })
  const exit = once(child, 'exit')
  let opened: number | undefined
  let done = 0
  child.on('message', (message: { readonly opened?: number; readonly done?: number }) => {
    opened ??= message.opened
    done = message.done ?? done
  })
  const ended = exit.then(() => {
    throw new Error('the engine has ended by itself')
  })
  ended.catch(() => {})
  while (done === 0) await Promise.race([sleep(5), ended])
  await Promise.race([sleep(killAfterMs), ended])
  child.kill('SIGKILL')
  await exit
  return { opened: opened ?? Number.NaN, done }
}

test('an engine that is killed between a change and its answer', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-registry-'))
  const path = join(directory, 'store.db')
  try {
    let known = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const { opened, done } = await live(path, 30 + 17 * kill)
      assert.ok(opened === known || opened === known + 1, `${opened} after ${known} was acknowledged`)
      assert.ok(done > opened)
      known = done
    }
    const store = createSqliteStore(path)
    const [row, ...others] = await store.registryRows({ limit: 10 })
    assert.deepEqual(others, [])
    assert.ok(row?.revision === known || row?.revision === known + 1)
    assert.equal(row.body, `{"after":${row.revision - 1}}`)
    assert.deepEqual(await store.registryMark(), {
      count: 1,
      revisions: row.revision,
      changedMs: row.changedMs,
    })
    await store.close()
    assert.deepEqual((await auditFile(path)).findings, [])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
