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

  /** The highest number that is in the store. */
  continueFrom(last: number): void {
    this.#last = Math.max(this.#last, last)
  }

  next(nowMs: number): number {
    this.#last = Math.max(this.#last + 1, nowMs * PER_MS)
    return this.#last
  }
}
