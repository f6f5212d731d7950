/**
 * How long tasks of a name run: a moving average of what was observed, ms. A name that has not been observed is taken for
 * the median of the latest observations of all names, so that an unknown task is neither first nor last.
 *
 * Memory is bounded: the name that was not observed for longest is forgotten first.
 */

/** Weight of the newest observation once there are some; the first ones are averaged plainly. */
const GAIN = 0.1
const NAMES_MAX = 10_000
/** Latest observations that the median is taken of. */
const SAMPLES = 256
/** Before anything was observed, ms. */
const UNKNOWN_MS = 1000

export class ServiceEstimator {
  readonly #names = new Map<string, { meanMs: number; count: number }>()
  readonly #samples: number[] = []
  #newest = 0
  /** Of `#samples`; undefined: to be computed. */
  #medianMs: number | undefined

  observe(name: string, servedMs: number): void {
    const known = this.#names.get(name)
    if (known === undefined) {
      if (this.#names.size >= NAMES_MAX) this.#names.delete(this.#names.keys().next().value as string)
      this.#names.set(name, { meanMs: servedMs, count: 1 })
    } else {
      known.count += 1
      known.meanMs += Math.max(GAIN, 1 / known.count) * (servedMs - known.meanMs)
      // Newest last.
      this.#names.delete(name)
      this.#names.set(name, known)
    }
    this.#samples[this.#newest] = servedMs
    this.#newest = (this.#newest + 1) % SAMPLES
    this.#medianMs = undefined
  }

  estimateMs(name: string): number {
    return this.#names.get(name)?.meanMs ?? this.#median()
  }

  #median(): number {
    if (this.#samples.length === 0) return UNKNOWN_MS
    this.#medianMs ??= this.#samples.toSorted((a, b) => a - b)[this.#samples.length >> 1]
    return this.#medianMs ?? UNKNOWN_MS
  }
}
