/**
 * A clock under the control of a test or simulation: time moves only when told, to the next timer.
 *
 * Calls due at the same time run in the order in which they were set.
 */
import type { Cancel, Clock } from './clock.ts'

interface Waiting {
  readonly dueMs: number
  readonly order: number
  readonly call: () => void
  isCancelled: boolean
}

export class VirtualClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #heap: Waiting[] = []
  readonly #defer: (call: () => void) => void

  /** `defer`: how macrotasks are made; by default the real ones. */
  constructor(startMs: number, defer: (call: () => void) => void = (call) => void setImmediate(call)) {
    this.#nowMs = startMs
    this.#defer = defer
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, call: () => void): Cancel {
    const dueMs = this.#nowMs + Math.max(0, Math.ceil(delayMs))
    const waiting = { dueMs, order: this.#order++, call, isCancelled: false }
    this.#push(waiting)
    return () => {
      waiting.isCancelled = true
    }
  }

  defer(call: () => void): void {
    this.#defer(call)
  }

  /** Due time of the next timer, undefined if there is none. */
  nextMs(): number | undefined {
    this.#dropCancelled()
    return this.#heap[0]?.dueMs
  }

  /** Moves to the next timer and runs it. False if there is none. */
  runNext(): boolean {
    this.#dropCancelled()
    const next = this.#pop()
    if (next === undefined) return false
    this.#nowMs = Math.max(this.#nowMs, next.dueMs)
    next.call()
    return true
  }

  /** Moves time without running anything; timers passed by are run by the next `runNext`. */
  advance(ms: number): void {
    this.#nowMs += ms
  }

  #dropCancelled(): void {
    let top = this.#heap[0]
    while (top?.isCancelled === true) {
      this.#pop()
      top = this.#heap[0]
    }
  }

  #push(waiting: Waiting): void {
    const heap = this.#heap
    let i = heap.push(waiting) - 1
    while (i > 0) {
      const up = (i - 1) >> 1
      const parent = heap[up]
      if (parent === undefined || before(parent, waiting)) break
      heap[i] = parent
      i = up
    }
    heap[i] = waiting
  }

  #pop(): Waiting | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || top === undefined || heap.length === 0) return top
    let i = 0
    for (;;) {
      let down = 2 * i + 1
      let child = heap[down]
      if (child === undefined) break
      const right = heap[down + 1]
      if (right !== undefined && before(right, child)) {
        down += 1
        child = right
      }
      if (before(last, child)) break
      heap[i] = child
      i = down
    }
    heap[i] = last
    return top
  }
}

function before(a: Waiting, b: Waiting): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}
