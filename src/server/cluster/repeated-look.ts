/** Looks at the database again and again, until it is stopped. One look begins when the one before has ended, and some time later. */
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'

export interface RepeatedLookOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Between the end of a look and the next one. */
  readonly pauseMs: number
  /** For the log: what could not be read. */
  readonly what: string
}

export class RepeatedLook {
  readonly #options: RepeatedLookOptions
  #cancel: Cancel | undefined
  #isStopped = false

  constructor(options: RepeatedLookOptions) {
    this.#options = options
  }

  start(look: () => Promise<void>): void {
    if (this.#isStopped) return
    const { clock, pauseMs } = this.#options
    this.#cancel = clock.after(pauseMs, () => void this.#look(look))
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  async #look(look: () => Promise<void>): Promise<void> {
    const { logger, what } = this.#options
    try {
      await look()
    } catch (error) {
      // The database may be away: the next look comes.
      if (!this.#isStopped) logger.debug(`${what} could not be read`, { error })
    }
    this.start(look)
  }
}
