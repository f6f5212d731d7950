/**
 * The data of a memory store. It outlives the store that writes it, so that a test can restart an engine on it.
 *
 * 1. Rows are the state's own copies: nothing outside refers to them.
 * 2. `byRun` holds each run that has a summary, `recoverable` those of them that recovery loads, `timers` every timer.
 */
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import { SortedList } from '../../protocol/sorted-list.ts'
import { isRecoverable } from '../contract/list-filter.ts'
import type {
  ExecutionChange,
  ExecutionRow,
  InboxRow,
  JournalEntry,
  OutboxRow,
  TimerRow,
} from '../contract/rows.ts'
import { MemoryAudit } from './memory-audit.ts'
import { MemoryHumanTasks } from './memory-human-tasks.ts'
import { MemoryQueueSettings } from './memory-queue-settings.ts'
import { MemoryRegistry } from './memory-registry.ts'
import { MemorySchedules } from './memory-schedules.ts'
import { MemoryTasks } from './memory-tasks.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export interface MemorySession {
  readonly incarnation: string
  fenced: boolean
  /** Numbers of the newest batches; old ones are dropped in bulk. */
  readonly commits: Set<number>
  /** In a cluster: what the node says of itself. */
  node?: MemoryNode
}

export interface MemoryNode {
  readonly name: string
  readonly address: string
  readonly weight: number
  readonly slot: number
  isDraining: boolean
  heartbeatAt: number
}

export interface MemoryShard {
  readonly id: number
  owner: number | null
  epoch: number
}

/** All rows of one run. A run may have journal rows or timers without a summary: stores know no foreign keys. */
export interface MemoryRun {
  readonly runId: RunId
  row: Mutable<ExecutionRow> | undefined
  /** Ascending by `seq`. */
  readonly entries: JournalEntry[]
  timers: Map<number, TimerRow> | undefined
}

export type RunPosition = { readonly runId: string }
export type TimerPosition = { readonly dueAt: number; readonly runId: string; readonly timer: number }
type OutboxPosition = { readonly fromShard: number; readonly toShard: number; readonly seq: number }

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const compareRuns = (a: RunPosition, b: RunPosition): number => compareText(a.runId, b.runId)
const compareTimers = (a: TimerPosition, b: TimerPosition): number =>
  a.dueAt - b.dueAt || compareText(a.runId, b.runId) || a.timer - b.timer
const compareOutbox = (a: OutboxPosition, b: OutboxPosition): number =>
  a.fromShard - b.fromShard || a.toShard - b.toShard || a.seq - b.seq

export class MemoryState {
  readonly sessions = new Map<number, MemorySession>()
  readonly runs = new Map<RunId, MemoryRun>()
  readonly byRun = new SortedList<RunPosition, MemoryRun>(compareRuns)
  readonly recoverable = new SortedList<RunPosition, MemoryRun>(compareRuns)
  readonly timers = new SortedList<TimerPosition, TimerRow>(compareTimers)
  readonly outbox = new SortedList<OutboxPosition, OutboxRow>(compareOutbox)
  /** Newest run by `keyText`. */
  readonly currents = new Map<string, RunId>()
  readonly tasks = new MemoryTasks()
  readonly schedules = new MemorySchedules()
  readonly queueSettings = new MemoryQueueSettings()
  readonly humanTasks = new MemoryHumanTasks()
  readonly registry = new MemoryRegistry()
  readonly audit = new MemoryAudit()
  /** By receiver and sender. */
  readonly inbox = new Map<string, InboxRow>()
  /** In a cluster, by their ids. */
  readonly shards: MemoryShard[] = []
  clockFloorMs = 0

  run(runId: RunId): MemoryRun {
    const known = this.runs.get(runId)
    if (known !== undefined) return known
    const run: MemoryRun = { runId, row: undefined, entries: [], timers: undefined }
    this.runs.set(runId, run)
    return run
  }

