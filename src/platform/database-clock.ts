/**
 * The clock of a database, as a node sees it: its own clock, and how far that is from the database's. So nodes whose clocks
 * differ agree on what is due.
 *
 * What the database answered is between the times of question and answer: the quicker the answer, the better it is known. The
 * best of the last minute counts; a clock that drifts by 100 ppm is 6 ms off after that.
 */
import type { Clock } from './clock.ts'

const KEPT_MS = 60_000

interface Sample {
  readonly offsetMs: number
  /** It is off by no more than this. */
  readonly boundMs: number
  readonly atTickMs: number
}

export class DatabaseClock implements Clock {
  readonly #base: Clock
  #best: Sample | undefined

  constructor(base: Clock) {
    this.#base = base
  }

  /** How far the database's clock is ahead, ms. */
  get offsetMs(): number {
    return Math.round(this.#best?.offsetMs ?? 0)
  }

  /** Asks the database, and learns from its answer. */
  async sample<T extends { readonly databaseMs: number }>(ask: () => Promise<T>): Promise<T> {
    const askedMs = this.#base.nowMs()
    const askedTickMs = this.tickMs()
    const answer = await ask()
    const tookMs = this.tickMs() - askedTickMs
    const offsetMs = answer.databaseMs - (askedMs + tookMs / 2)
    this.#learn({ offsetMs, boundMs: tookMs / 2, atTickMs: this.tickMs() })
    return answer
  }

  nowMs(): number {
    return this.#base.nowMs() + this.offsetMs
  }

  tickMs(): number {
    return this.#base.tickMs?.() ?? this.#base.nowMs()
  }

  after(delayMs: number, call: () => void): () => void {
    return this.#base.after(delayMs, call)
  }

  defer(call: () => void): void {
    this.#base.defer(call)
  }

  #learn(sample: Sample): void {
    const best = this.#best
    const isOld = best === undefined || sample.atTickMs - best.atTickMs > KEPT_MS
    // One of the two clocks was set.
    const isWrong =
      best !== undefined && Math.abs(sample.offsetMs - best.offsetMs) > sample.boundMs + best.boundMs + 10
    if (isOld || isWrong || sample.boundMs <= best.boundMs) this.#best = sample
  }
}
