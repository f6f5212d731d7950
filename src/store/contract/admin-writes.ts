/**
 * What one batch writes of the registry and the audit trail for one run. Few runs have any of it: it is apart from `RunWrites`,
 * which is made for each.
 */
import type { AuditDraft, AuditDrop, AuditHeadRow, AuditKey, SealAudit } from './audit-rows.ts'
import type { Batch } from './batch.ts'
import type { RegistryRow } from './registry-rows.ts'
import type { Session } from './rows.ts'

type AdminRows = Pick<Batch, 'registry' | 'audit' | 'auditHeads' | 'auditErased' | 'auditDropped'>

/** Audit entries of several runs are written in the order in which they were made. */
interface OrderedDraft {
  readonly order: number
  readonly draft: AuditDraft
}

export class AdminWrites {
  readonly registry = new Map<string, RegistryRow>()
  readonly drafts: OrderedDraft[] = []
  readonly heads: AuditHeadRow[] = []
  readonly erased: AuditKey[] = []
  readonly drops: AuditDrop[] = []

  /** The last write to each key counts. */
  putRegistry(row: RegistryRow): void {
    this.registry.set(`${row.kind}\0${row.namespace}\0${row.id}`, row)
  }
}

/** The rows of all runs of a batch; lists that would be empty are not there. */
export function foldAdmin(
  all: readonly AdminWrites[],
  session: Session,
  seal: SealAudit | undefined,
): AdminRows {
  const registry = new Map<string, RegistryRow>()
  for (const writes of all)
    for (const [key, row] of writes.registry) {
      const other = registry.get(key)
      if (other === undefined || other.revision < row.revision) registry.set(key, row)
    }
  const ordered = all.flatMap(({ drafts }) => drafts)
  if (all.length > 1) ordered.sort((a, b) => a.order - b.order)
  const heads = all.flatMap(({ heads }) => heads)
  const drops = foldDrops(all.flatMap(({ drops }) => drops))
  const erased = foldErased(
    all.flatMap(({ erased }) => erased),
    drops,
  )
  return {
    ...(registry.size === 0 ? {} : { registry: [...registry.values()] }),
    ...(ordered.length === 0 ? {} : { audit: sealed(session, ordered, seal) }),
    ...(heads.length === 0 ? {} : { auditHeads: heads }),
    ...(erased.length === 0 ? {} : { auditErased: erased }),
    ...(drops.size === 0 ? {} : { auditDropped: [...drops.values()] }),
  }
}

function sealed(session: Session, ordered: readonly OrderedDraft[], seal: SealAudit | undefined) {
  if (seal === undefined) throw new Error('invariant: there are audit entries, and no chain to put them into')
  return seal(
    session,
    ordered.map(({ draft }) => draft),
  )
}

/** Of each session the highest number counts. */
function foldDrops(drops: readonly AuditDrop[]): ReadonlyMap<number, AuditDrop> {
  const last = new Map<number, AuditDrop>()
  for (const drop of drops) {
    const other = last.get(drop.session)
    if (other === undefined || other.upToSeq < drop.upToSeq) last.set(drop.session, drop)
  }
  return last
}

/** Each once, and none that goes as a whole. */
function foldErased(erased: readonly AuditKey[], drops: ReadonlyMap<number, AuditDrop>): readonly AuditKey[] {
  const kept = new Map<string, AuditKey>()
  for (const { session, seq } of erased)
    if (seq > (drops.get(session)?.upToSeq ?? 0)) kept.set(`${session} ${seq}`, { session, seq })
  return [...kept.values()]
}
