/**
 * The state of a human task, and what each change makes of it. Changes were decided: they are applied as they are.
 *
 * 1. A seat has at most one holder. Only seats that are in turn and undecided can be held, taken or decided.
 * 2. Who gave a seat to its holder stays known, the last one last, until it is decided or goes back.
 */
import type { HumanTaskChanged, HumanTaskOpened } from '../../../protocol/event.ts'
import type {
  ApprovalRule,
  HumanChange,
  HumanTaskSpec,
  SeatDecision,
  SeatSpec,
} from '../../../protocol/human-task.ts'

export interface HandOver {
  readonly from: string
  /** The holder works for the one who gave it, who will decide. */
  readonly isLent: boolean
  /** A manager has given the seat to somebody else since: it cannot be taken back. */
  isOver?: true
}

export interface Seat {
  readonly number: number
  users: readonly string[]
  groups: readonly string[]
  holder: string | undefined
  readonly handOvers: HandOver[]
  /** The holder, or whoever could take it, has acted since it came. */
  hasActed: boolean
  /** By whom it was lent to. */
  draft:
    | (Omit<Extract<HumanChange, { kind: 'returned' }>, 'kind' | 'seat'> & { readonly by: string })
    | undefined
  decision: SeatDecision | undefined
}

export interface HumanComment {
  readonly by: string
  readonly at: number
  readonly text: string
}

export interface PendingHuman {
  readonly kind: 'human'
  readonly name: string
  readonly spec: HumanTaskSpec
  readonly openedAt: number
  readonly dueAt: number | undefined
  /** In the order in which they decide. */
  readonly seats: Seat[]
  nextSeat: number
  priority: number
  isOverdue: boolean
  /** Escalations that have happened. */
  escalated: number
  readonly comments: HumanComment[]
  /** So far. */
  changes: number
}

export function openedHuman({ name, spec, at }: HumanTaskOpened): PendingHuman {
  return {
    kind: 'human',
    name,
    spec,
    openedAt: at,
    dueAt: spec.dueInMs === undefined ? undefined : at + spec.dueInMs,
    seats: spec.seats.map((seat, i) => newSeat(i + 1, seat)),
    nextSeat: spec.seats.length + 1,
    priority: spec.priority,
    isOverdue: false,
    escalated: 0,
    comments: [],
    changes: 0,
  }
}

function newSeat(number: number, { users, groups, assignee }: SeatSpec): Seat {
  return {
    number,
    users,
    groups,
    holder: assignee,
    handOvers: [],
    hasActed: false,
    draft: undefined,
    decision: undefined,
  }
}

/** Undecided seats whose turn it is. */
export function seatsInTurn({ seats, spec }: PendingHuman): Seat[] {
  const open = seats.filter(({ decision }) => decision === undefined)
  return spec.order === 'sequence' ? open.slice(0, 1) : open
}

export function seatOf({ seats }: PendingHuman, number: number): Seat | undefined {
  return seats.find((seat) => seat.number === number)
}

/** When its timer is due: for an escalation, or because the task is. */
export function nextHumanTime({
  spec,
  openedAt,
  dueAt,
  isOverdue,
  escalated,
}: PendingHuman): number | undefined {
  const escalation = spec.escalations[escalated]
  const times = [
    ...(escalation === undefined ? [] : [openedAt + escalation.afterMs]),
    ...(dueAt === undefined || isOverdue ? [] : [dueAt]),
  ]
  return times.length === 0 ? undefined : Math.min(...times)
}

/** Approvals that the task needs, of so many seats. */
export function neededVotes(rule: ApprovalRule, seats: number): number {
  switch (rule.kind) {
    case 'all':
      return seats
    case 'any':
      return 1
    case 'majority':
      return Math.floor(seats / 2) + 1
    case 'votes':
      return rule.votes
    case 'ratio':
      // 0.6 of 5 is 3, whatever the last bit of the product says.
      return Math.max(1, Math.ceil(rule.ratio * seats - 1e-9))
  }
}

export function decisionsOf({ seats }: PendingHuman): SeatDecision[] {
  return seats.flatMap(({ decision }) => decision ?? []).sort((a, b) => a.at - b.at)
}

