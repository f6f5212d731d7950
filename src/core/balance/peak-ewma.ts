/**
 * `peak-ewma`: two candidates at random, the one with the lower `cost * (in flight + 1) / weight` wins. The cost of a worker is an
 * average of its durations that jumps up at once and comes down slowly: a worker that stalls is avoided after one slow
 * task. Source: Twitter Finagle, `PeakEwma`.
 *
 * 1. With dt since the last observation and w = e^(-dt/decay): cost = duration if duration > cost, else
 *    cost * w + duration * (1 - w).
 * 2. Between observations the cost fades by w, so that an avoided worker is tried again. Reading it changes nothing.
 * 3. A failure never lowers the cost: to fail fast is not to be fast.
 * 4. A worker without history that has tasks in flight counts as slow (`penaltyMs`) until the first one ends; without
 *    tasks in flight it is tried first.
 */
import type { BalancedWorker, Candidates, Completion, LoadBalancer, Random } from './load-balancer.ts'
import { betterOfTwo } from './two-candidates.ts'

export interface PeakEwmaOptions {
  /** The time in which an observation fades to 1/e. */
  readonly decayMs: number
  /** The cost of a worker that has tasks and no history. */
  readonly penaltyMs: number
}

interface Cost {
  costMs: number
  atMs: number
}

export class PeakEwma implements LoadBalancer {
  private readonly options: PeakEwmaOptions
  private readonly random: Random
  /** By slot. */
  private readonly costs: (Cost | undefined)[] = []

  constructor(options: PeakEwmaOptions, random: Random) {
    this.options = options
    this.random = random
  }

  pick(candidates: Candidates, _request: unknown, nowMs: number): BalancedWorker {
    return betterOfTwo(
      candidates,
      this.random,
      (first, second) => this.loadOf(second, nowMs) < this.loadOf(first, nowMs),
    )
  }

  added(worker: BalancedWorker): void {
    this.costs[worker.slot] = undefined
  }

  removed(worker: BalancedWorker): void {
    this.costs[worker.slot] = undefined
  }

  finished(worker: BalancedWorker, { durationMs, failed }: Completion, nowMs: number): void {
    const cost = this.costs[worker.slot]
    if (cost === undefined) {
      this.costs[worker.slot] = {
        costMs: failed ? Math.max(durationMs, this.options.penaltyMs) : durationMs,
        atMs: nowMs,
      }
      return
    }
    const faded = this.faded(cost, nowMs)
    if (durationMs > cost.costMs) cost.costMs = durationMs
    else if (!failed) cost.costMs = faded + durationMs * (1 - this.share(cost, nowMs))
    cost.atMs = nowMs
  }

  /** ms; undefined for a worker without history. */
  costMsOf(worker: BalancedWorker, nowMs: number): number | undefined {
    const cost = this.costs[worker.slot]
    return cost === undefined ? undefined : this.faded(cost, nowMs)
  }

  private loadOf(worker: BalancedWorker, nowMs: number): number {
    const { inFlight, weight } = worker
    const costMs = this.costMsOf(worker, nowMs) ?? (inFlight === 0 ? 0 : this.options.penaltyMs)
    return (costMs * (inFlight + 1)) / weight
  }

  private faded(cost: Cost, nowMs: number): number {
    return cost.costMs * this.share(cost, nowMs)
  }

  private share(cost: Cost, nowMs: number): number {
    return nowMs <= cost.atMs ? 1 : Math.exp((cost.atMs - nowMs) / this.options.decayMs)
  }
}
