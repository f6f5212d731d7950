/** Asks again while keys cannot be reached: nothing may be lost because a key service is down for a while. */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'

const FIRST_MS = 100
const LONGEST_MS = 10_000

export interface PatienceParts {
  readonly clock: Clock
  readonly logger: Logger
  /** Nobody waits for the answer any more. */
  readonly isOver: () => boolean
}

/** Gives what `ask` gives, with no promise if it gives none. Undefined: it is over. */
export function patiently<T>(ask: () => T | Promise<T>, parts: PatienceParts): T | Promise<T | undefined> {
  const asked = ask()
  return asked instanceof Promise ? asked.catch((error: unknown) => again(ask, error, parts)) : asked
}

async function again<T>(
  ask: () => T | Promise<T>,
  failure: unknown,
  { clock, logger, isOver }: PatienceParts,
): Promise<T | undefined> {
  let error = failure
  for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(LONGEST_MS, pauseMs * 2)) {
    if (!(error instanceof PerdureError) || error.code !== 'KEYS_UNAVAILABLE') throw error
    logger.warn('keys of payloads cannot be reached: trying again', { inMs: pauseMs, error })
    await new Promise<void>((resolve) => void clock.after(pauseMs, resolve))
    if (isOver()) return undefined
    try {
      return await ask()
    } catch (next) {
      error = next
    }
  }
}
