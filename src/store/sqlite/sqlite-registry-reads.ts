/** Reads of administrative objects, on one connection. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { RegistryMark, RegistryQuery, RegistryRow } from '../contract/registry-rows.ts'

export class SqliteRegistryReads {
  private readonly rows: StatementSync
  private readonly fingerprint: StatementSync

  constructor(database: DatabaseSync) {
    this.rows = database.prepare(`
      select kind, namespace, id, revision, changed_at, request, body from registry
      where (kind, namespace, id) > (?, ?, ?) and changed_at >= ? order by kind, namespace, id limit ?`)
    this.fingerprint = database.prepare(
      'select count(*) as n, coalesce(sum(revision), 0) as revisions, coalesce(max(changed_at), 0) as newest from registry',
    )
  }

  list({ changedFromMs = Number.MIN_SAFE_INTEGER, after, limit }: RegistryQuery): RegistryRow[] {
    const position = [after?.kind ?? '', after?.namespace ?? '', after?.id ?? ''] as const
    return this.rows.all(...position, changedFromMs, Math.max(0, limit)).map(registryRowOf)
  }

  mark(): RegistryMark {
    const row = this.fingerprint.get()
    return { count: Number(row?.n), revisions: Number(row?.revisions), changedMs: Number(row?.newest) }
  }
}

export function registryRowOf(row: Record<string, SQLOutputValue>): RegistryRow {
  return {
    kind: String(row.kind),
    namespace: String(row.namespace),
    id: String(row.id),
    revision: Number(row.revision),
    body: row.body === null ? null : String(row.body),
    changedMs: Number(row.changed_at),
    request: String(row.request),
  }
}
