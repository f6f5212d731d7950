/** What the engine needs of the audit trail: the chain that the entries of its session are put into. */
import type { AuditRow, SealAudit } from '../store/contract/audit-rows.ts'
import type { CommitOutcome } from '../store/contract/batch.ts'

export interface AuditChain {
  /** Asked right before a batch goes to the store, and again for each part of one that is split. */
  readonly seal: SealAudit
  /** The rows are durable: the next ones of their session follow them. Not told of a session that is lost meanwhile. */
  committed(rows: readonly AuditRow[]): void
}

/** Tells the chain what became of its rows, before anybody else learns of it. */
export async function told(
  audit: AuditChain,
  rows: readonly AuditRow[],
  committing: Promise<CommitOutcome>,
): Promise<CommitOutcome> {
  const outcome = await committing
  if (outcome.outcome === 'committed') audit.committed(rows)
  return outcome
}
