/** What an audit trail is made of, one by one: heads, rows, late heads. */
import type { AuditRecord, SignedHead } from '../../protocol/audit.ts'
import type { AuditReads } from '../../store/contract/audit-rows.ts'

export type AuditItem =
  /** `late-head`: it came while the rows were read, so that it may name rows that are not there. */
  | { readonly kind: 'head' | 'late-head'; readonly head: SignedHead }
  | { readonly kind: 'row'; readonly row: AuditRecord }

const PAGE = 500

/** The whole trail. Rows that are written, or dropped, while it is read are no harm: the late heads tell. */
export async function* auditItems(store: AuditReads): AsyncGenerator<AuditItem> {
  const first = yield* headsAfter(store, 'head', 0)
  for (let after: AuditRecord | undefined; ; ) {
    const rows = await store.auditRows({ limit: PAGE, ...(after === undefined ? {} : { after }) })
    for (const row of rows) yield { kind: 'row', row }
    if (rows.length < PAGE) break
    after = rows.at(-1)
  }
  yield* headsAfter(store, 'late-head', first)
}

async function* headsAfter(
  store: AuditReads,
  kind: 'head' | 'late-head',
  number: number,
): AsyncGenerator<AuditItem, number> {
  for (let after = number; ; ) {
    const heads = await store.auditHeads({ after, limit: PAGE })
    for (const head of heads) yield { kind, head }
    after = heads.at(-1)?.number ?? after
    if (heads.length < PAGE) return after
  }
}
