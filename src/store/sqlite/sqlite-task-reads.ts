/** Reads of tasks, on one connection. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { TaskStatus } from '../../protocol/task-status.ts'
import {
  type DuePage,
  type HeldKey,
  KEY_HOLDERS_MAX,
  type LaneCount,
  type TaskKey,
  type TaskRow,
  type TaskSeq,
  type WaitingPage,
} from '../contract/task-rows.ts'
import { Snapshot } from './snapshot.ts'

type Columns = Record<string, SQLOutputValue>

export const TASK_COLUMNS =
  'seq, namespace, id, queue, part, name, status, lane, rank, due_at, closed_at, dedupe, spec, state'

export class SqliteTaskReads {
  private readonly statements: ReturnType<typeof prepareStatements>
  private readonly snapshot: Snapshot

  constructor(database: DatabaseSync) {
    this.statements = prepareStatements(database)
    this.snapshot = new Snapshot(database)
  }

  last(): TaskSeq {
    return Number(this.statements.last.get()?.last ?? 0)
  }

  rows(seqs: readonly TaskSeq[]): (TaskRow | undefined)[] {
    return this.snapshot.each(seqs, (seq) => {
      const row = this.statements.row.get(seq)
      return row === undefined ? undefined : taskOf(row)
    })
  }

  seqs(keys: readonly TaskKey[]): (TaskSeq | undefined)[] {
    return this.snapshot.each(keys, ({ namespace, id }) => {
      const row = this.statements.seq.get(namespace, id)
      return row === undefined ? undefined : Number(row.seq)
    })
  }

  holders(keys: readonly HeldKey[]): TaskSeq[][] {
    return this.snapshot.each(keys, ({ namespace, dedupe }) =>
      this.statements.holders.all(namespace, dedupe, KEY_HOLDERS_MAX).map(({ seq }) => Number(seq)),
    )
  }

  lanes(): LaneCount[] {
    return this.statements.lanes.all().map((row) => ({
      namespace: String(row.namespace),
      queue: String(row.queue),
      partition: Number(row.part),
      lane: String(row.lane),
      waiting: Number(row.waiting),
    }))
  }

  /** Columns that are known are not read: a third of the time. */
  waiting({ namespace, queue, partition, lane, after, limit }: WaitingPage): TaskRow[] {
    const rows = this.statements.waiting.all(namespace, queue, partition, lane, after.rank, after.seq, limit)
    return rows.map((row) => ({
      seq: row.seq as number,
      namespace,
      id: row.id as string | null,
      queue,
      partition,
      name: row.name as string,
      status: 'waiting',
      lane,
      rank: row.rank as number,
      dueAt: row.due_at as number | null,
      closedAt: null,
      dedupe: row.dedupe as string | null,
      spec: row.spec as string,
      state: row.state as string | null,
    }))
  }

  due({ after, upToMs, limit }: DuePage): TaskRow[] {
    return this.statements.due.all(after.dueAt, after.seq, upToMs, limit).map(taskOf)
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    last: prepare('select max(seq) as last from task'),
    row: prepare(`select ${TASK_COLUMNS} from task where seq = ?`),
    seq: prepare('select seq from task where namespace = ? and id = ?'),
    holders: prepare('select seq from task where namespace = ? and dedupe = ? order by seq desc limit ?'),
    lanes: prepare(`
      select namespace, queue, part, lane, count(*) as waiting from task indexed by task_waiting
      where status = 'waiting' group by namespace, queue, part, lane`),
    waiting: prepare(`
      select seq, id, name, rank, due_at, dedupe, spec, state from task indexed by task_waiting
      where status = 'waiting' and namespace = ? and queue = ? and part = ? and lane = ? and (rank, seq) > (?, ?)
      order by rank, seq limit ?`),
    due: prepare(`
      select ${TASK_COLUMNS} from task indexed by task_due
      where due_at is not null and (due_at, seq) > (?, ?) and due_at <= ? order by due_at, seq limit ?`),
  }
}

export function taskOf(row: Columns): TaskRow {
  return {
    seq: Number(row.seq),
    namespace: String(row.namespace),
    id: row.id === null ? null : String(row.id),
    queue: String(row.queue),
    partition: Number(row.part),
    name: String(row.name),
    status: row.status as TaskStatus,
    lane: String(row.lane),
    rank: Number(row.rank),
    dueAt: row.due_at === null ? null : Number(row.due_at),
    closedAt: row.closed_at === null ? null : Number(row.closed_at),
    dedupe: row.dedupe === null ? null : String(row.dedupe),
    spec: String(row.spec),
    state: row.state === null ? null : String(row.state),
  }
}
