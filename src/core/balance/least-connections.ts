/**
 * `least-connections`, weighted: who has the least in flight for its weight; smooth weighted round robin among those that are
 * tied. Source: nginx, `ngx_http_upstream_least_conn_module`. Compared by products: no rounding for whole weights.
 */
import type { BalancedWorker, Candidates, LoadBalancer } from './load-balancer.ts'
import { SmoothWeights, type WorkerList } from './smooth-weights.ts'

export class LeastConnections implements LoadBalancer {
  private readonly smooth = new SmoothWeights(1)
  private readonly tied = new TiedCandidates()

  pick(candidates: Candidates): BalancedWorker {
    const { tied } = this
    tied.of(candidates)
    const { size } = candidates
    let { inFlight, weight } = candidates.at(0)
    tied.push(0)
    for (let index = 1; index < size; index++) {
      const worker = candidates.at(index)
      const own = worker.inFlight * weight
      const best = inFlight * worker.weight
      if (own > best) continue
      if (own < best) {
        ;({ inFlight, weight } = worker)
        tied.size = 0
      }
      tied.push(index)
    }
    return tied.size === 1 ? tied.at(0) : this.smooth.pick(tied)
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
}

/** Some of the candidates, by index. */
class TiedCandidates implements WorkerList {
  size = 0
  private candidates: Candidates | undefined
  private indexes = new Int32Array(16)

  of(candidates: Candidates): void {
    this.candidates = candidates
    this.size = 0
    if (candidates.size > this.indexes.length) this.indexes = new Int32Array(2 * candidates.size)
  }

  push(index: number): void {
    this.indexes[this.size++] = index
  }

  at(index: number): BalancedWorker {
    const worker = this.candidates?.at(this.indexes[index] ?? -1)
    if (worker === undefined) throw new Error('invariant: tied candidates are candidates')
    return worker
  }

  slotAt(index: number): number {
    return this.candidates?.slotAt(this.indexes[index] ?? -1) ?? -1
  }
}
