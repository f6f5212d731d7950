/** The trail of a store, read and verified. */
import { join } from 'node:path'
import type { AuditRecord, SignedHead } from '../../src/protocol/audit.ts'
import { auditItems } from '../../src/server/audit/audit-item.ts'
import { type AuditReport, AuditVerification } from '../../src/server/audit/audit-verification.ts'
import { publicKeys } from '../../src/server/audit/signing-key.ts'
import type { AuditReads } from '../../src/store/contract/audit-rows.ts'

export interface Trail {
  readonly rows: readonly AuditRecord[]
  readonly heads: readonly SignedHead[]
  readonly report: AuditReport
}

/** @param keys file of a key; undefined: signatures are not looked at */
export async function trailOf(store: AuditReads, keys?: string, exported?: SignedHead): Promise<Trail> {
  const verification = new AuditVerification({ keys: keys === undefined ? undefined : publicKeys(keys) })
  const rows: AuditRecord[] = []
  const heads: SignedHead[] = []
  for await (const item of auditItems(store)) {
    verification.take(item)
    if (item.kind === 'row') rows.push(item.row)
    else heads.push(item.head)
  }
  return { rows, heads, report: verification.finish(exported) }
}

export const keyIn = (folder: string): string => join(folder, 'key.pem')
