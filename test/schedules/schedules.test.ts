/** Schedules on a whole engine, in skipped time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OverlapPolicy } from '../../src/index.ts'
import type { TestEngine } from '../../src/testing.ts'
import { at, engineOf, executionsOf, lingering, quick, release, slow } from './schedule-fixtures.ts'

describe('a schedule', () => {
  test('starts an execution at each of its times, and its id is the time', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { cron: '0 30 * * * *' }, { workflow: quick, input: 'x' })
    await engine.advance('29m')
    assert.deepEqual(await executionsOf(engine), [])
    await engine.advance('2h')
    assert.deepEqual(await executionsOf(engine), [
      `${at('09:30:00')} completed`,
      `${at('10:30:00')} completed`,
    ])
    assert.equal(await engine.execution(quick, at('09:30:00')).result(), 'x')
    const { executions } = await engine.list({ attributes: { scheduleId: 's' } })
    assert.deepEqual(executions[0]?.attributes, {
      scheduleId: 's',
      scheduledTime: '2026-11-26T10:30:00.000Z',
    })
    assert.deepEqual(executions[0]?.startedAt, new Date('2026-11-26T10:30:00.000Z'))
  })

  test('by an interval with an offset, within bounds', async () => {
    await using engine = await engineOf()
    const times = {
      every: '5m',
      offset: '1m',
      startAt: new Date('2026-11-26T09:04:00Z'),
      endAt: new Date('2026-11-26T09:16:00Z'),
    } as const
    await engine.schedules.create('s', times, { workflow: quick, workflowIdPrefix: 'p' })
    await engine.advance('1h')
    assert.deepEqual(await executionsOf(engine), [
      'p-2026-11-26T09:06:00.000Z completed',
      'p-2026-11-26T09:11:00.000Z completed',
    ])
    assert.equal((await engine.schedules.describe('s')).nextTime, undefined)
  })

  test('with jitter starts later, and keeps its time', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '10m' }, { workflow: quick, jitter: '5m' })
    await engine.advance('1h')
    const { recentRuns } = await engine.schedules.describe('s')
    assert.ok(recentRuns.length >= 5)
    const delays = recentRuns.map(({ time, startedAt }) => startedAt.getTime() - time.getTime())
    assert.ok(
      delays.every((delay) => delay >= 0 && delay <= 300_000),
      `${delays}`,
    )
    assert.ok(new Set(delays).size > 3, `${delays}`)
  })

  test('is described: next ten times, last runs, counts, what runs and what waits', async () => {
    await using engine = await engineOf()
    const options = { workflow: slow, overlap: 'buffer-one', attributes: { team: 'a' } } as const
    await engine.schedules.create('s', { cron: '@hourly', timezone: 'Europe/Berlin' }, options)
    await engine.advance('3h')
    const details = await engine.schedules.describe('s')
    assert.equal(details.nextTimes.length, 10)
    assert.deepEqual(details.nextTimes[0], new Date('2026-11-26T13:00:00Z'))
    assert.deepEqual(details.nextTime, details.nextTimes[0])
    assert.deepEqual(details.counts, { started: 1, skipped: 1, missed: 0 })
    assert.deepEqual(details.running, [at('10:00:00')])
    assert.equal(details.buffered?.workflowId, at('11:00:00'))
    assert.deepEqual(
      details.recentRuns.map(({ workflowId, status, cause }) => [workflowId, status, cause]),
      [[at('10:00:00'), 'running', 'schedule']],
    )
    assert.deepEqual(
      [
        details.times,
        details.workflow,
        details.overlap,
        details.catchUpMs,
        details.attributes,
        details.input,
      ],
      [
        { cron: '@hourly', timezone: 'Europe/Berlin' },
        'slow',
        'buffer-one',
        86_400_000,
        { team: 'a' },
        undefined,
      ],
    )
  })

  test('is deleted: its runs stay, and its id is free', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: slow })
    await engine.advance('1m')
    await engine.schedules.delete('s')
    await engine.advance('5m')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} running`])
    await assert.rejects(engine.schedules.describe('s'), { code: 'SCHEDULE_NOT_FOUND' })
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick })
    await engine.advance('1m')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} running`, `${at('09:07:00')} completed`])
  })

  test('whose runs retention has deleted still tells of them', async () => {
    await using engine = await engineOf({ retention: '1s' })
    await engine.schedules.create('s', { cron: '0 1 9 * * *' }, { workflow: quick })
    await engine.advance('10m')
    const { recentRuns, counts } = await engine.schedules.describe('s')
    assert.deepEqual(
      recentRuns.map(({ workflowId, status }) => [workflowId, status]),
      [[at('09:01:00'), 'deleted']],
    )
    assert.equal(counts.started, 1)
  })

  test('waits for what is parked, and its own runs may be parked', async () => {
    await using engine = await engineOf({ replayOnClose: false })
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick })
    await engine.restart({ workflows: [slow] })
    await engine.advance('2m')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} parked`])
    await engine.restart({ workflows: [quick, slow] })
    await engine.advance('1m')
    assert.deepEqual(await executionsOf(engine), [
      `${at('09:01:00')} completed`,
      `${at('09:03:00')} completed`,
    ])
  })

  test('lists, in the order of ids, page by page', async () => {
    await using engine = await engineOf()
    for (const id of ['b', 'c', 'a']) await engine.schedules.create(id, { every: '1h' }, { workflow: quick })
    const first = await engine.schedules.list({ limit: 2 })
    assert.deepEqual(
      first.schedules.map(({ id }) => id),
      ['a', 'b'],
    )
    assert.ok(first.cursor !== undefined)
    const second = await engine.schedules.list({ limit: 2, cursor: first.cursor })
    assert.deepEqual([second.schedules.map(({ id }) => id), second.cursor], [['c'], undefined])
  })
})

describe('a run that is still open', () => {
  const engineWith = async (overlap: OverlapPolicy, definition = slow): Promise<TestEngine> => {
    const engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: definition, overlap })
    await engine.advance('2m')
    return engine
  }

  test('skip: the next time is left out', async () => {
    await using engine = await engineWith('skip')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} running`])
    await engine.execution(slow, at('09:01:00')).signal(release, 'go')
    await engine.advance('1m')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} completed`, `${at('09:03:00')} running`])
  })

  test('buffer-one: the next one starts when it ends', async () => {
    await using engine = await engineWith('buffer-one')
    await engine.advance('150s')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} running`])
    await engine.execution(slow, at('09:01:00')).signal(release, 'go')
    await engine.advance(0)
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} completed`, `${at('09:02:00')} running`])
    const { counts, lastRun } = await engine.schedules.describe('s')
    assert.deepEqual(counts, { started: 2, skipped: 2, missed: 0 })
    assert.deepEqual(lastRun?.startedAt, new Date('2026-11-26T09:04:30Z'))
  })

  test('allow: both run', async () => {
    await using engine = await engineWith('allow')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} running`, `${at('09:02:00')} running`])
    assert.deepEqual((await engine.schedules.describe('s')).running, [at('09:01:00'), at('09:02:00')])
  })

  test('cancel-other: it is cancelled, and the next one starts when it has cleaned up', async () => {
    await using engine = await engineWith('cancel-other', lingering)
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} running`])
    await engine.advance('29s')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} running`])
    await engine.advance('1s')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} cancelled`, `${at('09:02:00')} running`])
  })

  test('terminate-other: it ends at once, and the next one starts in the same commit', async () => {
    await using engine = await engineWith('terminate-other')
    assert.deepEqual(await executionsOf(engine), [
      `${at('09:01:00')} terminated`,
      `${at('09:02:00')} running`,
    ])
    await assert.rejects(engine.execution(slow, at('09:01:00')).result(), /schedule s/)
  })
})
