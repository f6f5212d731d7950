/** Reads of schedules, on one connection. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type {
  DueSchedulePage,
  ScheduleKey,
  ScheduleListQuery,
  ScheduleRow,
} from '../contract/schedule-rows.ts'
import { Snapshot } from './snapshot.ts'

const COLUMNS = 'namespace, id, due_at, waits, spec, state'

export class SqliteScheduleReads {
  private readonly statements: ReturnType<typeof prepareStatements>
  private readonly snapshot: Snapshot

  constructor(database: DatabaseSync) {
    this.statements = prepareStatements(database)
    this.snapshot = new Snapshot(database)
  }

  rows(keys: readonly ScheduleKey[]): (ScheduleRow | undefined)[] {
    return this.snapshot.each(keys, ({ namespace, id }) => {
      const row = this.statements.row.get(namespace, id)
      return row === undefined ? undefined : scheduleOf(row)
    })
  }

  due({ after, upToMs, limit }: DueSchedulePage): ScheduleRow[] {
    return this.statements.due.all(after.dueAt, after.namespace, after.id, upToMs, limit).map(scheduleOf)
  }

  list({ namespace, after, waits, limit }: ScheduleListQuery): ScheduleRow[] {
    const { list, waiting, listOf, waitingOf } = this.statements
    if (namespace === undefined)
      return (waits ? waiting : list).all(after?.namespace ?? '', after?.id ?? '', limit).map(scheduleOf)
    // A position in an earlier namespace is before all of this one, one in a later namespace after all.
    if (after !== undefined && isBefore(namespace, after.namespace)) return []
    const id = after?.namespace === namespace ? after.id : ''
    return (waits ? waitingOf : listOf).all(namespace, id, limit).map(scheduleOf)
  }
}

function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  const list = (where: string): StatementSync =>
    prepare(`select ${COLUMNS} from schedule where ${where} order by namespace, id limit ?`)
  return {
    row: prepare(`select ${COLUMNS} from schedule where namespace = ? and id = ?`),
    due: prepare(`
      select ${COLUMNS} from schedule
      where due_at is not null and (due_at, namespace, id) > (?, ?, ?) and due_at <= ?
      order by due_at, namespace, id limit ?`),
    list: list('(namespace, id) > (?, ?)'),
    listOf: list('namespace = ? and id > ?'),
    waiting: list('waits = 1 and (namespace, id) > (?, ?)'),
    waitingOf: list('waits = 1 and namespace = ? and id > ?'),
  }
}

export function scheduleOf(row: Record<string, SQLOutputValue>): ScheduleRow {
  return {
    namespace: String(row.namespace),
    id: String(row.id),
    dueAt: row.due_at === null ? null : Number(row.due_at),
    waits: row.waits === 1,
    spec: String(row.spec),
    state: String(row.state),
  }
}
