import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkCron, nextCronTime } from './cron-times.ts'

/** The next times after `from`, in UTC. */
function timesAfter(from: string, cron: string, timezone: string, count: number): string[] {
  const times: string[] = []
  let ms = Date.parse(from)
  for (let i = 0; i < count; i++) {
    const next = nextCronTime(cron, timezone, ms)
    if (next === undefined) break
    assert.ok(next > ms, 'times rise')
    times.push(new Date(next).toISOString().replace(':00.000', ''))
    ms = next
  }
  return times
}

describe('cron times', () => {
  test('five fields, six with seconds, seven with the year, and nicknames', () => {
    assert.deepEqual(timesAfter('2026-01-01T00:00:30Z', '*/20 * * * *', 'UTC', 2), [
      '2026-01-01T00:20Z',
      '2026-01-01T00:40Z',
    ])
    assert.deepEqual(timesAfter('2026-01-01T00:00:30Z', '*/20 * * * * *', 'UTC', 2), [
      '2026-01-01T00:00:40.000Z',
      '2026-01-01T00:01Z',
    ])
    assert.deepEqual(timesAfter('2026-01-01T00:00:00Z', '0 0 0 1 1 * 2028', 'UTC', 5), ['2028-01-01T00:00Z'])
    assert.deepEqual(timesAfter('2026-01-01T00:00:00Z', '@daily', 'Asia/Kathmandu', 1), ['2026-01-01T18:15Z'])
    assert.deepEqual(timesAfter('2026-01-01T00:00:00Z', '1-5 0 * * MON#2', 'UTC', 1), ['2026-01-12T00:01Z'])
  })

  test('the next time is strictly later, to the millisecond', () => {
    const atMs = Date.UTC(2026, 0, 1, 0, 1)
    assert.equal(nextCronTime('* * * * *', 'UTC', atMs - 1), atMs)
    assert.equal(nextCronTime('* * * * *', 'UTC', atMs), atMs + 60_000)
  })

  test('what is no expression, no time zone, or has no time is refused', () => {
    const refused = (cron: unknown, timezone: unknown, message: RegExp): void =>
      assert.throws(() => checkCron(cron as string, timezone as string), {
        code: 'ARGUMENT_INVALID',
        message,
      })
    refused('x', 'UTC', /'x' is not a cron expression/)
    refused('', 'UTC', /'' is not a cron expression/)
    refused('2030-01-01T00:00:00', 'UTC', /is not a cron expression/)
    refused('61 * * * *', 'UTC', /is not a cron expression/)
    refused(undefined, 'UTC', /of type undefined/)
    refused('0 0 30 2 *', 'UTC', /has no time at all/)
    refused('0 0 * * *', 'Mars/Phobos', /'Mars\/Phobos' is not a time zone/)
    refused('0 0 * * *', '', /'' is not a time zone/)
    checkCron('0 0 29 2 *', 'Europe/Berlin')
  })

  test('more expressions than are kept', () => {
    for (let i = 0; i < 1100; i++)
      assert.ok(nextCronTime(`${i % 60} ${i % 24} * * *`, 'UTC', i) !== undefined)
    assert.equal(nextCronTime('0 0 * * *', 'UTC', 0), 86_400_000)
  })
})

describe('cron times where clocks change', () => {
  test('a time in the gap of spring runs at the end of the gap, once', () => {
    // Europe/Berlin, 29 March 2026: 02:00 becomes 03:00, at 01:00Z.
    assert.deepEqual(timesAfter('2026-03-28T00:00Z', '0 30 2 * * *', 'Europe/Berlin', 3), [
      '2026-03-28T01:30Z',
      '2026-03-29T01:00Z',
      '2026-03-30T00:30Z',
    ])
    // America/New_York, 8 March 2026: 02:00 becomes 03:00, at 07:00Z.
    assert.deepEqual(timesAfter('2026-03-07T00:00Z', '0 30 2 * * *', 'America/New_York', 3), [
      '2026-03-07T07:30Z',
      '2026-03-08T07:00Z',
      '2026-03-09T06:30Z',
    ])
    assert.equal(
      nextCronTime('0 30 2 * * *', 'Europe/Berlin', Date.parse('2026-03-29T00:59:59.999Z')),
      Date.parse('2026-03-29T01:00Z'),
    )
  })

  test('several times in one gap run once, with the time that follows the gap', () => {
    assert.deepEqual(timesAfter('2026-03-29T00:00Z', '0 0,30 2,3 * * *', 'Europe/Berlin', 3), [
      '2026-03-29T01:00Z',
      '2026-03-29T01:30Z',
      '2026-03-30T00:00Z',
    ])
    assert.deepEqual(timesAfter('2026-03-28T12:00Z', '0 0 1-3 * * *', 'Europe/Berlin', 3), [
      '2026-03-29T00:00Z',
      '2026-03-29T01:00Z',
      '2026-03-29T23:00Z',
    ])
  })

  test('a time that comes twice in autumn runs the first time only', () => {
    // Europe/Berlin, 25 October 2026: 03:00 becomes 02:00, at 01:00Z.
    assert.deepEqual(timesAfter('2026-10-24T12:00Z', '0 30 2 * * *', 'Europe/Berlin', 2), [
      '2026-10-25T00:30Z',
      '2026-10-26T01:30Z',
    ])
    // America/New_York, 1 November 2026: 02:00 becomes 01:00, at 06:00Z.
    assert.deepEqual(timesAfter('2026-10-31T12:00Z', '0 30 1 * * *', 'America/New_York', 2), [
      '2026-11-01T05:30Z',
      '2026-11-02T06:30Z',
    ])
    assert.deepEqual(timesAfter('2026-10-24T12:00Z', '0 0,30 2 * * *', 'Europe/Berlin', 3), [
      '2026-10-25T00:00Z',
      '2026-10-25T00:30Z',
      '2026-10-26T01:00Z',
    ])
    // Asked within the second of the two hours.
    assert.deepEqual(timesAfter('2026-10-25T01:15Z', '0 30 2 * * *', 'Europe/Berlin', 1), [
      '2026-10-26T01:30Z',
    ])
  })

  test('with `*` or steps the clock decides: no times in the gap, and the hour that comes twice has them twice', () => {
    assert.deepEqual(timesAfter('2026-03-29T00:00Z', '0 */30 * * * *', 'Europe/Berlin', 3), [
      '2026-03-29T00:30Z',
      '2026-03-29T01:00Z',
      '2026-03-29T01:30Z',
    ])
    assert.deepEqual(timesAfter('2026-03-28T12:00Z', '0 */30 2 * * *', 'Europe/Berlin', 1), [
      '2026-03-30T00:00Z',
    ])
    assert.deepEqual(timesAfter('2026-10-24T23:30Z', '0 */30 2 * * *', 'Europe/Berlin', 5), [
      '2026-10-25T00:00Z',
      '2026-10-25T00:30Z',
      '2026-10-25T01:00Z',
      '2026-10-25T01:30Z',
      '2026-10-26T01:00Z',
    ])
    assert.deepEqual(timesAfter('2026-10-31T04:30Z', '0 30 * * * *', 'America/New_York', 2), [
      '2026-10-31T05:30Z',
      '2026-10-31T06:30Z',
    ])
  })

  test('where midnight itself is skipped, the day still has its run', () => {
    // America/Havana, 8 March 2026: 00:00 becomes 01:00, at 05:00Z.
    assert.deepEqual(timesAfter('2026-03-07T12:00Z', '0 30 0 * * *', 'America/Havana', 2), [
      '2026-03-08T05:00Z',
      '2026-03-09T04:30Z',
    ])
  })
})
