import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScheduleSpec } from '../../protocol/schedule-port.ts'
import { timesOf } from './schedule-times.ts'

const never = (): undefined => undefined

function specOf(spec: Partial<ScheduleSpec> = {}): ScheduleSpec {
  return {
    times: { kind: 'interval', everyMs: 100, offsetMs: 0 },
    overlap: 'skip',
    catchUpMs: 1000,
    jitterMs: 0,
    start: { workflow: 'w', version: '1', input: { format: 0, data: null } as never, idPrefix: 's' },
    ...spec,
  }
}

test('an interval has the times that are its multiples, moved by its offset', () => {
  const { after, startMs } = timesOf('s', specOf(), never)
  assert.deepEqual([after(-1), after(0), after(99), after(100)], [0, 100, 100, 200])
  assert.equal(startMs(100), 100)
  const moved = timesOf('s', specOf({ times: { kind: 'interval', everyMs: 100, offsetMs: 30 } }), never)
  assert.deepEqual([moved.after(0), moved.after(30), moved.after(129)], [30, 130, 130])
})

test('bounds: from inclusive, to exclusive', () => {
  const { after } = timesOf('s', specOf({ startAtMs: 300, endAtMs: 500 }), never)
  assert.deepEqual(
    [after(0), after(299), after(300), after(400), after(900)],
    [300, 300, 400, undefined, undefined],
  )
})

test('an expression is asked with its time zone, from the first moment that counts', () => {
  const asked: unknown[] = []
  const spec = specOf({ times: { kind: 'cron', cron: '@daily', timezone: 'UTC' }, startAtMs: 50 })
  const { after } = timesOf('s', spec, (...args) => {
    asked.push(args)
    return 77
  })
  assert.deepEqual([after(0), after(60)], [77, 77])
  assert.deepEqual(asked, [
    ['@daily', 'UTC', 49],
    ['@daily', 'UTC', 60],
  ])
})

test('jitter is the same each time, within its limit, before the next time, and spread', () => {
  const { startMs } = timesOf('s', specOf({ jitterMs: 1_000_000 }), never)
  const delays = Array.from({ length: 1000 }, (_, i) => startMs(i * 100) - i * 100)
  assert.deepEqual(
    delays,
    Array.from(
      { length: 1000 },
      (_, i) => timesOf('s', specOf({ jitterMs: 1_000_000 }), never).startMs(i * 100) - i * 100,
    ),
  )
  assert.ok(delays.every((delay) => delay >= 0 && delay < 100))
  assert.equal(new Set(delays).size, 100)
  const short = timesOf('s', specOf({ jitterMs: 3 }), never)
  const shortDelays = new Set(Array.from({ length: 1000 }, (_, i) => short.startMs(i * 100) - i * 100))
  assert.deepEqual([...shortDelays].sort(), [0, 1, 2, 3])
  const other = timesOf('t', specOf({ jitterMs: 1_000_000 }), never)
  assert.notDeepEqual(
    delays,
    Array.from({ length: 1000 }, (_, i) => other.startMs(i * 100) - i * 100),
  )
})

test('there are no times after the year 9999, whatever the bounds are', () => {
  const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
  const asked: number[] = []
  const latest = 8.64e15
  for (const times of [
    { kind: 'interval', everyMs: 1548, offsetMs: 0 },
    { kind: 'interval', everyMs: 9e12, offsetMs: 0 },
    { kind: 'cron', cron: '@daily', timezone: 'Europe/Berlin' },
  ] as const)
    for (const startAtMs of [last + 1, latest - 1, latest]) {
      const { after } = timesOf('s', specOf({ times, startAtMs }), (_, __, afterMs) => {
        asked.push(afterMs)
        return afterMs + 1
      })
      assert.deepEqual([after(0), after(last), after(latest)], [undefined, undefined, undefined])
    }
  assert.ok(asked.every((afterMs) => afterMs < last + 1))
  const { after } = timesOf('s', specOf({ times: { kind: 'interval', everyMs: 9e12, offsetMs: 0 } }), never)
  assert.deepEqual([after(0), after(28 * 9e12)], [9e12, undefined])
})
