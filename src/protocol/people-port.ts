/** What clients may ask about human tasks: the contract between the client library and an engine. Times are ms since 1970. */
import type { SequencedEvent } from './event.ts'
import type {
  Actor,
  ApprovalRule,
  Escalation,
  HumanAction,
  HumanOutcome,
  People,
  SeatDecision,
  Verdict,
} from './human-task.ts'
import type { RunId } from './ids.ts'
import type { Json } from './json.ts'
import type { Payload } from './payload.ts'

export interface HumanTaskTarget {
  readonly namespace: string
  readonly id: string
}

export interface HumanSeat extends People {
  readonly seat: number
  /** Undecided, and it is its turn. */
  readonly isInTurn: boolean
  /** Who has claimed it, or was given it. */
  readonly holder?: string
  /** How it was decided, and by whom. */
  readonly verdict?: Verdict
  readonly by?: string
}

/** An open human task, as inboxes show it. */
export interface HumanTaskSummary {
  readonly id: string
  readonly workflowId: string
  readonly runId: RunId
  readonly workflow: string
  readonly name: string
  readonly title: string
  readonly kind: 'task' | 'approval'
  /** 0 to 9, 9 first. */
  readonly priority: number
  readonly openedAt: number
  readonly dueAt?: number
  readonly isOverdue: boolean
  readonly requester?: string
  readonly seats: readonly HumanSeat[]
}

/** What somebody to whom a seat was lent has prepared for the lender. */
export interface HumanDraft {
  readonly seat: number
  readonly by: string
  readonly verdict: Verdict
  readonly data?: Payload
  readonly comment?: string
}

export interface HumanTaskDescription extends HumanTaskSummary {
  readonly status: 'open' | HumanOutcome
  readonly closedAt?: number
  /** Who ended it, and why. */
  readonly closedBy?: string
  readonly reason?: string
  readonly form?: Json
  readonly data?: Payload
  readonly order: 'parallel' | 'sequence'
  readonly rule: ApprovalRule
  readonly onDue: 'mark' | 'expire'
  readonly escalations: readonly Escalation[]
  readonly managers?: People
  readonly fourEyes: readonly string[]
  readonly decisions: readonly SeatDecision[]
  readonly drafts: readonly HumanDraft[]
  readonly comments: readonly { readonly by: string; readonly at: number; readonly text: string }[]
}

export interface InboxQuery {
  readonly namespace: string
  /** What this person has or may take. One of these three, or all open tasks. */
  readonly person?: Pick<Actor, 'user' | 'groups'>
  /** What this user has requested. */
  readonly requester?: string
  readonly workflowId?: string
  /** Default 100, at most 1,000. */
  readonly limit?: number
  readonly cursor?: string
}

export interface InboxPage {
  /** The most urgent first: by priority, then by due time, then by age. */
  readonly tasks: readonly HumanTaskSummary[]
  readonly cursor?: string
}

export interface PeoplePort {
  inbox(query: InboxQuery): Promise<InboxPage>
  describe(target: HumanTaskTarget): Promise<HumanTaskDescription>
  /** Who did what when: the events of the task in the journal of its execution. */
  history(target: HumanTaskTarget): Promise<readonly SequencedEvent[]>
  /** Resolves when it is durable. Of several with one request id only the first counts. */
  act(target: HumanTaskTarget, actor: Actor, action: HumanAction, requestId: string): Promise<void>
}
