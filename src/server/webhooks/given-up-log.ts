/**
 * Says in the log which webhooks were not reached for good. What was not delivered is a failed task, each of them; the log is there so
 * that somebody looks: of one webhook at most one record a minute, with how many it stands for.
 */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'

export interface GivenUp {
  readonly namespace: string
  readonly webhook: string
  /** Of the event that was not delivered. */
  readonly event: string
  readonly error: unknown
}

const EVERY_MS = 60_000
const WEBHOOKS_MOST = 1000

export class GivenUpLog {
  readonly #clock: Pick<Clock, 'nowMs'>
  /** The one that was told of last is the last. */
  readonly #told = new Map<string, { readonly atMs: number; more: number }>()

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock
  }

  add(log: Pick<Logger, 'warn'>, { namespace, webhook, event, error }: GivenUp): void {
    const name = JSON.stringify([namespace, webhook])
    const nowMs = this.#clock.nowMs()
    const known = this.#told.get(name)
    if (known !== undefined && Math.abs(nowMs - known.atMs) < EVERY_MS) {
      known.more += 1
      return
    }
    this.#told.delete(name)
    if (this.#told.size >= WEBHOOKS_MOST) {
      const [oldest = ''] = this.#told.keys()
      this.#told.delete(oldest)
    }
    this.#told.set(name, { atMs: nowMs, more: 0 })
    const deliveries = 1 + (known?.more ?? 0)
    log.warn('a delivery of a webhook was given up', { namespace, webhook, event, deliveries, error })
  }
}
