/**
 * Human tasks: operations of an execution that people perform. Everything about one is in the journal of its execution.
 *
 * A task has seats. A seat is the place of one person: the task of one person has one seat, an approval has one for each
 * approver. Times are ms since 1970.
 */
import type { RunId } from './ids.ts'
import { isRunId } from './ids.ts'
import type { Json } from './json.ts'
import type { Payload } from './payload.ts'

/** Of one approval. */
export const MAX_SEATS = 100

export interface People {
  readonly users: readonly string[]
  readonly groups: readonly string[]
}

/** Who may take a seat; with an assignee that person has it from the beginning. */
export interface SeatSpec extends People {
  readonly assignee?: string
}

/** How many seats have to approve: so many, this share of all (above 0, to 1), or one of the words. */
export type ApprovalRule =
  | { readonly kind: 'all' | 'any' | 'majority' }
  | { readonly kind: 'votes'; readonly votes: number }
  | { readonly kind: 'ratio'; readonly ratio: number }

export interface Escalation extends People {
  /** After the task was opened. */
  readonly afterMs: number
  /** The priority from then on. */
  readonly priority?: number
  /** Whoever has claimed it loses it. */
  readonly release?: true
}

export interface HumanTaskSpec {
  readonly kind: 'task' | 'approval'
  readonly title: string
  /** JSON Schema of what a person fills in. */
  readonly form?: Json
  /** Shown to the person. */
  readonly data?: Payload
  /** 0 to 9, 9 first. */
  readonly priority: number
  readonly dueInMs?: number
  /** When it is due: it is marked as overdue, or ends as `expired`. */
  readonly onDue: 'mark' | 'expire'
  readonly escalations: readonly Escalation[]
  readonly seats: readonly SeatSpec[]
  /** All seats at a time, or one after another. */
  readonly order: 'parallel' | 'sequence'
  readonly rule: ApprovalRule
  /** May withdraw it, and manage it. */
  readonly requester?: string
  /** May hand seats over, and add and remove approvers. */
  readonly managers?: People
  /** Names of other human tasks of the execution that the same person may not have done. */
  readonly fourEyes: readonly string[]
}

/** Who acts, as the caller says. */
export interface Actor {
  readonly user: string
  readonly groups: readonly string[]
  /** May do what managers may. */
  readonly isAdmin?: true
}

export type Verdict = 'completed' | 'approved' | 'rejected'

/** What a person has decided in a seat. */
export interface SeatDecision {
  readonly seat: number
  readonly by: string
  readonly verdict: Verdict
  readonly at: number
  readonly comment?: string
  readonly data?: Payload
  /** Had the seat in between, and prepared what was decided. */
  readonly preparedBy?: string
}

/** What a person asks for. Seats are numbered 1, 2, …; without one it is the seat that the person has or may take. */
export type HumanAction =
  | { readonly kind: 'claim' | 'release' | 'take-back' }
  | { readonly kind: 'delegate'; readonly to: string; readonly returns?: true }
  /** `seat` is for managers: the seat of somebody else. */
  | { readonly kind: 'hand-over'; readonly to: string; readonly seat?: number }
  | { readonly kind: 'comment'; readonly text: string }
  | {
      readonly kind: 'complete' | 'approve' | 'reject'
      readonly data?: Payload
      readonly comment?: string
    }
  /** Before the seat at this place, 1, 2, …; absent: as the last one. */
  | { readonly kind: 'add-approver'; readonly approver: SeatSpec; readonly place?: number }
  | { readonly kind: 'remove-approver'; readonly seat: number }
  | { readonly kind: 'send-back'; readonly to: string; readonly reason?: string }
  | { readonly kind: 'withdraw'; readonly reason?: string }

/** What was done, as the journal has it. */
export type HumanChange =
  | { readonly kind: 'claimed' | 'released' | 'taken-back'; readonly seat: number }
  | {
      readonly kind: 'handed-over'
      readonly seat: number
      readonly to: string
      readonly how: 'delegated' | 'lent' | 'transferred' | 'reassigned'
    }
  | { readonly kind: 'commented'; readonly text: string }
  /** Whom it was lent to has done it: it is back with the lender, who decides. */
  | {
      readonly kind: 'returned'
      readonly seat: number
      readonly verdict: Verdict
      readonly data?: Payload
      readonly comment?: string
    }
  | { readonly kind: 'decided'; readonly decision: SeatDecision }
  | {
      readonly kind: 'approver-added'
      readonly seat: number
      readonly approver: SeatSpec
      readonly place: number
    }
  | { readonly kind: 'approver-removed'; readonly seat: number }
  | {
      readonly kind: 'sent-back'
      /** From this seat to that. */
      readonly seat: number
      readonly toSeat: number
      readonly to: string
      readonly reason?: string
    }
  | { readonly kind: 'escalated'; readonly level: number }
  | { readonly kind: 'overdue' }

export const HUMAN_OUTCOMES = [
  'completed',
  'approved',
  'rejected',
  'withdrawn',
  'expired',
  'cancelled',
] as const

/** `cancelled`: its execution does not wait for it any more. */
export type HumanOutcome = (typeof HUMAN_OUTCOMES)[number]

const ID_PATTERN = /^(.{26})-([1-9][0-9]{0,14})$/

/** Id of a human task: the run that asked for it, and the number of the operation. */
export function humanTaskId(runId: RunId, op: number): string {
  return `${runId}-${op}`
}

export function partsOfHumanTaskId(id: string): { readonly runId: RunId; readonly op: number } | undefined {
  const [, runId, op] = ID_PATTERN.exec(id) ?? []
  return runId === undefined || !isRunId(runId) ? undefined : { runId, op: Number(op) }
}
