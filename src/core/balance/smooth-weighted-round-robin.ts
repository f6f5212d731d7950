/**
 * `weighted-round-robin`: smooth weighted round robin, with the weights that workers are given.
 */
import type { BalancedWorker, Candidates, Completion, LoadBalancer } from './load-balancer.ts'
import { SmoothWeights } from './smooth-weights.ts'

export interface WeightedRoundRobinOptions {
  /** So many failures in a row of picks take all of a worker's weight for the moment. */
  readonly maxFails: number
}

export class SmoothWeightedRoundRobin implements LoadBalancer {
  private readonly smooth: SmoothWeights

  constructor({ maxFails }: WeightedRoundRobinOptions) {
    this.smooth = new SmoothWeights(maxFails)
  }

  pick(candidates: Candidates): BalancedWorker {
    return this.smooth.pick(candidates)
  }

  added(worker: BalancedWorker): void {
    this.smooth.add(worker, worker.weight)
  }

  removed(worker: BalancedWorker): void {
    this.smooth.remove(worker)
  }

  reweighted(worker: BalancedWorker): void {
    this.smooth.reweigh(worker, worker.weight)
  }

  finished(worker: BalancedWorker, { failed }: Completion): void {
    if (failed) this.smooth.failed(worker)
  }

  /** The weight it has now. */
  weightOf(worker: BalancedWorker): number {
    return this.smooth.weightOf(worker)
  }

  /** For tests: 0 after each pick. */
  sumOfCurrent(): number {
    return this.smooth.sumOfCurrent()
  }
}
