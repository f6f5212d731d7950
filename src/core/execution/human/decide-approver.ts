/** Approvers come and go while an approval runs. */
import { type HumanAction, MAX_SEATS } from '../../../protocol/human-task.ts'
import type { Decision } from '../decision.ts'
import { outcomeOf } from './decide-seat.ts'
import { changed, conflict, forbidden, type HumanCase, refusedSeat } from './human-case.ts'
import { endHuman } from './human-end.ts'
import { heldSeat, isManager } from './human-rules.ts'
import { decisionsOf, seatOf } from './human-state.ts'

type ActionOf<K extends HumanAction['kind']> = Extract<HumanAction, { kind: K }>

export function decideApprover(
  on: HumanCase,
  action: ActionOf<'add-approver'> | ActionOf<'remove-approver'>,
): Decision {
  if (on.pending.spec.kind !== 'approval') return conflict(on, 'is no approval: it has one seat')
  return action.kind === 'add-approver' ? decideAdd(on, action) : decideRemove(on, action)
}

function decideAdd(on: HumanCase, { approver, place }: ActionOf<'add-approver'>): Decision {
  const { pending, actor } = on
  if (!isManager(pending, actor) && heldSeat(pending, actor.user) === undefined)
    return forbidden(on, 'may not add approvers')
  const { seats, spec, nextSeat } = pending
  if (seats.length >= MAX_SEATS)
    return conflict(on, `has ${seats.length} approvers, the limit is ${MAX_SEATS}`)
  const at = place ?? seats.length + 1
  const decided = seats.findLastIndex(({ decision }) => decision !== undefined) + 1
  const first = spec.order === 'sequence' ? decided + 1 : 1
  if (at < first || at > seats.length + 1)
    return conflict(on, `takes another approver at place ${first} to ${seats.length + 1}, not ${at}`)
  const refused = approver.assignee === undefined ? undefined : refusedSeat(on, approver.assignee)
  return refused ?? changed(on, { kind: 'approver-added', seat: nextSeat, approver, place: at })
}

/** The approvals that are left may be enough then, or too few. */
function decideRemove(on: HumanCase, { seat: number }: ActionOf<'remove-approver'>): Decision {
  const { pending, op, actor, requestId, at } = on
  if (!isManager(pending, actor)) return forbidden(on, 'may not remove approvers')
  const { seats, spec } = pending
  const seat = seatOf(pending, number)
  if (seat === undefined) return conflict(on, `has no seat ${number}`)
  if (seat.decision !== undefined) return conflict(on, `was decided in seat ${number} by ${seat.decision.by}`)
  const left = seats.length - 1
  if (left === 0) return conflict(on, 'has no other approver: withdraw it')
  if (spec.rule.kind === 'votes' && spec.rule.votes > left)
    return conflict(on, `needs ${spec.rule.votes} votes: ${left} approvers are too few`)
  const outcome = outcomeOf(spec.rule, left, decisionsOf(pending))
  if (outcome === undefined) return changed(on, { kind: 'approver-removed', seat: number })
  return endHuman(pending, op, {
    outcome,
    by: actor.user,
    requestId,
    reason: `seat ${number} was removed`,
    at,
  })
}
