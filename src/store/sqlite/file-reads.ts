/**
 * The read methods of the Store contract on a file, for the store and for tools.
 *
 * Each read sees the newest commit, and holds no snapshot after it has answered: it never keeps the log from being copied
 * into the file.
 */
import type { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type {
  AuditChainView,
  AuditHeadQuery,
  AuditHeadRow,
  AuditQuery,
  AuditRow,
} from '../contract/audit-rows.ts'
import type { HumanTaskQuery, HumanTaskRow } from '../contract/human-task-rows.ts'
import type { QueueSettingQuery, QueueSettingRow } from '../contract/queue-setting-rows.ts'
import type { RegistryMark, RegistryQuery, RegistryRow } from '../contract/registry-rows.ts'
import type { ExecutionRow, JournalEntry, OutboxRow, Session, TimerRow } from '../contract/rows.ts'
import type {
  DueSchedulePage,
  ScheduleKey,
  ScheduleListQuery,
  ScheduleRow,
} from '../contract/schedule-rows.ts'
import type { Store, StoreListQuery, TimerPage } from '../contract/store.ts'
import type {
  DuePage,
  HeldKey,
  LaneCount,
  TaskKey,
  TaskListQuery,
  TaskRow,
  TaskSeq,
  WaitingPage,
} from '../contract/task-rows.ts'
import { SqliteAuditReads } from './sqlite-audit-reads.ts'
import { isSqliteError, storeError } from './sqlite-error.ts'
import { SqliteHumanTaskReads } from './sqlite-human-task-reads.ts'
import { listExecutions } from './sqlite-list.ts'
import { SqliteOpenCounts } from './sqlite-open-counts.ts'
import { SqliteQueueSettingReads } from './sqlite-queue-setting-reads.ts'
import { SqliteReads } from './sqlite-reads.ts'
import { SqliteRegistryReads } from './sqlite-registry-reads.ts'
import { SqliteScheduleReads } from './sqlite-schedule-reads.ts'
import { listTasks } from './sqlite-task-list.ts'
import { SqliteTaskReads } from './sqlite-task-reads.ts'

export type ReadMethods = Omit<Store, 'register' | 'commit' | 'fence' | 'close'>

export abstract class FileReads implements ReadMethods {
  /** The file, absolute, links resolved. */
  readonly file: string
  protected readonly reading: DatabaseSync
  private readonly reads: SqliteReads
  private taskReads: SqliteTaskReads | undefined
  private scheduleReads: SqliteScheduleReads | undefined
  private queueSettingReads: SqliteQueueSettingReads | undefined
  private humanTaskReads: SqliteHumanTaskReads | undefined
  private registryReads: SqliteRegistryReads | undefined
  private openCounts: SqliteOpenCounts | undefined
  private auditReads: SqliteAuditReads | undefined

  constructor(file: string, reading: DatabaseSync) {
    this.file = file
    this.reading = reading
    this.reads = new SqliteReads(reading)
  }

  async hasCommitted(session: Session, seq: number): Promise<boolean> {
    return this.read(() => this.reads.hasCommitted(session, seq))
  }

  async currents(keys: readonly WorkflowKey[]): Promise<readonly (RunId | undefined)[]> {
    return this.read(() => this.reads.currents(keys))
  }

  async executions(runIds: readonly RunId[]): Promise<readonly (ExecutionRow | undefined)[]> {
    return this.read(() => this.reads.executions(runIds))
  }

  async journal(runId: RunId, afterSeq: number, limit: number): Promise<readonly JournalEntry[]> {
    return this.read(() => this.reads.journal(runId, afterSeq, limit))
  }

  async lastEntry(runId: RunId): Promise<JournalEntry | undefined> {
    return this.read(() => this.reads.lastEntry(runId))
  }

  async recoverable(after: RunId | undefined, limit: number): Promise<readonly ExecutionRow[]> {
    return this.read(() => this.reads.recoverable(after, limit))
  }

  async countOpen(namespace: string, most: number): Promise<number> {
    return this.read(() => this.ofOpen.executions(namespace, most))
  }

  async timers(page: TimerPage): Promise<readonly TimerRow[]> {
    return this.read(() => this.reads.timers(page))
  }

  async outbox(limit: number): Promise<readonly OutboxRow[]> {
    return this.read(() => this.reads.outbox(limit))
  }

  async list(query: StoreListQuery): Promise<readonly ExecutionRow[]> {
    return listExecutions((read) => this.read(() => read(this.reading)), query)
  }

  async lastTaskSeq(): Promise<TaskSeq> {
    return this.read(() => this.ofTasks.last())
  }

  async tasks(seqs: readonly TaskSeq[]): Promise<readonly (TaskRow | undefined)[]> {
    return this.read(() => this.ofTasks.rows(seqs))
  }

  async taskSeqs(keys: readonly TaskKey[]): Promise<readonly (TaskSeq | undefined)[]> {
    return this.read(() => this.ofTasks.seqs(keys))
  }

  async keyHolders(keys: readonly HeldKey[]): Promise<readonly (readonly TaskSeq[])[]> {
    return this.read(() => this.ofTasks.holders(keys))
  }

  async countOpenTasks(namespace: string, most: number): Promise<number> {
    return this.read(() => this.ofOpen.tasks(namespace, most))
  }

  async lanes(): Promise<readonly LaneCount[]> {
    return this.read(() => this.ofTasks.lanes())
  }

  async waiting(page: WaitingPage): Promise<readonly TaskRow[]> {
    return this.read(() => this.ofTasks.waiting(page))
  }

  async dueTasks(page: DuePage): Promise<readonly TaskRow[]> {
    return this.read(() => this.ofTasks.due(page))
  }

  async listTasks(query: TaskListQuery): Promise<readonly TaskRow[]> {
    return listTasks((read) => this.read(() => read(this.reading)), query)
  }

  async schedules(keys: readonly ScheduleKey[]): Promise<readonly (ScheduleRow | undefined)[]> {
    return this.read(() => this.ofSchedules.rows(keys))
  }

  async dueSchedules(page: DueSchedulePage): Promise<readonly ScheduleRow[]> {
    return this.read(() => this.ofSchedules.due(page))
  }

  async listSchedules(query: ScheduleListQuery): Promise<readonly ScheduleRow[]> {
    return this.read(() => this.ofSchedules.list(query))
  }

  async queueSettings(query: QueueSettingQuery): Promise<readonly QueueSettingRow[]> {
    return this.read(() => {
      this.queueSettingReads ??= new SqliteQueueSettingReads(this.reading)
      return this.queueSettingReads.list(query)
    })
  }

  async humanTasks(query: HumanTaskQuery): Promise<readonly HumanTaskRow[]> {
    return this.read(() => {
      this.humanTaskReads ??= new SqliteHumanTaskReads(this.reading)
      return this.humanTaskReads.list(query)
    })
  }

  async registryRows(query: RegistryQuery): Promise<readonly RegistryRow[]> {
    return this.read(() => this.ofRegistry.list(query))
  }

  async registryMark(): Promise<RegistryMark> {
    return this.read(() => this.ofRegistry.mark())
  }

  async auditRows(query: AuditQuery): Promise<readonly AuditRow[]> {
    return this.read(() => this.ofAudit.list(query))
  }

  async auditSessions(): Promise<readonly AuditChainView[]> {
    return this.read(() => this.ofAudit.sessions())
  }

  async auditHeads(query: AuditHeadQuery): Promise<readonly AuditHeadRow[]> {
    return this.read(() => this.ofAudit.heads(query))
  }

  private get ofOpen(): SqliteOpenCounts {
    this.openCounts ??= new SqliteOpenCounts(this.reading)
    return this.openCounts
  }

  private get ofRegistry(): SqliteRegistryReads {
    this.registryReads ??= new SqliteRegistryReads(this.reading)
    return this.registryReads
  }

  private get ofAudit(): SqliteAuditReads {
    this.auditReads ??= new SqliteAuditReads(this.reading)
    return this.auditReads
  }

  private get ofSchedules(): SqliteScheduleReads {
    this.scheduleReads ??= new SqliteScheduleReads(this.reading)
    return this.scheduleReads
  }

  /** Prepared when they are needed first: a file of schema version 1, which a tool reads, has no tasks. */
  private get ofTasks(): SqliteTaskReads {
    this.taskReads ??= new SqliteTaskReads(this.reading)
    return this.taskReads
  }

  protected read<T>(read: () => T): T {
    this.requireOpen()
    try {
      return read()
    } catch (error) {
      const failure = storeError(error, this.file)
      if (isSqliteError(error)) this.onFailure(failure)
      throw failure
    }
  }

  protected requireOpen(): void {
    if (this.isClosed()) throw new PerdureError('ENGINE_CLOSED', `The store ${this.file} is closed`)
  }

  protected abstract isClosed(): boolean

  /** SQLite failed in a read; any other failure is one of this read alone. */
  protected abstract onFailure(failure: PerdureError): void
}