  /** False if the entry's key is there already. */
  addEntry(entry: JournalEntry): boolean {
    const { entries } = this.run(entry.runId)
    const { runId, seq, epoch, count, events } = entry
    const copy = { runId, seq, epoch, count, events }
    const last = entries.at(-1)
    if (last === undefined || last.seq < seq) {
      entries.push(copy)
      return true
    }
    const index = entryIndex(entries, seq)
    if (entries[index]?.seq === seq) return false
    entries.splice(index, 0, copy)
    return true
  }

  removeEntry(runId: RunId, seq: number): void {
    const entries = this.runs.get(runId)?.entries ?? []
    const index = entryIndex(entries, seq)
    if (entries[index]?.seq === seq) entries.splice(index, 1)
    this.forgetIfEmpty(runId)
  }

  /** False if the run has a summary already. */
  addExecution(row: ExecutionRow): boolean {
    const run = this.run(row.runId)
    if (run.row !== undefined) return false
    run.row = copyRow(row)
    this.byRun.add(run)
    if (isRecoverable(row)) this.recoverable.add(run)
    return true
  }

  removeExecution(runId: RunId): void {
    const run = this.runs.get(runId)
    if (run?.row === undefined) return
    this.byRun.delete(run)
    if (isRecoverable(run.row)) this.recoverable.delete(run)
    run.row = undefined
    this.forgetIfEmpty(runId)
  }

  changeExecution(runId: RunId, change: ExecutionChange): void {
    const run = this.runs.get(runId)
    if (run?.row === undefined) return
    const before = isRecoverable(run.row)
    const after = isRecoverable(change)
    run.row.status = change.status
    run.row.active = change.active
    run.row.closedAt = change.closedAt
    run.row.attributes = change.attributes === null ? null : { ...change.attributes }
    if (before && !after) this.recoverable.delete(run)
    else if (after && !before) this.recoverable.add(run)
  }

  armTimer(row: TimerRow): void {
    const run = this.run(row.runId)
    run.timers ??= new Map()
    const old = run.timers.get(row.timer)
    if (old !== undefined) this.timers.delete(old)
    const { runId, timer, shard, dueAt } = row
    const copy = { runId, timer, shard, dueAt }
    run.timers.set(timer, copy)
    this.timers.add(copy)
  }

  dropTimer(runId: RunId, timer: number): void {
    const timers = this.runs.get(runId)?.timers
    const old = timers?.get(timer)
    if (old === undefined) return
    timers?.delete(timer)
    this.timers.delete(old)
    this.forgetIfEmpty(runId)
  }

  /** Removes all rows of a run, and `current` where it names the run. */
  deleteRun(runId: RunId, currentKey: string): void {
    if (this.currents.get(currentKey) === runId) this.currents.delete(currentKey)
    const run = this.runs.get(runId)
    if (run === undefined) return
    for (const timer of run.timers?.values() ?? []) this.timers.delete(timer)
    if (run.row !== undefined) {
      this.byRun.delete(run)
      if (isRecoverable(run.row)) this.recoverable.delete(run)
    }
    this.runs.delete(runId)
  }

  private forgetIfEmpty(runId: RunId): void {
    const run = this.runs.get(runId)
    if (run === undefined || run.row !== undefined || run.entries.length > 0) return
    if (run.timers === undefined || run.timers.size === 0) this.runs.delete(runId)
  }
}

/** Index of the first entry that is not below `seq`. */
export function entryIndex(entries: readonly JournalEntry[], seq: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle]?.seq ?? Number.POSITIVE_INFINITY) < seq) low = middle + 1
    else high = middle
  }
  return low
}

export function copyRow(row: ExecutionRow): ExecutionRow {
  const { runId, shard, workflow, version, status, active, startedAt, closedAt } = row
  const key: WorkflowKey = { namespace: row.key.namespace, workflowId: row.key.workflowId }
  const attributes = row.attributes === null ? null : { ...row.attributes }
  return { runId, key, shard, workflow, version, status, active, startedAt, closedAt, attributes }
}
