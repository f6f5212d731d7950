/** One atomic write: what a store gets to commit, already folded to at most one final write per table and key. */
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { AuditDrop, AuditHeadRow, AuditKey, AuditRow } from './audit-rows.ts'
import type { HumanTaskKey, HumanTaskRow } from './human-task-rows.ts'
import type { QueueSettingRow } from './queue-setting-rows.ts'
import type { RegistryRow } from './registry-rows.ts'
import type {
  ExecutionChange,
  ExecutionRow,
  InboxRow,
  JournalEntry,
  OutboxKey,
  OutboxRow,
  Session,
  ShardRelease,
  TimerKey,
  TimerRow,
} from './rows.ts'
import type { ScheduleKey, ScheduleRow } from './schedule-rows.ts'
import type { TaskChange, TaskRow, TaskSeq } from './task-rows.ts'

export interface Batch {
  readonly session: Session
  /** Number of the batch in its session: 1, 2, 3, … */
  readonly seq: number
  /** Engine time of the batch: the floor of the clock after a restart. */
  readonly atMs: number
  /** Nothing else is to be done until it is committed: a store may let the caller wait instead of working beside it. */
  readonly isAwaited?: boolean
  /** Insert only: an existing key makes the store refuse the batch. */
  readonly journal: readonly JournalEntry[]
  readonly executionsInserted: readonly ExecutionRow[]
  readonly executionsUpdated: readonly { readonly runId: RunId; readonly change: ExecutionChange }[]
  /** Upserts: the newest run of each workflow id. */
  readonly currents: readonly { readonly key: WorkflowKey; readonly runId: RunId }[]
  /** Removed, whichever run they name. */
  readonly currentsDropped: readonly WorkflowKey[]
  /** Upserts by (run, timer). */
  readonly timersArmed: readonly TimerRow[]
  readonly timersDropped: readonly TimerKey[]
  /** Insert only, like the journal. */
  readonly outboxAdded: readonly OutboxRow[]
  readonly outboxDropped: readonly OutboxKey[]
  /** Runs whose rows are all removed: journal, summary, timers, and `current` where it names this run. */
  readonly deleted: readonly { readonly runId: RunId; readonly key: WorkflowKey }[]
  /** Insert only: a number or an id that exists makes the store refuse the batch. */
  readonly tasksInserted: readonly TaskRow[]
  readonly tasksUpdated: readonly { readonly seq: TaskSeq; readonly change: TaskChange }[]
  readonly tasksDeleted: readonly TaskSeq[]
  /** Upserts, whole rows. */
  readonly schedules: readonly ScheduleRow[]
  readonly schedulesDropped: readonly ScheduleKey[]
  /** Upserts, whole rows. */
  readonly queueSettings: readonly QueueSettingRow[]
  /** Upserts, whole rows. */
  readonly humanTasks: readonly HumanTaskRow[]
  readonly humanTasksDropped: readonly HumanTaskKey[]
  /** Upserts, whole rows. Never empty, as all that follows. */
  readonly registry?: readonly RegistryRow[]
  /** Insert only: a row of that session and number that exists makes the store refuse the batch. */
  readonly audit?: readonly AuditRow[]
  /** Insert only, by number. */
  readonly auditHeads?: readonly AuditHeadRow[]
  /** Of rows of earlier batches; what is personal of them goes. */
  readonly auditErased?: readonly AuditKey[]
  /** Beginnings of chains, of rows of earlier batches. None of their rows is erased by the same batch. */
  readonly auditDropped?: readonly AuditDrop[]
  /** Upserts. In a cluster only, and never empty. */
  readonly inbox?: readonly InboxRow[]
  /** In a cluster only, and never empty. The session owns each of them. */
  readonly released?: readonly ShardRelease[]
}

export type CommitOutcome =
  | { readonly outcome: 'committed' }
  /** The session is fenced: nothing was written. */
  | { readonly outcome: 'fenced' }
  /** The store will refuse this batch each time: nothing was written. `reason` is for people. */
  | { readonly outcome: 'refused'; readonly reason: string }
