/** Schedules over crashes, fences, lost answers, refusals and outages: no time has two runs, and none is lost. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Batch, CommitOutcome } from '../../src/store/contract/batch.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { createTestEngine, type TestEngine } from '../../src/testing.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { FAULT_KINDS, faultAt } from '../tasks/task-fixtures.ts'
import { at, engineOf, executionsOf, lingering, quick, release, START, slow } from './schedule-fixtures.ts'

const COMMITS = 14

describe('a fault at any commit', () => {
  for (const kind of FAULT_KINDS) {
    test(`${kind}: each time has one run`, async () => {
      for (let commit = 1; commit <= COMMITS; commit++) {
        await using engine = await engineOf({ faults: [faultAt(kind, commit)] })
        await engine.schedules.create('s', { every: '1m' }, { workflow: quick })
        await engine.advance('3m')
        await engine.advance(0)
        const expected = ['09:01:00', '09:02:00', '09:03:00'].map((time) => `${at(time)} completed`)
        assert.deepEqual(await executionsOf(engine), expected, `commit ${commit}`)
        const { counts } = await engine.schedules.describe('s')
        assert.deepEqual(counts, { started: 3, skipped: 0, missed: 0 }, `commit ${commit}`)
      }
    })

    test(`${kind}: what is cancelled, buffered and started stays consistent`, async () => {
      for (let commit = 1; commit <= COMMITS; commit++) {
        await using engine = await engineOf({ faults: [faultAt(kind, commit)] })
        await engine.schedules.create('s', { every: '1m' }, { workflow: lingering, overlap: 'cancel-other' })
        await engine.advance('150s')
        await engine.advance(0)
        const executions = await executionsOf(engine)
        assert.deepEqual(
          executions,
          [`${at('09:01:00')} cancelled`, `${at('09:02:00')} running`],
          `commit ${commit}`,
        )
        const { counts, running, buffered } = await engine.schedules.describe('s')
        assert.deepEqual([counts.started, counts.skipped, buffered], [2, 0, undefined], `commit ${commit}`)
        assert.deepEqual(running, [at('09:02:00')], `commit ${commit}`)
      }
    })

    test(`${kind}: a trigger is one run, a backfill too`, async () => {
      for (let commit = 1; commit <= COMMITS; commit++) {
        await using engine = await engineOf({ faults: [faultAt(kind, commit)] })
        await engine.schedules.create('s', { every: '1m' }, { workflow: quick, paused: true })
        const { workflowId, outcome } = await engine.schedules.trigger('s')
        await engine.schedules.backfill('s', Date.parse(START) - 60_000, Date.parse(START))
        // Time is some milliseconds further after a crash.
        await engine.advance('1s')
        const expected = [workflowId, at('09:00:00'), `s-2026-11-26T08:59:00.000Z`].map(
          (id) => `${id} completed`,
        )
        assert.equal(outcome, 'started')
        assert.deepEqual((await executionsOf(engine)).sort(), expected.sort(), `commit ${commit}`)
      }
    })
  }
})

describe('a restart', () => {
  for (const store of ['memory', 'sqlite'] as const) {
    test(`${store}: what waits for the end of a run still does`, async () => {
      using file = temporaryFile('store.db')
      await using engine = await engineOf({
        startTime: new Date(START),
        ...(store === 'memory' ? {} : { store: `sqlite:${file.path}` }),
      })
      await engine.schedules.create('s', { every: '1m' }, { workflow: slow, overlap: 'buffer-one' })
      await engine.advance('2m')
      await engine.restart()
      await engine.schedules.pause('s').then(() => engine.schedules.resume('s'))
      const { buffered } = await engine.schedules.describe('s')
      // The pause has left it out: the next time takes its place.
      assert.equal(buffered, undefined)
      await engine.advance('1m')
      await engine.restart()
      await engine.execution(slow, at('09:01:00')).signal(release, 'go')
      await engine.advance(0)
      assert.deepEqual(await executionsOf(engine), [
        `${at('09:01:00')} completed`,
        `${at('09:03:00')} running`,
      ])
    })
  }

  test('a run that ended while the engine was down: what waits starts at once', async () => {
    const state = new MemoryState()
    const open = (): Store => createMemoryStore(state)
    {
      await using engine = await engineOf({ store: open() })
      await engine.schedules.create('s', { every: '1m' }, { workflow: slow, overlap: 'buffer-one' })
      await engine.advance('2m')
    }
    // Ended by an engine that does not get to the schedule.
    {
      await using engine = await engineOf({
        store: open(),
        startTime: Date.parse(START) + 121_000,
        faults: [{ kind: 'store-failure', commit: 2 }],
      })
      await engine.execution(slow, at('09:01:00')).terminate()
    }
    await using engine = await engineOf({ store: open(), startTime: Date.parse(START) + 122_000 })
    await engine.advance(0)
    assert.deepEqual(await executionsOf(engine), [
      `${at('09:01:00')} terminated`,
      `${at('09:02:00')} running`,
    ])
    const { lastRun } = await engine.schedules.describe('s')
    assert.ok(lastRun !== undefined && lastRun.startedAt.getTime() >= Date.parse(START) + 122_000)
  })
})

test('what the store refuses to start pauses its schedule, and no other', async () => {
  const inner = createMemoryStore(new MemoryState())
  const refusing = new Proxy(inner, {
    get: (_, name: keyof Store) =>
      name === 'commit' ? commit : (inner[name] as ((...args: never[]) => unknown) | undefined)?.bind(inner),
  })
  const commit = async (batch: Batch): Promise<CommitOutcome> =>
    batch.executionsInserted.some(({ key }) => key.workflowId.startsWith('bad-'))
      ? { outcome: 'refused', reason: 'it does not like it' }
      : inner.commit(batch)
  await using engine = await engineOf({ store: refusing })
  await engine.schedules.create('bad', { every: '1m' }, { workflow: quick })
  await engine.schedules.create('s', { every: '1m' }, { workflow: quick })
  await engine.advance('3m')
  const times = ['09:01:00', '09:02:00', '09:03:00'].map((time) => `${at(time)} completed`)
  assert.deepEqual(await executionsOf(engine), times)
  const { paused, counts } = await engine.schedules.describe('bad')
  assert.match(paused?.reason ?? '', /it does not like it/)
  assert.equal(counts.started, 0)
})

describe('an outage', () => {
  const store = (state: MemoryState): Store => createMemoryStore(state)
  const downFor = async (ms: number, options: Parameters<TestEngine['schedules']['create']>[2]) => {
    const state = new MemoryState()
    {
      await using engine = await engineOf({ store: store(state) })
      await engine.schedules.create('s', { every: '1h' }, options)
    }
    const engine = await engineOf({ store: store(state), startTime: Date.parse(START) + ms })
    await engine.advance(0)
    return engine
  }

  test('the times of the last day are caught up, by the overlap policy', async () => {
    await using engine = await downFor(4.5 * 3_600_000, { workflow: quick, overlap: 'allow' })
    const times = ['10:00:00', '11:00:00', '12:00:00', '13:00:00']
    assert.deepEqual(
      (await executionsOf(engine)).sort(),
      times.map((time) => `${at(time)} completed`),
    )
    await engine.advance('30m')
    assert.equal((await executionsOf(engine)).length, 5)
  })

  test('with skip the first of them runs, and the others are skipped', async () => {
    await using engine = await downFor(4.5 * 3_600_000, { workflow: slow })
    assert.deepEqual(await executionsOf(engine), [`${at('10:00:00')} running`])
    assert.deepEqual((await engine.schedules.describe('s')).counts, { started: 1, skipped: 3, missed: 0 })
  })

  test('times before the catch-up window are missed', async () => {
    await using engine = await downFor(4.5 * 3_600_000, { workflow: quick, overlap: 'allow', catchUp: '2h' })
    assert.deepEqual((await executionsOf(engine)).sort(), [
      `${at('12:00:00')} completed`,
      `${at('13:00:00')} completed`,
    ])
    assert.deepEqual((await engine.schedules.describe('s')).counts, { started: 2, skipped: 0, missed: 2 })
  })

  test('a long outage with many times is caught up in parts', async () => {
    await using engine = await downFor(250.5 * 3_600_000, {
      workflow: quick,
      overlap: 'allow',
      catchUp: '30d',
    })
    assert.equal((await executionsOf(engine)).length, 250)
  })
})

describe('where clocks change', () => {
  const nightly = { cron: '0 30 2 * * *', timezone: 'Europe/Berlin' } as const
  const startsOf = async (engine: TestEngine): Promise<string[]> => {
    const { recentRuns } = await engine.schedules.describe('s')
    return recentRuns.map(({ time }) => time.toISOString()).toReversed()
  }
  const spring = ['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z']
  const autumn = ['2026-10-24T00:30:00.000Z', '2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z']

  test('a nightly run stays one a night, in spring and in autumn', async () => {
    for (const [from, times] of [
      ['2026-03-27T12:00:00Z', spring],
      ['2026-10-23T12:00:00Z', autumn],
    ] as const) {
      await using engine = await engineOf({ startTime: new Date(from) })
      await engine.schedules.create('s', nightly, { workflow: quick })
      await engine.advance('3d')
      assert.deepEqual(await startsOf(engine), times)
    }
  })

  test('so it does when an outage over the change is caught up', async () => {
    for (const [from, times] of [
      ['2026-03-27T12:00:00Z', spring],
      ['2026-10-23T12:00:00Z', autumn],
    ] as const) {
      const state = new MemoryState()
      {
        await using engine = await engineOf({ store: createMemoryStore(state), startTime: new Date(from) })
        await engine.schedules.create('s', nightly, { workflow: quick, overlap: 'allow', catchUp: '7d' })
      }
      const startTime = Date.parse(from) + 3 * 86_400_000
      await using engine = await createTestEngine({
        workflows: [quick],
        store: createMemoryStore(state),
        startTime,
      })
      await engine.advance(0)
      assert.deepEqual(await startsOf(engine), times)
    }
  })
})
