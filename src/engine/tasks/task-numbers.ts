/**
 * Numbers of tasks: 1,024 per millisecond, so that they rise with time and the day of a task follows from its number. Under
 * a burst they run ahead of the clock. They never fall below the highest number that the store has.
 */
const PER_MS = 1024

export class TaskNumbers {
  #last = 0

  /** The highest number that is in the store. */
  continueFrom(last: number): void {
    this.#last = Math.max(this.#last, last)
  }

  next(nowMs: number): number {
    this.#last = Math.max(this.#last + 1, nowMs * PER_MS)
    return this.#last
  }
}
