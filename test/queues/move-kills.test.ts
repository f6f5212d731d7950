// The process of an engine is killed while it moves what waits.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine, silentLogger, task } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { until } from '../tasks/task-fixtures.ts'

const TASKS = 12_000
const LIVES = 6

test('killed in the middle of moves: no task is lost, and the last change that was answered counts', async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = seededRandomness(seed)
  using file = temporaryFile('kills.db')
  const ledger = `${file.path}.ledger`
  const noted = task({ name: 'noted', run: (_, n: number) => n })
  const settings = { store: `sqlite:${file.path}`, logger: silentLogger } as const
  const before = await createEngine(settings)
  const inputs = Array.from({ length: TASKS }, (_, n) => n)
  await before.enqueueMany(noted, inputs, (n) => ({
    key: `k${n % 7}`,
    priority: n % 10,
    estimateMs: n % 100,
  }))
  await before.close()
  let last = 0
  let inTheMiddle = 0
  for (let life = 0; life < LIVES; life++) {
    const child = spawn(
      process.execPath,
      [
        ...process.execArgv,
        join(import.meta.dirname, 'moving-process.ts'),
        file.path,
        ledger,
        `${seed + life}`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const closed = once(child, 'close')
    for await (const line of createInterface(child.stdout)) {
      const [word, revision] = line.split(' ')
      const kill = (): boolean => child.kill('SIGKILL')
      // Every other life ends soon after a change: in the middle of its move. The others end when tasks run.
      if (life % 2 === 0) {
        if (word === 'answered') void pause(random() * 100).then(kill)
      } else if (word === 'ran') void pause(random() * 600).then(kill)
      if (revision !== undefined) last = Number(revision)
    }
    await closed
    const store = createSqliteStore(file.path)
    const policies = new Set((await store.lanes()).map(({ lane }) => lane.split('\n')[0]))
    if (policies.size > 1) inTheMiddle += 1
    await store.close()
  }
  t.diagnostic(
    `${inTheMiddle} of ${LIVES} lives ended in the middle of a move, ${last} changes were answered`,
  )
  assert.ok(inTheMiddle > 0, 'no life ended in the middle of a move')
  await using engine = await createEngine({ ...settings, tasks: [noted] })
  const { revision } = await engine.queues.get('default')
  // One may have been made, and not answered.
  assert.ok(revision === last || revision === last + 1, `revision ${revision} after ${last}`)
  await until(async () => (await engine.queues.get('default')).waiting === 0)
  // Lists say what is durable.
  await until(() => engine.isQuiet)
  let completed = 0
  let cursor: string | undefined
  do {
    const page = await engine.listTasks({ status: ['completed'], limit: 1000, ...(cursor && { cursor }) })
    completed += page.tasks.length
    cursor = page.cursor
  } while (cursor !== undefined)
  assert.equal(completed, TASKS)
  const calls = readFileSync(ledger, 'utf8').trimEnd().split('\n').length
  t.diagnostic(`${calls} calls in the lives that were killed`)
})
