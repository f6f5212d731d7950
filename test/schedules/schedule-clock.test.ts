/** Schedules on a real clock: timers come from the store page by page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine } from '../../src/index.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { until } from '../tasks/task-fixtures.ts'
import { quick } from './schedule-fixtures.ts'

for (const kind of ['memory', 'sqlite'] as const) {
  test(`${kind}: runs come at their times, and not early`, async () => {
    using file = temporaryFile('store.db')
    await using engine = await createEngine({
      store: kind === 'memory' ? 'memory' : `sqlite:${file.path}`,
      workflows: [quick],
    })
    await engine.schedules.create('cron', { cron: '* * * * * *' }, { workflow: quick, overlap: 'allow' })
    await engine.schedules.create(
      'interval',
      { every: '1s', offset: 500 },
      { workflow: quick, jitter: 200, overlap: 'allow' },
    )
    await engine.schedules.create(
      'later',
      { every: '1h', startAt: Date.now() + 3_600_000 },
      { workflow: quick },
    )
    const runsOf = async (id: string) => (await engine.schedules.describe(id)).recentRuns.toReversed()
    // Longer than the window of timers in memory.
    await until(async () => (await runsOf('cron')).length >= 4 && (await runsOf('interval')).length >= 4)
    for (const id of ['cron', 'interval']) {
      const runs = await runsOf(id)
      for (const [i, { time, startedAt }] of runs.entries()) {
        assert.ok(startedAt.getTime() >= time.getTime(), `${id} started early`)
        assert.equal(time.getTime(), (runs[0]?.time.getTime() ?? 0) + i * 1000)
      }
    }
    assert.deepEqual(await runsOf('later'), [])
  })
}

test('an engine closes at once, and its schedules go on in the next one', async () => {
  using file = temporaryFile('store.db')
  const open = () => createEngine({ store: `sqlite:${file.path}`, workflows: [quick] })
  {
    await using engine = await open()
    await engine.schedules.create('s', { every: '1s' }, { workflow: quick })
    const startMs = performance.now()
    await engine.close()
    assert.ok(performance.now() - startMs < 2000)
  }
  await using engine = await open()
  await until(async () => (await engine.schedules.describe('s')).counts.started >= 1)
})