/** Applies a change. */
export function changeHuman(pending: PendingHuman, { by = '', change, at }: HumanTaskChanged): void {
  pending.changes += 1
  switch (change.kind) {
    case 'commented':
      pending.comments.push({ by, at, text: change.text })
      for (const seat of seatsInTurn(pending)) if (seat.holder === by) seat.hasActed = true
      return
    case 'overdue':
      pending.isOverdue = true
      return
    case 'escalated':
      escalate(pending, change.level)
      return
    case 'approver-added':
      pending.seats.splice(change.place - 1, 0, newSeat(change.seat, change.approver))
      pending.nextSeat = change.seat + 1
      return
    case 'approver-removed': {
      const at = pending.seats.findIndex(({ number }) => number === change.seat)
      if (at >= 0) pending.seats.splice(at, 1)
      return
    }
    case 'sent-back':
      sendBack(pending, change)
      return
    case 'decided': {
      const seat = seatOf(pending, change.decision.seat)
      if (seat === undefined) return
      seat.decision = change.decision
      seat.hasActed = true
      return
    }
    default: {
      const seat = seatOf(pending, change.seat)
      if (seat !== undefined) changeSeat(pending, seat, change, by)
    }
  }
}

type SeatChange = Extract<
  HumanChange,
  { kind: 'claimed' | 'released' | 'taken-back' | 'handed-over' | 'returned' }
>

function changeSeat(pending: PendingHuman, seat: Seat, change: SeatChange, by: string): void {
  switch (change.kind) {
    case 'claimed':
      seat.holder = by
      seat.hasActed = true
      return
    case 'released':
      seat.holder = undefined
      seat.handOvers.length = 0
      seat.hasActed = true
      return
    case 'handed-over':
      if (change.how === 'reassigned') for (const each of seat.handOvers) each.isOver = true
      else if (seat.holder !== undefined)
        seat.handOvers.push({ from: seat.holder, isLent: change.how === 'lent' })
      seat.holder = change.to
      seat.hasActed = false
      return
    case 'returned': {
      const { verdict, data, comment } = change
      seat.draft = {
        by,
        verdict,
        ...(data === undefined ? {} : { data }),
        ...(comment === undefined ? {} : { comment }),
      }
      const lent = seat.handOvers.findLastIndex(({ isLent }) => isLent)
      seat.holder = seat.handOvers.splice(Math.max(0, lent))[0]?.from
      seat.hasActed = false
      return
    }
    case 'taken-back':
      if (seat.decision !== undefined) {
        seat.decision = undefined
        seat.holder = by
        waitAgain(pending, seat)
      } else {
        seat.handOvers.pop()
        seat.holder = by
      }
      seat.hasActed = true
  }
}

function sendBack(pending: PendingHuman, change: Extract<HumanChange, { kind: 'sent-back' }>): void {
  const seat = seatOf(pending, change.toSeat)
  if (seat === undefined) return
  if (change.toSeat === change.seat) {
    const at = seat.handOvers.findLastIndex(({ from }) => from === change.to)
    if (at >= 0) seat.handOvers.splice(at)
  } else {
    seat.decision = undefined
    waitAgain(pending, seat)
  }
  seat.holder = change.to
  seat.hasActed = false
}

/** Seats after this one begin again when it is their turn. */
function waitAgain({ seats, spec }: PendingHuman, from: Seat): void {
  if (spec.order !== 'sequence') return
  for (const seat of seats.slice(seats.indexOf(from) + 1)) {
    seat.decision = undefined
    seat.hasActed = false
  }
}

function escalate(pending: PendingHuman, level: number): void {
  const escalation = pending.spec.escalations[level - 1]
  pending.escalated = level
  if (escalation === undefined) return
  if (escalation.priority !== undefined) pending.priority = escalation.priority
  for (const seat of pending.seats) {
    if (seat.decision !== undefined) continue
    seat.users = [...new Set([...seat.users, ...escalation.users])]
    seat.groups = [...new Set([...seat.groups, ...escalation.groups])]
    if (escalation.release === true && seat.users.length + seat.groups.length > 0) {
      seat.holder = undefined
      seat.handOvers.length = 0
    }
  }
}
