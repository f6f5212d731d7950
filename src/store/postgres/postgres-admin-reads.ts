/** Reads of administrative objects, and of the audit trail. */
import type {
  AuditChainView,
  AuditHeadQuery,
  AuditHeadRow,
  AuditQuery,
  AuditRow,
} from '../contract/audit-rows.ts'
import type { RegistryMark, RegistryQuery, RegistryRow } from '../contract/registry-rows.ts'
import { Conditions } from './conditions.ts'
import type { Row } from './postgres-link.ts'
import { type Ask, bounded } from './postgres-reads.ts'

const MARK = `
  select count(*) as n, coalesce(sum(revision), 0)::int8 as revisions,
    (select coalesce(max(changed_at), 0) from perdure.registry) as newest
  from perdure.registry`

/** Each step finds the next session by the index: the rows of a session are not read. */
const SESSIONS = `
  with recursive found (session) as (
    select min(session) from perdure.audit
    union all
    select (select min(session) from perdure.audit where audit.session > found.session)
    from found where session is not null
  ), known as (
    select session from found where session is not null union select session from perdure.audit_dropped
  )
  select known.session, dropped.seq as dropped_seq, dropped.hash as dropped_hash,
    (select min(seq) from perdure.audit where audit.session = known.session) as first_seq,
    (select max(seq) from perdure.audit where audit.session = known.session) as last_seq,
    (select hash from perdure.audit where audit.session = known.session order by seq desc limit 1) as last_hash
  from known left join perdure.audit_dropped as dropped on dropped.session = known.session order by known.session`

export class PostgresAdminReads {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  async registryRows({ changedFromMs, after, limit }: RegistryQuery): Promise<RegistryRow[]> {
    const where = new Conditions()
    if (changedFromMs !== undefined) where.add(`changed_at >= ${where.value(bounded(changedFromMs))}`)
    if (after !== undefined) {
      const values = [after.kind, after.namespace, after.id].map((each) => where.value(each))
      where.add(`(kind, namespace, id) > (${values.join(', ')})`)
    }
    const end = `order by kind, namespace, id limit ${where.value(bounded(limit))}`
    const text = `
      select kind, namespace, id, revision, changed_at, request, body from perdure.registry ${where.sql} ${end}`
    return (await this.#ask({ text, values: where.values })).map(registryRowOf)
  }

  async registryMark(): Promise<RegistryMark> {
    const [row] = await this.#ask({ name: 'perdure-registry-mark', text: MARK })
    return { count: Number(row?.n), revisions: Number(row?.revisions), changedMs: Number(row?.newest) }
  }

  async auditRows({ session, namespace, fromMs, toMs, after, limit }: AuditQuery): Promise<AuditRow[]> {
    const where = new Conditions()
    if (after !== undefined)
      where.add(`(session, seq) > (${where.value(after.session)}, ${where.value(bounded(after.seq))})`)
    if (session !== undefined) where.add(`session = ${where.value(session)}`)
    if (namespace !== undefined) where.add(`namespace = ${where.value(namespace)}`)
    if (fromMs !== undefined) where.add(`at >= ${where.value(bounded(fromMs))}`)
    if (toMs !== undefined) where.add(`at < ${where.value(bounded(toMs))}`)
    const end = `order by session, seq limit ${where.value(bounded(limit))}`
    const text = `select session, seq, at, namespace, entry, hash, personal from perdure.audit ${where.sql} ${end}`
    return (await this.#ask({ text, values: where.values })).map(auditRowOf)
  }

  async auditSessions(): Promise<AuditChainView[]> {
    return (await this.#ask({ text: SESSIONS })).map(chainViewOf)
  }

  async auditHeads({ after, newestFirst = false, limit }: AuditHeadQuery): Promise<AuditHeadRow[]> {
    const where = new Conditions()
    if (after !== undefined) where.add(`number ${newestFirst ? '<' : '>'} ${where.value(bounded(after))}`)
    const end = `order by number ${newestFirst ? 'desc' : ''} limit ${where.value(bounded(limit))}`
    const text = `select number, at, body, signature, key_id from perdure.audit_head ${where.sql} ${end}`
    return (await this.#ask({ text, values: where.values })).map((row) => ({
      number: Number(row.number),
      atMs: Number(row.at),
      body: String(row.body),
      signature: String(row.signature),
      keyId: String(row.key_id),
    }))
  }
}

export function registryRowOf(row: Row): RegistryRow {
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

function chainViewOf(row: Row): AuditChainView {
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

function auditRowOf(row: Row): AuditRow {
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
