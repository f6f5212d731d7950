/** The administrative objects of a memory store. Rows are never changed in place: a changed object is another row. */
import { SortedList } from '../../protocol/sorted-list.ts'
import type { RegistryKey, RegistryMark, RegistryQuery, RegistryRow } from '../contract/registry-rows.ts'

/** SQLite compares the bytes. */
const compareText = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const compareKeys = (a: RegistryKey, b: RegistryKey): number =>
  compareText(a.kind, b.kind) || compareText(a.namespace, b.namespace) || compareText(a.id, b.id)

export class MemoryRegistry {
  readonly #ordered = new SortedList<RegistryKey, RegistryRow>(compareKeys)

  put({ kind, namespace, id, revision, body, changedMs, request }: RegistryRow): void {
    this.#ordered.delete({ kind, namespace, id })
    this.#ordered.add({ kind, namespace, id, revision, body, changedMs, request })
  }

  list({ changedFromMs = Number.NEGATIVE_INFINITY, after, limit }: RegistryQuery): RegistryRow[] {
    const rows: RegistryRow[] = []
    if (limit <= 0) return rows
    this.#ordered.ascend(after, (row) => {
      if (row.changedMs >= changedFromMs) rows.push({ ...row })
      return rows.length < limit
    })
    return rows
  }

  mark(): RegistryMark {
    let count = 0
    let revisions = 0
    let newestMs = 0
    this.#ordered.ascend(undefined, ({ revision, changedMs }) => {
      count += 1
      revisions += revision
      newestMs = Math.max(newestMs, changedMs)
      return true
    })
    return { count, revisions, changedMs: newestMs }
  }
}
