/** A fixed number of places: the lowest rank goes first, and within a rank who asked first. */
export class Slots {
  #free: number
  readonly #waiting = new Map<number, (() => void)[]>()

  constructor(count: number) {
    this.#free = count
  }

  async use<T>(rank: number, run: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await this.#turn(rank)
    try {
      return await run()
    } finally {
      const next = this.#next()
      if (next === undefined) this.#free += 1
      else next()
    }
  }

  #turn(rank: number): Promise<void> {
    return new Promise((resolve) => {
      const queue = this.#waiting.get(rank)
      if (queue === undefined) this.#waiting.set(rank, [resolve])
      else queue.push(resolve)
    })
  }

  #next(): (() => void) | undefined {
    if (this.#waiting.size === 0) return undefined
    let lowest = Number.POSITIVE_INFINITY
    for (const rank of this.#waiting.keys()) if (rank < lowest) lowest = rank
    const queue = this.#waiting.get(lowest)
    const next = queue?.shift()
    if (queue?.length === 0) this.#waiting.delete(lowest)
    return next
  }
}
