/** Reads of the audit trail, on one connection. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import type {
  AuditChainView,
  AuditHeadQuery,
  AuditHeadRow,
  AuditQuery,
  AuditRow,
} from '../contract/audit-rows.ts'

type Columns = Record<string, SQLOutputValue>

/** Each step finds the next session by the index: the rows of a session are not read. */
const SESSIONS = `
  with recursive found (session) as (
    select min(session) from audit
    union all
    select (select min(session) from audit where audit.session > found.session) from found where session is not null
  ), known as (
    select session from found where session is not null union select session from audit_dropped
  )
  select known.session, dropped.seq as dropped_seq, dropped.hash as dropped_hash,
    (select min(seq) from audit where session = known.session) as first_seq,
    (select max(seq) from audit where session = known.session) as last_seq,
    (select hash from audit where session = known.session order by seq desc limit 1) as last_hash
  from known left join audit_dropped as dropped on dropped.session = known.session order by known.session`

export class SqliteAuditReads {
  private readonly database: DatabaseSync
  private readonly statements: ReturnType<typeof prepareStatements>

  constructor(database: DatabaseSync) {
    this.database = database
    this.statements = prepareStatements(database)
  }

  list({ session, namespace, fromMs, toMs, after, limit }: AuditQuery): AuditRow[] {
    const conditions: string[] = []
    const values: SQLInputValue[] = []
    const add = (condition: string, ...of: readonly SQLInputValue[]): void => {
      conditions.push(condition)
      values.push(...of)
    }
    if (after !== undefined) add('(session, seq) > (?, ?)', after.session, after.seq)
    if (session !== undefined) add('session = ?', session)
    if (namespace !== undefined) add('namespace = ?', namespace)
    if (fromMs !== undefined) add('at >= ?', fromMs)
    if (toMs !== undefined) add('at < ?', toMs)
    const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
    const sql = `
      select session, seq, at, namespace, entry, hash, personal from audit ${where} order by session, seq limit ?`
    return this.database
      .prepare(sql)
      .all(...values, Math.max(0, limit))
      .map(auditRowOf)
  }

  sessions(): AuditChainView[] {
    return this.statements.sessions.all().map(chainViewOf)
  }

  heads({ after, newestFirst = false, limit }: AuditHeadQuery): AuditHeadRow[] {
    const { headsFrom, headsBefore } = this.statements
    const rows = newestFirst
      ? headsBefore.all(after ?? Number.MAX_SAFE_INTEGER, Math.max(0, limit))
      : headsFrom.all(after ?? Number.MIN_SAFE_INTEGER, Math.max(0, limit))
    return rows.map((row) => ({
      number: Number(row.number),
      atMs: Number(row.at),
      body: String(row.body),
      signature: String(row.signature),
      keyId: String(row.key_id),
    }))
  }
}

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    sessions: prepare(SESSIONS),
    headsFrom: prepare(
      'select number, at, body, signature, key_id from audit_head where number > ? order by number limit ?',
    ),
    headsBefore: prepare(
      'select number, at, body, signature, key_id from audit_head where number < ? order by number desc limit ?',
    ),
  }
}

function chainViewOf(row: Columns): AuditChainView {
  const { session, dropped_seq, dropped_hash, first_seq, last_seq, last_hash } = row
  const lastSeq = Number(last_seq ?? dropped_seq)
  return {
    session: Number(session),
    firstSeq: Number(first_seq ?? lastSeq + 1),
    lastSeq,
    lastHash: String(last_hash ?? dropped_hash),
    dropped: dropped_seq === null ? undefined : { seq: Number(dropped_seq), hash: String(dropped_hash) },
  }
}

function auditRowOf(row: Columns): AuditRow {
  return {
    session: Number(row.session),
    seq: Number(row.seq),
    atMs: Number(row.at),
    namespace: String(row.namespace),
    entry: String(row.entry),
    hash: String(row.hash),
    personal: row.personal === null ? null : String(row.personal),
  }
}
