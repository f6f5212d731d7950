/** What the passing of time does to a human task: an escalation, the mark that it is overdue, or its end. */
import type { HumanTaskChanged, Operation } from '../../../protocol/event.ts'
import type { HumanChange } from '../../../protocol/human-task.ts'
import { type Decision, decided, type Effect } from '../decision.ts'
import { endHuman } from './human-end.ts'
import { nextHumanTime, type PendingHuman } from './human-state.ts'

/** One thing per firing: if more is due, the timer is armed for it at once. */
export function decideHumanTime(pending: PendingHuman, op: Operation, at: number): Decision {
  const dueAt = nextHumanTime(pending)
  const dropped: Effect = { kind: 'drop-timer', timer: op }
  if (dueAt === undefined) return decided([], [dropped])
  if (at < dueAt) return decided([], [{ kind: 'arm-timer', timer: op, dueAt }])
  const { spec, escalated, openedAt } = pending
  const escalation = spec.escalations[escalated]
  const isEscalation = escalation !== undefined && openedAt + escalation.afterMs === dueAt
  if (!isEscalation && spec.onDue === 'expire') return endHuman(pending, op, { outcome: 'expired', at })
  const change: HumanChange = isEscalation ? { kind: 'escalated', level: escalated + 1 } : { kind: 'overdue' }
  const event: HumanTaskChanged = { type: 'human-task-changed', op, change, at }
  const next = nextHumanTime(
    isEscalation ? { ...pending, escalated: escalated + 1 } : { ...pending, isOverdue: true },
  )
  return decided(
    [event],
    [
      next === undefined ? dropped : { kind: 'arm-timer', timer: op, dueAt: next },
      { kind: 'show-human-task', op },
    ],
  )
}
