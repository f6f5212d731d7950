/** Reads of settings of queues, on one connection. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { QueueSettingQuery, QueueSettingRow } from '../contract/queue-setting-rows.ts'

const COLUMNS = 'namespace, queue, revision, setting'

export class SqliteQueueSettingReads {
  private readonly all: StatementSync
  private readonly ofNamespace: StatementSync

  constructor(database: DatabaseSync) {
    const prepare = (where: string): StatementSync =>
      database.prepare(
        `select ${COLUMNS} from queue_setting where ${where} order by namespace, queue limit ?`,
      )
    this.all = prepare('(namespace, queue) > (?, ?)')
    this.ofNamespace = prepare('(namespace, queue) > (?, ?) and namespace = ?')
  }

  list({ namespace, after, limit }: QueueSettingQuery): QueueSettingRow[] {
    const position = [after?.namespace ?? '', after?.queue ?? ''] as const
    const rows =
      namespace === undefined
        ? this.all.all(...position, limit)
        : this.ofNamespace.all(...position, namespace, limit)
    return rows.map(queueSettingOf)
  }
}

export function queueSettingOf(row: Record<string, SQLOutputValue>): QueueSettingRow {
  return {
    namespace: String(row.namespace),
    queue: String(row.queue),
    revision: Number(row.revision),
    setting: String(row.setting),
  }
}
