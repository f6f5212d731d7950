/** Who may do what with a human task. */
import type { Actor, People } from '../../../protocol/human-task.ts'
import type { ExecutionState } from '../state.ts'
import { type PendingHuman, type Seat, seatsInTurn } from './human-state.ts'

/** Is among these people. */
export function isAmong({ users, groups }: People, actor: Actor): boolean {
  return users.includes(actor.user) || groups.some((group) => actor.groups.includes(group))
}

export function isManager({ spec }: PendingHuman, actor: Actor): boolean {
  if (actor.isAdmin === true || spec.requester === actor.user) return true
  return spec.managers !== undefined && isAmong(spec.managers, actor)
}

/** The seat that the user holds, among those in turn. */
export function heldSeat(pending: PendingHuman, user: string): Seat | undefined {
  return seatsInTurn(pending).find(({ holder }) => holder === user)
}

/** A seat in turn that nobody holds and that the actor may take. */
export function freeSeat(pending: PendingHuman, actor: Actor): Seat | undefined {
  return seatsInTurn(pending).find((seat) => seat.holder === undefined && isAmong(seat, actor))
}

/**
 * The user has a seat, now or by a decision, or one that comes back to him: nobody has two.
 *
 * @param given what the user has lent of this one is no other seat
 */
export function hasSeat({ seats }: PendingHuman, user: string, given?: Seat): boolean {
  return seats.some((seat) => {
    const { holder, decision, handOvers } = seat
    if (decision !== undefined) return decision.by === user
    return (
      holder === user || (seat !== given && handOvers.some(({ from, isLent }) => isLent && from === user))
    )
  })
}

export function hasDecided({ seats }: PendingHuman, user: string): boolean {
  return seats.some(({ decision }) => decision?.by === user)
}

/** Has to do with it: may see it and comment on it. */
export function isInvolved(pending: PendingHuman, actor: Actor): boolean {
  if (isManager(pending, actor) || hasSeat(pending, actor.user)) return true
  return pending.seats.some(
    (seat) => isAmong(seat, actor) || seat.handOvers.some(({ from }) => from === actor.user),
  )
}

/** The name of a human task that keeps the user from doing this one: four eyes. */
export function fourEyesConflict(
  { people, ops }: ExecutionState,
  pending: PendingHuman,
  user: string,
): string | undefined {
  const apart = people?.apart.get(pending.name)
  if (people === undefined || apart === undefined) return undefined
  for (const name of apart) if (people.doers.get(name)?.has(user) === true) return name
  for (const other of ops.values()) {
    if (other === pending || other.kind !== 'human' || !apart.has(other.name)) continue
    const hasDone = other.seats.some(
      ({ decision, draft }) =>
        decision?.by === user ||
        decision?.preparedBy === user ||
        (decision === undefined && draft?.by === user),
    )
    if (hasDone) return other.name
  }
  return undefined
}
