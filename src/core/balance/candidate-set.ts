/**
 * The workers that may be picked now. Workers become full and free with every task, so joining and leaving take constant
 * time: a dense list in which the last takes the place of the one that leaves, and bits by slot for those who go around.
 *
 * 1. `positions[worker.slot]` is the place of the worker in `list`, or -1; `slots` and `bits` have the same members.
 * 2. `totalWeight` and `totalInFlight` are sums over `list`: whoever changes a member tells `reweigh` or `count`.
 */
import type { BalancedWorker, Candidates } from './load-balancer.ts'
import { SlotBits } from './slot-bits.ts'

export class CandidateSet implements Candidates {
  private readonly list: BalancedWorker[] = []
  /** Those of `list`, so that a strategy with arrays by slot need not touch a thousand objects. */
  private slots = new Int32Array(16)
  private readonly positions: number[] = []
  private readonly bits = new SlotBits()
  private weight = 0
  private inFlight = 0

  get size(): number {
    return this.list.length
  }

  get totalWeight(): number {
    return this.weight
  }

  get totalInFlight(): number {
    return this.inFlight
  }

  at(index: number): BalancedWorker {
    const worker = this.list[index]
    if (worker === undefined) throw new RangeError(`candidate ${index} of ${this.list.length}`)
    return worker
  }

  slotAt(index: number): number {
    return this.slots[index] ?? -1
  }

  has(worker: BalancedWorker): boolean {
    const position = this.positions[worker.slot] ?? -1
    return position >= 0 && this.list[position] === worker
  }

  from(slot: number): BalancedWorker {
    const found = this.bits.from(slot)
    return this.at(this.positions[found >= 0 ? found : this.bits.from(0)] ?? -1)
  }

  add(worker: BalancedWorker): void {
    if (this.has(worker)) return
    while (this.positions.length <= worker.slot) this.positions.push(-1)
    const position = this.list.length
    this.positions[worker.slot] = position
    this.list.push(worker)
    if (position === this.slots.length) this.grow()
    this.slots[position] = worker.slot
    this.bits.add(worker.slot)
    this.weight += worker.weight
    this.inFlight += worker.inFlight
  }

  delete(worker: BalancedWorker): void {
    if (!this.has(worker)) return
    const position = this.positions[worker.slot] ?? -1
    const last = this.list.pop()
    if (last !== undefined && last !== worker) {
      this.list[position] = last
      this.slots[position] = last.slot
      this.positions[last.slot] = position
    }
    this.positions[worker.slot] = -1
    this.bits.delete(worker.slot)
    this.inFlight -= worker.inFlight
    // Sums of fractions drift; an empty set is where they can be put right for nothing.
    this.weight = this.list.length === 0 ? 0 : this.weight - worker.weight
  }

  clear(): void {
    for (const worker of this.list) {
      this.positions[worker.slot] = -1
      this.bits.delete(worker.slot)
    }
    this.list.length = 0
    this.weight = 0
    this.inFlight = 0
  }

  /** A member's number of tasks in flight has changed by this. */
  count(change: number): void {
    this.inFlight += change
  }

  /** A member's weight has changed by this. */
  reweigh(change: number): void {
    this.weight += change
  }

  private grow(): void {
    const longer = new Int32Array(this.slots.length * 2)
    longer.set(this.slots)
    this.slots = longer
  }
}
