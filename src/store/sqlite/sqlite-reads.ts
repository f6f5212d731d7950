/** The read half of the Store contract, on one connection. Each statement sees the newest commit. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Attributes } from '../../protocol/event.ts'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import { type RunId, runDay, type WorkflowKey } from '../../protocol/ids.ts'
import type { ExecutionRow, JournalEntry, OutboxRow, Session, TimerRow } from '../contract/rows.ts'
import type { TimerPage } from '../contract/store.ts'
import { Snapshot } from './snapshot.ts'

type Columns = Record<string, SQLOutputValue>

export const EXECUTION_COLUMNS = `run_id, namespace, workflow_id, shard, workflow, version, status, active, started_at,
  closed_at, attributes`
/** Word for word the condition of the index `execution_recoverable`. */
const RECOVERABLE = `(status = 'parked' or (status = 'running' and active = 1))`

export class SqliteReads {
  private readonly statements: ReturnType<typeof prepareStatements>
  private readonly snapshot: Snapshot

  constructor(database: DatabaseSync) {
    this.statements = prepareStatements(database)
    this.snapshot = new Snapshot(database)
  }

  hasCommitted(session: Session, seq: number): boolean {
    return this.statements.hasCommitted.get(session.id, session.incarnation, seq) !== undefined
  }

  currents(keys: readonly WorkflowKey[]): (RunId | undefined)[] {
    return this.snapshot.each(keys, ({ namespace, workflowId }) => {
      const row = this.statements.current.get(namespace, workflowId)
      return row === undefined ? undefined : (row.run_id as RunId)
    })
  }

  executions(runIds: readonly RunId[]): (ExecutionRow | undefined)[] {
    return this.snapshot.each(runIds, (runId) => {
      const row = this.statements.execution.get(runDay(runId), runId)
      return row === undefined ? undefined : executionOf(row)
    })
  }

  journal(runId: RunId, afterSeq: number, limit: number): JournalEntry[] {
    const day = runDay(runId)
    const rows = this.statements.journal.all(day, runId, day, runId, afterSeq, afterSeq, bounded(limit))
    return rows.map((row) => entryOf(runId, row))
  }

  lastEntry(runId: RunId): JournalEntry | undefined {
    const row = this.statements.lastEntry.get(runDay(runId), runId)
    return row === undefined ? undefined : entryOf(runId, row)
  }

  recoverable(after: RunId | undefined, limit: number): ExecutionRow[] {
    const day = after === undefined ? -1 : runDay(after)
    return this.statements.recoverable.all(day, after ?? '', bounded(limit)).map(executionOf)
  }

  timers({ after, upToMs, limit }: TimerPage): TimerRow[] {
    const rows = this.statements.timers.all(after.dueAt, after.runId, after.timer, upToMs, bounded(limit))
    return rows.map((row) => ({
      runId: row.run_id as RunId,
      timer: Number(row.timer),
      shard: Number(row.shard),
      dueAt: Number(row.due_at),
    }))
  }

  outbox(limit: number): OutboxRow[] {
    return this.statements.outbox.all(bounded(limit)).map((row) => ({
      fromShard: Number(row.from_shard),
      toShard: Number(row.to_shard),
      seq: Number(row.seq),
      message: String(row.message),
    }))
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    hasCommitted: prepare(`
      select 1 from "commit" join session on session.id = session_id
      where session_id = ? and incarnation = ? and seq = ?`),
    current: prepare('select run_id from current where namespace = ? and workflow_id = ?'),
    execution: prepare(`select ${EXECUTION_COLUMNS} from execution where day = ? and run_id = ?`),
    // Entries of a run do not overlap: the first one that can hold an event after `afterSeq` is the last one at or below it.
    journal: prepare(`
      select seq, epoch, count, events from journal
      where day = ? and run_id = ?
        and seq >= coalesce((select max(seq) from journal where day = ? and run_id = ? and seq <= ?), 0)
        and seq + count - 1 > ?
      order by seq limit ?`),
    lastEntry: prepare(`
      select seq, epoch, count, events from journal where day = ? and run_id = ? order by seq desc limit 1`),
    recoverable: prepare(`
      select ${EXECUTION_COLUMNS} from execution indexed by execution_recoverable
      where ${RECOVERABLE} and (day, run_id) > (?, ?) order by day, run_id limit ?`),
    timers: prepare(`
      select run_id, timer, shard, due_at from timer indexed by timer_due
      where (due_at, run_id, timer) > (?, ?, ?) and due_at <= ? order by due_at, run_id, timer limit ?`),
    outbox: prepare(`
      select from_shard, to_shard, seq, message from outbox order by from_shard, to_shard, seq limit ?`),
  }
}

/** SQL knows no infinite limit. */
function bounded(limit: number): number {
  return Math.min(limit, Number.MAX_SAFE_INTEGER)
}

function entryOf(runId: RunId, row: Columns): JournalEntry {
  const { seq, epoch, count, events } = row
  return { runId, seq: Number(seq), epoch: Number(epoch), count: Number(count), events: String(events) }
}

export function executionOf(row: Columns): ExecutionRow {
  return {
    runId: row.run_id as RunId,
    key: { namespace: String(row.namespace), workflowId: String(row.workflow_id) },
    shard: Number(row.shard),
    workflow: String(row.workflow),
    version: String(row.version),
    status: row.status as ExecutionStatus,
    active: row.active === 1,
    startedAt: Number(row.started_at),
    closedAt: row.closed_at === null ? null : Number(row.closed_at),
    attributes: row.attributes === null ? null : (JSON.parse(String(row.attributes)) as Attributes),
  }
}
