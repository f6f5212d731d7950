/** Latencies in buckets of at most 1 % width: a million of them cost as much memory as ten. */
const SUB_BUCKETS = 128
const SUB_BITS = Math.log2(SUB_BUCKETS)
/** 2^36 microseconds are 19 hours. */
const POWERS = 36

export class LatencyHistogram {
  readonly #counts = new Float64Array((POWERS - SUB_BITS + 1) * SUB_BUCKETS)
  #count = 0

  get count(): number {
    return this.#count
  }

  record(ms: number): void {
    const index = Math.min(bucketOf(Math.max(0, Math.round(ms * 1000))), this.#counts.length - 1)
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#count += 1
  }

  /** The latency that this share of all does not exceed, ms; 0 if there are none. */
  quantileMs(share: number): number {
    let left = Math.ceil(share * this.#count)
    for (const [index, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0 && this.#count > 0) return middleOf(index) / 1000
    }
    return 0
  }
}

/** Below 128 each microsecond has its bucket; above, each power of two has 128. */
function bucketOf(us: number): number {
  if (us < SUB_BUCKETS) return us
  const power = Math.floor(Math.log2(us))
  const shift = power - SUB_BITS
  return (shift + 1) * SUB_BUCKETS + Math.floor(us / 2 ** shift) - SUB_BUCKETS
}

function middleOf(index: number): number {
  if (index < SUB_BUCKETS) return index
  const shift = Math.floor(index / SUB_BUCKETS) - 1
  return ((index % SUB_BUCKETS) + SUB_BUCKETS + 0.5) * 2 ** shift
}
