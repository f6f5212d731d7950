/**
 * How many rows an identity may add by calls that change nothing: whoever is denied again and again fills no database.
 *
 * Within a minute the first calls of each identity and outcome have rows of their own; of the others there is one row, with their
 * number, when the minute is over. Only so many identities are told apart; beyond that they count as one.
 */
import type { RecordedCall } from './audit-draft.ts'

export interface OutcomeLimits {
  /** Rows of their own, of one identity and outcome in a minute. */
  readonly rows: number
  readonly identities: number
}

export interface CountedOutcome {
  readonly call: RecordedCall
  readonly result: 'unchanged' | 'failed' | 'denied'
  readonly code?: string
}

/** Calls that have no row of their own. */
export interface Summary extends CountedOutcome {
  readonly count: number
}

interface Counted {
  readonly sinceMs: number
  readonly first: CountedOutcome
  rows: number
  more: number
}

const MINUTE_MS = 60_000
const OTHERS = 'others'
/** What a summary says it is about: several actions at once. */
const SEVERAL = 'Several'

export class OutcomeCounts {
  readonly #limits: OutcomeLimits
  readonly #counted = new Map<string, Counted>()

  constructor(limits: OutcomeLimits) {
    this.#limits = limits
  }

  /** Whether it has a row of its own. If not it is counted. */
  add(outcome: CountedOutcome, nowMs: number): boolean {
    const counted = this.#of(outcome, nowMs)
    if (counted.rows < this.#limits.rows) {
      counted.rows += 1
      return true
    }
    counted.more += 1
    return false
  }

  /** It was to have a row, and there is no place for it. */
  addMore(outcome: CountedOutcome, nowMs: number): void {
    this.#of(outcome, nowMs).more += 1
  }

  /** Those whose minute is over, or all; they are counted anew from now on. */
  take(nowMs: number, isAll = false): Summary[] {
    const summaries: Summary[] = []
    for (const [name, { sinceMs, first, more }] of this.#counted) {
      if (!isAll && nowMs - sinceMs < MINUTE_MS) continue
      this.#counted.delete(name)
      if (more === 0) continue
      const { result, call } = first
      const { caller } = call
      const about = { action: SEVERAL, namespace: '', resource: { type: SEVERAL } }
      const who = name.startsWith(OTHERS) ? { id: OTHERS, kind: caller.kind } : caller
      summaries.push({ call: { caller: who, ...about }, result, count: more })
    }
    return summaries
  }

  /** When the next minute is over. */
  get nextMs(): number | undefined {
    const [first] = this.#counted.values()
    return first === undefined ? undefined : first.sinceMs + MINUTE_MS
  }

  #of(outcome: CountedOutcome, nowMs: number): Counted {
    const { call, result } = outcome
    const { id, address = '' } = call.caller
    const own = `${JSON.stringify([id, address])} ${result}`
    const isTold = this.#counted.has(own) || this.#counted.size < this.#limits.identities
    const name = isTold ? own : `${OTHERS} ${result}`
    const known = this.#counted.get(name)
    if (known !== undefined) return known
    const counted = { sinceMs: nowMs, first: outcome, rows: 0, more: 0 }
    this.#counted.set(name, counted)
    return counted
  }
}
