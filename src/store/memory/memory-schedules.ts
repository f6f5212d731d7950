/** The schedules of a memory store. Rows are never changed in place: a changed schedule is another row. */
import { SortedList } from '../../protocol/sorted-list.ts'
import type {
  DueSchedulePage,
  ScheduleKey,
  ScheduleListQuery,
  ScheduleRow,
} from '../contract/schedule-rows.ts'

type DuePosition = ScheduleKey & { readonly dueAt: number | null }

/** SQLite compares the bytes. */
const compareText = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const compareKeys = (a: ScheduleKey, b: ScheduleKey): number =>
  compareText(a.namespace, b.namespace) || compareText(a.id, b.id)
const compareDue = (a: DuePosition, b: DuePosition): number =>
  (a.dueAt ?? 0) - (b.dueAt ?? 0) || compareKeys(a, b)

export class MemorySchedules {
  readonly #byKey = new Map<string, ScheduleRow>()
  readonly #ordered = new SortedList<ScheduleKey, ScheduleRow>(compareKeys)
  readonly #due = new SortedList<DuePosition, ScheduleRow>(compareDue)

  put({ namespace, id, dueAt, waits, spec, state }: ScheduleRow): void {
    this.delete({ namespace, id })
    const row: ScheduleRow = { namespace, id, dueAt, waits, spec, state }
    this.#byKey.set(textOf(row), row)
    this.#ordered.add(row)
    if (dueAt !== null) this.#due.add(row)
  }

  delete(key: ScheduleKey): void {
    const row = this.#byKey.get(textOf(key))
    if (row === undefined) return
    this.#byKey.delete(textOf(key))
    this.#ordered.delete(row)
    if (row.dueAt !== null) this.#due.delete(row)
  }

  rows(keys: readonly ScheduleKey[]): (ScheduleRow | undefined)[] {
    return keys.map((key) => {
      const row = this.#byKey.get(textOf(key))
      return row === undefined ? undefined : { ...row }
    })
  }

  due({ after, upToMs, limit }: DueSchedulePage): ScheduleRow[] {
    const rows: ScheduleRow[] = []
    if (limit <= 0) return rows
    this.#due.ascend(after, (row) => {
      if ((row.dueAt ?? 0) > upToMs) return false
      rows.push({ ...row })
      return rows.length < limit
    })
    return rows
  }

  list({ namespace, after, waits, limit }: ScheduleListQuery): ScheduleRow[] {
    const rows: ScheduleRow[] = []
    if (limit <= 0) return rows
    this.#ordered.ascend(after, (row) => {
      const isListed =
        (namespace === undefined || row.namespace === namespace) && (waits === undefined || row.waits)
      if (isListed) rows.push({ ...row })
      return rows.length < limit
    })
    return rows
  }
}

function textOf({ namespace, id }: ScheduleKey): string {
  return `${namespace}\0${id}`
}
