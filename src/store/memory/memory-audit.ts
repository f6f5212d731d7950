/** The audit trail of a memory store. */
import { SortedList } from '../../protocol/sorted-list.ts'
import type {
  AuditChainView,
  AuditDrop,
  AuditHeadQuery,
  AuditHeadRow,
  AuditKey,
  AuditQuery,
  AuditRow,
} from '../contract/audit-rows.ts'

const compareKeys = (a: AuditKey, b: AuditKey): number => a.session - b.session || a.seq - b.seq
const compareHeads = (a: HeadPosition, b: HeadPosition): number => a.number - b.number

type HeadPosition = Pick<AuditHeadRow, 'number'>
type Dropped = NonNullable<AuditChainView['dropped']>

export class MemoryAudit {
  readonly #rows = new SortedList<AuditKey, AuditRow>(compareKeys)
  readonly #heads = new SortedList<HeadPosition, AuditHeadRow>(compareHeads)
  /** By session. */
  readonly #dropped = new Map<number, Dropped>()

  /** False if there is a row of that session and number. */
  add({ session, seq, atMs, namespace, entry, hash, personal }: AuditRow): boolean {
    return this.#rows.add({ session, seq, atMs, namespace, entry, hash, personal })
  }

  remove(key: AuditKey): void {
    this.#rows.delete(key)
  }

  /** False if there is a head of that number. */
  addHead({ number, atMs, body, signature, keyId }: AuditHeadRow): boolean {
    return this.#heads.add({ number, atMs, body, signature, keyId })
  }

  removeHead(position: HeadPosition): void {
    this.#heads.delete(position)
  }

  erase({ session, seq }: AuditKey): void {
    this.#rows.ascend({ session, seq: seq - 1 }, (row) => {
      if (row.session !== session || row.seq !== seq) return false
      this.#rows.delete(row)
      this.#rows.add({ ...row, personal: null })
      return false
    })
  }

  drop({ session, upToSeq }: AuditDrop): void {
    const gone = this.#chain(session).filter(({ seq }) => seq <= upToSeq)
    const last = gone.at(-1)
    if (last === undefined) return
    for (const row of gone) this.#rows.delete(row)
    const before = this.#dropped.get(session)
    if (before === undefined || before.seq < last.seq)
      this.#dropped.set(session, { seq: last.seq, hash: last.hash })
  }

  list({ session, namespace, fromMs, toMs, after, limit }: AuditQuery): AuditRow[] {
    const rows: AuditRow[] = []
    if (limit <= 0) return rows
    this.#rows.ascend(after, (row) => {
      const isAsked =
        (session === undefined || row.session === session) &&
        (namespace === undefined || row.namespace === namespace) &&
        row.atMs >= (fromMs ?? Number.NEGATIVE_INFINITY) &&
        row.atMs < (toMs ?? Number.POSITIVE_INFINITY)
      if (isAsked) rows.push({ ...row })
      return rows.length < limit
    })
    return rows
  }

  sessions(): AuditChainView[] {
    const sessions = new Set(this.#dropped.keys())
    this.#rows.ascend(undefined, ({ session }) => {
      sessions.add(session)
      return true
    })
    return [...sessions].sort((a, b) => a - b).flatMap((session) => this.#view(session))
  }

  heads({ after, newestFirst = false, limit }: AuditHeadQuery): AuditHeadRow[] {
    const rows: AuditHeadRow[] = []
    if (limit <= 0) return rows
    const position = after === undefined ? undefined : { number: after }
    const visit = (row: AuditHeadRow): boolean => {
      rows.push({ ...row })
      return rows.length < limit
    }
    if (newestFirst) this.#heads.descend(position, visit)
    else this.#heads.ascend(position, visit)
    return rows
  }

  #chain(session: number): AuditRow[] {
    const rows: AuditRow[] = []
    this.#rows.ascend({ session, seq: Number.NEGATIVE_INFINITY }, (row) => {
      if (row.session === session) rows.push(row)
      return row.session === session
    })
    return rows
  }

  #view(session: number): AuditChainView[] {
    const rows = this.#chain(session)
    const dropped = this.#dropped.get(session)
    const last = rows.at(-1) ?? dropped
    if (last === undefined) return []
    const firstSeq = rows[0]?.seq ?? last.seq + 1
    return [{ session, firstSeq, lastSeq: last.seq, lastHash: last.hash, dropped: dropped && { ...dropped } }]
  }
}
