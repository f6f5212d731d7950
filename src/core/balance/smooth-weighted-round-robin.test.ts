import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SmoothWeightedRoundRobin } from './smooth-weighted-round-robin.ts'
import { WorkerFleet } from './worker-fleet.ts'

interface Setup {
  readonly fleet: WorkerFleet
  readonly balancer: SmoothWeightedRoundRobin
  /** Ids of the next picks. */
  readonly picks: (count: number) => string
}

function setup(weights: readonly number[], maxFails = 1): Setup {
  const balancer = new SmoothWeightedRoundRobin({ weights: 'static', maxFails })
  const fleet = new WorkerFleet(balancer, { ejection: false })
  for (const [index, weight] of weights.entries())
    fleet.add({ id: String.fromCharCode(97 + index), weight, capacity: 1e9 }, 0)
  const picks = (count: number): string =>
    Array.from({ length: count }, () => {
      const id = fleet.pick({}, 0)?.id ?? '-'
      assert.ok(Math.abs(balancer.sumOfCurrent()) < 1e-6, `the sum is ${balancer.sumOfCurrent()}`)
      return id
    }).join('')
  return { fleet, balancer, picks }
}

describe('smooth weighted round robin', () => {
  const vectors: [weights: number[], order: string][] = [
    [[5, 1, 1], 'aabacaa'],
    [[4, 2, 1], 'abacaba'],
    [[3, 1], 'aaba'],
    [[1, 2, 3], 'cbacbc'],
    [[5, 3, 2], 'abcaabacba'],
    [[7, 3], 'abaaabaaba'],
  ]
  for (const [weights, order] of vectors) {
    it(`with weights ${weights} picks ${order}, again and again`, () => {
      assert.equal(setup(weights).picks(order.length * 3), order.repeat(3))
    })
  }

  it('has exact counts in each cycle, and a sum of 0 after each pick, whatever the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }), (weights) => {
        const { picks } = setup(weights)
        const cycle = weights.reduce((sum, weight) => sum + weight, 0)
        for (let round = 0; round < 3; round++) {
          const counts = weights.map(() => 0)
          for (const id of picks(cycle)) {
            const index = id.charCodeAt(0) - 97
            counts[index] = (counts[index] ?? 0) + 1
          }
          assert.deepEqual(counts, weights)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('keeps the sum at 0 while workers come, go, and change their weight', () => {
    const change = fc.record({
      worker: fc.nat(5),
      kind: fc.constantFrom('add', 'remove', 'weight'),
      weight: fc.double({ min: 0.1, max: 100, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const { fleet, picks } = setup([1, 2])
        for (const { worker, kind, weight } of changes) {
          const id = `w${worker}`
          if (kind === 'weight') fleet.update(id, { weight }, 0)
          else if (kind === 'remove') fleet.remove(id, 0)
          else if (fleet.get(id) === undefined) fleet.add({ id, weight, capacity: 1e9 }, 0)
          picks(7)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('lets a worker that shrinks pay for one cycle at most', () => {
    const { fleet, picks } = setup([1000, 1, 1])
    // It has just been picked and owes almost all the others have earned.
    assert.equal(picks(1), 'a')
    fleet.update('a', { weight: 1 }, 0)
    const order = picks(9)
    assert.ok(order.slice(0, 6).includes('a'), order)
    for (const id of 'abc') assert.ok(order.split(id).length - 1 >= 2, order)
  })

  it('lets a worker that grows claim one cycle at most', () => {
    const { fleet, picks } = setup([1, 1000])
    picks(500)
    fleet.update('b', { weight: 1 }, 0)
    const order = picks(10)
    assert.ok(!/a{4}|b{4}/.test(order), order)
  })

  it('takes weight / maxFails from a worker with each failure, and gives 1 back with each pick', () => {
    const { fleet, picks } = setup([4, 4], 2)
    const fail = (): void => {
      fleet.started('a', 0)
      fleet.finished('a', { durationMs: 1, failed: true }, 0)
    }
    fail()
    // a has 2, 3, 4, 4, ... to earn, b always 4.
    assert.equal(picks(8), 'babababa')
    fail()
    fail()
    fail()
    // a owes 2 from before and has 0, 1, 2, 3, 4, ... to earn.
    assert.equal(picks(6), 'bbbaba')
  })
})
