/**
 * Erases what the audit trail says of a person, or of one thing. The chain stays whole: of what is erased it holds a commitment only.
 *
 * What is erased, and the row that tells of it, are one commit; of many rows several, each with a row of its own.
 */
import type { TrackedCall } from '../../platform/call-context.ts'
import type { AuditEntry, AuditPersonal, AuditRange } from '../../protocol/audit.ts'
import type { AuditKey, AuditRow } from '../../store/contract/audit-rows.ts'
import type { Engine } from '../engine.ts'
import { AUDIT_RUN } from '../no-run.ts'

/** All that are given must fit. */
export interface ErasureTarget {
  /** `Caller.id`, or who has acted on human tasks. */
  readonly person?: string
  /** Id of what calls were about, such as a workflow id. */
  readonly resource?: string
  /** Default: all. */
  readonly namespace?: string
  /** Rows of other namespaces stay as they are. Default: none is left out. */
  readonly isErasable?: (namespace: string) => boolean
}

const PAGE_ROWS = 500
/** Rows that are erased in one commit. */
const COMMIT_ROWS = 1000

/** Resolves with the number of rows when that is durable. */
export async function eraseAudit(engine: Engine, target: ErasureTarget, call: TrackedCall): Promise<number> {
  const { store } = engine.options
  const ownId = JSON.stringify(call.context.requestId)
  let erased = 0
  let found: AuditKey[] = []
  for (let after: AuditKey | undefined; ; ) {
    const { namespace } = target
    const rows = await store.auditRows({
      limit: PAGE_ROWS,
      ...(namespace === undefined ? {} : { namespace }),
      ...(after === undefined ? {} : { after }),
    })
    // Rows that tell of this very erasure come while it goes on.
    for (const row of rows)
      if (isMeant(row, target) && !row.entry.includes(ownId))
        found.push({ session: row.session, seq: row.seq })
    const isLast = rows.length < PAGE_ROWS
    if (found.length >= COMMIT_ROWS || (isLast && found.length > 0)) {
      await commit(engine, found, call)
      erased += found.length
      found = []
    }
    if (isLast) return erased
    after = rows.at(-1)
  }
}

function isMeant(
  { personal, namespace }: AuditRow,
  { person, resource, isErasable }: ErasureTarget,
): boolean {
  if (personal === null || isErasable?.(namespace) === false) return false
  const { personal: about } = JSON.parse(personal) as { readonly personal: AuditPersonal }
  if (person !== undefined && about.caller !== person && about.actor !== person) return false
  return resource === undefined || about.resource === resource
}

function commit(engine: Engine, keys: readonly AuditKey[], call: TrackedCall): Promise<void> {
  const { committer, audit } = engine
  engine.assertIntake()
  return new Promise((resolve, reject) => {
    const writes = committer.writesFor(AUDIT_RUN)
    for (const key of keys) writes.eraseAudit(key)
    audit?.changed(call, AUDIT_RUN, { count: keys.length, erases: rangesOf(keys) })
    committer.releaseAfterOpen(AUDIT_RUN, (lost) => (lost === undefined ? resolve() : reject(lost)))
    committer.touch()
  })
}

/** They are in order. */
export function rangesOf(keys: readonly AuditKey[]): NonNullable<AuditEntry['erases']> {
  const ranges: AuditRange[] = []
  for (const { session, seq } of keys) {
    const last = ranges.at(-1)
    if (last !== undefined && last[0] === session && last[2] === seq - 1)
      ranges[ranges.length - 1] = [session, last[1], seq]
    else ranges.push([session, seq, seq])
  }
  return ranges
}
