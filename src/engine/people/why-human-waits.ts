/** "Why is this waiting?" for a human task: who has it, or who could take it. Pure. */
import { type PendingHuman, seatsInTurn } from '../../core/execution/human/human-state.ts'
import type { WaitExplanation } from '../../protocol/execution-explanation.ts'
import { humanTaskId, type People } from '../../protocol/human-task.ts'
import type { RunId } from '../../protocol/ids.ts'

const NAMES_MAX = 5

export function humanWait(runId: RunId, op: number, pending: PendingHuman): WaitExplanation {
  const { name, dueAt, spec } = pending
  const seats = seatsInTurn(pending)
  const holders = seats.flatMap(({ holder }) => holder ?? [])
  const free = seats.filter(({ holder }) => holder === undefined)
  const candidates: People = {
    users: [...new Set(free.flatMap(({ users }) => users))],
    groups: [...new Set(free.flatMap(({ groups }) => groups))],
  }
  // Nobody claims the seat of an approver that is a user: it is his.
  const claimed =
    holders.length > 0 ? `${spec.kind === 'approval' ? 'with' : 'claimed by'} ${listed(holders)}` : ''
  const unclaimed = free.length > 0 ? `claimed by nobody${candidatesText(candidates)}` : ''
  const due =
    dueAt === undefined ? '' : `, ${pending.isOverdue ? 'was due' : 'due'} ${new Date(dueAt).toISOString()}`
  const state = [claimed, unclaimed].filter((text) => text !== '').join(' and ')
  const id = humanTaskId(runId, op)
  return {
    kind: 'human',
    op,
    name,
    humanTaskId: id,
    holders,
    candidates,
    ...(dueAt === undefined ? {} : { untilMs: dueAt }),
    sentence: `it waits for human task ${name} (${id}): ${state}${due}`,
  }
}

function candidatesText({ users, groups }: People): string {
  const parts = [
    ...(users.length === 0 ? [] : [`of ${listed(users)}`]),
    ...(groups.length === 0 ? [] : [`in group ${listed(groups)}`]),
  ]
  return parts.length === 0 ? '' : ` ${parts.join(' or ')}`
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_MAX
  const shown = names.slice(0, NAMES_MAX).join(', ')
  return more > 0 ? `${shown} and ${more} more` : shown
}
