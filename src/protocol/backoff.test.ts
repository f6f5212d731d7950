import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { backoffMs } from './backoff.ts'
import { DEFAULT_RETRY, type RetryPolicy } from './retry-policy.ts'

const full: RetryPolicy = { ...DEFAULT_RETRY, backoff: 'full-jitter', initialMs: 100, maxMs: 1000 }
const decorrelated: RetryPolicy = { ...full, backoff: 'decorrelated', maxMs: 1_000_000 }
const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('full jitter', () => {
  it('is uniform between 0 and a bound that doubles with each failure, up to the longest delay', () => {
    const bounds = [1, 2, 3, 4, 5, 6].map((failures) => backoffMs(full, failures, 0, 1))
    assert.deepEqual(bounds, [100, 200, 400, 800, 1000, 1000])
    assert.equal(backoffMs(full, 4, 0, 0.5), 400)
    assert.equal(backoffMs(full, 4, 0, 0), 0)
  })

  it('stays within its bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), uniform, (failures, random) => {
        const delay = backoffMs(full, failures, 0, random)
        assert.ok(Number.isInteger(delay) && delay >= 0 && delay <= Math.min(1000, 100 * 2 ** (failures - 1)))
      }),
    )
  })

  it('is 0 for an initial delay of 0, however often the step has failed', () => {
    assert.equal(backoffMs({ ...full, initialMs: 0 }, 2000, 0, 0.5), 0)
  })
})

describe('decorrelated jitter', () => {
  it('has the mean recursion 200, 350, 575, 912.5 from an initial delay of 100', () => {
    // At random 0.5 a uniform draw is its mean. Delays are whole: the last one is rounded up.
    const means: number[] = []
    for (let previous = 100; means.length < 4; previous = means.at(-1) ?? 0)
      means.push(backoffMs(decorrelated, means.length + 1, means.length === 0 ? 0 : previous, 0.5))
    assert.deepEqual(means, [200, 350, 575, 913])
  })

  it('lies between the initial delay and three times the one before, up to the longest delay', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), uniform, (previous, random) => {
        const delay = backoffMs({ ...decorrelated, maxMs: 1500 }, 2, previous, random)
        const upper = 3 * (previous === 0 ? 100 : previous)
        assert.ok(Number.isInteger(delay) && delay >= 100)
        assert.ok(delay <= Math.min(1500, Math.max(100, upper)))
      }),
    )
  })
})
