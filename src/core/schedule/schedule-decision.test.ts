import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OverlapPolicy, ScheduleSpec } from '../../protocol/schedule-port.ts'
import { decideDue, decideTrigger, type ScheduleMoment } from './schedule-decision.ts'
import {
  createdState,
  dueMs,
  pausedState,
  respecifiedState,
  resumedState,
  type ScheduleState,
  withBackfill,
} from './schedule-state.ts'
import { timesOf } from './schedule-times.ts'

const never = (): undefined => undefined

function specOf(overlap: OverlapPolicy, more: Partial<ScheduleSpec> = {}): ScheduleSpec {
  return {
    times: { kind: 'interval', everyMs: 100, offsetMs: 0 },
    overlap,
    catchUpMs: 1000,
    jitterMs: 0,
    start: { workflow: 'w', version: '1', input: null as never, idPrefix: 's' },
    ...more,
  }
}

function momentOf(
  spec: ScheduleSpec,
  nowMs: number,
  state: Partial<ScheduleState> = {},
  open: readonly string[] = state.running ?? [],
  there: readonly string[] = [],
): ScheduleMoment {
  const times = timesOf('s', spec, never)
  return {
    nowMs,
    spec,
    times,
    state: { ...createdState(times, 0), ...state },
    isOpen: (workflowId) => open.includes(workflowId),
    hasRun: (workflowId) => there.includes(workflowId),
    workflowIdOf: (timeMs) => `s-${timeMs}`,
  }
}

const idsOf = (runs: readonly { readonly workflowId: string }[]): string[] =>
  runs.map(({ workflowId }) => workflowId)

describe('what is due', () => {
  test('before its time nothing starts; at its time it starts, and the next one is planned', () => {
    const early = decideDue(momentOf(specOf('skip'), 99))
    assert.deepEqual([early.starts, early.state.nextMs], [[], 100])
    const { starts, state } = decideDue(momentOf(specOf('skip'), 100))
    assert.deepEqual(starts, [{ workflowId: 's-100', timeMs: 100, cause: 'schedule' }])
    assert.deepEqual([state.nextMs, state.running, state.counts.started], [200, ['s-100'], 1])
    assert.deepEqual(state.recent, [{ workflowId: 's-100', timeMs: 100, cause: 'schedule', startedMs: 100 }])
  })

  test('runs that have ended do not count', () => {
    const { starts, state } = decideDue(momentOf(specOf('skip'), 100, { running: ['old'] }, []))
    assert.deepEqual([idsOf(starts), state.running], [['s-100'], ['s-100']])
  })

  test('jitter moves the start, not the time', () => {
    const spec = specOf('skip', { jitterMs: 90 })
    const startMs = timesOf('s', spec, never).startMs(100)
    assert.deepEqual(decideDue(momentOf(spec, startMs - 1)).starts, [])
    assert.deepEqual(idsOf(decideDue(momentOf(spec, startMs)).starts), ['s-100'])
  })

  test('after the last time nothing is due any more', () => {
    const { starts, state } = decideDue(momentOf(specOf('skip', { endAtMs: 150 }), 400))
    assert.deepEqual([idsOf(starts), state.nextMs], [['s-100'], undefined])
    assert.equal(dueMs(state, timesOf('s', specOf('skip', { endAtMs: 150 }), never)), null)
  })
})

