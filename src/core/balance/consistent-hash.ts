/**
 * `consistent-hash`: a ring of hashes on which each worker has many places; a key belongs to the first place clockwise from its
 * own hash. When a worker leaves only its keys move; when one joins it takes 1/n of all. With bounded loads: a worker that
 * has its share and a quarter more is passed over, so one popular key cannot drown a worker.
 * Source: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016); Karger et al. (1997).
 *
 * 1. A worker has `virtualNodes * weight` places, at least one, at most `PLACES_MAX`.
 * 2. The bound of a worker is ceil(c * (m + 1) * weight / total weight): m tasks are in flight on the candidates, this one
 *    counts too. With equal weights that is ceil(c * (m + 1) / n). No pick goes beyond it.
 * 3. There is always a candidate below its bound, since all bounds together are at least c * (m + 1) > m.
 * 4. `ring` rises: hash * 2^20 + slot in one float of 52 bits.
 */

import { textHash } from '../../protocol/text-hash.ts'
import type { BalancedWorker, Candidates, LoadBalancer, PickRequest } from './load-balancer.ts'
import { RoundRobin } from './round-robin.ts'

export interface ConsistentHashOptions {
  /** c: how far above its share a worker may be loaded, more than 1. */
  readonly loadFactor: number
  /** Places on the ring for a weight of 1. */
  readonly virtualNodes: number
}

const PLACES_MAX = 10_000
const SLOT_SPACE = 2 ** 20

export class ConsistentHash implements LoadBalancer {
  private readonly options: ConsistentHashOptions
  private ring = new Float64Array(0)
  private readonly bySlot: (BalancedWorker | undefined)[] = []
  private readonly withoutKey = new RoundRobin()

  constructor(options: ConsistentHashOptions) {
    this.options = options
  }

  pick(candidates: Candidates, { hashKey }: PickRequest): BalancedWorker {
    if (hashKey === undefined) return this.withoutKey.pick(candidates)
    if (candidates.size === 1) return candidates.at(0)
    const { ring, bySlot } = this
    const share = (this.options.loadFactor * (candidates.totalInFlight + 1)) / candidates.totalWeight
    let place = this.firstFrom(textHash(hashKey) * SLOT_SPACE)
    for (let steps = 0; steps < ring.length; steps++, place++) {
      if (place === ring.length) place = 0
      const worker = bySlot[(ring[place] ?? 0) % SLOT_SPACE]
      if (
        worker !== undefined &&
        candidates.has(worker) &&
        worker.inFlight < Math.ceil(share * worker.weight)
      )
        return worker
    }
    throw new Error('invariant: a candidate of the ring is below its bound')
  }

  added(worker: BalancedWorker): void {
    this.bySlot[worker.slot] = worker
    this.insert(worker)
  }

  removed(worker: BalancedWorker): void {
    this.bySlot[worker.slot] = undefined
    this.withdraw(worker)
  }

  reweighted(worker: BalancedWorker): void {
    this.withdraw(worker)
    this.insert(worker)
  }

  private insert({ id, slot, weight }: BalancedWorker): void {
    const { virtualNodes } = this.options
    const count = Math.min(PLACES_MAX, Math.max(1, Math.round(virtualNodes * weight)))
    const places = new Float64Array(count)
    for (let i = 0; i < count; i++) places[i] = textHash(id, i) * SLOT_SPACE + slot
    this.ring = merged(this.ring, places.sort())
  }

  private withdraw({ slot }: BalancedWorker): void {
    this.ring = this.ring.filter((place) => place % SLOT_SPACE !== slot)
  }

  /** The first place that is not below; the number of places if there is none. */
  private firstFrom(value: number): number {
    const { ring } = this
    let low = 0
    let high = ring.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ring[middle] ?? 0) < value) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Both rise, and so does the result. */
function merged(first: Float64Array, second: Float64Array): Float64Array<ArrayBuffer> {
  const all = new Float64Array(first.length + second.length)
  let a = 0
  let b = 0
  for (let i = 0; i < all.length; i++) {
    const [left, right] = [first[a], second[b]]
    const isLeft = right === undefined || (left !== undefined && left <= right)
    all[i] = (isLeft ? left : right) ?? 0
    if (isLeft) a++
    else b++
  }
  return all
}
