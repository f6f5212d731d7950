/**
 * `least-connections`, weighted: who has the least in flight for its weight; smooth weighted round robin among those that are
 * tied. Source: nginx, `ngx_http_upstream_least_conn_module`. Compared by products: no rounding for whole weights.
 */
import type { BalancedWorker, Candidates, LoadBalancer } from './load-balancer.ts'
import { SmoothWeights } from './smooth-weights.ts'

export class LeastConnections implements LoadBalancer {
  private readonly smooth = new SmoothWeights(1)
  private readonly tied: BalancedWorker[] = []
  private readonly tiedList = {
    size: 0,
    at: (index: number): BalancedWorker => this.tied[index] as BalancedWorker,
  }

  pick(candidates: Candidates): BalancedWorker {
    const { tied, tiedList } = this
    const { size } = candidates
    let best = candidates.at(0)
    let count = 0
    tied[count++] = best
    for (let index = 1; index < size; index++) {
      const worker = candidates.at(index)
      const own = worker.inFlight * best.weight
      const other = best.inFlight * worker.weight
      if (own > other) continue
      if (own < other) {
        best = worker
        count = 0
      }
      tied[count++] = worker
    }
    if (count === 1) return best
    tiedList.size = count
    return this.smooth.pick(tiedList)
  }

  added(worker: BalancedWorker): void {
    this.smooth.add(worker, worker.weight)
  }

  removed(worker: BalancedWorker): void {
    this.smooth.remove(worker)
    // Nothing here may hold a worker that has left.
    this.tied.length = 0
  }

  reweighted(worker: BalancedWorker): void {
    this.smooth.reweigh(worker, worker.weight)
  }
}