describe('an earlier run is open', () => {
  const open = { running: ['old'] }
  const outcomes: [
    OverlapPolicy,
    starts: string[],
    buffered: string | undefined,
    cancels: string[],
    terminates: string[],
    skipped: number,
  ][] = [
    ['skip', [], undefined, [], [], 1],
    ['buffer-one', [], 's-100', [], [], 0],
    ['allow', ['s-100'], undefined, [], [], 0],
    ['cancel-other', [], 's-100', ['old'], [], 0],
    ['terminate-other', ['s-100'], undefined, [], ['old'], 0],
  ]
  for (const [overlap, starts, buffered, cancels, terminates, skipped] of outcomes) {
    test(overlap, () => {
      const decision = decideDue(momentOf(specOf(overlap), 100, open))
      assert.deepEqual(idsOf(decision.starts), starts)
      assert.equal(decision.state.buffered?.workflowId, buffered)
      assert.deepEqual([decision.cancels, decision.terminates], [cancels, terminates])
      assert.equal(decision.state.counts.skipped, skipped)
      assert.equal(decision.state.nextMs, 200)
    })
  }

  test('of those that wait buffer-one keeps the first, cancel-other the last', () => {
    const buffered = { workflowId: 'waits', timeMs: 50, cause: 'schedule' } as const
    const first = decideDue(momentOf(specOf('buffer-one'), 100, { ...open, buffered }))
    assert.deepEqual([first.state.buffered, first.state.counts.skipped], [buffered, 1])
    const last = decideDue(momentOf(specOf('cancel-other'), 100, { ...open, buffered }))
    assert.deepEqual([last.state.buffered?.workflowId, last.state.counts.skipped], ['s-100', 1])
  })

  test('when it has ended, what waits starts, before its next time is due', () => {
    const buffered = { workflowId: 'waits', timeMs: 100, cause: 'schedule' } as const
    const { starts, state } = decideDue(
      momentOf(specOf('buffer-one'), 150, { nextMs: 200, ...open, buffered }, []),
    )
    assert.deepEqual([starts, state.buffered, state.running], [[buffered], undefined, ['waits']])
  })
})

describe('after an outage', () => {
  const caughtUp = (overlap: OverlapPolicy) => decideDue(momentOf(specOf(overlap), 350))

  test('times within the window are caught up, by the policy', () => {
    assert.deepEqual(idsOf(caughtUp('skip').starts), ['s-100'])
    assert.equal(caughtUp('skip').state.counts.skipped, 2)
    const one = caughtUp('buffer-one')
    assert.deepEqual(
      [idsOf(one.starts), one.state.buffered?.workflowId, one.state.counts.skipped],
      [['s-100'], 's-200', 1],
    )
    assert.deepEqual(idsOf(caughtUp('allow').starts), ['s-100', 's-200', 's-300'])
    for (const overlap of ['cancel-other', 'terminate-other'] as const) {
      const { starts, cancels, terminates, state } = caughtUp(overlap)
      assert.deepEqual([idsOf(starts), cancels, terminates, state.running], [['s-300'], [], [], ['s-300']])
      assert.equal(state.counts.skipped, 2)
    }
  })

  test('times before the window are missed', () => {
    const { starts, state } = decideDue(momentOf(specOf('allow', { catchUpMs: 50 }), 350))
    assert.deepEqual([idsOf(starts), state.counts], [['s-300'], { started: 1, skipped: 0, missed: 2 }])
    const none = decideDue(momentOf(specOf('allow', { catchUpMs: 0 }), 350))
    assert.deepEqual([none.starts, none.state.counts.missed, none.state.nextMs], [[], 3, 400])
    const inTime = decideDue(momentOf(specOf('allow', { catchUpMs: 0 }), 100))
    assert.deepEqual(idsOf(inTime.starts), ['s-100'])
  })

  test('of a long outage a thousand missed times are counted, and the rest is passed over', () => {
    const { state } = decideDue(momentOf(specOf('skip', { catchUpMs: 0 }), 1_000_000_050))
    assert.deepEqual([state.counts.missed, state.nextMs], [1000, 1_000_000_100])
  })

  test('a decision is bounded: the rest is due at once', () => {
    const spec = specOf('allow', { catchUpMs: 1_000_000 })
    const first = decideDue(momentOf(spec, 25_000))
    assert.deepEqual([first.starts.length, first.state.nextMs], [100, 10_100])
    const second = decideDue(momentOf(spec, 25_000, first.state, []))
    assert.equal(second.starts[0]?.workflowId, 's-10100')
    const skipping = decideDue(momentOf(specOf('skip', { catchUpMs: 1_000_000 }), 500_000))
    assert.deepEqual([skipping.starts.length, skipping.state.counts.skipped], [1, 999])
  })
})

