/** The read methods of the Store contract. Each sees every commit that was acknowledged before it began. */
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
import type { ExecutionRow, JournalEntry, OutboxRow, TimerRow } from '../contract/rows.ts'
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
import { PostgresAdminReads } from './postgres-admin-reads.ts'
import { PostgresDeskReads } from './postgres-desk-reads.ts'
import { type Ask, PostgresReads } from './postgres-reads.ts'
import { PostgresTaskReads } from './postgres-task-reads.ts'

export class ReadMethods
  implements Omit<Store, 'register' | 'commit' | 'fence' | 'hasCommitted' | 'dropDays' | 'close'>
{
  readonly #runs: PostgresReads
  readonly #tasks: PostgresTaskReads
  readonly #desk: PostgresDeskReads
  readonly #admin: PostgresAdminReads

  constructor(ask: Ask) {
    this.#runs = new PostgresReads(ask)
    this.#tasks = new PostgresTaskReads(ask)
    this.#desk = new PostgresDeskReads(ask)
    this.#admin = new PostgresAdminReads(ask)
  }

  async currents(keys: readonly WorkflowKey[]): Promise<readonly (RunId | undefined)[]> {
    return this.#runs.currents(keys)
  }

  async executions(runIds: readonly RunId[]): Promise<readonly (ExecutionRow | undefined)[]> {
    return this.#runs.executions(runIds)
  }

  async journal(runId: RunId, afterSeq: number, limit: number): Promise<readonly JournalEntry[]> {
    return this.#runs.journal(runId, afterSeq, limit)
  }

  async lastEntry(runId: RunId): Promise<JournalEntry | undefined> {
    return this.#runs.lastEntry(runId)
  }

  async recoverable(after: RunId | undefined, limit: number): Promise<readonly ExecutionRow[]> {
    return this.#runs.recoverable(after, limit)
  }

  async countOpen(namespace: string, most: number): Promise<number> {
    return this.#runs.countOpen(namespace, most)
  }

  async timers(page: TimerPage): Promise<readonly TimerRow[]> {
    return this.#runs.timers(page)
  }

  async outbox(limit: number): Promise<readonly OutboxRow[]> {
    return this.#runs.outbox(limit)
  }

  async list(query: StoreListQuery): Promise<readonly ExecutionRow[]> {
    return this.#runs.list(query)
  }

  async lastTaskSeq(): Promise<TaskSeq> {
    return this.#tasks.last()
  }

  async tasks(seqs: readonly TaskSeq[]): Promise<readonly (TaskRow | undefined)[]> {
    return this.#tasks.rows(seqs)
  }

  async taskSeqs(keys: readonly TaskKey[]): Promise<readonly (TaskSeq | undefined)[]> {
    return this.#tasks.seqs(keys)
  }

  async keyHolders(keys: readonly HeldKey[]): Promise<readonly (readonly TaskSeq[])[]> {
    return this.#tasks.holders(keys)
  }

  async countOpenTasks(namespace: string, most: number): Promise<number> {
    return this.#tasks.countOpen(namespace, most)
  }

  async lanes(): Promise<readonly LaneCount[]> {
    return this.#tasks.lanes()
  }

  async waiting(page: WaitingPage): Promise<readonly TaskRow[]> {
    return this.#tasks.waiting(page)
  }

  async dueTasks(page: DuePage): Promise<readonly TaskRow[]> {
    return this.#tasks.due(page)
  }

  async listTasks(query: TaskListQuery): Promise<readonly TaskRow[]> {
    return this.#tasks.list(query)
  }

  async schedules(keys: readonly ScheduleKey[]): Promise<readonly (ScheduleRow | undefined)[]> {
    return this.#desk.schedules(keys)
  }

  async dueSchedules(page: DueSchedulePage): Promise<readonly ScheduleRow[]> {
    return this.#desk.dueSchedules(page)
  }

  async listSchedules(query: ScheduleListQuery): Promise<readonly ScheduleRow[]> {
    return this.#desk.listSchedules(query)
  }

  async queueSettings(query: QueueSettingQuery): Promise<readonly QueueSettingRow[]> {
    return this.#desk.queueSettings(query)
  }

  async humanTasks(query: HumanTaskQuery): Promise<readonly HumanTaskRow[]> {
    return this.#desk.humanTasks(query)
  }

  async registryRows(query: RegistryQuery): Promise<readonly RegistryRow[]> {
    return this.#admin.registryRows(query)
  }

  async registryMark(): Promise<RegistryMark> {
    return this.#admin.registryMark()
  }

  async auditRows(query: AuditQuery): Promise<readonly AuditRow[]> {
    return this.#admin.auditRows(query)
  }

  async auditSessions(): Promise<readonly AuditChainView[]> {
    return this.#admin.auditSessions()
  }

  async auditHeads(query: AuditHeadQuery): Promise<readonly AuditHeadRow[]> {
    return this.#admin.auditHeads(query)
  }
}
