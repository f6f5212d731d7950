/** Pause, trigger, backfill and changes of a schedule; and what is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ScheduleOptions, type ScheduleTimes, workflow } from '../../src/index.ts'
import { at, engineOf, executionsOf, quick, release, slow } from './schedule-fixtures.ts'

describe('pause and resume', () => {
  test('nothing starts while it is paused, and what passed meanwhile is not caught up', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick })
    await engine.advance('1m')
    await engine.schedules.pause('s', 'maintenance')
    await engine.advance('10m')
    const { paused, nextTimes } = await engine.schedules.describe('s')
    assert.deepEqual(paused, { reason: 'maintenance', at: new Date('2026-11-26T09:01:00Z') })
    assert.deepEqual(nextTimes[0], new Date('2026-11-26T09:12:00Z'))
    await engine.schedules.resume('s')
    await engine.advance('1m')
    assert.deepEqual(await executionsOf(engine), [
      `${at('09:01:00')} completed`,
      `${at('09:12:00')} completed`,
    ])
    assert.equal((await engine.schedules.describe('s')).paused, undefined)
  })

  test('a time that waits for its jitter is left out by a pause, and counted', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1h' }, { workflow: quick, jitter: '50m' })
    await engine.advance('1h')
    assert.deepEqual(await executionsOf(engine), [])
    await engine.schedules.pause('s')
    await engine.advance('1s')
    await engine.schedules.resume('s')
    const { nextTime, counts } = await engine.schedules.describe('s')
    assert.deepEqual(nextTime, new Date('2026-11-26T11:00:00Z'))
    assert.deepEqual(counts, { started: 0, skipped: 1, missed: 0 })
  })

  test('it may begin paused; resume of one that is not paused changes nothing', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick, paused: true })
    await engine.schedules.create('t', { every: '1m' }, { workflow: quick, paused: 'not yet' })
    await engine.advance('5m')
    assert.deepEqual(await executionsOf(engine), [])
    assert.equal((await engine.schedules.describe('t')).paused?.reason, 'not yet')
    await engine.schedules.resume('s')
    await engine.advance('30s')
    await engine.schedules.resume('s')
    await engine.advance('30s')
    assert.deepEqual(await executionsOf(engine), [`${at('09:06:00')} completed`])
  })

  test('a run that waits is left out', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: slow, overlap: 'buffer-one' })
    await engine.advance('2m')
    await engine.schedules.pause('s')
    await engine.execution(slow, at('09:01:00')).signal(release, 'go')
    await engine.advance('5m')
    assert.deepEqual(await executionsOf(engine), [`${at('09:01:00')} completed`])
    const { counts, buffered } = await engine.schedules.describe('s')
    assert.deepEqual([counts.skipped, buffered], [1, undefined])
  })
})

describe('trigger', () => {
  test('starts a run now, also while it is paused, with an id of its own', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1h' }, { workflow: quick, input: 'x', paused: true })
    const first = await engine.schedules.trigger('s')
    const second = await engine.schedules.trigger('s')
    assert.deepEqual([first.outcome, second.outcome], ['started', 'started'])
    assert.match(first.workflowId, /^s-trigger-[0-9A-Z]{26}$/)
    assert.notEqual(first.workflowId, second.workflowId)
    assert.equal(await engine.execution(quick, first.workflowId).result(), 'x')
    const { recentRuns, counts } = await engine.schedules.describe('s')
    assert.deepEqual(
      recentRuns.map(({ cause }) => cause),
      ['trigger', 'trigger'],
    )
    assert.equal(counts.started, 2)
  })

  test('goes by the overlap policy of the schedule, or by its own', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1h' }, { workflow: slow })
    const first = await engine.schedules.trigger('s')
    assert.equal((await engine.schedules.trigger('s')).outcome, 'skipped')
    assert.equal((await engine.schedules.trigger('s', { overlap: 'allow' })).outcome, 'started')
    const buffered = await engine.schedules.trigger('s', { overlap: 'buffer-one' })
    assert.equal(buffered.outcome, 'buffered')
    const last = await engine.schedules.trigger('s', { overlap: 'terminate-other' })
    assert.equal(last.outcome, 'started')
    assert.equal((await engine.execution(slow, first.workflowId).describe()).status, 'terminated')
    await engine.execution(slow, last.workflowId).signal(release, 'go')
    await engine.advance(0)
    assert.equal((await engine.execution(slow, buffered.workflowId).describe()).status, 'running')
  })
})

describe('backfill', () => {
  test('runs the times of the past, both ends included, each once', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { cron: '*/10 * * * *' }, { workflow: quick, paused: true })
    const range = [new Date('2026-11-26T08:00:00Z'), new Date('2026-11-26T08:30:00Z')] as const
    await engine.schedules.backfill('s', ...range)
    await engine.advance(0)
    const expected = ['08:00:00', '08:10:00', '08:20:00', '08:30:00'].map((time) => `${at(time)} completed`)
    assert.deepEqual((await executionsOf(engine)).sort(), expected)
    await engine.schedules.backfill('s', ...range)
    await engine.advance(0)
    assert.equal((await executionsOf(engine)).length, 4)
    const { counts, backfills } = await engine.schedules.describe('s')
    assert.deepEqual([counts.started, backfills], [4, []])
  })

  test('a long one is done in parts', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick, paused: true })
    await engine.schedules.backfill(
      's',
      Date.parse('2026-11-26T00:00:00Z'),
      Date.parse('2026-11-26T04:59:00Z'),
    )
    await engine.advance(0)
    assert.equal((await executionsOf(engine)).length, 300)
  })

  test('goes by the overlap policy that it names', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: slow, paused: true })
    const from = Date.parse('2026-11-26T08:00:00Z')
    await engine.schedules.backfill('s', from, from + 180_000, { overlap: 'buffer-one' })
    await engine.advance(0)
    assert.deepEqual(await executionsOf(engine), [`${at('08:00:00')} running`])
    const { buffered, counts } = await engine.schedules.describe('s')
    assert.deepEqual([buffered?.workflowId, counts.skipped], [at('08:01:00'), 2])
  })
})

