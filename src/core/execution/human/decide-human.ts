/**
 * Decisions on what people do with a human task.
 *
 * 1. Seats are taken and decided in one place, one command after another: of concurrent claims exactly one wins.
 * 2. Nobody has two seats of a task, and nobody decides a task that four eyes keep from him.
 * 3. An action gives one event. One that ends the task gives its end alone, which says all that was decided.
 */
import { isClosed } from '../../../protocol/execution-status.ts'
import { type HumanAction, humanTaskId } from '../../../protocol/human-task.ts'
import { type Circumstances, type Command, type Decision, NOTHING, rejected } from '../decision.ts'
import { hasHumanRequest } from '../request-ids.ts'
import type { ExecutionState } from '../state.ts'
import { decideApprover } from './decide-approver.ts'
import { decideSeat } from './decide-seat.ts'
import { changed, conflict, forbidden, type HumanCase, refusedSeat, withoutSeat } from './human-case.ts'
import { endHuman } from './human-end.ts'
import { freeSeat, heldSeat, isInvolved, isManager } from './human-rules.ts'
import { type Seat, seatOf, seatsInTurn } from './human-state.ts'

type ActionOf<K extends HumanAction['kind']> = Extract<HumanAction, { kind: K }>

export function decideHuman(
  state: ExecutionState,
  { op, actor, action, requestId }: Extract<Command, { type: 'human' }>,
  { now: at, limits }: Circumstances,
): Decision {
  if (hasHumanRequest(state, { op, user: actor.user, requestId })) return NOTHING
  const pending = state.ops.get(op)
  if (isClosed(state.status) || pending?.kind !== 'human')
    return rejected('HUMAN_TASK_CONFLICT', `human task ${humanTaskId(state.runId, op)} has ended`)
  const on: HumanCase = { state, pending, op, actor, requestId, at }
  const isEnding = action.kind === 'complete' || action.kind === 'approve' || action.kind === 'reject'
  if (pending.changes >= limits.humanTaskChanges && !isEnding && action.kind !== 'withdraw')
    return conflict(on, `has had ${pending.changes} changes, the limit is ${limits.humanTaskChanges}`)
  switch (action.kind) {
    case 'claim':
      return decideClaim(on)
    case 'release':
      return decideRelease(on)
    case 'delegate':
    case 'hand-over':
      return decideHandOver(on, action)
    case 'comment':
      if (!isInvolved(pending, actor)) return forbidden(on, 'has nothing to do with it')
      return changed(on, { kind: 'commented', text: action.text })
    case 'complete':
    case 'approve':
    case 'reject':
      return decideSeat(on, action)
    case 'add-approver':
    case 'remove-approver':
      return decideApprover(on, action)
    case 'send-back':
      return decideSendBack(on, action)
    case 'take-back':
      return decideTakeBack(on)
    case 'withdraw':
      if (!isManager(pending, actor)) return forbidden(on, 'is neither its requester nor its manager')
      return endHuman(pending, op, {
        outcome: 'withdrawn',
        by: actor.user,
        requestId,
        reason: action.reason,
        at,
      })
  }
}

function decideClaim(on: HumanCase): Decision {
  const { pending, actor } = on
  if (heldSeat(pending, actor.user) !== undefined) return NOTHING
  const seat = freeSeat(pending, actor)
  if (seat === undefined) return withoutSeat(on)
  return refusedSeat(on, actor.user) ?? changed(on, { kind: 'claimed', seat: seat.number })
}

function decideRelease(on: HumanCase): Decision {
  const seat = heldSeat(on.pending, on.actor.user)
  if (seat === undefined) return conflict(on, `is not claimed by ${on.actor.user}`)
  const lender = seat.handOvers.findLast(({ isLent }) => isLent)
  if (lender !== undefined) return conflict(on, `was lent by ${lender.from}: send it back`)
  if (seat.users.length === 0 && seat.groups.length === 0)
    return conflict(on, 'has no other candidates: delegate it, or transfer it')
  return changed(on, { kind: 'released', seat: seat.number })
}

function decideHandOver(on: HumanCase, action: ActionOf<'delegate' | 'hand-over'>): Decision {
  const { pending, actor } = on
  const { to } = action
  const held = heldSeat(pending, actor.user)
  const named = action.kind === 'hand-over' && action.seat !== undefined ? action.seat : undefined
  const isOwn = held !== undefined && (named === undefined || named === held.number)
  let seat: Seat | undefined = held
  if (!isOwn) {
    if (action.kind === 'delegate') return withoutSeat(on)
    if (!isManager(pending, actor)) return forbidden(on, 'may not hand over what somebody else has')
    const inTurn = seatsInTurn(pending)
    seat = named === undefined ? inTurn[0] : seatOf(pending, named)
    if (named === undefined && inTurn.length > 1) return conflict(on, 'has several seats: say which one')
  }
  if (seat === undefined || seat.decision !== undefined) return conflict(on, 'has no such seat to hand over')
  const refused = refusedSeat(on, to, seat)
  if (refused !== undefined) return refused
  const lent = action.kind === 'delegate' && action.returns === true ? 'lent' : 'delegated'
  const own = action.kind === 'delegate' ? lent : 'transferred'
  return changed(on, { kind: 'handed-over', seat: seat.number, to, how: isOwn ? own : 'reassigned' })
}

function decideSendBack(on: HumanCase, { to, reason }: ActionOf<'send-back'>): Decision {
  const { pending, actor } = on
  const seat = heldSeat(pending, actor.user)
  if (seat === undefined) return withoutSeat(on)
  const why = reason === undefined ? {} : { reason }
  const sentBack = (toSeat: number) =>
    changed(on, { kind: 'sent-back', seat: seat.number, toSeat, to, ...why })
  if (seat.handOvers.some(({ from }) => from === to))
    return refusedSeat(on, to, seat) ?? sentBack(seat.number)
  const { seats, spec } = pending
  if (spec.order === 'sequence') {
    const earlier = seats.slice(0, seats.indexOf(seat)).find(({ decision }) => decision?.by === to)
    if (earlier !== undefined) return sentBack(earlier.number)
  }
  return conflict(on, `was not with ${to} before`)
}

/** Back from whom it was given to, or the own decision, as long as the next person has not acted. */
function decideTakeBack(on: HumanCase): Decision {
  const { pending, actor } = on
  const { seats, spec } = pending
  const given = seatsInTurn(pending).find(({ handOvers }) => {
    const last = handOvers.at(-1)
    return last?.from === actor.user && last.isOver === undefined
  })
  if (given !== undefined) {
    if (given.hasActed) return conflict(on, `was taken up by ${given.holder}`)
    return refusedSeat(on, actor.user, given) ?? changed(on, { kind: 'taken-back', seat: given.number })
  }
  const own = seats.find(({ decision }) => decision?.by === actor.user)
  if (own === undefined) return conflict(on, `has nothing that ${actor.user} could take back`)
  const next = seats[seats.indexOf(own) + 1]
  if (spec.order === 'sequence' && next !== undefined && (next.decision !== undefined || next.hasActed))
    return conflict(on, 'was taken up by the next person')
  return changed(on, { kind: 'taken-back', seat: own.number })
}
