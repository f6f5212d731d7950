import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Duration, durationMs, optionalMs } from './duration.ts'

test('a number is milliseconds; a string is a number and a unit', () => {
  const cases: readonly (readonly [Duration, number])[] = [
    [0, 0],
    [1500, 1500],
    ['0ms', 0],
    ['250ms', 250],
    ['10s', 10_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['30d', 2_592_000_000],
    ['1w', 604_800_000],
    ['1.5h', 5_400_000],
    ['0.5s', 500],
  ]
  for (const [duration, ms] of cases) assert.equal(durationMs(duration), ms, String(duration))
  assert.equal(optionalMs(undefined), undefined)
  assert.equal(optionalMs('1s'), 1000)
})

test('fractions of a millisecond are rounded up: nothing is early', () => {
  assert.equal(durationMs(0.1), 1)
  assert.equal(durationMs('0.0001s'), 1)
  assert.equal(durationMs('1.0001ms'), 2)
})

test('decimal fractions are exact where a millisecond can hold them', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9_999 }), (thousandths) => {
      const text = `${Math.floor(thousandths / 1000)}.${String(thousandths % 1000).padStart(3, '0')}`
      assert.equal(durationMs(`${text}s` as Duration), thousandths)
    }),
  )
})

test('anything else is refused', () => {
  const wrong = [
    ...[-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300],
    ...[
      '',
      '5',
      's',
      '-5s',
      '5 s',
      ' 5s',
      '5s ',
      '1e3s',
      '5S',
      '1h30m',
      '.5s',
      '5.s',
      '1000000w',
      '5min',
      '٣s',
    ],
    ...[null, undefined, {}, [], true, 5n, new Date(0)],
  ]
  for (const duration of wrong)
    assert.throws(() => durationMs(duration as Duration), { code: 'DURATION_INVALID' }, String(duration))
})
