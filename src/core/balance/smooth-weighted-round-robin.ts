/**
 * `weighted-round-robin`: smooth weighted round robin. With `weights: 'load'` the weight of a worker follows what it reports
 * of itself (`load-weight.ts`); a worker that reports nothing keeps its own weight.
 */
import type { BalancedWorker, Candidates, Completion, LoadBalancer, WorkerLoad } from './load-balancer.ts'
import { LoadWeights } from './load-weight.ts'
import { SmoothWeights } from './smooth-weights.ts'

export interface WeightedRoundRobinOptions {
  readonly weights: 'load' | 'static'
  /** So many failures in a row of picks take all of a worker's weight for the moment. */
  readonly maxFails: number
}

export class SmoothWeightedRoundRobin implements LoadBalancer {
  private readonly smooth: SmoothWeights
  private readonly loads: LoadWeights | undefined

  constructor({ weights, maxFails }: WeightedRoundRobinOptions) {
    this.smooth = new SmoothWeights(maxFails)
    this.loads = weights === 'load' ? new LoadWeights() : undefined
  }

  pick(candidates: Candidates): BalancedWorker {
    return this.smooth.pick(candidates)
  }

  added(worker: BalancedWorker): void {
    this.smooth.add(worker, worker.weight)
  }

  removed(worker: BalancedWorker): void {
    this.smooth.remove(worker)
    this.loads?.remove(worker)
  }

  reweighted(worker: BalancedWorker): void {
    this.smooth.reweigh(worker, worker.weight * (this.loads?.factorOf(worker) ?? 1))
  }

  finished(worker: BalancedWorker, { failed }: Completion): void {
    if (failed) this.smooth.failed(worker)
  }

  reported(worker: BalancedWorker, load: WorkerLoad, nowMs: number): void {
    if (this.loads === undefined) return
    this.smooth.reweigh(worker, worker.weight * this.loads.reported(worker, load, nowMs))
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
