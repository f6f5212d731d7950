/** The settings of queues of a memory store. Rows are never changed in place: a changed setting is another row. */
import { SortedList } from '../../protocol/sorted-list.ts'
import type { QueueSettingKey, QueueSettingQuery, QueueSettingRow } from '../contract/queue-setting-rows.ts'

/** SQLite compares the bytes. */
const compareText = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const compareKeys = (a: QueueSettingKey, b: QueueSettingKey): number =>
  compareText(a.namespace, b.namespace) || compareText(a.queue, b.queue)

export class MemoryQueueSettings {
  readonly #ordered = new SortedList<QueueSettingKey, QueueSettingRow>(compareKeys)

  put({ namespace, queue, revision, setting }: QueueSettingRow): void {
    this.#ordered.delete({ namespace, queue })
    this.#ordered.add({ namespace, queue, revision, setting })
  }

  list({ namespace, after, limit }: QueueSettingQuery): QueueSettingRow[] {
    const rows: QueueSettingRow[] = []
    if (limit <= 0) return rows
    this.#ordered.ascend(after, (row) => {
      if (namespace === undefined || row.namespace === namespace) rows.push({ ...row })
      return rows.length < limit
    })
    return rows
  }
}
