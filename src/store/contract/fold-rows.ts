/** Folding of a batch: of all that was written to one key in it, what is left at its end. */
import { keyText, type WorkflowKey } from '../../protocol/ids.ts'
import type { Batch } from './batch.ts'
import type { ExecutionChange, ExecutionRow, InboxRow, OutboxKey } from './rows.ts'
import type { TaskChange, TaskRow, TaskSeq } from './task-rows.ts'

type Open<T> = T extends readonly (infer Item)[] ? Item[] : T
type AdminTable = 'registry' | 'audit' | 'auditHeads' | 'auditErased' | 'auditDropped'
type Rows = Required<Omit<Batch, 'session' | 'seq' | 'atMs' | 'isAwaited' | 'released' | AdminTable>>
/** The rows of a batch while they are collected. */
export type OpenBatch = { -readonly [K in keyof Rows]: Open<Rows[K]> }

/** What one batch writes for one task. */
export interface TaskWrites {
  readonly inserted: TaskRow | undefined
  change: TaskChange | undefined
  isDeleted: boolean
}

export function foldTasks(tasks: ReadonlyMap<TaskSeq, TaskWrites>, batch: OpenBatch): void {
  for (const [seq, { inserted, change, isDeleted }] of tasks) {
    if (isDeleted) {
      if (inserted === undefined) batch.tasksDeleted.push(seq)
    } else if (inserted !== undefined)
      batch.tasksInserted.push(change === undefined ? inserted : { ...inserted, ...change })
    else if (change !== undefined) batch.tasksUpdated.push({ seq, change })
  }
}

export function changed(row: ExecutionRow, change: ExecutionChange | undefined): ExecutionRow {
  if (change === undefined) return row
  const { runId, key, shard, workflow, version, startedAt } = row
  const { status, active, closedAt, attributes } = change
  return { runId, key, shard, workflow, version, status, active, startedAt, closedAt, attributes }
}

/** What one batch writes for a run that may have become the newest of its key. */
interface CurrentWrites {
  readonly current: WorkflowKey | undefined
  readonly currentOrder: number
  foldCurrent(key: WorkflowKey, batch: OpenBatch): void
}

/** Several runs of one key may have become the newest in one batch: the last call counts. */
export function foldCurrents(runs: Iterable<CurrentWrites>, batch: OpenBatch): void {
  const last = new Map<string, CurrentWrites>()
  for (const writes of runs) {
    if (writes.current === undefined) continue
    const text = keyText(writes.current)
    const other = last.get(text)
    if (other === undefined || other.currentOrder < writes.currentOrder) last.set(text, writes)
  }
  for (const writes of last.values()) {
    if (writes.current !== undefined) writes.foldCurrent(writes.current, batch)
  }
}

export function foldOutbox(batch: OpenBatch): void {
  const textOf = (key: OutboxKey): string => `${key.fromShard} ${key.toShard} ${key.seq}`
  const added = new Set(batch.outboxAdded.map(textOf))
  const dropped = new Set(batch.outboxDropped.map(textOf))
  batch.outboxAdded = batch.outboxAdded.filter((row) => !dropped.has(textOf(row)))
  batch.outboxDropped = batch.outboxDropped.filter((key) => !added.has(textOf(key)))
}

/** Of each pair of shards the highest number counts. */
export function foldInbox(rows: readonly InboxRow[]): InboxRow[] {
  const last = new Map<string, InboxRow>()
  for (const row of rows) {
    const text = `${row.toShard} ${row.fromShard}`
    const other = last.get(text)
    if (other === undefined || other.lastSeq < row.lastSeq) last.set(text, row)
  }
  return [...last.values()]
}
