import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandomness } from '../../platform/randomness.ts'
import type { LoadBalancer, Random } from './load-balancer.ts'
import { PowerOfTwo } from './power-of-two.ts'
import { RandomBalancer } from './random.ts'
import { WorkerFleet } from './worker-fleet.ts'

const ROUNDS = 10

/** The highest load after n tasks for n workers that finish none, as a mean over rounds. */
function maxLoad(n: number, create: (random: Random) => LoadBalancer): number {
  let sum = 0
  for (let round = 0; round < ROUNDS; round++) {
    const fleet = new WorkerFleet(create(seededRandomness(round)))
    const workers = Array.from({ length: n }, (_, i) => fleet.add({ id: `w${i}`, capacity: n }, 0))
    for (let task = 0; task < n; task++) fleet.started(fleet.pick({}, 0)?.id ?? '', 0)
    sum += Math.max(...workers.map(({ inFlight }) => inFlight))
  }
  return sum / ROUNDS
}

describe('power-of-two', () => {
  it('leaves about 3 tasks on the fullest of 1,000 workers, where one choice leaves more than 5', () => {
    const two = maxLoad(1000, (random) => new PowerOfTwo(random))
    const one = maxLoad(1000, (random) => new RandomBalancer(random))
    // ln ln n / ln 2 + O(1) with n = 1,000 is 2.8 + O(1).
    assert.ok(two <= 3.5, `two choices: ${two}`)
    assert.ok(one >= 5, `one choice: ${one}`)
  })

  it('always takes the less loaded of two workers, by weight', () => {
    const fleet = new WorkerFleet(new PowerOfTwo(seededRandomness(1)))
    const light = fleet.add({ id: 'light', capacity: 100 }, 0)
    const heavy = fleet.add({ id: 'heavy', capacity: 100, weight: 3 }, 0)
    for (let task = 0; task < 40; task++) {
      fleet.started(fleet.pick({}, 0)?.id ?? '', 0)
      assert.ok(Math.abs(heavy.inFlight - 3 * light.inFlight) <= 3, `${light.inFlight} ${heavy.inFlight}`)
    }
  })
})

describe('random', () => {
  it('picks all workers equally often', () => {
    const fleet = new WorkerFleet(new RandomBalancer(seededRandomness(3)))
    const counts = [0, 0, 0, 0, 0]
    for (const index of counts.keys()) fleet.add({ id: `w${index}`, capacity: 1 }, 0)
    for (let i = 0; i < 10_000; i++) {
      const slot = fleet.pick({}, 0)?.slot ?? -1
      counts[slot] = (counts[slot] ?? 0) + 1
    }
    // 2,000 each, standard deviation 40.
    for (const count of counts) assert.ok(Math.abs(count - 2000) < 200, `${counts}`)
  })
})
