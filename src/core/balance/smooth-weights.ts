/**
 * Smooth weighted round robin over any list of workers. Source: nginx, `ngx_http_upstream_get_peer`.
 *
 * Each worker earns its weight with every pick; who has earned most wins and pays what all have earned together. So a
 * worker of weight 5 beside two of weight 1 is picked five times of seven, with the others in between, not five times in
 * a row. `current` is what a worker has earned and not yet paid.
 *
 * 1. The sum of `current` over all members is 0 after each pick (up to rounding, where weights are fractions).
 * 2. With the same members and whole weights, counts are exact in each cycle of as many picks as the sum of weights.
 * 3. `effective` is at most the weight. A failure takes `weight / maxFails` from it, each pick gives 1 back.
 * 4. After a change of weights nobody has more than one cycle to pay or to claim: a worker that shrinks from 1,000 to 1
 *    would otherwise pay for a thousand picks.
 */
import type { BalancedWorker } from './load-balancer.ts'

/** The part of `Candidates` that is needed; a list of tied workers has it too. */
export interface WorkerList {
  readonly size: number
  at(index: number): BalancedWorker
  slotAt(index: number): number
}

export class SmoothWeights {
  private readonly members = new Set<BalancedWorker>()
  private readonly maxFails: number
  private current = new Float64Array(16)
  private effective = new Float64Array(16)
  private weights = new Float64Array(16)
  private totalWeight = 0
  /** Slots whose `effective` is below the weight: the loop over all need not look for them, which makes it three times as fast. */
  private readonly reduced = new Set<number>()

  constructor(maxFails: number) {
    this.maxFails = maxFails
  }

  add(worker: BalancedWorker, weight: number): void {
    if (worker.slot >= this.current.length) this.grow(worker.slot + 1)
    this.members.add(worker)
    this.current[worker.slot] = 0
    this.effective[worker.slot] = weight
    this.weights[worker.slot] = weight
    this.totalWeight += weight
  }

  remove(worker: BalancedWorker): void {
    if (!this.members.delete(worker)) return
    this.reduced.delete(worker.slot)
    this.totalWeight -= this.weightOf(worker)
    this.center()
  }

  weightOf(worker: BalancedWorker): number {
    return this.weights[worker.slot] ?? 0
  }

  reweigh(worker: BalancedWorker, weight: number): void {
    const before = this.weightOf(worker)
    if (weight === before) return
    this.weights[worker.slot] = weight
    // What failures have taken stays taken, in proportion.
    const kept = this.reduced.has(worker.slot) ? (this.effective[worker.slot] ?? 0) / before : 1
    this.effective[worker.slot] = kept * weight
    this.totalWeight += weight - before
    for (const { slot } of this.members) {
      const current = this.current[slot] ?? 0
      this.current[slot] = Math.max(-this.totalWeight, Math.min(this.totalWeight, current))
    }
    this.center()
  }

  failed(worker: BalancedWorker): void {
    const { slot } = worker
    const less = (this.effective[slot] ?? 0) - this.weightOf(worker) / this.maxFails
    this.effective[slot] = Math.max(0, less)
    this.reduced.add(slot)
  }

  /** One of the list, which has at least one and members only; the lowest slot on a tie. */
  pick(list: WorkerList): BalancedWorker {
    const { current, effective } = this
    const { size } = list
    let bestIndex = 0
    let bestSlot = 0
    let bestCurrent = Number.NEGATIVE_INFINITY
    let total = 0
    for (let index = 0; index < size; index++) {
      const slot = list.slotAt(index)
      const earned = effective[slot] as number
      const now = (current[slot] as number) + earned
      total += earned
      current[slot] = now
      if (now >= bestCurrent && (now > bestCurrent || slot < bestSlot)) {
        bestIndex = index
        bestSlot = slot
        bestCurrent = now
      }
    }
    current[bestSlot] = bestCurrent - total
    if (this.reduced.size > 0) this.giveBack()
    return list.at(bestIndex)
  }

  /** For tests: the sum that is 0 (1). */
  sumOfCurrent(): number {
    let sum = 0
    for (const { slot } of this.members) sum += this.current[slot] ?? 0
    return sum
  }

  private giveBack(): void {
    for (const slot of this.reduced) {
      const weight = this.weights[slot] ?? 0
      const effective = Math.min(weight, (this.effective[slot] ?? 0) + 1)
      this.effective[slot] = effective
      if (effective === weight) this.reduced.delete(slot)
    }
  }

  /** The same for all, so that no order changes, until the sum is 0 again. */
  private center(): void {
    const excess = this.sumOfCurrent() / Math.max(1, this.members.size)
    if (excess === 0) return
    for (const { slot } of this.members) this.current[slot] = (this.current[slot] ?? 0) - excess
  }

  private grow(slots: number): void {
    const length = Math.max(slots, this.current.length * 2)
    const grown = (values: Float64Array): Float64Array<ArrayBuffer> => {
      const longer = new Float64Array(length)
      longer.set(values)
      return longer
    }
    this.current = grown(this.current)
    this.effective = grown(this.effective)
    this.weights = grown(this.weights)
  }
}
