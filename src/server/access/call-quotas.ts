/** Rates of identities and namespaces, and sizes of payloads: what a call uses up. */
import type { Caller } from '../../protocol/caller.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { checkPayloadSizes } from '../listen/payload-sizes.ts'
import type { CallLimits } from './guarded-port.ts'
import type { Namespaces } from './namespaces.ts'
import { type RateLimit, RateLimiter } from './rate-limiter.ts'

const IDENTITIES_MOST = 50_000
const NOTHING = (): void => {}

interface Asking {
  requests: number
  calls: number
}

export interface CallQuotasParts {
  readonly namespaces: Namespaces
  readonly rateLimit: RateLimit | undefined
  /** ms that are never set back. */
  readonly nowMs: () => number
}

export class CallQuotas implements CallLimits {
  /** What rules do by themselves: what they act on has counted for rates, but their payloads are made anew. */
  readonly ofRules: CallLimits = {
    beginCall: () => {},
    admit: async (namespaces, args) => {
      for (const namespace of namespaces) this.#checkPayloads(namespace, () => args)
    },
  }
  readonly #parts: CallQuotasParts
  /** Of requests that were counted: those that are answered now, and the calls that these have not made yet. */
  readonly #asking = new WeakMap<Caller, Asking>()
  readonly #identities: RateLimiter | undefined
  /** By namespace; with the rate that it was made for. */
  readonly #rates = new Map<string, { readonly perSecond: number; readonly limiter: RateLimiter }>()

  constructor(parts: CallQuotasParts) {
    this.#parts = parts
    if (parts.rateLimit !== undefined)
      this.#identities = new RateLimiter(parts.rateLimit, IDENTITIES_MOST, parts.nowMs)
  }

  beginRequest(caller: Caller): void {
    this.#take(caller)
  }

  /** All requests of a caller are those of one object. A call that one of them does not make is not left to a later one. */
  beginAnswer(caller: Caller): () => void {
    if (this.#identities === undefined) return NOTHING
    const asking = this.#asking.get(caller) ?? { requests: 0, calls: 0 }
    this.#asking.set(caller, asking)
    asking.requests += 1
    asking.calls += 1
    return () => {
      asking.requests -= 1
      asking.calls = Math.min(asking.calls, asking.requests)
    }
  }

  beginCall(caller: Caller): void {
    const asking = this.#asking.get(caller)
    if (asking === undefined || asking.calls === 0) this.#take(caller)
    else asking.calls -= 1
  }

  useUp(namespace: string, payloads: () => readonly unknown[] = () => []): void {
    const { requestsPerSecond } = this.#parts.namespaces.quotasOf(namespace)
    if (requestsPerSecond !== undefined) this.#takeOf(namespace, requestsPerSecond)
    this.#checkPayloads(namespace, payloads)
  }

  async admit(namespaces: ReadonlySet<string>, args: readonly unknown[]): Promise<void> {
    for (const namespace of namespaces) this.useUp(namespace, () => args)
  }

  #checkPayloads(namespace: string, payloads: () => readonly unknown[]): void {
    const { payloadBytes } = this.#parts.namespaces.quotasOf(namespace)
    if (payloadBytes !== undefined) checkPayloads(namespace, payloads(), payloadBytes)
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
      'PAYLOAD_TOO_LARGE',
      `a payload is larger than the ${most} bytes that namespace ${namespace} may have`,
      { cause: error },
    )
  }
}
