/**
 * `power-of-two`: two candidates at random, the one with less in flight for its weight wins. Almost as even as
 * `least-connections`, and the cost does not grow with the fleet: n tasks for n workers leave at most
 * ln ln n / ln 2 + O(1) on one, against ln n / ln ln n for a single choice.
 * Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
 */
import type { BalancedWorker, Candidates, LoadBalancer, Random } from './load-balancer.ts'
import { betterOfTwo } from './two-candidates.ts'

const isLessLoaded = (first: BalancedWorker, second: BalancedWorker): boolean =>
  second.inFlight * first.weight < first.inFlight * second.weight

export class PowerOfTwo implements LoadBalancer {
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  pick(candidates: Candidates): BalancedWorker {
    return betterOfTwo(candidates, this.random, isLessLoaded)
  }
}
