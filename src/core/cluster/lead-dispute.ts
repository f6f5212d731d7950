/**
 * Notices an election that comes to no end, and lets the row of the database decide instead.
 *
 * Nodes that do not elect in the same place each name another one: as long as both live, they take the lead from each other at every
 * look. Or each waits for the one that it takes for elected, and nobody leads: then nothing that the dead have had is given to
 * anybody. Neither is dangerous, since each write of a leader is compared and set; but neither ends by itself, and the cause is to be
 * told to people.
 *
 * 1. What is done by the row is `leadershipOf`: who leads goes on while it lives. All who see the dispute do the same, so it ends.
 * 2. After a rest the election is believed again, for as long as it takes to see that nothing is mended.
 */
import { type ClusterView, type LeaderView, livingSessions } from './cluster-view.ts'
import { type Leadership, leadershipOf } from './leadership.ts'

export interface LeadDisputeOptions {
  /** So often the lead was taken from a node that lives, and does not drain. Default 6. */
  readonly takings?: number
  /** In so long. Default 10,000 ms. */
  readonly withinMs?: number
  /** Nobody has led for so long. Default 3,000 ms. */
  readonly vacantMs?: number
  /** The row decides for so long. Default 600,000 ms. */
  readonly restMs?: number
}

export type Dispute =
  /** Nodes take it from each other. */
  | 'contested'
  /** Nobody takes it. */
  | 'vacant'

export interface Settled {
  readonly leadership: Leadership
  /** It was noticed at this look. */
  readonly dispute?: Dispute
}

export class LeadDispute {
  readonly #takings: number
  readonly #withinMs: number
  readonly #vacantMs: number
  readonly #restMs: number
  #last: LeaderView | undefined
  /** When the lead was taken from the living, the oldest first. */
  #takenAtMs: number[] = []
  #vacantSinceMs: number | undefined
  #byRowUntilMs = Number.NEGATIVE_INFINITY

  constructor({
    takings = 6,
    withinMs = 10_000,
    vacantMs = 3000,
    restMs = 600_000,
  }: LeadDisputeOptions = {}) {
    this.#takings = takings
    this.#withinMs = withinMs
    this.#vacantMs = vacantMs
    this.#restMs = restMs
  }

  /**
   * After each look.
   *
   * @param elected what follows by the election
   */
  settle(view: ClusterView, session: number, elected: Leadership): Settled {
    const dispute = this.#observe(view, elected)
    if (dispute !== undefined) this.#byRowUntilMs = view.databaseMs + this.#restMs
    const isByRow = view.databaseMs < this.#byRowUntilMs
    const leadership = isByRow ? leadershipOf(view, session) : elected
    return dispute === undefined ? { leadership } : { leadership, dispute }
  }

  #observe(view: ClusterView, elected: Leadership): Dispute | undefined {
    const { databaseMs, leader } = view
    const living = livingSessions(view)
    this.#count(view)
    const hasLeader = leader !== undefined && living.has(leader.session)
    if (hasLeader || elected.role === 'candidate') this.#vacantSinceMs = undefined
    else this.#vacantSinceMs ??= databaseMs
    if (databaseMs < this.#byRowUntilMs) return undefined
    if (this.#takenAtMs.length >= this.#takings) return 'contested'
    const sinceMs = this.#vacantSinceMs
    return sinceMs !== undefined && databaseMs - sinceMs >= this.#vacantMs ? 'vacant' : undefined
  }

  /** Each term since the last look is one taking; those from the dead, and from who drains, are as they should be. */
  #count(view: ClusterView): void {
    const { databaseMs, leader } = view
    const before = this.#last
    this.#last = leader
    this.#takenAtMs = this.#takenAtMs.filter(
      (atMs) => atMs <= databaseMs && databaseMs - atMs < this.#withinMs,
    )
    if (before === undefined || leader === undefined || leader.term <= before.term) return
    const loser = livingSessions(view).get(before.session)
    if (loser === undefined || loser.isDraining) return
    const takings = Math.min(leader.term - before.term, this.#takings)
    for (let i = 0; i < takings; i++) this.#takenAtMs.push(databaseMs)
  }
}
