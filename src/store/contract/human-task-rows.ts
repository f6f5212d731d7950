/** Open human tasks, as the inboxes list them: one row for each. All else of them is in the journal of their execution. */
import type { Operation } from '../../protocol/event.ts'
import type { RunId } from '../../protocol/ids.ts'

export interface HumanTaskKey {
  readonly runId: RunId
  readonly op: Operation
}

export interface HumanTaskRow extends HumanTaskKey {
  readonly namespace: string
  readonly workflowId: string
  /** Inboxes are in order of this text, which is ASCII. */
  readonly rank: string
  /** JSON: the names of the inboxes it is in, a list of different texts. */
  readonly offers: string
  /** JSON of what is shown. */
  readonly summary: string
}

export interface HumanTaskQuery {
  readonly namespace: string
  /** Names of inboxes: tasks that are in one of them or in several, each once. */
  readonly inboxes: readonly string[]
  /** Only those after it, in order of (rank, run id, op). */
  readonly after?: HumanTaskKey & { readonly rank: string }
  readonly limit: number
}

/** What the engine reads of human tasks. */
export interface HumanTaskReads {
  /** In order of (rank, run id, op). */
  humanTasks(query: HumanTaskQuery): Promise<readonly HumanTaskRow[]>
}