describe('backfill of the future', () => {
  test('is refused: no run starts before its time', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick, paused: true })
    const now = Date.parse('2026-11-26T09:00:00Z')
    await assert.rejects(engine.schedules.backfill('s', now - 60_000, now + 1), {
      code: 'ARGUMENT_INVALID',
      message: /to is 2026-11-26T09:00:00.001Z, which is in the future; no run starts before its time/,
    })
    await engine.schedules.backfill('s', now - 60_000, now)
    await engine.advance(0)
    assert.equal((await executionsOf(engine)).length, 2)
    await assert.rejects(engine.schedules.backfill('s', '2026-11-26' as never, now), {
      code: 'ARGUMENT_INVALID',
      message: /from is not a valid time: give a Date, or milliseconds since 1970/,
    })
  })
})

describe('changes', () => {
  test('other times hold from now on; what is not given stays', async () => {
    await using engine = await engineOf()
    await engine.schedules.create(
      's',
      { every: '1m', endAt: new Date('2027-01-01') },
      { workflow: quick, input: 'x', overlap: 'allow' },
    )
    await engine.advance('1m')
    await engine.schedules.update('s', { times: { cron: '0 30 * * * *' }, executionTimeout: '1h' })
    await engine.advance('1h')
    assert.deepEqual(await executionsOf(engine), [
      `${at('09:01:00')} completed`,
      `${at('09:30:00')} completed`,
    ])
    const { overlap, input, executionTimeoutMs, endAt, times } = await engine.schedules.describe('s')
    assert.deepEqual(
      [overlap, input, executionTimeoutMs, endAt, times],
      ['allow', 'x', 3_600_000, undefined, { cron: '0 30 * * * *', timezone: 'UTC' }],
    )
    assert.equal(await engine.execution(quick, at('09:30:00')).result(), 'x')
  })

  test('another workflow, with its input or without', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick, input: 'x' })
    await engine.schedules.update('s', { workflow: slow })
    assert.deepEqual(
      await engine.schedules.describe('s').then(({ workflow: name, input }) => [name, input]),
      ['slow', 'x'],
    )
    await engine.schedules.update('s', { workflow: quick, input: 'y' })
    await engine.advance('1m')
    assert.equal(await engine.execution(quick, at('09:01:00')).result(), 'y')
  })

  test('create again: refused, or an update that keeps its runs and its pause', async () => {
    await using engine = await engineOf()
    await engine.schedules.create('s', { every: '1m' }, { workflow: quick })
    await assert.rejects(engine.schedules.create('s', { every: '1m' }, { workflow: quick }), {
      code: 'SCHEDULE_EXISTS',
    })
    await engine.advance('1m')
    await engine.schedules.pause('s', 'why')
    await engine.schedules.create(
      's',
      { every: '1m' },
      { workflow: quick, input: 'new', onConflict: 'update' },
    )
    const { paused, input, counts } = await engine.schedules.describe('s')
    assert.deepEqual([paused?.reason, input, counts.started], ['why', 'new', 1])
  })

  test('calls about one that does not exist', async () => {
    await using engine = await engineOf()
    const missing = { code: 'SCHEDULE_NOT_FOUND', message: /there is no schedule s in namespace default/ }
    const { schedules } = engine
    const calls: (() => Promise<unknown>)[] = [
      () => schedules.describe('s'),
      () => schedules.update('s', { overlap: 'skip' }),
      () => schedules.pause('s'),
      () => schedules.resume('s'),
      () => schedules.trigger('s'),
      () => schedules.backfill('s', 0, 1),
      () => schedules.delete('s'),
    ]
    for (const call of calls) await assert.rejects(call, missing)
  })
})

