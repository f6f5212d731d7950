/** An action on a human task, with what it is decided on, and the answers that decisions share. */
import type { Operation } from '../../../protocol/event.ts'
import { type Actor, type HumanChange, humanTaskId } from '../../../protocol/human-task.ts'
import { type Decision, decided, rejected } from '../decision.ts'
import type { ExecutionState } from '../state.ts'
import { fourEyesConflict, hasDecided, hasSeat, isAmong } from './human-rules.ts'
import { type PendingHuman, type Seat, seatsInTurn } from './human-state.ts'

export interface HumanCase {
  readonly state: ExecutionState
  readonly pending: PendingHuman
  readonly op: Operation
  readonly actor: Actor
  readonly requestId: string
  readonly at: number
}

export function changed({ op, actor, requestId, at }: HumanCase, change: HumanChange): Decision {
  return decided(
    [{ type: 'human-task-changed', op, by: actor.user, requestId, change, at }],
    [{ kind: 'show-human-task', op }],
  )
}

export function forbidden({ state, op, actor }: HumanCase, why: string): Decision {
  return rejected('HUMAN_TASK_FORBIDDEN', `${actor.user} ${why}: human task ${humanTaskId(state.runId, op)}`)
}

export function conflict({ state, op }: HumanCase, what: string): Decision {
  return rejected('HUMAN_TASK_CONFLICT', `human task ${humanTaskId(state.runId, op)} ${what}`)
}

/** Why the user may not have this seat of the task; without one: any seat. */
export function refusedSeat(on: HumanCase, user: string, seat?: Seat): Decision | undefined {
  if (hasDecided(on.pending, user)) return conflict(on, `was decided by ${user} already`)
  if (hasSeat(on.pending, user, seat)) return conflict(on, `has a seat of ${user} already`)
  return refusedByFourEyes(on, user)
}

export function refusedByFourEyes(on: HumanCase, user: string): Decision | undefined {
  const other = fourEyesConflict(on.state, on.pending, user)
  if (other === undefined) return undefined
  const { state, op } = on
  return rejected(
    'HUMAN_TASK_FORBIDDEN',
    `${user} did '${other}', which another person has to do than human task ${humanTaskId(state.runId, op)} (four eyes)`,
  )
}

/** Why the actor has no seat to act in. */
export function withoutSeat(on: HumanCase): Decision {
  const { pending, actor } = on
  if (hasDecided(pending, actor.user)) return conflict(on, `was decided by ${actor.user} already`)
  const taken = seatsInTurn(pending).find((seat) => isAmong(seat, actor))
  if (taken?.holder !== undefined) return conflict(on, `is claimed by ${taken.holder}`)
  const later = pending.seats.find(
    (seat) => seat.decision === undefined && (seat.holder === actor.user || isAmong(seat, actor)),
  )
  if (later !== undefined) return conflict(on, `waits for others before ${actor.user}`)
  return forbidden(on, 'is not one of its candidates')
}
