import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checkedName } from './checked-text.ts'
import {
  idempotencyKeyOf,
  isRunId,
  type RunId,
  runDay,
  runIdAbove,
  runIdOf,
  runStartMs,
  shardOf,
} from './ids.ts'

const time = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const digits = fc.array(fc.integer({ min: 0, max: 31 }), { minLength: 16, maxLength: 16 })

describe('run ids', () => {
  test('are ULIDs that carry their time', () => {
    fc.assert(
      fc.property(time, digits, (ms, random) => {
        const id = runIdOf(ms, random)
        assert.ok(isRunId(id))
        assert.equal(runStartMs(id), ms)
        assert.equal(runDay(id), Math.floor(ms / 86_400_000))
      }),
    )
    assert.equal(
      runIdOf(1469918176385, []).slice(0, 10),
      '01ARYZ6S41',
      'the example of the ULID specification',
    )
  })

  test('of runs that began before a time are below its bound, also if the clocks of two nodes differ', () => {
    fc.assert(
      fc.property(time, fc.nat(3_600_000), digits, (startedMs, aheadMs, random) => {
        const bound = runIdAbove(startedMs + 1)
        if (bound !== undefined) assert.ok(runIdOf(startedMs + Math.min(aheadMs, 3_599_999), random) < bound)
      }),
    )
    assert.equal(runStartMs(runIdAbove(1.5) ?? assert.fail()), 3_600_002)
    for (const none of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 60, -1e9])
      assert.equal(runIdAbove(none), undefined)
  })

  test('sort by time', () => {
    fc.assert(
      fc.property(time, time, digits, (a, b, random) => {
        if (a < b) assert.ok(runIdOf(a, random) < runIdOf(b, random))
      }),
    )
  })

  test('other texts are none', () => {
    const good = '01ARYZ6S41TSV4RRFFQ69G5FAV'
    assert.ok(isRunId(good))
    for (const text of [
      '',
      good.toLowerCase(),
      `${good}0`,
      good.slice(1),
      `8${good.slice(1)}`,
      good.replace('T', 'U'),
      `${good}\n`,
    ])
      assert.ok(!isRunId(text), text)
  })
})

test('an idempotency key cannot be confused with another: each part is encoded', () => {
  const key = (namespace: string, workflowId: string) =>
    idempotencyKeyOf({ namespace, workflowId }, 'R' as RunId, 1)
  assert.equal(key('a/b', 'c d'), 'a%2Fb/c%20d/R/1')
  assert.notEqual(key('a/b', 'c'), key('a', 'b/c'))
})

test('shards: fixed for ever, and even', () => {
  const shard = (workflowId: string) => shardOf({ namespace: 'default', workflowId }, 256)
  // Other processes and SQL compute the same: these values never change.
  assert.deepEqual(['', 'a', 'order-1', 'ä', '😀'].map(shard), [64, 135, 198, 227, 128])
  const counts = new Array<number>(256).fill(0)
  for (let i = 0; i < 25_600; i++) counts[shard(`order-${i}`)] = (counts[shard(`order-${i}`)] ?? 0) + 1
  assert.ok(
    Math.min(...counts) > 50 && Math.max(...counts) < 160,
    `${Math.min(...counts)}..${Math.max(...counts)}`,
  )
})

test('names: what a store cannot hold is refused', () => {
  assert.equal(checkedName('ok', 'it'), 'ok')
  assert.equal(checkedName('ä'.repeat(256), 'it'), 'ä'.repeat(256))
  for (const text of [
    '',
    'a\0',
    '\udc00',
    '\ud800x',
    'ä'.repeat(257),
    'x'.repeat(513),
    5,
    null,
    undefined,
    {},
  ])
    assert.throws(() => checkedName(text, 'it'), { code: 'ID_INVALID' })
})