describe('what is refused', () => {
  const unknown = workflow({ name: 'unknown', run: async () => 1 })
  const cases: [what: string, times: unknown, options: unknown, message: RegExp][] = [
    [
      'an option that does not exist',
      { every: '1m' },
      { workflow: quick, overlaps: 'skip' },
      /has no option 'overlaps'/,
    ],
    [
      'a name of times that does not exist',
      { every: '1m', ofset: 1 },
      { workflow: quick },
      /has no option 'ofset'/,
    ],
    [
      'a zone of an interval',
      { every: '1m', timezone: 'UTC' },
      { workflow: quick },
      /has no option 'timezone'/,
    ],
    ['no times', {}, { workflow: quick }, /neither \{ cron \} nor \{ every \}/],
    ['times that are no object', 'daily', { workflow: quick }, /neither \{ cron \} nor \{ every \}/],
    ['an expression that is none', { cron: '* *' }, { workflow: quick }, /not a cron expression/],
    [
      'a time zone that is none',
      { cron: '@daily', timezone: 'Mars' },
      { workflow: quick },
      /not a time zone/,
    ],
    ['an interval below a second', { every: 999 }, { workflow: quick }, /less than 1 second/],
    [
      'an offset as long as the interval',
      { every: '1m', offset: '1m' },
      { workflow: quick },
      /not less than every/,
    ],
    [
      'bounds in the wrong order',
      { every: '1m', startAt: 2, endAt: 1 },
      { workflow: quick },
      /startAt is not before endAt/,
    ],
    [
      'a bound that is no time',
      { every: '1m', endAt: new Date('x') },
      { workflow: quick },
      /endAt is not a valid time/,
    ],
    [
      'a policy that is none',
      { every: '1m' },
      { workflow: quick, overlap: 'queue' },
      /overlap is "queue", not one of skip, buffer-one/,
    ],
    ['no workflow', { every: '1m' }, {}, /is not a workflow that workflow\(\) made/],
    [
      'a workflow without code',
      { every: '1m' },
      { workflow: unknown },
      /unknown version 1 is not registered/,
    ],
    [
      'a prefix that leaves no room',
      { every: '1m' },
      { workflow: quick, workflowIdPrefix: 'x'.repeat(2000) },
      /longer than/,
    ],
    [
      'a catch-up window that is too short',
      { every: '1m' },
      { workflow: quick, catchUp: '9s' },
      /less than 10 seconds/,
    ],
    [
      'a conflict policy that is none',
      { every: '1m' },
      { workflow: quick, onConflict: 'x' },
      /onConflict is "x"/,
    ],
    [
      'a catch-up window that is none',
      { every: '1m' },
      { workflow: quick, catchUp: 'long' },
      /is not a duration/,
    ],
  ]

  test('at create, before anything is recorded', async () => {
    await using engine = await engineOf()
    for (const [what, times, options, message] of cases) {
      const call = (): Promise<void> =>
        engine.schedules.create('s', times as ScheduleTimes, options as ScheduleOptions<typeof quick>)
      await assert.rejects(call, { message }, what)
    }
    await assert.rejects(engine.schedules.create('', { every: '1m' }, { workflow: quick }), {
      code: 'ID_INVALID',
    })
    assert.deepEqual((await engine.schedules.list()).schedules, [])
    assert.equal(engine.commits, 0)
  })

  test('at other calls', async () => {
    await using engine = await engineOf()
    const { schedules } = engine
    await schedules.create('s', { every: '1m' }, { workflow: quick })
    const refused = (call: Promise<unknown>, message: RegExp): Promise<void> =>
      assert.rejects(call, { code: 'ARGUMENT_INVALID', message })
    await refused(schedules.update('s', { input: 'x' }), /an input without its workflow/)
    await refused(schedules.update('s', { paused: true } as never), /has no option 'paused'/)
    await refused(schedules.backfill('s', 2, 1), /from is after to/)
    await refused(schedules.backfill('s', Number.NaN, 1), /from is not a valid time/)
    await refused(schedules.trigger('s', { policy: 'allow' } as never), /has no option 'policy'/)
    await refused(schedules.trigger('s', { overlap: 'x' as 'skip' }), /not one of/)
    await refused(schedules.list({ limit: 0 }), /not a whole number/)
    await refused(schedules.pause('s', 7 as never), /not a string/)
  })
})

