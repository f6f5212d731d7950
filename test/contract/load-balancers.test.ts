import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBalancer } from '../../src/core/balance/balancers.ts'
import type { BalancedWorker, Candidates, LoadBalancer } from '../../src/core/balance/load-balancer.ts'
import { BALANCER_NAMES, type BalancerName } from '../../src/protocol/queue-settings.ts'
import { type BalancerPromises, describeBalancer } from './load-balancer.contract.ts'

const promises: Readonly<Record<BalancerName, BalancerPromises>> = {
  random: {},
  'round-robin': { cycle: 'equal', everyWorkerWithin: 1 },
  // A weight of 1 beside seven of 4 is picked once in 29.
  'weighted-round-robin': { cycle: 'weights', everyWorkerWithin: 4 },
  // Finished tasks come back to where they were, so the others fill first.
  'least-connections': { everyWorkerWithin: 20 },
  'power-of-two': {},
  'peak-ewma': {},
  'ip-hash': { sticky: 'clientAddress' },
  hash: { cycle: 'equal', everyWorkerWithin: 1, sticky: 'hashKey' },
  'consistent-hash': { cycle: 'equal', everyWorkerWithin: 1, sticky: 'hashKey' },
}

for (const name of BALANCER_NAMES)
  describeBalancer(name, (random) => createBalancer(name, {}, random), promises[name])

/** A user's own: the smallest number of credits in use, by share of what the worker grants. */
class LeastUsed implements LoadBalancer {
  pick(candidates: Candidates): BalancedWorker {
    let best = candidates.at(0)
    for (let index = 1; index < candidates.size; index++) {
      const worker = candidates.at(index)
      if (worker.inFlight * best.capacity < best.inFlight * worker.capacity) best = worker
    }
    return best
  }
}

describeBalancer("of a user's own", () => new LeastUsed(), {})

test('the shipped load balancers are these nine', () => {
  assert.deepEqual(BALANCER_NAMES, [
    'random',
    'round-robin',
    'weighted-round-robin',
    'least-connections',
    'power-of-two',
    'peak-ewma',
    'ip-hash',
    'hash',
    'consistent-hash',
  ])
})
