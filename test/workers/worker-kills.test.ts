// Worker processes are killed at random while 5,000 tasks, and while 1,000 executions run on them.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine, silentLogger } from '../../src/index.ts'
import type { Randomness } from '../../src/platform/randomness.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import type { EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import { KilledCrew } from './killed-crew.ts'
import { orderDefinitions } from './order-definitions.ts'

const TASKS = 5000
const EXECUTIONS = 1000
const WORKERS = 4
const KILLS = 5
/** After a part of the tasks was enqueued. */
const KILL_WITHIN_MS = 40

interface Place {
  readonly engine: EmbeddedEngine
  readonly random: Randomness
  readonly crew: KilledCrew
  /** Lines of the ledger: an idempotency key and a worker each. */
  readonly lines: () => (readonly string[])[]
}

async function withKilledCrew(t: TestContext, use: (place: Place) => Promise<void>): Promise<void> {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const folder = mkdtempSync(join(tmpdir(), 'perdure-kills-'))
  const ledger = join(folder, 'ledger')
  try {
    await using engine = await createEngine({
      store: `sqlite:${join(folder, 'store.db')}`,
      logger: silentLogger,
      shutdownGrace: 0,
    })
    const { url } = await engine.listen()
    const crew = new KilledCrew('ledger-worker.ts', url, ledger)
    const lines = () =>
      readFileSync(ledger, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'))
    try {
      await use({ engine, random: seededRandomness(seed), crew, lines })
    } finally {
      await crew.end()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('tasks are recorded once, and paid once by their idempotency key', async (t) => {
  await withKilledCrew(t, async ({ engine, random, crew, lines }) => {
    const { pay } = orderDefinitions()
    const inputs = Array.from({ length: TASKS }, (_, i) => i)
    await crew.start(WORKERS)
    // However fast or slow the machine is, each kill comes while a part of the tasks is in work. And only when all workers are there
    // again: a task that three of them in a row had when they died would pass for the one that kills them.
    const part = TASKS / (KILLS + 1)
    const results: Promise<number[]>[] = []
    for (let i = 0; i <= KILLS; i++) {
      await crew.whole(WORKERS)
      const own = inputs.slice(Math.ceil(i * part), Math.ceil((i + 1) * part))
      const handles = await engine.enqueueMany(pay, own, (n) => ({ id: `pay-${n}` }))
      results.push(Promise.all(handles.map((handle) => handle.result())))
      await pause(random() * KILL_WITHIN_MS)
      crew.killOne(random)
    }
    assert.deepEqual((await Promise.all(results)).flat(), inputs)
    const keys = lines().map(([key]) => key)
    t.diagnostic(`${crew.kills} kills, ${keys.length - TASKS} of ${TASKS} tasks ran again`)
    assert.deepEqual(new Set(keys), new Set(inputs.map((n) => `default/task/pay-${n}`)))
    assert.ok(crew.kills >= KILLS, `${crew.kills} kills`)
    const { tasks } = await engine.listTasks({ status: ['completed'], limit: 1000 })
    assert.equal(tasks.length, 1000)
    assert.deepEqual((await engine.listTasks({ status: ['waiting', 'running', 'failed'] })).tasks, [])
  })
})

test('executions go on elsewhere, each step is recorded once, and nothing that was recorded runs again', async (t) => {
  await withKilledCrew(t, async ({ engine, random, crew, lines }) => {
    const { order, approve } = orderDefinitions()
    await crew.start(WORKERS)
    const handles = await Promise.all(
      Array.from({ length: EXECUTIONS }, (_, n) => engine.start(order, n, { id: `order-${n}` })),
    )
    const results = Promise.all(
      handles.map(async (handle, n) => {
        // However fast or slow the machine is, so many workers die before the executions can end.
        await crew.killed(KILLS)
        await handle.signal(approve, `by ${n}`, { requestId: 'approval' })
        return handle.result()
      }),
    )
    assert.deepEqual(
      await crew.killUntil(results, random, WORKERS - 1),
      handles.map((_, n) => ({ steps: [0, 1, 2, 3].map((i) => n + i), by: `by ${n}` })),
    )
    assert.ok(crew.kills >= KILLS, `${crew.kills} kills`)
    const counted = new Map<string, number>()
    for (const [key = ''] of lines()) counted.set(key, (counted.get(key) ?? 0) + 1)
    const again = [...counted.values()].filter((count) => count > 1).length
    t.diagnostic(`${crew.kills} kills, ${again} of ${counted.size} steps ran again`)
    assert.equal(counted.size, 4 * EXECUTIONS)
    for (const handle of handles) {
      const recorded = (await handle.history()).flatMap(({ event }) =>
        event.type === 'step-completed' ? [event.op] : [],
      )
      assert.equal(recorded.length, 4)
      assert.equal(new Set(recorded).size, 4)
    }
    assert.deepEqual((await engine.list({ status: ['running', 'parked', 'failed'] })).executions, [])
  })
})