describe('a backfill over times that have their runs', () => {
  const day = (time: string): Date => new Date(`2026-11-${time}:00:00Z`)
  const noon = { cron: '0 0 12 * * *' } as const

  for (const overlap of ['buffer-one', 'skip', 'allow'] as const)
    test(`${overlap}: what follows a run that has ended starts at once, and those that are there count once`, async () => {
      await using engine = await engineOf()
      const { schedules } = engine
      await schedules.create('s', noon, { workflow: quick, paused: true })
      await schedules.backfill('s', day('20T00'), day('20T23'), { overlap })
      await engine.advance('1s')
      await schedules.backfill('s', day('20T00'), day('21T23'), { overlap })
      await engine.advance('1s')
      assert.deepEqual(await executionsOf(engine), [
        's-2026-11-20T12:00:00.000Z completed',
        's-2026-11-21T12:00:00.000Z completed',
      ])
      const { counts, buffered, recentRuns } = await schedules.describe('s')
      assert.deepEqual([counts, buffered], [{ started: 2, skipped: 0, missed: 0 }, undefined])
      assert.equal(recentRuns.length, 2)
    })

  test('buffer-one: what follows a run that is open waits for its end', async () => {
    await using engine = await engineOf()
    const { schedules } = engine
    await schedules.create('s', noon, { workflow: slow, paused: true })
    await schedules.backfill('s', day('20T00'), day('20T23'))
    await engine.advance('1s')
    await schedules.backfill('s', day('20T00'), day('21T23'), { overlap: 'buffer-one' })
    await engine.advance('1s')
    const first = 's-2026-11-20T12:00:00.000Z'
    assert.deepEqual(await executionsOf(engine), [`${first} running`])
    await engine.execution(slow, first).signal(release, 'go')
    await engine.advance('1s')
    assert.deepEqual(await executionsOf(engine), [`${first} completed`, 's-2026-11-21T12:00:00.000Z running'])
  })
})
