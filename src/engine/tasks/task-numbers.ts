/**
 * Numbers of tasks: 1,024 per millisecond, so that they rise with time and the day of a task follows from its number. Under
 * a burst they run ahead of the clock. They never fall below the highest number that the store has.
 */
const PER_MS = 1024

/** A task without a workflow has its number at once; that of a workflow in the turn before, which never takes so long. */
const SLACK_MS = 60_000

/** No task that was enqueued at this time or later has a lower number. */
export function lowestNumberFrom(ms: number): number {
  return Math.max(0, Math.floor((ms - SLACK_MS) * PER_MS))
}

export class TaskNumbers {
  #last = 0
  #slot = 0
  #step = 1

  /** In a cluster the numbers of a session are those with its remainder: no two living sessions give the same. */
  useSlot(slot: number, slots: number): void {
    this.#slot = slot
    this.#step = slots
  }

  /** The highest number that is in the store. */
  continueFrom(last: number): void {
    this.#last = Math.max(this.#last, last)
  }

  next(nowMs: number): number {
    const least = Math.max(this.#last + 1, nowMs * PER_MS)
    this.#last = Math.ceil((least - this.#slot) / this.#step) * this.#step + this.#slot
    return this.#last
  }

  /** Goes around with the numbers. */
  partOf(seq: number, parts: number): number {
    return Math.floor(seq / this.#step) % parts
  }
}
