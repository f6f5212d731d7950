/** Asks again while keys cannot be reached: nothing may be lost because a key service is down for a while. */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'

const FIRST_MS = 100
const LONGEST_MS = 10_000
/** Thousands may wait for the same key service: it is told so often, not for each of them. */
const TELL_MS = 5000

export class KeysPatience {
  readonly #clock: Clock
  readonly #logger: Logger
  #toldMs = Number.NEGATIVE_INFINITY

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock
    this.#logger = logger
  }

  /**
   * Gives what `ask` gives, with no promise if it gives none. Undefined: nobody waits for it any more.
   *
   * @param isOver whether that is so
   */
  ask<T>(ask: () => T | Promise<T>, isOver: () => boolean): T | Promise<T | undefined> {
    const asked = ask()
    return asked instanceof Promise ? asked.catch((error: unknown) => this.#again(ask, error, isOver)) : asked
  }

  async #again<T>(
    ask: () => T | Promise<T>,
    failure: unknown,
    isOver: () => boolean,
  ): Promise<T | undefined> {
    let error = failure
    for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(LONGEST_MS, pauseMs * 2)) {
      if (!(error instanceof PerdureError) || error.code !== 'KEYS_UNAVAILABLE') throw error
      this.#tell(error)
      await new Promise<void>((resolve) => void this.#clock.after(pauseMs, resolve))
      if (isOver()) return undefined
      try {
        return await ask()
      } catch (next) {
        error = next
      }
    }
  }

  #tell(error: PerdureError): void {
    const nowMs = this.#clock.tickMs?.() ?? this.#clock.nowMs()
    if (nowMs < this.#toldMs + TELL_MS) return
    this.#toldMs = nowMs
    this.#logger.warn('keys of payloads cannot be reached: trying again until they are', { error })
  }
}
