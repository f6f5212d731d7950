/** How often somebody may do something: a bucket of tokens for each, of a bounded number of them. */

export interface RateLimit {
  readonly perSecond: number
  /** At once, after a pause. Default: what comes in a second, and at least 1. */
  readonly burst?: number
}

interface Bucket {
  tokens: number
  atMs: number
}

export class RateLimiter {
  readonly #perMs: number
  readonly #burst: number
  readonly #most: number
  readonly #nowMs: () => number
  /** The one that was used last is the last. */
  readonly #buckets = new Map<string, Bucket>()

  /** @param most keys that are known at once; the one that was used longest ago is forgotten first */
  constructor({ perSecond, burst }: RateLimit, most: number, nowMs: () => number) {
    this.#perMs = perSecond / 1000
    this.#burst = Math.max(1, burst ?? perSecond)
    this.#most = most
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes one. Undefined: it was there; else how many ms it takes until one is. */
  take(key: string): number | undefined {
    const bucket = this.#bucket(key)
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1
      return undefined
    }
    return this.#waitMs(bucket)
  }

  /** As `take`, and takes none. */
  wait(key: string): number | undefined {
    const known = this.#buckets.get(key)
    if (known === undefined) return undefined
    this.#fill(known)
    return known.tokens >= 1 ? undefined : this.#waitMs(known)
  }

  #waitMs({ tokens }: Bucket): number {
    return Math.max(1, Math.ceil((1 - tokens) / this.#perMs))
  }

  #bucket(key: string): Bucket {
    const known = this.#buckets.get(key)
    const bucket = known ?? { tokens: this.#burst, atMs: this.#nowMs() }
    if (known !== undefined) {
      this.#buckets.delete(key)
      this.#fill(bucket)
    } else if (this.#buckets.size >= this.#most) {
      const [oldest = ''] = this.#buckets.keys()
      this.#buckets.delete(oldest)
    }
    this.#buckets.set(key, bucket)
    return bucket
  }

  #fill(bucket: Bucket): void {
    const nowMs = this.#nowMs()
    // A clock that was set back gives nothing, and takes nothing.
    const passedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.tokens = Math.min(this.#burst, bucket.tokens + passedMs * this.#perMs)
    bucket.atMs = nowMs
  }
}
