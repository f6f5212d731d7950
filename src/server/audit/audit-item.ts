/** What an audit trail is made of, one by one: heads, rows, late heads. */
import type { AuditRecord, SignedHead } from '../../protocol/audit.ts'

export type AuditItem =
  /** `late-head`: it came while the rows were read, so that it may name rows that are not there. */
  | { readonly kind: 'head' | 'late-head'; readonly head: SignedHead }
  | { readonly kind: 'row'; readonly row: AuditRecord }