describe('paused', () => {
  const spec = specOf('buffer-one')
  const times = timesOf('s', spec, never)

  test('nothing starts, and what waits by itself is left out', () => {
    const buffered = { workflowId: 'b', timeMs: 100, cause: 'schedule' } as const
    const paused = pausedState({ ...createdState(times, 0), buffered }, { reason: 'why', times }, 90)
    assert.deepEqual([paused.buffered, paused.counts.skipped, dueMs(paused, times)], [undefined, 1, null])
    assert.deepEqual(decideDue(momentOf(spec, 500, paused)).starts, [])
    const asked = { ...buffered, cause: 'trigger' } as const
    assert.deepEqual(
      pausedState({ ...createdState(times, 0), buffered: asked }, { reason: '', times }, 1).buffered,
      asked,
    )
  })

  test('times that pass meanwhile have no runs', () => {
    const resumed = resumedState(pausedState(createdState(times, 0), { reason: '', times }, 1), times, 450)
    assert.deepEqual([resumed.paused, resumed.nextMs], [undefined, 500])
    const running = createdState(times, 0)
    assert.equal(resumedState(running, times, 450), running)
  })

  test('a time that has come, and has not started for its jitter, is skipped, and counted so', () => {
    const jittery = timesOf('s', specOf('skip', { jitterMs: 90 }), never)
    const paused = pausedState(createdState(jittery, 0), { reason: '', times: jittery }, 101)
    assert.deepEqual([paused.nextMs, paused.counts.skipped], [200, 1])
    const again = pausedState(paused, { reason: 'other', times: jittery }, 450)
    assert.deepEqual([again.paused?.reason, again.counts.skipped], ['other', 1])
    assert.deepEqual([resumedState(again, jittery, 450).nextMs, again.counts.skipped], [500, 1])
  })

  test('triggers and backfills run', () => {
    const paused = pausedState(createdState(times, 0), { reason: '', times }, 1)
    const run = { workflowId: 't', timeMs: 450, cause: 'trigger' } as const
    assert.deepEqual(decideTrigger(momentOf(spec, 450, paused), run, 'skip').starts, [run])
    const filled = withBackfill(paused, { askedMs: 450, fromMs: 100, toMs: 300, overlap: 'allow' })
    assert.equal(dueMs(filled, times), 450)
    assert.deepEqual(idsOf(decideDue(momentOf(spec, 450, filled)).starts), ['s-100', 's-200', 's-300'])
  })
})

