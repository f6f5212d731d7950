/**
 * `round-robin`: one after the other, in order of slots, leaving out those that are no candidates.
 *
 * 1. While the candidates stay the same, each gets exactly one of every `size` picks.
 */
import type { BalancedWorker, Candidates, LoadBalancer } from './load-balancer.ts'

export class RoundRobin implements LoadBalancer {
  private nextSlot = 0

  pick(candidates: Candidates): BalancedWorker {
    const worker = candidates.from(this.nextSlot)
    this.nextSlot = worker.slot + 1
    return worker
  }
}
