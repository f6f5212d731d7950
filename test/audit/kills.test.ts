/** The process is killed while it takes calls: what was acknowledged is recorded, and what is recorded was done. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqliteReader } from '../../src/store/sqlite/sqlite-reader.ts'
import { entryOf, personalOf, temporaryFolder } from './audited-engine.ts'
import { keyIn, trailOf } from './trail-of.ts'

const KILLS = 8
/** Answered before it is killed. */
const CALLS = 30
const PROGRAM = join(import.meta.dirname, 'audited-process.ts')

/** Resolves with the calls that were answered. */
async function lifeOf(file: string, key: string, life: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--conditions=perdure-source', PROGRAM, file, key, String(life)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk: string) => {
    said += chunk
  })
  while (said.split('\n').length < CALLS) await once(child.stdout, 'data')
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 100))
  child.kill('SIGKILL')
  await once(child, 'close')
  // The last line may be torn.
  return said.split('\n').slice(1, -1)
}

test(`${KILLS} SIGKILLs: a call that was answered has its row, and its change`, async (t) => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'store.db')
  const answered: string[] = []
  for (let life = 0; life < KILLS; life++) answered.push(...(await lifeOf(file, keyIn(folder.path), life)))
  const reader = openSqliteReader(file)
  try {
    const { rows, heads, report } = await trailOf(reader, keyIn(folder.path))
    t.diagnostic(
      `${answered.length} calls answered, ${rows.length} rows, ${report.chains} chains, ${heads.length} heads`,
    )
    assert.deepEqual(report.findings, [])
    assert.equal(report.chains, KILLS)
    assert.ok(heads.length > 0, 'a life signs what the one before has left')
    const recorded = new Map<string, number>()
    for (const row of rows) {
      const { action, result } = entryOf(row)
      const name = `${action} ${personalOf(row)?.resource}`
      if (result === 'changed') recorded.set(name, (recorded.get(name) ?? 0) + 1)
    }
    for (const name of answered) assert.equal(recorded.get(name), 1, name)
    assert.ok(answered.length >= KILLS * (CALLS - 2))
    // And nothing is recorded that was not done.
    for (const name of recorded.keys()) {
      const [action, id = ''] = name.split(' ')
      if (action !== 'StartExecution' && action !== 'CancelExecution') continue
      const [runId] = await reader.currents([{ namespace: 'default', workflowId: id }])
      assert.ok(runId, name)
      if (action !== 'CancelExecution') continue
      const entries = await reader.journal(runId, 0, 100)
      assert.ok(
        entries.some(({ events }) => events.includes('cancel-requested')),
        name,
      )
    }
  } finally {
    await reader.close()
  }
})
