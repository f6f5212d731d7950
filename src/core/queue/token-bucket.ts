/** A rate limit: a bucket of tokens that fills evenly up to its burst. Each start takes one. */
import type { RateLimit } from '../../protocol/queue-settings.ts'

export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #filledMs: number

  constructor({ perSecond, burst = Math.max(1, perSecond) }: RateLimit, nowMs: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
    this.#filledMs = nowMs
  }

  /** When there will be a token, ms; `nowMs` if there is one. */
  readyMs(nowMs: number): number {
    this.#fill(nowMs)
    // A wait that is rounded to nothing would be asked for ever.
    return this.#tokens >= 1 ? nowMs : nowMs + Math.max(1, Math.ceil((1 - this.#tokens) / this.#perMs))
  }

  take(nowMs: number): void {
    this.#fill(nowMs)
    this.#tokens -= 1
  }

  /** As many tokens under another limit, at most its burst: a change of the limit gives none. */
  under(limit: RateLimit, nowMs: number): TokenBucket {
    this.#fill(nowMs)
    const next = new TokenBucket(limit, nowMs)
    next.#tokens = Math.min(this.#tokens, next.#burst)
    return next
  }

  isFull(nowMs: number): boolean {
    this.#fill(nowMs)
    return this.#tokens >= this.#burst
  }

  /** A clock that goes back fills nothing. */
  #fill(nowMs: number): void {
    if (nowMs > this.#filledMs)
      this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#filledMs) * this.#perMs)
    this.#filledMs = nowMs
  }
}
