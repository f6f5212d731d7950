import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checkPartitions, partitionLimits } from './partition-limits.ts'

describe('limits of partitions', () => {
  test('add up to those of the queue; those per key are the same in each', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 64, max: 1000 }),
        fc.double({ min: 0.1, max: 1e6, noNaN: true }),
        (partitions, concurrency, perSecond) => {
          const limits = { concurrency, keyConcurrency: 2, rate: { perSecond }, keyRate: { perSecond: 3 } }
          const parts = Array.from({ length: partitions }, (_, i) => partitionLimits(limits, i, partitions))
          const sum = parts.reduce((total, part) => total + (part.concurrency ?? 0), 0)
          assert.equal(sum, concurrency)
          assert.ok(parts.every((part) => (part.concurrency ?? 0) >= 1))
          const rate = parts.reduce((total, part) => total + (part.rate?.perSecond ?? 0), 0)
          assert.ok(Math.abs(rate / perSecond - 1) < 1e-9)
          for (const { keyConcurrency, keyRate } of parts)
            assert.deepEqual([keyConcurrency, keyRate], [2, { perSecond: 3 }])
        },
      ),
    )
    assert.deepEqual(partitionLimits({}, 3, 4), {})
    assert.deepEqual(partitionLimits({ rate: { perSecond: 8, burst: 2 } }, 0, 4), {
      rate: { perSecond: 2, burst: 1 },
    })
  })

  test('what not every partition can have is refused', () => {
    checkPartitions(4, { concurrency: 4 })
    for (const [partitions, concurrency] of [
      [0, undefined],
      [65, undefined],
      [1.5, undefined],
      [4, 3],
    ] as const)
      assert.throws(
        () => checkPartitions(partitions, concurrency === undefined ? {} : { concurrency }),
        RangeError,
      )
  })
})
