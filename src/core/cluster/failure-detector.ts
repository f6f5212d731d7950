/**
 * Says which sessions to fence: those whose heartbeat stood still for the whole timeout while this node itself was looking.
 *
 * A heartbeat is never compared with a clock: only whether it has changed between two looks counts, and the time between them
 * is measured by the database. A node that was stopped, or cut off, has not been looking: what it finds when it is back says
 * nothing about the others, so that a gap in its looks begins all observations anew. Fencing is safe in any case; this only
 * keeps the living from being fenced by those who had been away.
 *
 * 1. A session is named only if all looks of at least the timeout, none further than `gapMs` from the next, found the same
 *    heartbeat.
 * 2. A hint (its connection has closed) makes the timeout shorter, until its heartbeat moves again.
 */
import type { SessionView } from './cluster-view.ts'

export interface FailureDetectorOptions {
  /** Default 2,000 ms: four heartbeats. */
  readonly timeoutMs?: number
  /** After a hint. Longer than a heartbeat's interval, or the living would be named. Default 700 ms. */
  readonly hintedTimeoutMs?: number
  /** Looks that are further apart are not one observation. Default 500 ms. */
  readonly gapMs?: number
}

interface Observed {
  readonly heartbeatAt: number
  readonly sinceMs: number
  readonly isHinted: boolean
}

export class FailureDetector {
  readonly #timeoutMs: number
  readonly #hintedTimeoutMs: number
  readonly #gapMs: number
  #observed = new Map<number, Observed>()
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: FailureDetectorOptions = {}) {
    const { timeoutMs = 2000, hintedTimeoutMs = 700, gapMs = 500 } = options
    this.#timeoutMs = timeoutMs
    this.#hintedTimeoutMs = hintedTimeoutMs
    this.#gapMs = gapMs
  }

  /** The connection to its node has closed. */
  hint(session: number): void {
    const known = this.#observed.get(session)
    if (known !== undefined) this.#observed.set(session, { ...known, isHinted: true })
  }

  /**
   * One look at sessions that are not fenced, which has succeeded. Answers those to fence.
   *
   * @param databaseMs when the database answered, by its clock; another server's clock may be behind the last one's
   */
  look(databaseMs: number, sessions: readonly Pick<SessionView, 'id' | 'heartbeatAt'>[]): number[] {
    const sinceLastMs = databaseMs - this.#lookedAtMs
    const isOne = sinceLastMs >= 0 && sinceLastMs <= this.#gapMs
    this.#lookedAtMs = databaseMs
    const before = this.#observed
    const suspects: number[] = []
    this.#observed = new Map()
    for (const { id, heartbeatAt } of sessions) {
      const known = before.get(id)
      const isSame = known !== undefined && known.heartbeatAt === heartbeatAt
      const sinceMs = isOne && isSame ? known.sinceMs : databaseMs
      const isHinted = isSame && known.isHinted
      this.#observed.set(id, { heartbeatAt, sinceMs, isHinted })
      if (databaseMs - sinceMs >= (isHinted ? this.#hintedTimeoutMs : this.#timeoutMs)) suspects.push(id)
    }
    return suspects
  }
}
