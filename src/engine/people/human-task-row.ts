/** An open human task as its row in the inboxes shows it. Pure. */
import { type PendingHuman, type Seat, seatsInTurn } from '../../core/execution/human/human-state.ts'
import type { ExecutionState } from '../../core/execution/state.ts'
import { humanTaskId } from '../../protocol/human-task.ts'
import type { HumanSeat, HumanTaskSummary, InboxQuery } from '../../protocol/people-port.ts'
import type { HumanTaskRow } from '../../store/contract/human-task-rows.ts'

const PRIORITY_MAX = 9
const TIME_DIGITS = 15
const NEVER = '9'.repeat(TIME_DIGITS)

export function humanTaskRow(state: ExecutionState, op: number, pending: PendingHuman): HumanTaskRow {
  const { runId, key } = state
  const { priority, dueAt, openedAt, spec } = pending
  const names = new Set(['*', `e:${key.workflowId}`])
  if (spec.requester !== undefined) names.add(`r:${spec.requester}`)
  for (const { holder, users, groups } of seatsInTurn(pending)) {
    if (holder !== undefined) names.add(`u:${holder}`)
    else {
      for (const user of users) names.add(`u:${user}`)
      for (const group of groups) names.add(`g:${group}`)
    }
  }
  return {
    runId,
    op,
    namespace: key.namespace,
    workflowId: key.workflowId,
    rank: `${PRIORITY_MAX - priority}${dueAt === undefined ? NEVER : digits(dueAt)}${digits(openedAt)}`,
    offers: JSON.stringify([...names]),
    summary: JSON.stringify(humanSummary(state, op, pending)),
  }
}

function digits(ms: number): string {
  return String(Math.trunc(ms)).padStart(TIME_DIGITS, '0')
}

/** The names of the inboxes that a query asks for. */
export function inboxesOf({ person, requester, workflowId }: InboxQuery): string[] {
  if (person !== undefined) return [`u:${person.user}`, ...person.groups.map((group) => `g:${group}`)]
  if (requester !== undefined) return [`r:${requester}`]
  return [workflowId === undefined ? '*' : `e:${workflowId}`]
}

export function humanSummary(
  { key, runId, workflow }: Pick<ExecutionState, 'key' | 'runId' | 'workflow'>,
  op: number,
  pending: PendingHuman,
): HumanTaskSummary {
  const { name, spec, priority, openedAt, dueAt, isOverdue, seats } = pending
  const inTurn = new Set(seatsInTurn(pending))
  return {
    id: humanTaskId(runId, op),
    workflowId: key.workflowId,
    runId,
    workflow,
    name,
    title: spec.title,
    kind: spec.kind,
    priority,
    openedAt,
    ...(dueAt === undefined ? {} : { dueAt }),
    isOverdue,
    ...(spec.requester === undefined ? {} : { requester: spec.requester }),
    seats: seats.map((seat) => shownSeat(seat, inTurn.has(seat))),
  }
}

function shownSeat({ number: seat, users, groups, holder, decision }: Seat, isInTurn: boolean): HumanSeat {
  const decided = decision === undefined ? {} : { verdict: decision.verdict, by: decision.by }
  return { seat, users, groups, isInTurn, ...(holder === undefined ? {} : { holder }), ...decided }
}