describe('triggers and backfills', () => {
  test('a trigger goes by the policy that it names', () => {
    const run = { workflowId: 't', timeMs: 50, cause: 'trigger' } as const
    const outcomeOf = (overlap: OverlapPolicy) =>
      decideTrigger(momentOf(specOf('skip'), 50, { running: ['old'] }), run, overlap).outcome
    assert.deepEqual(
      (['skip', 'buffer-one', 'allow', 'cancel-other', 'terminate-other'] as const).map(outcomeOf),
      ['skipped', 'buffered', 'started', 'buffered', 'started'],
    )
  })

  test('one that is skipped changes nothing: its caller is told', () => {
    const moment = momentOf(specOf('skip'), 50, { running: ['old'] })
    const run = { workflowId: 't', timeMs: 50, cause: 'trigger' } as const
    assert.deepEqual(decideTrigger(moment, run, 'skip').state, moment.state)
  })

  test('it leaves the times of the schedule as they are, also those that are due', () => {
    const run = { workflowId: 't', timeMs: 150, cause: 'trigger' } as const
    const { starts, state } = decideTrigger(momentOf(specOf('skip'), 150), run, 'skip')
    assert.deepEqual([idsOf(starts), state.nextMs], [['t'], 100])
  })

  test('a time that two backfills have starts once', () => {
    const asked = { askedMs: 7, fromMs: 100, toMs: 200, overlap: 'allow' } as const
    const twice = decideDue(momentOf(specOf('skip'), 7, { backfills: [asked, { ...asked, toMs: 300 }] }))
    assert.deepEqual(idsOf(twice.starts), ['s-100', 's-200', 's-300'])
    assert.equal(twice.state.counts.started, 3)
    const waiting = { ...asked, overlap: 'buffer-one' } as const
    const buffered = decideDue(
      momentOf(specOf('skip'), 7, { running: ['old'], backfills: [waiting, waiting] }),
    )
    assert.deepEqual([buffered.state.buffered?.workflowId, buffered.state.counts.skipped], ['s-100', 2])
  })

  test('a time whose run is there already is passed over: one that has ended holds nobody up', () => {
    const over = (overlap: OverlapPolicy, open: readonly string[] = []) => {
      const asked = { askedMs: 7, fromMs: 100, toMs: 200, overlap } as const
      return decideDue(momentOf(specOf('skip'), 7, { backfills: [asked] }, open, ['s-100']))
    }
    for (const overlap of ['skip', 'buffer-one', 'allow', 'cancel-other', 'terminate-other'] as const) {
      const { starts, state } = over(overlap)
      assert.deepEqual([idsOf(starts), state.running, state.backfills], [['s-200'], ['s-200'], []])
      assert.deepEqual(state.counts, { started: 1, skipped: 0, missed: 0 })
    }
    const { starts, state } = over('buffer-one', ['s-100'])
    assert.deepEqual([starts, state.running, state.buffered?.workflowId], [[], ['s-100'], 's-200'])
    const buffered = { workflowId: 's-100', timeMs: 100, cause: 'schedule' } as const
    const waited = decideDue(momentOf(specOf('skip'), 50, { buffered }, [], ['s-100']))
    assert.deepEqual([waited.starts, waited.state.buffered], [[], undefined])
  })

  test('a long backfill is done in parts, both its ends included', () => {
    const spec = specOf('skip', { startAtMs: 1_000_000 })
    const asked = { askedMs: 7, fromMs: 1_000_000, toMs: 1_015_000, overlap: 'allow' } as const
    const moment = momentOf(spec, 7, { backfills: [asked] })
    const first = decideDue(moment)
    assert.deepEqual([first.starts.length, first.state.backfills], [100, [{ ...asked, fromMs: 1_010_000 }]])
    const second = decideDue(momentOf(spec, 7, first.state, []))
    assert.deepEqual([second.starts.length, second.state.backfills], [51, []])
    assert.equal(second.starts.at(-1)?.timeMs, 1_015_000)
    assert.equal(second.state.recent.length, 10)
    assert.equal(second.state.running.length, 20)
  })
})

test('other times hold from now on; other options leave the next time as it is', () => {
  const before = specOf('skip')
  const timesBefore = timesOf('s', before, never)
  const state = createdState(timesBefore, 0)
  const respecified = (after: ScheduleSpec) =>
    respecifiedState(state, { before, after, timesBefore, times: timesOf('s', after, never) }, 240)
  const changed = (after: ScheduleSpec) => respecified(after).nextMs
  assert.equal(changed(specOf('allow', { jitterMs: 5 })), 100)
  assert.equal(changed(specOf('skip', { times: { kind: 'interval', everyMs: 1000, offsetMs: 0 } })), 1000)
  assert.equal(changed(specOf('skip', { endAtMs: 200 })), undefined)
  // 100 and 200 had come, and have no runs.
  assert.equal(respecified(specOf('skip', { endAtMs: 200 })).counts.skipped, 2)
  assert.equal(respecified(specOf('allow', { jitterMs: 5 })).counts.skipped, 0)
})
