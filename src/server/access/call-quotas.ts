/** Rates of identities and namespaces, and sizes of payloads: what a call uses up. */
import type { Caller } from '../../protocol/caller.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { checkPayloadSizes } from '../listen/payload-sizes.ts'
import type { CallLimits } from './guarded-port.ts'
import type { Namespaces } from './namespaces.ts'
import { type RateLimit, RateLimiter } from './rate-limiter.ts'

const IDENTITIES_MOST = 50_000

export interface CallQuotasParts {
  readonly namespaces: Namespaces
  readonly rateLimit: RateLimit | undefined
  /** ms that are never set back. */
  readonly nowMs: () => number
}

export class CallQuotas implements CallLimits {
  readonly #parts: CallQuotasParts
  /** Of requests that were counted, and have made no call yet. */
  readonly #begun = new WeakSet<Caller>()
  readonly #identities: RateLimiter | undefined
  /** By namespace; with the rate that it was made for. */
  readonly #rates = new Map<string, { readonly perSecond: number; readonly limiter: RateLimiter }>()

  constructor(parts: CallQuotasParts) {
    this.#parts = parts
    if (parts.rateLimit !== undefined)
      this.#identities = new RateLimiter(parts.rateLimit, IDENTITIES_MOST, parts.nowMs)
  }

  /** Whoever asks over HTTP is made anew for each request. */
  beginRequest(caller: Caller): void {
    this.#take(caller)
    if (this.#identities !== undefined) this.#begun.add(caller)
  }

  beginCall(caller: Caller): void {
    if (!this.#begun.delete(caller)) this.#take(caller)
  }

  useUp(namespace: string, payloads: () => readonly unknown[] = () => []): void {
    const { requestsPerSecond, payloadBytes } = this.#parts.namespaces.quotasOf(namespace)
    if (requestsPerSecond !== undefined) this.#takeOf(namespace, requestsPerSecond)
    if (payloadBytes !== undefined) checkPayloads(namespace, payloads(), payloadBytes)
  }

  async admit(namespaces: ReadonlySet<string>, args: readonly unknown[]): Promise<void> {
    for (const namespace of namespaces) this.useUp(namespace, () => args)
  }

  #take({ id }: Caller): void {
    const waitMs = this.#identities?.take(id)
    if (waitMs !== undefined) throw tooOften(`${id} asks too often`, waitMs)
  }

  /** The quotas of the namespace have changed: one without a rate needs no memory of it. */
  forget(namespace: string): void {
    if (this.#parts.namespaces.quotasOf(namespace).requestsPerSecond === undefined)
      this.#rates.delete(namespace)
  }

  #takeOf(namespace: string, perSecond: number): void {
    let rate = this.#rates.get(namespace)
    if (rate?.perSecond !== perSecond) {
      rate = { perSecond, limiter: new RateLimiter({ perSecond }, 1, this.#parts.nowMs) }
      this.#rates.set(namespace, rate)
    }
    const waitMs = rate.limiter.take('')
    if (waitMs !== undefined) throw tooOften(`namespace ${namespace} is asked too often`, waitMs)
  }
}

function tooOften(who: string, waitMs: number): PerdureError {
  return new PerdureError('RATE_LIMITED', `${who}: again in ${waitMs} ms`, { retryAfterMs: waitMs })
}

function checkPayloads(namespace: string, args: readonly unknown[], most: number): void {
  try {
    checkPayloadSizes(args, Number.POSITIVE_INFINITY, most)
  } catch (error) {
    throw new PerdureError(
      'QUOTA_EXCEEDED',
      `a payload is larger than the ${most} bytes that namespace ${namespace} may have`,
      { cause: error },
    )
  }
}
