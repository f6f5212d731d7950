/** The tasks of a memory store. Rows are never changed in place: a changed task is another row. */
import { SortedList } from '../../protocol/sorted-list.ts'
import {
  type DuePage,
  type HeldKey,
  isTaskListed,
  KEY_HOLDERS_MAX,
  type LaneCount,
  type QueueKey,
  type TaskChange,
  type TaskKey,
  type TaskListQuery,
  type TaskRow,
  type TaskSeq,
  taskFactsOfRow,
  type WaitingPage,
} from '../contract/task-rows.ts'

type WaitingPosition = Pick<TaskRow, 'rank' | 'seq'>
type DuePosition = Pick<TaskRow, 'seq'> & { readonly dueAt: number | null }

const compareWaiting = (a: WaitingPosition, b: WaitingPosition): number => a.rank - b.rank || a.seq - b.seq
const compareDue = (a: DuePosition, b: DuePosition): number =>
  (a.dueAt ?? 0) - (b.dueAt ?? 0) || a.seq - b.seq
const compareSeq = (a: Pick<TaskRow, 'seq'>, b: Pick<TaskRow, 'seq'>): number => a.seq - b.seq

interface LaneRows extends QueueKey {
  readonly lane: string
  readonly rows: SortedList<WaitingPosition, TaskRow>
}

export class MemoryTasks {
  readonly #bySeq = new Map<TaskSeq, TaskRow>()
  readonly #byId = new Map<string, TaskSeq>()
  readonly #ordered = new SortedList<Pick<TaskRow, 'seq'>, TaskRow>(compareSeq)
  readonly #lanes = new Map<string, LaneRows>()
  readonly #due = new SortedList<DuePosition, TaskRow>(compareDue)
  readonly #holders = new Map<string, Set<TaskSeq>>()

  get last(): TaskSeq {
    let last = 0
    this.#ordered.descend(undefined, ({ seq }) => {
      last = seq
      return false
    })
    return last
  }

  row(seq: TaskSeq): TaskRow | undefined {
    const row = this.#bySeq.get(seq)
    return row === undefined ? undefined : { ...row }
  }

  seqOf(key: TaskKey): TaskSeq | undefined {
    return this.#byId.get(idText(key))
  }

  countOpen(namespace: string): number {
    let open = 0
    for (const row of this.#bySeq.values())
      if (row.namespace === namespace && (row.status === 'waiting' || row.status === 'delayed')) open += 1
    return open
  }

  /** False if its number or its id is there already. */
  add(row: TaskRow): boolean {
    const id = row.id === null ? undefined : idText({ namespace: row.namespace, id: row.id })
    if (this.#bySeq.has(row.seq) || (id !== undefined && this.#byId.has(id))) return false
    if (id !== undefined) this.#byId.set(id, row.seq)
    this.#put({ ...row })
    return true
  }

  change(seq: TaskSeq, change: TaskChange): void {
    const row = this.#bySeq.get(seq)
    if (row === undefined) return
    const { status, lane, rank, dueAt, closedAt, dedupe = row.dedupe, state } = change
    this.#take(row)
    this.#put({ ...row, status, lane, rank, dueAt, closedAt, dedupe, state })
  }

  delete(seq: TaskSeq): void {
    const row = this.#bySeq.get(seq)
    if (row === undefined) return
    this.#take(row)
    if (row.id !== null) this.#byId.delete(idText({ namespace: row.namespace, id: row.id }))
  }

  holders({ namespace, dedupe }: HeldKey): TaskSeq[] {
    const seqs = [...(this.#holders.get(idText({ namespace, id: dedupe })) ?? [])]
    return seqs.sort((a, b) => b - a).slice(0, KEY_HOLDERS_MAX)
  }

  lanes(): LaneCount[] {
    return [...this.#lanes.values()].map(({ rows, ...lane }) => ({ ...lane, waiting: rows.size }))
  }

  waiting(page: WaitingPage): TaskRow[] {
    const rows: TaskRow[] = []
    if (page.limit <= 0) return rows
    this.#lanes.get(laneText(page))?.rows.ascend(page.after, (row) => {
      rows.push({ ...row })
      return rows.length < page.limit
    })
    return rows
  }

  due({ after, upToMs, limit }: DuePage): TaskRow[] {
    const rows: TaskRow[] = []
    if (limit <= 0) return rows
    this.#due.ascend(after, (row) => {
      if ((row.dueAt ?? 0) > upToMs) return false
      rows.push({ ...row })
      return rows.length < limit
    })
    return rows
  }

  list(query: TaskListQuery): TaskRow[] {
    const rows: TaskRow[] = []
    if (query.limit <= 0) return rows
    const visit = (row: TaskRow): boolean => {
      if (isTaskListed(row, query, () => taskFactsOfRow(row))) rows.push({ ...row })
      return rows.length < query.limit
    }
    const position = query.before === undefined ? undefined : { seq: query.before }
    if (query.oldestFirst === true) this.#ordered.ascend(position, visit)
    else this.#ordered.descend(position, visit)
    return rows
  }

  #put(row: TaskRow): void {
    this.#bySeq.set(row.seq, row)
    this.#ordered.add(row)
    if (row.dueAt !== null) this.#due.add(row)
    if (row.dedupe !== null) {
      const text = idText({ namespace: row.namespace, id: row.dedupe })
      const holders = this.#holders.get(text)
      if (holders === undefined) this.#holders.set(text, new Set([row.seq]))
      else holders.add(row.seq)
    }
    if (row.status !== 'waiting') return
    const text = laneText(row)
    const lane = this.#lanes.get(text)
    if (lane !== undefined) lane.rows.add(row)
    else {
      const { namespace, queue, partition } = row
      const rows = new SortedList<WaitingPosition, TaskRow>(compareWaiting)
      rows.add(row)
      this.#lanes.set(text, { namespace, queue, partition, lane: row.lane, rows })
    }
  }

  #take(row: TaskRow): void {
    this.#bySeq.delete(row.seq)
    this.#ordered.delete(row)
    if (row.dueAt !== null) this.#due.delete(row)
    if (row.dedupe !== null) {
      const text = idText({ namespace: row.namespace, id: row.dedupe })
      const holders = this.#holders.get(text)
      if (holders?.delete(row.seq) === true && holders.size === 0) this.#holders.delete(text)
    }
    if (row.status !== 'waiting') return
    const text = laneText(row)
    const rows = this.#lanes.get(text)?.rows
    rows?.delete(row)
    if (rows?.size === 0) this.#lanes.delete(text)
  }
}

function idText({ namespace, id }: TaskKey): string {
  return JSON.stringify([namespace, id])
}

function laneText({ namespace, queue, partition, lane }: QueueKey & { readonly lane: string }): string {
  return JSON.stringify([namespace, queue, partition, lane])
}
