/** Rows of the store, in domain words. Times are ms since 1970. The partition day of a row follows from its run id. */
import type { Attributes } from '../../protocol/event.ts'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'

/** Summary of one run; the journal is the truth. */
export interface ExecutionRow {
  readonly runId: RunId
  readonly key: WorkflowKey
  readonly shard: number
  readonly workflow: string
  readonly version: string
  readonly status: ExecutionStatus
  /** Workflow code or steps may have to run: recovery loads these, all others sleep in the store. */
  readonly active: boolean
  readonly startedAt: number
  readonly closedAt: number | null
  readonly attributes: Attributes | null
}

/** The columns of a summary that change; an update writes them all. */
export type ExecutionChange = Pick<ExecutionRow, 'status' | 'active' | 'closedAt' | 'attributes'>

/** Consecutive events of one run, written by one batch: `events` is a JSON array, its first event has number `seq`. */
export interface JournalEntry {
  readonly runId: RunId
  readonly seq: number
  readonly epoch: number
  readonly count: number
  readonly events: string
}

/** Timer ids within a run: the number of its operation, or one of `TIMER_START`, `TIMER_DEADLINE`. */
export const TIMER_START = -1
export const TIMER_DEADLINE = -2

export interface TimerKey {
  readonly runId: RunId
  readonly timer: number
}

export interface TimerRow extends TimerKey {
  readonly shard: number
  readonly dueAt: number
}

/** A message to another execution, kept until the batch that applies it drops it. */
export interface OutboxRow {
  readonly fromShard: number
  readonly toShard: number
  /** Rises per pair of shards. */
  readonly seq: number
  /** JSON of the message. */
  readonly message: string
}

export type OutboxKey = Omit<OutboxRow, 'message'>

/** How far the messages of one shard to another have been applied: what comes again is known by its number. */
export interface InboxRow {
  readonly toShard: number
  readonly fromShard: number
  /** Of the last message that was applied. */
  readonly lastSeq: number
}

/** A shard that its owner gives up, in one of its own batches. */
export interface ShardRelease {
  readonly shard: number
  /** As it is now; it rises by one. */
  readonly epoch: number
  /** Session that is to own it; if that is fenced by then, or null, it has no owner. */
  readonly to: number | null
}

/** A node's registered lifetime: the fencing token. */
export interface Session {
  readonly id: number
  readonly incarnation: string
}

export interface NodeIdentity {
  /** Shown to people, e.g. `host:pid`. */
  readonly node: string
  readonly incarnation: string
  readonly nowMs: number
}
