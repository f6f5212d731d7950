/** The end of a human task: one event, and nothing of it is left in inboxes and timers. */
import type { Operation } from '../../../protocol/event.ts'
import type { HumanOutcome, SeatDecision } from '../../../protocol/human-task.ts'
import { type Decision, decided, type Effect } from '../decision.ts'
import { decisionsOf, nextHumanTime, type PendingHuman } from './human-state.ts'

interface End {
  readonly outcome: HumanOutcome
  readonly by?: string
  readonly requestId?: string
  readonly reason?: string | undefined
  /** The decision that ends it. */
  readonly last?: SeatDecision
  readonly at: number
}

export function endHuman(pending: PendingHuman, op: Operation, end: End): Decision {
  const { outcome, by, requestId, reason, last, at } = end
  const before = decisionsOf(pending)
  return decided(
    [
      {
        type: 'human-task-closed',
        op,
        name: pending.name,
        outcome,
        ...(by === undefined ? {} : { by }),
        ...(requestId === undefined ? {} : { requestId }),
        ...(reason === undefined ? {} : { reason }),
        decisions: last === undefined ? before : [...before, last],
        at,
      },
    ],
    hidden(pending, op),
  )
}

export function hidden(pending: PendingHuman, op: Operation): Effect[] {
  const hide: Effect = { kind: 'hide-human-task', op }
  return nextHumanTime(pending) === undefined ? [hide] : [hide, { kind: 'drop-timer', timer: op }]
}
