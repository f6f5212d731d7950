/** The rows of a store as doctor reads them, whichever database it is: its own statements, so that an error in those of the engine shows. */
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { QueueSettingRow } from '../../store/contract/queue-setting-rows.ts'
import type { RegistryKey, RegistryRow } from '../../store/contract/registry-rows.ts'
import type { ExecutionRow, JournalEntry, OutboxRow, TimerRow } from '../../store/contract/rows.ts'
import type { ScheduleKey, ScheduleRow } from '../../store/contract/schedule-rows.ts'
import type { TaskRow, TaskSeq } from '../../store/contract/task-rows.ts'
import type { StoredChain } from './admin-audit.ts'
import type { Finding } from './finding.ts'
import type { StoredHumanTask } from './human-task-audit.ts'

export type Soon<T> = T | Promise<T>
export type Rows<T> = Iterable<T> | AsyncIterable<T>

export interface RunPosition {
  readonly day: number
  readonly runId: string
}

export interface StoredExecution extends ExecutionRow {
  readonly day: number
}

export type StoredEntry = Omit<JournalEntry, 'runId'> & { readonly format: number }

export interface AuditRows {
  /** Everything read in `read` is of one commit. */
  snapshot<T>(read: () => Promise<T>): Promise<T>
  /** Rows could not be read, and others may be: the file or the table is damaged there. */
  isDamage(error: unknown): boolean
  executionCount(): Soon<number>
  /** After a position, in order of (day, run id). Positions never go back. */
  executions(after: RunPosition): Rows<StoredExecution>
  execution(position: RunPosition): Soon<StoredExecution | undefined>
  /** Of the execution that `executions` has given last, in order of `seq`; to be read to the end. */
  entries(position: RunPosition): Rows<StoredEntry>
  /** Of that execution too, as all that follows in this group. */
  timers(position: RunPosition): Soon<readonly Pick<TimerRow, 'timer' | 'dueAt'>[]>
  humanTasks(runId: string): Soon<readonly StoredHumanTask[]>
  /** The newest run of a key. */
  current(key: WorkflowKey): Soon<RunPosition | undefined>
  outbox(): Rows<OutboxRow>
  tasks(after: TaskSeq): Rows<TaskRow>
  /** After a key, in order of (namespace, id). */
  schedules(after: ScheduleKey): Rows<ScheduleRow>
  queueSettings(): Rows<QueueSettingRow>
  /** After a key, in order of (kind, namespace, id). */
  registry(after: RegistryKey): Rows<RegistryRow>
  /** Sessions that have rows in the audit trail. */
  auditedSessions(): Soon<readonly number[]>
  auditChain(session: number): Soon<StoredChain>
  /** Runs that have rows of human tasks, or that inboxes name. */
  runsOfHumanTasks(): Rows<{ readonly runId: RunId; readonly count: number }>
  /** Runs that have rows in `table` and no summary. */
  withoutSummary(table: 'journal' | 'timer'): Rows<RunPosition>
  danglingCurrents(): Rows<{ readonly workflowId: string; readonly runId: RunId }>
  /** What is wrong with sessions and shards. */
  ownershipFindings(): Soon<readonly Finding[]>
  newestSession(): Soon<number>
  meta(key: string): Soon<number | undefined>
  /** The highest time of any commit, ms. */
  clockFloor(): Soon<number>
}
