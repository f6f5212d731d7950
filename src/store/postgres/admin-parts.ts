/** What a batch writes of administrative objects, and of the audit trail. */
import type { AuditKey } from '../contract/audit-rows.ts'
import type { Batch } from '../contract/batch.ts'
import { type Part, partOf } from './batch-part.ts'
import { int8Array, textArray } from './binary-array.ts'

const registry = partOf({
  columns: 'kind text, namespace text, id text, revision int8, changed_at int8, request text, body text',
  rows: (batch) => batch.registry ?? [],
  arrays: (rows) => [
    textArray(rows.map(({ kind }) => kind)),
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ id }) => id)),
    int8Array(rows.map(({ revision }) => revision)),
    int8Array(rows.map(({ changedMs }) => changedMs)),
    textArray(rows.map(({ request }) => request)),
    textArray(rows.map(({ body }) => body)),
  ],
  sql: (source) => `
    insert into perdure.registry (kind, namespace, id, revision, changed_at, request, body) select given.* from ${source}
    on conflict (kind, namespace, id) do update set
      revision = excluded.revision, changed_at = excluded.changed_at, request = excluded.request,
      body = excluded.body`,
})

const audit = partOf({
  columns: 'session int8, seq int8, at int8, namespace text, entry text, hash text, personal text',
  rows: (batch) => batch.audit ?? [],
  arrays: (rows) => [
    ...keyArrays(rows),
    int8Array(rows.map(({ atMs }) => atMs)),
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ entry }) => entry)),
    textArray(rows.map(({ hash }) => hash)),
    textArray(rows.map(({ personal }) => personal)),
  ],
  sql: (source) => `
    insert into perdure.audit (session, seq, at, namespace, entry, hash, personal) select given.* from ${source}`,
})

const auditHeads = partOf({
  columns: 'number int8, at int8, body text, signature text, key_id text',
  rows: (batch) => batch.auditHeads ?? [],
  arrays: (rows) => [
    int8Array(rows.map(({ number }) => number)),
    int8Array(rows.map(({ atMs }) => atMs)),
    textArray(rows.map(({ body }) => body)),
    textArray(rows.map(({ signature }) => signature)),
    textArray(rows.map(({ keyId }) => keyId)),
  ],
  sql: (source) => `
    insert into perdure.audit_head (number, at, body, signature, key_id) select given.* from ${source}`,
})

const auditErased = partOf({
  columns: 'session int8, seq int8',
  rows: (batch) => batch.auditErased ?? [],
  arrays: keyArrays,
  sql: (source) => `
    update perdure.audit as t set personal = null from ${source}
    where t.session = given.session and t.seq = given.seq`,
})

/** Of two batches that drop of one chain, the one that drops more has the last word. */
const auditDropped = partOf({
  columns: 'session int8, up_to int8',
  rows: (batch) => batch.auditDropped ?? [],
  arrays: (rows: NonNullable<Batch['auditDropped']>) => [
    int8Array(rows.map(({ session }) => session)),
    int8Array(rows.map(({ upToSeq }) => upToSeq)),
  ],
  sql: (source) => [
    `
    insert into perdure.audit_dropped (session, seq, hash)
    select last.* from ${source}, lateral (
      select session, seq, hash from perdure.audit as t
      where t.session = given.session and t.seq <= given.up_to order by t.seq desc limit 1) as last
    on conflict (session) do update set seq = excluded.seq, hash = excluded.hash
    where audit_dropped.seq < excluded.seq`,
    `
    delete from perdure.audit as t using ${source} where t.session = given.session and t.seq <= given.up_to`,
  ],
})

export const ADMIN_PARTS: readonly Part[] = [registry, audit, auditHeads, auditErased, auditDropped]

function keyArrays(rows: readonly AuditKey[]): Buffer[] {
  return [int8Array(rows.map(({ session }) => session)), int8Array(rows.map(({ seq }) => seq))]
}
