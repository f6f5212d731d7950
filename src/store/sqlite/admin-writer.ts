/** Writes what a batch has of the registry and the audit trail. Its statements are prepared when they are needed first. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { BatchCursor, BatchHead } from './batch-message.ts'
import { RowInserter } from './row-inserter.ts'

export class AdminWriter {
  private readonly database: DatabaseSync
  private prepared: ReturnType<typeof prepareStatements> | undefined

  constructor(database: DatabaseSync) {
    this.database = database
  }

  write(cursor: BatchCursor, { counts }: BatchHead): void {
    const { registry, auditErased, auditDropped, audit, auditHeads } = counts
    if (registry + auditErased + auditDropped + audit + auditHeads === 0) return
    this.prepared ??= prepareStatements(this.database)
    const { putRegistry, erase, markDropped, drop, rows, putHead } = this.prepared
    for (let i = 0; i < registry; i++) {
      const key = [cursor.text(), cursor.text(), cursor.text()] as const
      const request = cursor.text()
      const body = cursor.textOrNull()
      putRegistry.run(...key, cursor.number(), cursor.number(), request, body)
    }
    for (let i = 0; i < auditErased; i++) erase.run(cursor.number(), cursor.number())
    for (let i = 0; i < auditDropped; i++) {
      const session = cursor.number()
      const upToSeq = cursor.number()
      markDropped.run(session, upToSeq)
      drop.run(session, upToSeq)
    }
    for (let i = 0; i < audit; i++) {
      rows.add(cursor.text(), cursor.text(), cursor.text(), cursor.textOrNull())
      rows.add(cursor.number(), cursor.number(), cursor.number())
    }
    rows.flush()
    for (let i = 0; i < auditHeads; i++) {
      const [body, signature, keyId] = [cursor.text(), cursor.text(), cursor.text()]
      putHead.run(cursor.number(), cursor.number(), body, signature, keyId)
    }
  }

  /** Forgets rows of a batch that is rolled back. */
  reset(): void {
    this.prepared?.rows.reset()
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    putRegistry: prepare(`
      insert or fail into registry (kind, namespace, id, revision, changed_at, request, body)
      values (?, ?, ?, ?, ?, ?, ?)
      on conflict (kind, namespace, id) do update set
        revision = excluded.revision, changed_at = excluded.changed_at, request = excluded.request,
        body = excluded.body`),
    erase: prepare('update audit set personal = null where session = ? and seq = ?'),
    markDropped: prepare(`
      insert into audit_dropped (session, seq, hash)
      select session, seq, hash from audit where session = ? and seq <= ? order by seq desc limit 1
      on conflict (session) do update set seq = excluded.seq, hash = excluded.hash
      where excluded.seq > audit_dropped.seq`),
    drop: prepare('delete from audit where session = ? and seq <= ?'),
    rows: new RowInserter(database, {
      into: 'insert or fail into audit (namespace, entry, hash, personal, session, seq, at)',
      row: '(?, ?, ?, ?, ?, ?, ?)',
    }),
    putHead: prepare(
      'insert or fail into audit_head (number, at, body, signature, key_id) values (?, ?, ?, ?, ?)',
    ),
  }
}
