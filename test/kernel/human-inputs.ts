/** What people do with human tasks in the programs: at random, or again from the event that recorded it. */
import type { PendingHuman } from '../../src/core/execution/human/human-state.ts'
import { nextHumanTime } from '../../src/core/execution/human/human-state.ts'
import type { Randomness } from '../../src/platform/randomness.ts'
import type { HumanTaskChanged, HumanTaskClosed } from '../../src/protocol/event.ts'
import type { Actor, HumanAction, HumanChange, SeatDecision, Verdict } from '../../src/protocol/human-task.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import type { KernelHarness } from './harness.ts'

export const USERS = ['ann', 'bob', 'eve'] as const

/** All users are in the group that the programs name. */
export const GROUP = 'staff'

export function actAs(
  harness: KernelHarness,
  op: number,
  user: string,
  action: HumanAction,
  requestId: string,
): void {
  const actor: Actor = { user, groups: [GROUP] }
  harness.apply({ type: 'human', op, actor, action, requestId })
}

/** Time moves on to the next thing that time does to the task, if there is one. */
export function passHumanTime(harness: KernelHarness, op: number): void {
  const pending = harness.state.ops.get(op)
  const dueAt = pending?.kind === 'human' ? nextHumanTime(pending) : undefined
  if (dueAt === undefined) return
  harness.nowMs = Math.max(harness.nowMs, dueAt)
  harness.apply({ type: 'timer-due', timer: op })
}

/** Most of what is drawn fits the state; the rest is refused, and changes nothing. */
export function randomAct(
  harness: KernelHarness,
  op: number,
  pending: PendingHuman,
  random: Randomness,
): void {
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
  const to = pick(USERS)
  const decide = pending.spec.kind === 'task' ? 'complete' : 'approve'
  const data = encodePayload(Math.floor(random() * 100))
  const action = pick<HumanAction>([
    { kind: 'claim' },
    { kind: 'claim' },
    { kind: decide, data },
    { kind: decide, data },
    { kind: 'reject', comment: 'no' },
    { kind: 'release' },
    { kind: 'delegate', to, ...(random() < 0.5 ? { returns: true as const } : {}) },
    { kind: 'hand-over', to },
    { kind: 'comment', text: 'well' },
    { kind: 'add-approver', approver: { users: [], groups: [GROUP] } },
    { kind: 'remove-approver', seat: 1 + Math.floor(random() * 3) },
    { kind: 'send-back', to },
    { kind: 'take-back' },
    ...(random() < 0.3 ? [{ kind: 'withdraw' as const }] : []),
  ])
  actAs(harness, op, pick(USERS), action, `act-${harness.journal.length}-${random()}`)
}

export function repeatChange(
  harness: KernelHarness,
  { op, by, change, requestId = '' }: HumanTaskChanged,
): void {
  if (by === undefined) passHumanTime(harness, op)
  else actAs(harness, op, by, actionOf(change), requestId)
}

export function repeatEnd(harness: KernelHarness, event: HumanTaskClosed): void {
  const { op, by, outcome, decisions, reason, requestId = '' } = event
  if (by === undefined) return passHumanTime(harness, op)
  const last = decisions.at(-1)
  const removed = /^seat (\d+) was removed$/.exec(reason ?? '')?.[1]
  if (outcome === 'withdrawn') actAs(harness, op, by, { kind: 'withdraw' }, requestId)
  else if (removed !== undefined)
    actAs(harness, op, by, { kind: 'remove-approver', seat: Number(removed) }, requestId)
  else if (last !== undefined) actAs(harness, op, by, decisionAction(last), requestId)
}

const DECIDING: Readonly<Record<Verdict, 'complete' | 'approve' | 'reject'>> = {
  completed: 'complete',
  approved: 'approve',
  rejected: 'reject',
}

function decisionAction({
  verdict,
  data,
  comment,
}: Pick<SeatDecision, 'verdict' | 'data' | 'comment'>): HumanAction {
  return {
    kind: DECIDING[verdict],
    ...(data === undefined ? {} : { data }),
    ...(comment === undefined ? {} : { comment }),
  }
}

function actionOf(change: HumanChange): HumanAction {
  switch (change.kind) {
    case 'claimed':
      return { kind: 'claim' }
    case 'released':
      return { kind: 'release' }
    case 'taken-back':
      return { kind: 'take-back' }
    case 'handed-over': {
      const { to, how, seat } = change
      if (how === 'lent') return { kind: 'delegate', to, returns: true }
      if (how === 'delegated') return { kind: 'delegate', to }
      return how === 'transferred' ? { kind: 'hand-over', to } : { kind: 'hand-over', to, seat }
    }
    case 'commented':
      return { kind: 'comment', text: change.text }
    case 'returned':
      return decisionAction(change)
    case 'decided':
      return decisionAction(change.decision)
    case 'approver-added':
      return { kind: 'add-approver', approver: change.approver, place: change.place }
    case 'approver-removed':
      return { kind: 'remove-approver', seat: change.seat }
    case 'sent-back':
      return { kind: 'send-back', to: change.to }
    case 'escalated':
    case 'overdue':
      throw new Error(`invariant: nobody does ${change.kind}`)
  }
}
