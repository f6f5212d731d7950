/** One simulation of dispatch: the world with its store and its time, the faults of the network, and the books of the checker. */
import type { Randomness } from '../../../src/platform/randomness.ts'
import { randomFor } from '../fault-plan.ts'
import { World } from '../world.ts'
import { DispatchBooks } from './dispatch-books.ts'
import { type DispatchCounters, noDispatchCounts } from './dispatch-counters.ts'
import { type DispatchPlan, dispatchPlan } from './dispatch-plan.ts'

export class DispatchWorld {
  readonly base: World
  readonly plan: DispatchPlan
  readonly counters: DispatchCounters = noDispatchCounts()
  readonly books: DispatchBooks
  /** Of the network and of processes. */
  readonly random: Randomness
  readonly loadRandom: Randomness
  /** Calls of each task's function. */
  readonly callsOf = new Map<string, number>()

  /** Places of a worker that are taken, as the engine counts. */
  takenOf: (worker: string) => number = () => 0

  constructor(seed: number, print?: (line: string) => void) {
    this.plan = dispatchPlan(seed)
    this.base = new World(seed, { print, isOfTasks: true, plan: this.plan.store })
    this.random = randomFor(seed, 'network')
    this.books = new DispatchBooks({
      counters: this.counters,
      isExact: !this.plan.hasStoreFaults,
      random: this.random,
      fault: (text) => this.fault(text),
      takenOf: (worker) => this.takenOf(worker),
      statusOf: (id) => this.base.durable.tasks.statusOf(id),
    })
    this.loadRandom = randomFor(seed, 'load')
  }

  get isFaulty(): boolean {
    return this.base.isFaulty
  }

  /** Whether a fault of this rate happens now. */
  draw(rate: number): boolean {
    return rate > 0 && this.base.isFaulty && this.random() < rate
  }

  /** A whole number below `end`. */
  upTo(end: number): number {
    return Math.floor(this.random() * end)
  }

  fault(text: string): void {
    this.base.note(`FAULT ${text}`)
    this.base.faults.push(text)
  }

  after(ms: number, call: () => void): void {
    this.base.scheduler.clock.after(ms, call)
  }
}
