/**
 * Callers that could not show who they are: a counter for graphs and alerts, and a log that says from where.
 *
 * 1. The log is bounded: of an address at most one record a minute, with how many it stands for; of what comes from more addresses than are
 *    told apart, one a minute together.
 * 2. Nothing of a secret is in it: what is said is what the caller was told.
 */
import type { Cancel, Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Counter, Metric, MetricsRegistry } from '../../platform/metrics.ts'

export interface FailedLogin {
  /** What was shown; `unknown`: it is nothing of that. */
  readonly credential: 'api-key' | 'token' | 'certificate' | 'unknown' | 'none'
  /**
   * `missing`: nothing was shown. `malformed`: it cannot be read as what it is. `refused`: it is not good, or not any more.
   * `unavailable`: the keys of its issuer cannot be had. `too-often`: it was not looked at.
   */
  readonly reason: 'missing' | 'malformed' | 'refused' | 'unavailable' | 'too-often'
}

export interface FailedLoginsParts {
  readonly logger: Logger
  readonly clock: Clock
  /** Undefined: nothing is counted. */
  readonly metrics: MetricsRegistry | undefined
}

interface Counted {
  /** When the last record was written. */
  toldMs: number
  /** That no record stands for yet. */
  failures: number
  last: FailedLogin & { readonly why: string }
}

/** That are told apart at a time. */
const ADDRESSES_MOST = 100
const WINDOW_MS = 60_000
const MESSAGE = 'callers could not show who they are'

export function failedLoginsCounter(registry: MetricsRegistry): Metric<Counter> {
  return registry.counter({
    name: 'perdure_authentication_failures_total',
    help: 'Calls and connections whose caller could not show who it is, by what it showed (`credential`) and why that was not enough (`reason`). With access only.',
    labels: ['credential', 'reason'],
  })
}

export class FailedLogins {
  readonly #parts: FailedLoginsParts
  readonly #counter: Metric<Counter> | undefined
  /** Those that the log has told of in the last minute, and those that fail on. */
  readonly #addresses = new Map<string, Counted>()
  #others = 0
  #cancel: Cancel | undefined
  #isClosed = false

  constructor(parts: FailedLoginsParts) {
    this.#parts = parts
    this.#counter = parts.metrics && failedLoginsCounter(parts.metrics)
  }

  /** @param why as its caller is told */
  add(address: string, { credential, reason }: FailedLogin, why: string): void {
    this.#counter?.of(credential, reason).add()
    // Who shows nothing has tried nothing, and it is not its fault that keys cannot be had; that has a record of its own.
    if (reason === 'missing' || reason === 'unavailable' || this.#isClosed) return
    const last = { credential, reason, why }
    const known = this.#addresses.get(address)
    if (known !== undefined) {
      known.failures += 1
      known.last = last
    } else if (this.#addresses.size >= ADDRESSES_MOST) this.#others += 1
    else {
      const counted = { failures: 1, last, toldMs: 0 }
      this.#addresses.set(address, counted)
      this.#log(address, counted)
    }
    this.#cancel ??= this.#after()
  }

  /** What was counted is told, and no timer is left: doors may still be open. */
  close(): void {
    this.#isClosed = true
    this.#cancel?.()
    for (const [address, counted] of this.#addresses) if (counted.failures > 0) this.#log(address, counted)
    this.#addresses.clear()
    this.#tellOthers()
  }

  #after(): Cancel {
    return this.#parts.clock.after(WINDOW_MS, () => {
      this.#cancel = undefined
      this.#tell()
      if (this.#addresses.size > 0) this.#cancel = this.#after()
    })
  }

  /** Addresses of which there is nothing to tell are forgotten. */
  #tell(): void {
    const untilMs = this.#tickMs() - WINDOW_MS
    for (const [address, counted] of this.#addresses) {
      if (counted.toldMs > untilMs) continue
      if (counted.failures === 0) this.#addresses.delete(address)
      else this.#log(address, counted)
    }
    this.#tellOthers()
  }

  #tellOthers(): void {
    if (this.#others > 0) this.#parts.logger.warn(MESSAGE, { address: 'others', failures: this.#others })
    this.#others = 0
  }

  #log(address: string, counted: Counted): void {
    const { failures, last } = counted
    const { credential: shown, reason, why } = last
    // A field that is called after a secret is not shown.
    this.#parts.logger.warn(MESSAGE, { address, failures, shown, reason, why })
    counted.failures = 0
    counted.toldMs = this.#tickMs()
  }

  #tickMs(): number {
    const { clock } = this.#parts
    return clock.tickMs?.() ?? clock.nowMs()
  }
}
