/**
 * The rows of a SQLite store as doctor reads them: its own statements, so that an error in those of the engine shows.
 * Column types are checked by SQLite (strict tables) unless the file is damaged.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { TaskStatus } from '../../protocol/task-status.ts'
import type { QueueSettingRow } from '../../store/contract/queue-setting-rows.ts'
import type { RegistryKey, RegistryRow } from '../../store/contract/registry-rows.ts'
import type { OutboxRow, TimerRow } from '../../store/contract/rows.ts'
import type { ScheduleKey, ScheduleRow } from '../../store/contract/schedule-rows.ts'
import type { TaskRow, TaskSeq } from '../../store/contract/task-rows.ts'
import { humanTaskOf } from '../../store/sqlite/sqlite-human-task-reads.ts'
import { queueSettingOf } from '../../store/sqlite/sqlite-queue-setting-reads.ts'
import { registryRowOf } from '../../store/sqlite/sqlite-registry-reads.ts'
import { scheduleOf } from '../../store/sqlite/sqlite-schedule-reads.ts'
import type { StoredChain } from './admin-audit.ts'
import type { AuditRows, RunPosition, StoredEntry, StoredExecution } from './audit-rows.ts'
import { fileOwnershipFindings, type StoredSession, type StoredShard } from './file-ownership.ts'
import type { Finding } from './finding.ts'
import type { StoredHumanTask } from './human-task-audit.ts'
import { attributesOf } from './stored-attributes.ts'

type Columns = Record<string, SQLOutputValue>

export class StoreRows implements AuditRows {
  readonly database: DatabaseSync
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: DatabaseSync) {
    this.database = database
    this.#statements = prepareStatements(database)
  }

  async snapshot<T>(read: () => Promise<T>): Promise<T> {
    this.database.exec('begin')
    let isDone = false
    try {
      const result = await read()
      isDone = true
      return result
    } finally {
      this.#end(isDone)
    }
  }

  isDamage(error: unknown): boolean {
    return error instanceof Error && 'errcode' in error
  }

  #end(isDone: boolean): void {
    try {
      this.database.exec('commit')
    } catch (error) {
      // After a failed read SQLite may have ended the transaction itself; the failure of the read is what matters.
      if (isDone) throw error
    }
  }

  *executions({ day, runId }: RunPosition): Generator<StoredExecution> {
    for (const row of this.#statements.executions.iterate(day, runId)) yield executionOf(row)
  }

  execution({ day, runId }: RunPosition): StoredExecution | undefined {
    const row = this.#statements.execution.get(day, runId)
    return row === undefined ? undefined : executionOf(row)
  }

  *entries({ day, runId }: RunPosition): Generator<StoredEntry> {
    for (const row of this.#statements.entries.iterate(day, runId)) {
      const { seq, epoch, count, format, events } = row
      yield {
        seq: Number(seq),
        epoch: Number(epoch),
        count: Number(count),
        format: Number(format),
        events: String(events),
      }
    }
  }

  timers({ day, runId }: RunPosition): Pick<TimerRow, 'timer' | 'dueAt'>[] {
    const rows = this.#statements.timers.all(day, runId)
    return rows.map((row) => ({ timer: Number(row.timer), dueAt: Number(row.due_at) }))
  }

  /** The newest run of a key. */
  current({ namespace, workflowId }: WorkflowKey): RunPosition | undefined {
    const row = this.#statements.current.get(namespace, workflowId)
    return row === undefined ? undefined : { day: Number(row.day), runId: String(row.run_id) }
  }

  *outbox(): Generator<OutboxRow> {
    for (const row of this.#statements.outbox.iterate()) {
      const { from_shard, to_shard, seq, message } = row
      yield {
        fromShard: Number(from_shard),
        toShard: Number(to_shard),
        seq: Number(seq),
        message: String(message),
      }
    }
  }

  *tasks(after: TaskSeq): Generator<TaskRow> {
    for (const row of this.#statements.tasks.iterate(after)) yield taskOf(row)
  }

  /** After a key, in order of (namespace, id). */
  *schedules({ namespace, id }: ScheduleKey): Generator<ScheduleRow> {
    for (const row of this.#statements.schedules.iterate(namespace, id)) yield scheduleOf(row)
  }

  *queueSettings(): Generator<QueueSettingRow> {
    for (const row of this.#statements.queueSettings.iterate()) yield queueSettingOf(row)
  }

  *registry({ kind, namespace, id }: RegistryKey): Generator<RegistryRow> {
    for (const row of this.#statements.registry.iterate(kind, namespace, id)) yield registryRowOf(row)
  }

  auditedSessions(): number[] {
    return this.#statements.auditedSessions.all().map(({ session }) => Number(session))
  }

  auditChain(session: number): StoredChain {
    const row = this.#statements.auditChain.get(session)
    const dropped = this.#statements.auditDropped.get(session)
    return {
      session,
      rows: Number(row?.n),
      firstSeq: Number(row?.first),
      lastSeq: Number(row?.last),
      droppedSeq: Number(dropped?.seq ?? 0),
    }
  }

  humanTasks(runId: string): StoredHumanTask[] {
    return this.#statements.humanTasks.all(runId).map((row) => ({
      row: humanTaskOf(row),
      inboxes: this.#statements.humanOffers.all(runId, row.op ?? 0).map(({ inbox }) => String(inbox)),
    }))
  }

  /** Runs that have rows of human tasks, or that inboxes name. */
  *runsOfHumanTasks(): Generator<{ readonly runId: RunId; readonly count: number }> {
    for (const row of this.#statements.runsOfHumanTasks.iterate())
      yield { runId: String(row.run_id) as RunId, count: Number(row.n) }
  }

  /** Runs that have rows in `table` and no summary. */
  *withoutSummary(table: 'journal' | 'timer'): Generator<RunPosition> {
    for (const row of this.#statements.withoutSummary[table].iterate())
      yield { day: Number(row.day), runId: String(row.run_id) }
  }

  *danglingCurrents(): Generator<{ readonly workflowId: string; readonly runId: RunId }> {
    for (const row of this.#statements.danglingCurrents.iterate())
      yield { workflowId: String(row.workflow_id), runId: String(row.run_id) as RunId }
  }

  sessions(): StoredSession[] {
    return this.#statements.sessions.all().map((row) => ({
      id: Number(row.id),
      node: String(row.node),
      heartbeatAt: Number(row.heartbeat_at),
      isFenced: row.fenced_at !== null,
    }))
  }

  ownershipFindings(): Finding[] {
    return fileOwnershipFindings(this.sessions(), this.shards(), this.meta('shards') ?? 0)
  }

  newestSession(): number {
    return this.sessions().at(-1)?.id ?? 0
  }

  shards(): StoredShard[] {
    return this.#statements.shards.all().map((row) => ({
      id: Number(row.id),
      sessionId: row.session_id === null ? undefined : Number(row.session_id),
      epoch: Number(row.epoch),
    }))
  }

  meta(key: string): number | undefined {
    const row = this.#statements.meta.get(key)
    return row === undefined ? undefined : Number(row.value)
  }

  /** The highest time of any commit. */
  clockFloor(): number {
    return Math.max(this.meta('clock_floor') ?? 0, Number(this.#statements.lastCommit.get()?.at ?? 0))
  }

  executionCount(): number {
    return Number(this.#statements.executionCount.get()?.n)
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  const columns = `day, run_id, namespace, workflow_id, shard, workflow, version, status, active, started_at, closed_at,
    attributes`
  const orphans = (table: string): StatementSync =>
    prepare(`
      select distinct day, run_id from ${table} as own
      where not exists (select 1 from execution where execution.day = own.day and execution.run_id = own.run_id)`)
  return {
    executions: prepare(`select ${columns} from execution where (day, run_id) > (?, ?) order by day, run_id`),
    execution: prepare(`select ${columns} from execution where day = ? and run_id = ?`),
    entries: prepare(
      'select seq, epoch, count, format, events from journal where day = ? and run_id = ? order by seq',
    ),
    timers: prepare('select timer, due_at from timer where day = ? and run_id = ? order by timer'),
    current: prepare('select day, run_id from current where namespace = ? and workflow_id = ?'),
    outbox: prepare(
      'select from_shard, to_shard, seq, message from outbox order by from_shard, to_shard, seq',
    ),
    tasks: prepare(`
      select seq, namespace, id, queue, part, name, status, lane, rank, due_at, closed_at, dedupe, spec, state
      from task where seq > ? order by seq`),
    schedules: prepare(`
      select namespace, id, due_at, waits, spec, state from schedule
      where (namespace, id) > (?, ?) order by namespace, id`),
    queueSettings: prepare(
      'select namespace, queue, revision, setting from queue_setting order by namespace, queue',
    ),
    registry: prepare(`
      select kind, namespace, id, revision, changed_at, request, body from registry
      where (kind, namespace, id) > (?, ?, ?) order by kind, namespace, id`),
    auditedSessions: prepare('select distinct session from audit order by session'),
    auditChain: prepare(
      'select count(*) as n, min(seq) as first, max(seq) as last from audit where session = ?',
    ),
    auditDropped: prepare('select seq from audit_dropped where session = ?'),
    humanTasks: prepare('select * from human_task where run_id = ? order by op'),
    humanOffers: prepare('select inbox from human_offer where run_id = ? and op = ?'),
    runsOfHumanTasks: prepare(`
      select run_id, sum(n) as n from (
        select run_id, count(*) as n from human_task group by run_id
        union all select run_id, 0 as n from human_offer group by run_id)
      group by run_id`),
    withoutSummary: { journal: orphans('journal'), timer: orphans('timer') },
    danglingCurrents: prepare(`
      select current.workflow_id, current.run_id from current
      left join execution on execution.day = current.day and execution.run_id = current.run_id
      where execution.workflow_id is not current.workflow_id or execution.namespace is not current.namespace`),
    sessions: prepare('select id, node, heartbeat_at, fenced_at from session order by id'),
    shards: prepare('select id, session_id, epoch from shard order by id'),
    meta: prepare('select value from meta where key = ?'),
    lastCommit: prepare('select max(at) as at from "commit"'),
    executionCount: prepare('select count(*) as n from execution'),
  }
}

function executionOf(row: Columns): StoredExecution {
  return {
    day: Number(row.day),
    runId: String(row.run_id) as RunId,
    key: { namespace: String(row.namespace), workflowId: String(row.workflow_id) },
    shard: Number(row.shard),
    workflow: String(row.workflow),
    version: String(row.version),
    status: String(row.status) as ExecutionStatus,
    active: row.active === 1,
    startedAt: Number(row.started_at),
    closedAt: row.closed_at === null ? null : Number(row.closed_at),
    attributes: attributesOf(row.attributes ?? null),
  }
}

function taskOf(row: Columns): TaskRow {
  const text = (value: SQLOutputValue | undefined): string | null => (value == null ? null : String(value))
  const number = (value: SQLOutputValue | undefined): number | null => (value == null ? null : Number(value))
  return {
    seq: Number(row.seq),
    namespace: String(row.namespace),
    id: text(row.id),
    queue: String(row.queue),
    partition: Number(row.part),
    name: String(row.name),
    status: String(row.status) as TaskStatus,
    lane: String(row.lane),
    rank: Number(row.rank),
    dueAt: number(row.due_at),
    closedAt: number(row.closed_at),
    dedupe: text(row.dedupe),
    spec: String(row.spec),
    state: text(row.state),
  }
}
