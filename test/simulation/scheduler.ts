/**
 * The only source of macrotasks in a simulation: what is deferred, and what waits for its time on the virtual clock.
 *
 * 1. One macrotask runs at a time; all microtasks it leads to have run before the next one begins.
 * 2. Deferred calls run in their order, as `setImmediate` runs them; timers that are due run between them, by seed.
 * 3. Time moves when nothing is deferred, and now and then by a millisecond while code runs: code takes time, too.
 */
import type { Randomness } from '../../src/platform/randomness.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'

/** Immediates that are asked for together: Node runs them in one phase and drains microtasks between them. */
const IMMEDIATES = 64

export type RunEnd = 'reached' | 'nothing-left' | 'out-of-time'

export class Scheduler {
  readonly clock: VirtualClock
  tasks = 0
  readonly #random: Randomness
  readonly #tickShare: number
  #queue: (() => void)[] = []
  #head = 0

  /** `tickShare`: share of macrotasks that take a millisecond. */
  constructor(startMs: number, random: Randomness, tickShare: number) {
    this.#random = random
    this.#tickShare = tickShare
    this.clock = new VirtualClock(startMs, (call) => void this.#queue.push(call))
  }

  /** Runs macrotasks until the goal is reached, nothing is left to run, or `untilMs` has passed. */
  run(isReached: () => boolean, untilMs: number, beforeTask: () => void): Promise<RunEnd> {
    return new Promise((resolve, reject) => {
      let end: RunEnd | undefined
      let waiting = 0
      const tick = (): void => {
        waiting -= 1
        if (end !== undefined) return
        try {
          if (isReached()) end = 'reached'
          else if (this.clock.nowMs() > untilMs) end = 'out-of-time'
          else {
            beforeTask()
            if (!this.#runOne()) end = 'nothing-left'
          }
        } catch (error) {
          end = 'nothing-left'
          reject(error)
        }
        if (end !== undefined) resolve(end)
        else if (waiting === 0) ask()
      }
      const ask = (): void => {
        waiting = IMMEDIATES
        for (let i = 0; i < IMMEDIATES; i++) setImmediate(tick)
      }
      ask()
    })
  }

  #runOne(): boolean {
    this.tasks += 1
    const { clock } = this
    if (this.#head < this.#queue.length) {
      if (this.#random() < this.#tickShare) clock.advance(1)
      const nextMs = clock.nextMs()
      if (nextMs !== undefined && nextMs <= clock.nowMs() && this.#random() < 0.5) return clock.runNext()
      const call = this.#queue[this.#head++]
      if (this.#head > 256 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head)
        this.#head = 0
      }
      call?.()
      return true
    }
    return clock.runNext()
  }
}
