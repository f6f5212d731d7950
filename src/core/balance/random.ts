/** `random`: any candidate, each with the same chance. Needs no state; of n tasks for n workers one gets about ln n / ln ln n. */
import type { BalancedWorker, Candidates, LoadBalancer, Random } from './load-balancer.ts'

export class RandomBalancer implements LoadBalancer {
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  pick(candidates: Candidates): BalancedWorker {
    return candidates.at(Math.floor(this.random() * candidates.size))
  }
}
