/**
 * Which rows of the audit trail were kept long enough: of each chain its beginning, up to a row that a signed head has named.
 *
 * All chains go to about the same time, a slice at a time: so a row that tells of an erasure stays as long as what was erased.
 */
import type { ChainPlace } from '../../protocol/audit.ts'
import type { AuditReads, AuditRow } from '../../store/contract/audit-rows.ts'

/** Rows of one chain that go in one commit. */
const SLICE_ROWS = 1000

export interface Droppable {
  readonly places: readonly ChainPlace[]
  /** There are more. */
  readonly isMore: boolean
}

/**
 * @param named up to where signed heads have named each chain
 * @param beforeMs rows of this time or later stay
 */
export async function droppableRows(
  store: AuditReads,
  named: ReadonlyMap<number, number>,
  beforeMs: number,
): Promise<Droppable> {
  const slices: (readonly AuditRow[])[] = []
  let toMs = Number.POSITIVE_INFINITY
  let isMore = false
  for (const { session, firstSeq, lastSeq } of await store.auditSessions()) {
    if (firstSeq > lastSeq) continue
    const rows = await store.auditRows({ session, toMs: beforeMs, limit: SLICE_ROWS })
    const last = rows.at(-1)
    if (last === undefined || rows[0]?.seq !== firstSeq) continue
    slices.push(rows)
    if (rows.length < SLICE_ROWS) continue
    isMore = true
    toMs = Math.min(toMs, last.atMs)
  }
  const places = slices.flatMap((rows): ChainPlace[] => {
    const last = lastOf(rows, toMs, named)
    return last === undefined ? [] : [[last.session, last.seq, last.hash]]
  })
  return { places, isMore: isMore && places.length > 0 }
}

/** Rows are in order of their times, but for a few of about the same time. */
function lastOf(
  rows: readonly AuditRow[],
  toMs: number,
  named: ReadonlyMap<number, number>,
): AuditRow | undefined {
  let last: AuditRow | undefined
  for (const row of rows) {
    if (row.atMs > toMs || row.seq > (named.get(row.session) ?? 0)) break
    // Rows of a later time may come between those that were asked for.
    if (last !== undefined && row.seq !== last.seq + 1) break
    last = row
  }
  return last
}
