/** A human task as its events tell it, open or ended. Pure. */
import {
  changeHuman,
  decisionsOf,
  openedHuman,
  type PendingHuman,
} from '../../core/execution/human/human-state.ts'
import type { ExecutionState } from '../../core/execution/state.ts'
import { type HumanTaskClosed, isTerminal, type SequencedEvent } from '../../protocol/event.ts'
import type { HumanDraft, HumanTaskDescription } from '../../protocol/people-port.ts'
import { humanSummary } from './human-task-row.ts'

export interface HumanTaskRecord {
  /** As it was last. */
  readonly task: PendingHuman
  readonly events: readonly SequencedEvent[]
  readonly closed: Omit<HumanTaskClosed, 'type' | 'op' | 'name' | 'decisions'> | undefined
}

/** Undefined: the operation is no human task. */
export function recordOf(history: Iterable<SequencedEvent>, op: number): HumanTaskRecord | undefined {
  let task: PendingHuman | undefined
  let closed: HumanTaskRecord['closed']
  const events: SequencedEvent[] = []
  for (const each of history) {
    const { event } = each
    if (isTerminal(event) && task !== undefined && closed === undefined) {
      closed = { outcome: 'cancelled', reason: 'its execution has ended', at: event.at }
      continue
    }
    if (!('op' in event) || event.op !== op) continue
    if (event.type === 'human-task-opened') {
      // Asked for again after a retry of the execution.
      task = openedHuman(event)
      closed = undefined
    } else if (event.type === 'human-task-changed' && task !== undefined) changeHuman(task, event)
    else if (event.type === 'human-task-closed' && task !== undefined) {
      const { outcome, by, reason, at } = event
      closed = {
        outcome,
        at,
        ...(by === undefined ? {} : { by }),
        ...(reason === undefined ? {} : { reason }),
      }
      for (const decision of event.decisions) {
        const seat = task.seats.find(({ number }) => number === decision.seat)
        if (seat !== undefined) seat.decision = decision
      }
    } else continue
    events.push(each)
  }
  return task === undefined ? undefined : { task, events, closed }
}

export function humanDescription(
  state: Pick<ExecutionState, 'key' | 'runId' | 'workflow'>,
  op: number,
  { task, closed }: Pick<HumanTaskRecord, 'task' | 'closed'>,
): HumanTaskDescription {
  const { form, data, order, rule, onDue, escalations, managers, fourEyes } = task.spec
  const summary = humanSummary(state, op, task)
  return {
    ...summary,
    // Nobody has to do anything any more.
    ...(closed === undefined ? {} : { seats: summary.seats.map((seat) => ({ ...seat, isInTurn: false })) }),
    status: closed?.outcome ?? 'open',
    ...(closed === undefined ? {} : { closedAt: closed.at }),
    ...(closed?.by === undefined ? {} : { closedBy: closed.by }),
    ...(closed?.reason === undefined ? {} : { reason: closed.reason }),
    ...(form === undefined ? {} : { form }),
    ...(data === undefined ? {} : { data }),
    order,
    rule,
    onDue,
    escalations,
    ...(managers === undefined ? {} : { managers }),
    fourEyes,
    decisions: decisionsOf(task),
    drafts: task.seats.flatMap(({ number: seat, draft }): HumanDraft[] =>
      draft === undefined ? [] : [{ seat, ...draft }],
    ),
    comments: [...task.comments],
  }
}
