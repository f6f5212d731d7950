/** A person completes, approves or rejects: in the seat he has, or in one that he may take and nobody has. */
import type { ApprovalRule, HumanAction, SeatDecision, Verdict } from '../../../protocol/human-task.ts'
import type { Payload } from '../../../protocol/payload.ts'
import type { Decision } from '../decision.ts'
import {
  changed,
  conflict,
  type HumanCase,
  refusedByFourEyes,
  refusedSeat,
  withoutSeat,
} from './human-case.ts'
import { endHuman } from './human-end.ts'
import { freeSeat, hasDecided, heldSeat } from './human-rules.ts'
import { decisionsOf, neededVotes, type Seat } from './human-state.ts'

type Deciding = Extract<HumanAction, { kind: 'complete' | 'approve' | 'reject' }>

export const VERDICTS: Readonly<Record<Deciding['kind'], Verdict>> = {
  complete: 'completed',
  approve: 'approved',
  reject: 'rejected',
}

export function decideSeat(on: HumanCase, action: Deciding): Decision {
  const { pending, op, actor, requestId, at } = on
  const { user: by } = actor
  const verdict = VERDICTS[action.kind]
  const { kind } = pending.spec
  if (kind === 'task' && verdict === 'approved') return conflict(on, 'is completed, not approved')
  if (kind === 'approval' && verdict === 'completed')
    return conflict(on, 'is an approval: approve or reject it, do not complete it')
  const held = heldSeat(pending, by)
  const seat = held ?? freeSeat(pending, actor)
  if (seat === undefined) return withoutSeat(on)
  const refused = held === undefined ? refusedSeat(on, by) : refusedAgain(on, by)
  if (refused !== undefined) return refused
  const comment = action.comment === undefined ? {} : { comment: action.comment }
  // Whoever it was given to since, he works for the lender.
  if (seat.handOvers.some(({ isLent }) => isLent)) {
    const data = action.data === undefined ? {} : { data: action.data }
    return changed(on, { kind: 'returned', seat: seat.number, verdict, ...data, ...comment })
  }
  const { draft } = seat
  // Who has prepared it does it as well.
  const apart = draft === undefined || draft.by === by ? undefined : refusedByFourEyes(on, draft.by)
  if (apart !== undefined) return apart
  const data = action.data ?? preparedData(seat, verdict)
  const decision: SeatDecision = {
    seat: seat.number,
    by,
    verdict,
    at,
    ...comment,
    ...(data === undefined ? {} : { data }),
    ...(draft === undefined || draft.by === by ? {} : { preparedBy: draft.by }),
  }
  const outcome = kind === 'task' ? verdict : approvalOutcome(on, decision)
  if (outcome === undefined) return changed(on, { kind: 'decided', decision })
  return endHuman(pending, op, { outcome, by, requestId, last: decision, at })
}

/** Nobody decides twice, also if a second seat has come to him. */
function refusedAgain(on: HumanCase, by: string): Decision | undefined {
  if (hasDecided(on.pending, by)) return conflict(on, `was decided by ${by} already`)
  return refusedByFourEyes(on, by)
}

/** The lender who says nothing else decides on what was prepared, if it was prepared to be decided so. */
export function preparedData({ draft }: Seat, verdict: Verdict): Payload | undefined {
  return draft?.verdict === verdict ? draft.data : undefined
}

function approvalOutcome({ pending }: HumanCase, last: SeatDecision): 'approved' | 'rejected' | undefined {
  return outcomeOf(pending.spec.rule, pending.seats.length, [...decisionsOf(pending), last])
}

/** Undefined while both are possible. */
export function outcomeOf(
  rule: ApprovalRule,
  seats: number,
  decisions: readonly SeatDecision[],
): 'approved' | 'rejected' | undefined {
  const needed = neededVotes(rule, seats)
  const approvals = decisions.filter(({ verdict }) => verdict === 'approved').length
  if (approvals >= needed) return 'approved'
  return seats - (decisions.length - approvals) < needed ? 'rejected' : undefined
}
