/** Schedules from another process: the same calls over a socket. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, createEngine, silentLogger, workflow } from '../../src/index.ts'
import { quick } from './schedule-fixtures.ts'

test('a client that is connected has all calls, and is refused as an embedded one', async () => {
  await using engine = await createEngine({ store: 'memory', workflows: [quick], logger: silentLogger })
  const { url } = await engine.listen()
  await using client = await connect(url, { logger: silentLogger })
  const { schedules } = client
  const times = { cron: '@daily', timezone: 'Europe/Berlin', endAt: new Date('2100-01-01') } as const
  await schedules.create('s', times, { workflow: quick, input: 'x', attributes: { team: 'a' } })
  await assert.rejects(schedules.create('s', times, { workflow: quick }), { code: 'SCHEDULE_EXISTS' })
  const { workflowId, outcome } = await schedules.trigger('s', { overlap: 'allow' })
  assert.equal(outcome, 'started')
  assert.equal(await client.execution(quick, workflowId).result(), 'x')
  await schedules.pause('s', 'why')
  const from = Date.parse('2026-01-01T23:00:00Z')
  await schedules.backfill('s', from, from)
  assert.equal((await schedules.describe('s')).paused?.reason, 'why')
  await schedules.resume('s')
  await schedules.update('s', { times: { every: '1h', offset: '5m' }, jitter: 7 })
  const [mine, theirs] = [await schedules.describe('s'), await engine.schedules.describe('s')]
  assert.deepEqual(mine, theirs)
  assert.deepEqual(
    [mine.times, mine.endAt, mine.jitterMs],
    [{ every: 3_600_000, offset: 300_000 }, undefined, 7],
  )
  assert.equal((await schedules.list()).schedules.length, 1)
  const unknown = workflow({ name: 'unknown', run: async () => 1 })
  await assert.rejects(schedules.update('s', { workflow: unknown }), { code: 'WORKFLOW_UNKNOWN' })
  await assert.rejects(schedules.create('t', times, { workflow: unknown }), { code: 'WORKFLOW_UNKNOWN' })
  await schedules.delete('s')
  await assert.rejects(schedules.describe('s'), { code: 'SCHEDULE_NOT_FOUND' })
})
