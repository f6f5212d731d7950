/**
 * Which session should own which shard.
 *
 * Each session that stays is due a share by its weight: at least that share rounded down, at most rounded up. Shards without a
 * living owner go at once to those who have too few; what a living session has too many, or all it has if it leaves, is to be
 * handed over by that session itself. Nothing else moves. Which of those who lack shards gets one is a matter of weighted
 * rendezvous hashing of node and shard: a node that comes back tends to get what it had.
 *
 * Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998); weights by the logarithmic method
 * of Schindelhauer and Schomaker (2005).
 *
 * 1. A session never gets more than ceil(shards * weight / sum of weights).
 * 2. When a session ends among equals, only its shards get another owner. When one joins, only as many as it gets itself.
 * 3. The same view gives the same assignment on each node, in whatever order its sessions are listed.
 * 4. An assignment that has been carried out gives an empty one.
 */
import { textHash } from '../../protocol/text-hash.ts'
import { type ClusterView, livingSessions, type SessionView, type ShardView } from './cluster-view.ts'

/** A shard without a living owner, to be compared and set: owner and epoch are those it has now. */
export interface Taking {
  readonly shard: ShardView
  readonly to: number
}

/** A shard that its living owner is to hand over. */
export interface Move {
  readonly shard: ShardView
  readonly from: number
  readonly to: number
}

export interface Assignment {
  readonly takings: readonly Taking[]
  /** All that are due, in the order in which they should happen. */
  readonly moves: readonly Move[]
}

const ROUNDING = 1e-9

/** One that stays. */
interface Seat {
  readonly session: SessionView
  readonly least: number
  readonly most: number
  owned: number
}

export function assignShards(view: Pick<ClusterView, 'sessions' | 'shards'>): Assignment {
  const living = livingSessions(view)
  const staying = [...living.values()].filter(({ isDraining }) => !isDraining)
  if (staying.length === 0) return { takings: [], moves: [] }
  const seats = seatsOf(staying, view.shards)
  const takings: Taking[] = []
  for (const shard of view.shards) {
    if (shard.owner !== null && living.has(shard.owner)) continue
    const seat = bestSeat(seats.values(), shard.id)
    if (seat === undefined) continue
    seat.owned += 1
    takings.push({ shard, to: seat.session.id })
  }
  return { takings, moves: movesOf(view.shards, living, seats) }
}

function seatsOf(staying: readonly SessionView[], shards: readonly ShardView[]): Map<number, Seat> {
  const weights = staying.reduce((sum, { weight }) => sum + weight, 0)
  const ordered = staying.toSorted((a, b) => a.id - b.id)
  const seats = new Map<number, Seat>()
  for (const session of ordered) {
    // A share that is whole but for an error of rounding is whole.
    const share = (shards.length * session.weight) / weights
    const least = Math.floor(share + ROUNDING)
    seats.set(session.id, { session, least, most: Math.ceil(share - ROUNDING), owned: 0 })
  }
  for (const { owner } of shards) {
    const seat = owner === null ? undefined : seats.get(owner)
    if (seat !== undefined) seat.owned += 1
  }
  return seats
}

function movesOf(
  shards: readonly ShardView[],
  living: ReadonlyMap<number, SessionView>,
  seats: ReadonlyMap<number, Seat>,
): Move[] {
  const moves: Move[] = []
  const moving = new Set<number>()
  // Those who leave first: they wait for it.
  for (const shard of shards) {
    const from = shard.owner
    if (from === null || !living.has(from) || seats.has(from)) continue
    const to = bestSeat(seats.values(), shard.id)
    if (to === undefined) continue
    to.owned += 1
    moves.push({ shard, from, to: to.session.id })
  }
  for (let giver = giverOf(seats); giver !== undefined; giver = giverOf(seats)) {
    const move = bestMove(giver, shards, moving, seats)
    if (move === undefined) break
    moving.add(move.shard.id)
    moves.push(move)
    giver.owned -= 1
    const to = seats.get(move.to)
    if (to !== undefined) to.owned += 1
  }
  return moves
}

/** Who has too many; or more than the least, while somebody has too few. */
function giverOf(seats: ReadonlyMap<number, Seat>): Seat | undefined {
  const all = [...seats.values()]
  const isSomeoneShort = all.some(({ owned, least }) => owned < least)
  const givers = all.filter(({ owned, least, most }) => owned > (isSomeoneShort ? least : most))
  return givers.sort((a, b) => b.owned - b.least - (a.owned - a.least) || a.session.id - b.session.id)[0]
}

/** The shard of this session that somebody who lacks one should rather have. */
function bestMove(
  seat: Seat,
  shards: readonly ShardView[],
  moving: ReadonlySet<number>,
  seats: ReadonlyMap<number, Seat>,
): Move | undefined {
  let best: Move | undefined
  let bestGain = Number.NEGATIVE_INFINITY
  for (const shard of shards) {
    if (shard.owner !== seat.session.id || moving.has(shard.id)) continue
    const to = bestSeat(seats.values(), shard.id)
    if (to === undefined) return undefined
    const gain = scoreOf(to.session, shard.id) - scoreOf(seat.session, shard.id)
    if (gain <= bestGain) continue
    bestGain = gain
    best = { shard, from: seat.session.id, to: to.session.id }
  }
  return best
}

/** Among those who have too few, or else those who may have more. Of equals the one with the lower id. */
function bestSeat(seats: Iterable<Seat>, shard: number): Seat | undefined {
  let best: Seat | undefined
  let isBestShort = false
  let bestScore = Number.NEGATIVE_INFINITY
  for (const seat of seats) {
    const isShort = seat.owned < seat.least
    if (seat.owned >= seat.most || (isBestShort && !isShort)) continue
    const score = scoreOf(seat.session, shard)
    if (isShort === isBestShort && score <= bestScore) continue
    best = seat
    isBestShort = isShort
    bestScore = score
  }
  return best
}

/** Weighted rendezvous: -weight / ln(u), where u is the hash of node and shard between 0 and 1. */
function scoreOf({ node, weight }: SessionView, shard: number): number {
  const u = (textHash(`${node}\0${shard}`) + 0.5) / 2 ** 32
  return -weight / Math.log(u)
}
