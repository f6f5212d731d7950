/**
 * The Store contract: everything the engine needs of a database.
 *
 * 1. `commit` is atomic and guarded: it writes nothing unless the session exists with its incarnation and is not fenced,
 *    and it records (session, seq) in the same write.
 * 2. After `fence` has answered, no commit of that session can take effect any more.
 * 3. Reads see every commit that was acknowledged before they began.
 * 4. A commit that throws `UnknownCommitError` may or may not have taken effect; `fence`, then `hasCommitted` settle it.
 * 5. A commit that throws anything else is fail-stop: the engine stops and nobody gets an answer.
 */
import type { ListQuery } from '../../protocol/client-port.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { AuditReads } from './audit-rows.ts'
import type { Batch, CommitOutcome } from './batch.ts'
import type { DayDropping } from './day-dropping.ts'
import type { HumanTaskReads } from './human-task-rows.ts'
import type { QueueSettingReads } from './queue-setting-rows.ts'
import type { RegistryReads } from './registry-rows.ts'
import type { ExecutionRow, JournalEntry, NodeIdentity, OutboxRow, Session, TimerRow } from './rows.ts'
import type { ScheduleReads } from './schedule-rows.ts'
import type { TaskReads } from './task-rows.ts'

/** The answer to a commit was lost: it may have taken effect. */
export class UnknownCommitError extends Error {
  override readonly name = 'UnknownCommitError'
}

export interface RegisteredSession {
  readonly session: Session
  /** The highest time of any commit so far, ms. */
  readonly clockFloorMs: number
  /** Of all shards now. Absent: the id of the session. */
  readonly epoch?: number
}

export interface Store
  extends TaskReads,
    ScheduleReads,
    QueueSettingReads,
    HumanTaskReads,
    RegistryReads,
    AuditReads {
  /** Registers a session that owns everything. */
  register(node: NodeIdentity): Promise<RegisteredSession>
  commit(batch: Batch): Promise<CommitOutcome>
  fence(session: Session): Promise<void>
  /** Old numbers are forgotten: sure for the newest number of each session, and the newest 1,000 of the last one. */
  hasCommitted(session: Session, seq: number): Promise<boolean>

  /** Newest run of each key, in the order asked. */
  currents(keys: readonly WorkflowKey[]): Promise<readonly (RunId | undefined)[]>
  /** Summaries, in the order asked. */
  executions(runIds: readonly RunId[]): Promise<readonly (ExecutionRow | undefined)[]>
  /** Journal entries of a run that hold events after `afterSeq`, ascending, at most `limit` entries. */
  journal(runId: RunId, afterSeq: number, limit: number): Promise<readonly JournalEntry[]>
  /** The newest journal entry of a run. */
  lastEntry(runId: RunId): Promise<JournalEntry | undefined>
  /** Open executions that are active or parked, after `after` in order of run id. */
  recoverable(after: RunId | undefined, limit: number): Promise<readonly ExecutionRow[]>
  /** How many executions of the namespace are open; those beyond `most` are not counted. */
  countOpen(namespace: string, most: number): Promise<number>
  /** Timers due up to `upToMs` inclusive, after the position, in order of (due, run, timer). */
  timers(page: TimerPage): Promise<readonly TimerRow[]>
  /** In order of (from, to, seq). */
  outbox(limit: number): Promise<readonly OutboxRow[]>
  /** Newest first. `before`: only runs older than this one. Rows of closed runs that ended before `closedBefore`, if given. */
  list(query: StoreListQuery): Promise<readonly ExecutionRow[]>
  /**
   * Removes executions that were closed before a time, whole days of them at once, where the store keeps them by days; others
   * of these days stay as they are. Days that cannot go so are left to be deleted one by one. Absent: it keeps no days.
   */
  dropDays?(session: Session, closedBefore: number): Promise<DayDropping>
  close(): Promise<void>
}

export interface TimerPage {
  readonly after: { readonly dueAt: number; readonly runId: string; readonly timer: number }
  readonly upToMs: number
  readonly limit: number
}

export interface StoreListQuery extends Omit<ListQuery, 'cursor' | 'limit' | 'namespace'> {
  readonly namespace?: string
  readonly before?: RunId
  readonly closedBefore?: number
  /** Oldest first instead, then `before` means after. */
  readonly oldestFirst?: boolean
  readonly limit: number
}
