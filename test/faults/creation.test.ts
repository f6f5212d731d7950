/** The process is killed, or the disk is full, while a new file is made: the next start must work. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { createEngine, silentLogger } from '../../src/index.ts'
import { notRunReason, shimLibrary } from './fault-shim.ts'

const directory = mkdtempSync(join(realpathSync(tmpdir()), 'perdure-creation-'))
after(() => rmSync(directory, { recursive: true }))

/** Opening a new file takes about 25 operations on it. */
const KILL_AT = [1, 3, 5, 6, 7, 8, 9, 12, 16, 24]
const FULL_AFTER = [0, 5000, 40_000]

/** What a process says that opens the file and closes it. */
function openIn(file: string, fault: NodeJS.ProcessEnv): { readonly said: string; readonly killed: boolean } {
  const program = `
    const { createEngine } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/index.ts'))})
    await createEngine({ store: 'sqlite:' + process.argv[1], workflows: [] }).then(
      (engine) => engine.close(),
      (error) => console.log(error.message),
    )`
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program, file], {
    encoding: 'utf8',
    env: { ...process.env, LD_PRELOAD: shimLibrary(), PERDURE_SHIM_FILE: file, ...fault },
  })
  return { said: stdout, killed: signal === 'SIGKILL' }
}

async function assertOpens(file: string): Promise<void> {
  const engine = await createEngine({ store: `sqlite:${file}`, workflows: [], logger: silentLogger })
  assert.deepEqual((await engine.list()).executions, [])
  await engine.close()
}

describe('a file that was not finished', { skip: notRunReason('creation of a file') }, () => {
  for (const at of KILL_AT) {
    test(`killed at operation ${at}`, async () => {
      const file = join(directory, `killed-${at}.db`)
      assert.ok(openIn(file, { PERDURE_SHIM_KILL_AT: String(at) }).killed)
      await assertOpens(file)
    })
  }

  for (const bytes of FULL_AFTER) {
    test(`the disk was full after ${bytes} bytes`, async () => {
      const file = join(directory, `full-${bytes}.db`)
      const { said } = openIn(file, { PERDURE_SHIM_FULL_AFTER: String(bytes) })
      await assertOpens(file)
      assert.match(said, /disk is full .*STORE_FAILED.*Mend the disk/)
    })
  }
})
