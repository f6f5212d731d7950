// Worker processes are killed at random while 5,000 tasks run.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine, silentLogger, task } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'

const TASKS = 5000
const WORKERS = 4

const spawnWorker = (url: string, ledger: string, id: string) =>
  spawn(
    process.execPath,
    [...process.execArgv, join(import.meta.dirname, 'ledger-worker.ts'), url, ledger, id],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )

const pay = task({ name: 'pay', run: (_, n: number) => n })

test('workers killed at random: each task is recorded once, and paid once by its idempotency key', async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = seededRandomness(seed)
  const folder = mkdtempSync(join(tmpdir(), 'perdure-kills-'))
  const ledger = join(folder, 'ledger')
  const workers = new Set<ChildProcess>()
  const connected = new Set<ChildProcess>()
  let started = 0
  const start = (url: string): ReturnType<typeof spawnWorker> => {
    const child = spawnWorker(url, ledger, `w${started++}`)
    workers.add(child)
    child.once('exit', () => {
      workers.delete(child)
      connected.delete(child)
    })
    child.stdout.once('data', () => connected.add(child))
    return child
  }
  try {
    await using engine = await createEngine({
      store: `sqlite:${join(folder, 'tasks.db')}`,
      logger: silentLogger,
      shutdownGrace: 0,
    })
    const { url } = await engine.listen()
    const handles = await engine.enqueueMany(
      pay,
      Array.from({ length: TASKS }, (_, i) => i),
      (n) => ({ id: `pay-${n}` }),
    )
    const crew = Array.from({ length: WORKERS }, () => start(url))
    await Promise.all(crew.map((child) => once(child.stdout, 'data')))
    let open = true
    const results = Promise.all(handles.map((handle) => handle.result())).finally(() => {
      open = false
    })
    let kills = 0
    while (open) {
      await Promise.race([pause(60 + random() * 120), results])
      if (!open) break
      // A task is with every worker in turn when there is only one at a time: it would pass for the one that kills them.
      if (connected.size < WORKERS - 1) continue
      const alive = [...connected]
      const child = alive[Math.floor(random() * alive.length)]
      if (child?.kill('SIGKILL') === true) kills += 1
      start(url)
    }
    assert.deepEqual(
      await results,
      handles.map((_, i) => i),
    )
    const lines = readFileSync(ledger, 'utf8').trimEnd().split('\n')
    const keys = new Set(lines.map((line) => line.split('\t')[0]))
    t.diagnostic(`${kills} kills, ${lines.length - TASKS} of ${TASKS} tasks ran again`)
    assert.deepEqual(keys, new Set(handles.map(({ id }) => `default/task/${id}`)))
    assert.ok(kills >= 5, `${kills} kills`)
    const { tasks } = await engine.listTasks({ status: ['completed'], limit: 1000 })
    assert.equal(tasks.length, 1000)
    assert.deepEqual((await engine.listTasks({ status: ['waiting', 'running', 'failed'] })).tasks, [])
  } finally {
    const ends = [...workers].map((child) => once(child, 'exit'))
    for (const child of workers) child.kill('SIGKILL')
    await Promise.all(ends)
    rmSync(folder, { recursive: true })
  }
})
