import { BALANCER_NAMES, createBalancer } from '../../src/core/balance/balancers.ts'
import type { LoadBalancer } from '../../src/core/balance/load-balancer.ts'
import { balancerContract } from './balancer.contract.ts'

for (const name of BALANCER_NAMES) balancerContract(name, (random) => createBalancer(name, {}, random))

/** A user's own: the worker that has waited longest for a task. */
function longestIdle(): LoadBalancer {
  const since = new Map<string, number>()
  let turn = 0
  return {
    added: ({ id }) => since.set(id, turn++),
    removed: ({ id }) => since.delete(id),
    started: ({ id }) => since.set(id, turn++),
    pick: (candidates) => {
      let best = candidates.at(0)
      for (let i = 1; i < candidates.size; i++) {
        const worker = candidates.at(i)
        if ((since.get(worker.id) ?? 0) < (since.get(best.id) ?? 0)) best = worker
      }
      return best
    },
  }
}

balancerContract('of a user', longestIdle)
