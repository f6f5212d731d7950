/**
 * How much of something is open in a namespace, for a quota: what the store has counted, at most so often, and what was let in here
 * since.
 *
 * 1. What is let in here alone never exceeds the quota: what may not be in the count is counted beside it.
 * 2. The store stops counting at the quota.
 */
export interface OpenCountParts {
  /** In the store; not beyond `most`. */
  readonly count: (most: number) => Promise<number>
  /** ms that are never set back. */
  readonly nowMs: () => number
}

/** Places that were taken, and are not filled yet. */
export interface TakenPlaces {
  /** Once: how many of them are; default: all, as far as anybody knows. */
  filled(used?: number): void
}

/** What is counted is believed for so long. */
export const COUNT_MS = 1000

interface Counted {
  readonly open: number
  /** Of then: there is nothing above it in the count. */
  readonly quota: number
  readonly atMs: number
}

export class OpenCount {
  readonly #parts: OpenCountParts
  #counted: Counted | undefined
  #counting: Promise<Counted> | undefined
  /** Let in since the count began, or still on its way then. */
  #taken = 0
  #underway = 0

  constructor(parts: OpenCountParts) {
    this.#parts = parts
  }

  /** Undefined: there are not so many. Throws what the store throws. */
  async take(places: number, quota: number): Promise<TakenPlaces | undefined> {
    let counted = await this.#fresh(quota)
    // A count that has begun since leaves out of `#taken` what is in it, and not in the one before.
    while (counted !== this.#counted || this.#counting !== undefined) counted = await this.#fresh(quota)
    if (counted.open + this.#taken + places > Math.min(quota, counted.quota)) return undefined
    this.#taken += places
    this.#underway += places
    return {
      filled: (used = places) => {
        this.#underway -= places
        this.#taken -= places - used
      },
    }
  }

  async #fresh(quota: number): Promise<Counted> {
    const { nowMs } = this.#parts
    if (this.#counted !== undefined && nowMs() - this.#counted.atMs < COUNT_MS) return this.#counted
    this.#counting ??= this.#count(quota).finally(() => {
      this.#counting = undefined
    })
    return await this.#counting
  }

  async #count(quota: number): Promise<Counted> {
    const { count, nowMs } = this.#parts
    const atMs = nowMs()
    // What has been answered is in the store; what has not may be, and counts twice until the next time.
    this.#taken = this.#underway
    this.#counted = { open: await count(quota), quota, atMs }
    return this.#counted
  }
}
