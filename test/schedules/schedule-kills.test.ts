// The process of an engine is killed while its schedules start executions: each time has one run.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { auditFile } from '../../src/cli/doctor/file-audit.ts'
import { createEngine, silentLogger, workflow } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { until } from '../tasks/task-fixtures.ts'

const SCHEDULES = 20
const LIVES = 6

test('killed at any moment: each time of a schedule has exactly one run, and none is left out', async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = seededRandomness(seed)
  using file = temporaryFile('schedules.db')
  for (let life = 0; life < LIVES; life++) {
    const program = join(import.meta.dirname, 'scheduling-process.ts')
    // Those of the first life stay: the others find them.
    const made = life === 0 ? SCHEDULES : 0
    const child = spawn(process.execPath, [...process.execArgv, program, file.path, String(made)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(createInterface(child.stdout), 'line')
    // Around a full second, when all of them start something.
    const toSecondMs = 1000 - (Date.now() % 1000)
    await pause((random() < 0.5 ? 0 : 1000) + toSecondMs + (random() - 0.3) * 40)
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }
  const { findings, counts } = await auditFile(file.path)
  assert.deepEqual(findings, [])
  t.diagnostic(`${counts.executions} runs before the last start`)
  const ticking = workflow({
    name: 'ticking',
    run: async (ctx, name: string) => ctx.step('tick', () => name),
  })
  await using engine = await createEngine({
    store: `sqlite:${file.path}`,
    workflows: [ticking],
    logger: silentLogger,
  })
  await pause(1100)
  for (let i = 0; i < SCHEDULES; i++) await engine.schedules.pause(`s${i}`)
  await until(async () => (await engine.list({ status: ['running'] })).executions.length === 0)
  for (let i = 0; i < SCHEDULES; i++) {
    const { executions } = await engine.list({ attributes: { scheduleId: `s${i}` }, limit: 1000 })
    const times = executions.map(({ attributes }) => Date.parse(String(attributes.scheduledTime))).toSorted()
    assert.ok(executions.every(({ status }) => status === 'completed'))
    const first = times[0] ?? 0
    assert.deepEqual(
      times,
      times.map((_, n) => first + n * 1000),
      `s${i} has a run for each second, and one only`,
    )
    const { counts: told } = await engine.schedules.describe(`s${i}`)
    assert.deepEqual([told.started, told.missed, told.skipped], [times.length, 0, 0])
    assert.ok(times.length >= LIVES, `${times.length} runs`)
  }
})
