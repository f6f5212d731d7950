/**
 * Folds the row changes of many transitions into one batch: at most one final write per table and key.
 *
 * Each run has one accumulator, which its execution keeps while the batch is open, so that a change costs a few field
 * writes and no lookup. Nothing is sorted or compared before `fold`.
 *
 * 1. The folded batch leaves the same rows as the changes applied one by one, in the order of their calls.
 * 2. Insert + update = insert of the final row. Of several writes to one timer or one `current`, the last one counts.
 *    Outbox add + drop = nothing, also when different runs made them. A deleted run leaves only its deletion, and not
 *    even that if it was inserted in this batch.
 * 3. Dropping a timer that was armed in this batch still writes the drop, because an older row may exist; only a run
 *    that was inserted in this batch cannot have one.
 * 4. Run ids and outbox numbers are never used again: nothing follows the deletion of a run, or the drop of a message.
 * 5. `fold` changes nothing: a refused batch is folded again, in parts.
 */
import type { Event } from '../../protocol/event.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import { AdminWrites, foldAdmin } from './admin-writes.ts'
import type { AuditDraft, AuditDrop, AuditHeadRow, AuditKey, SealAudit } from './audit-rows.ts'
import type { Batch } from './batch.ts'
import { eventText } from './event-text.ts'
import {
  changed,
  foldCurrents,
  foldInbox,
  foldOutbox,
  foldTasks,
  type OpenBatch,
  type TaskWrites,
} from './fold-rows.ts'
import type { HumanTaskRow } from './human-task-rows.ts'
import type { QueueSettingRow } from './queue-setting-rows.ts'
import type { RegistryRow } from './registry-rows.ts'
import type {
  ExecutionChange,
  ExecutionRow,
  InboxRow,
  JournalEntry,
  OutboxKey,
  OutboxRow,
  Session,
  ShardRelease,
  TimerKey,
  TimerRow,
} from './rows.ts'
import type { ScheduleKey, ScheduleRow } from './schedule-rows.ts'
import type { TaskChange, TaskRow, TaskSeq } from './task-rows.ts'

/** Rough size of a row without its texts. */
const ROW_BYTES = 64

export class BatchBuilder {
  /** Rows of the batch so far, approximately. */
  rows = 0
  /** Bytes of the batch so far, approximately. */
  bytes = 0
  private readonly byRun = new Map<RunId, RunWrites>()
  /** The same, in order: a list is cheaper to walk than a map. */
  private readonly list: RunWrites[] = []
  private order = 0
  private readonly released: ShardRelease[] = []

  /** The accumulator of a run. Valid for this builder only: see `RunWrites.builder`. */
  run(runId: RunId): RunWrites {
    const known = this.byRun.get(runId)
    if (known !== undefined) return known
    const writes = new RunWrites(this, runId)
    this.byRun.set(runId, writes)
    this.list.push(writes)
    return writes
  }

  get isEmpty(): boolean {
    return this.byRun.size === 0 && this.released.length === 0
  }

  /** Gives up a shard. It belongs to no run: it is not in parts of the batch. */
  release(release: ShardRelease): void {
    this.released.push(release)
    this.rows += 1
  }

  /** What the batch writes, run by run. */
  writes(): readonly RunWrites[] {
    return this.list
  }

  /** Runs that this batch touches. */
  runs(): RunId[] {
    return [...this.byRun.keys()]
  }

  /** The changes of these runs alone. Its accumulators are those of this builder: append no more to either. */
  only(runIds: Iterable<RunId>): BatchBuilder {
    const chosen = new Set(runIds)
    return this.part((runId) => chosen.has(runId))
  }

  /** The changes of all runs but these. Its accumulators are those of this builder: append no more to either. */
  without(runIds: Iterable<RunId>): BatchBuilder {
    const left = new Set(runIds)
    return this.part((runId) => !left.has(runId))
  }

  /** `seal` is needed if there are audit entries. */
  fold(session: Session, seq: number, atMs: number, seal?: SealAudit): Batch {
    const batch: OpenBatch = {
      journal: [],
      executionsInserted: [],
      executionsUpdated: [],
      currents: [],
      currentsDropped: [],
      timersArmed: [],
      timersDropped: [],
      outboxAdded: [],
      outboxDropped: [],
      deleted: [],
      tasksInserted: [],
      tasksUpdated: [],
      tasksDeleted: [],
      schedules: [],
      schedulesDropped: [],
      queueSettings: [],
      humanTasks: [],
      humanTasksDropped: [],
      inbox: [],
    }
    let admins: AdminWrites[] | undefined
    for (const writes of this.list) {
      writes.foldInto(batch)
      if (writes.admin === undefined) continue
      admins ??= []
      admins.push(writes.admin)
    }
    foldCurrents(this.list, batch)
    if (batch.outboxAdded.length > 0 && batch.outboxDropped.length > 0) foldOutbox(batch)
    const { inbox, ...rows } = batch
    return {
      session,
      seq,
      atMs,
      ...rows,
      ...(admins === undefined ? {} : foldAdmin(admins, session, seal)),
      ...(inbox.length === 0 ? {} : { inbox: foldInbox(inbox) }),
      ...(this.released.length === 0 ? {} : { released: this.released }),
    }
  }

  /** Counts one more change, to put calls for different runs in order. */
  nextOrder(): number {
    return ++this.order
  }

  private part(isChosen: (runId: RunId) => boolean): BatchBuilder {
    const part = new BatchBuilder()
    for (const [runId, writes] of this.byRun) {
      if (!isChosen(runId)) continue
      part.byRun.set(runId, writes)
      part.list.push(writes)
      part.rows += writes.rows
      part.bytes += writes.bytes
    }
    return part
  }
}

/** What one batch writes for one run. */
export class RunWrites {
  readonly builder: BatchBuilder
  readonly runId: RunId
  rows = 0
  bytes = 0
  private inserted: ExecutionRow | undefined
  private change: ExecutionChange | undefined
  /** The open journal entry: consecutive events join it. */
  private entrySeq = 0
  private entryCount = 0
  private entryEpoch = 0
  private entryText = ''
  private closedEntries: JournalEntry[] | undefined
  private timers: Map<number, TimerRow | undefined> | undefined
  private outboxAdded: OutboxRow[] | undefined
  private outboxDropped: OutboxKey[] | undefined
  private inbox: InboxRow[] | undefined
  private deleted: WorkflowKey | undefined
  private tasks: Map<TaskSeq, TaskWrites> | undefined
  private schedule: ScheduleRow | ScheduleKey | undefined
  private queueSettings: Map<string, QueueSettingRow> | undefined
  private humanTasks: Map<number, HumanTaskRow | undefined> | undefined
  /** Of the registry and the audit trail. */
  admin: AdminWrites | undefined
  /** Set with `currentOrder`: the run is the newest of this key. */
  current: WorkflowKey | undefined
  currentOrder = 0

  constructor(builder: BatchBuilder, runId: RunId) {
    this.builder = builder
    this.runId = runId
  }

  insertExecution(row: ExecutionRow): void {
    this.inserted = row
    this.count(1, row.key.workflowId.length)
  }

  changeExecution(change: ExecutionChange): void {
    if (this.change === undefined && this.inserted === undefined) this.count(1, 0)
    this.change = change
  }

  /** The event is written as it is now: later changes of the object are not seen. */
  appendEvent(seq: number, epoch: number, event: Event): void {
    const text = eventText(event)
    if (this.entryCount > 0 && seq === this.entrySeq + this.entryCount && epoch === this.entryEpoch) {
      this.entryText += `,${text}`
      this.entryCount++
      this.count(0, text.length)
      return
    }
    if (this.deleted !== undefined) throw new Error(`Run ${this.runId} was deleted, and is written again`)
    if (this.entryCount > 0) this.closeEntry()
    this.entrySeq = seq
    this.entryCount = 1
    this.entryEpoch = epoch
    this.entryText = text
    this.count(1, text.length)
  }

  /** Makes the run the newest one of its key. */
  setCurrent(key: WorkflowKey): void {
    if (this.current === undefined) this.count(1, key.workflowId.length)
    this.current = key
    this.currentOrder = this.builder.nextOrder()
  }

  armTimer(timer: number, dueAt: number, shard: number): void {
    this.setTimer(timer, { runId: this.runId, timer, shard, dueAt })
  }

  dropTimer(timer: number): void {
    this.setTimer(timer, undefined)
  }

  /** The message belongs to the run that sends it. */
  addOutbox(row: OutboxRow): void {
    this.outboxAdded ??= []
    this.outboxAdded.push(row)
    this.count(1, row.message.length)
  }

  /** The drop belongs to the run that applies the message. */
  dropOutbox(key: OutboxKey): void {
    this.outboxDropped ??= []
    this.outboxDropped.push(key)
    this.count(1, 0)
  }

  /** A message of another node was applied to the run. */
  putInbox(row: InboxRow): void {
    this.inbox ??= []
    this.inbox.push(row)
    this.count(1, 0)
  }

  /** Removes all rows of the run, those of this batch and of earlier ones; its messages stay. */
  deleteRun(key: WorkflowKey): void {
    this.deleted = key
    this.count(1, 0)
  }

  /** A task belongs to the run that asked for it; all others to one run that does not exist. */
  insertTask(row: TaskRow): void {
    this.tasks ??= new Map()
    this.tasks.set(row.seq, { inserted: row, change: undefined, isDeleted: false })
    this.count(1, row.spec.length)
  }

  changeTask(seq: TaskSeq, change: TaskChange): void {
    const writes = this.taskWrites(seq)
    writes.change = change
    this.count(0, change.state?.length ?? 0)
  }

  deleteTask(seq: TaskSeq): void {
    this.taskWrites(seq).isDeleted = true
  }

  /** A schedule belongs to a run that does not exist, one for each: its last write counts. */
  putSchedule(row: ScheduleRow): void {
    this.schedule = row
    this.count(1, row.spec.length + row.state.length)
  }

  dropSchedule({ namespace, id }: ScheduleKey): void {
    this.schedule = { namespace, id }
    this.count(1, 0)
  }

  /** Settings belong to the run that does not exist, like most tasks: the last write of each queue counts. */
  putQueueSetting(row: QueueSettingRow): void {
    this.queueSettings ??= new Map()
    this.queueSettings.set(`${row.namespace}\0${row.queue}`, row)
    this.count(1, row.setting.length)
  }

  putHumanTask(row: HumanTaskRow): void {
    this.humanTasks ??= new Map()
    this.humanTasks.set(row.op, row)
    this.count(1, row.offers.length + row.summary.length)
  }

  dropHumanTask(op: number): void {
    this.humanTasks ??= new Map()
    this.humanTasks.set(op, undefined)
    this.count(1, 0)
  }

  /** An administrative object belongs to one run, always the same: the last write of each counts. */
  putRegistry(row: RegistryRow): void {
    this.ofAdmin().putRegistry(row)
    this.count(1, row.body?.length ?? 0)
  }

  /** The entry belongs to the run whose change it records: the two are durable together. */
  addAudit(draft: AuditDraft): void {
    this.ofAdmin().drafts.push({ order: this.builder.nextOrder(), draft })
    this.count(1, draft.entry.length + (draft.personal?.length ?? 0))
  }

  addAuditHead(row: AuditHeadRow): void {
    this.ofAdmin().heads.push(row)
    this.count(1, row.body.length + row.signature.length)
  }

  /** Erases what is personal of an audit entry of an earlier batch. */
  eraseAudit(key: AuditKey): void {
    this.ofAdmin().erased.push(key)
    this.count(1, 0)
  }

  dropAudit(drop: AuditDrop): void {
    this.ofAdmin().drops.push(drop)
    this.count(1, 0)
  }

  foldInto(batch: OpenBatch): void {
    if (this.humanTasks !== undefined) this.foldHumanTasks(this.humanTasks, batch)
    if (this.queueSettings !== undefined) batch.queueSettings.push(...this.queueSettings.values())
    if (this.schedule !== undefined) {
      if ('spec' in this.schedule) batch.schedules.push(this.schedule)
      else batch.schedulesDropped.push(this.schedule)
    }
    if (this.tasks !== undefined) foldTasks(this.tasks, batch)
    if (this.outboxAdded !== undefined) batch.outboxAdded.push(...this.outboxAdded)
    if (this.outboxDropped !== undefined) batch.outboxDropped.push(...this.outboxDropped)
    if (this.inbox !== undefined) batch.inbox.push(...this.inbox)
    if (this.deleted !== undefined) {
      if (this.inserted === undefined) batch.deleted.push({ runId: this.runId, key: this.deleted })
      return
    }
    if (this.closedEntries !== undefined) batch.journal.push(...this.closedEntries)
    if (this.entryCount > 0) batch.journal.push(this.openEntry())
    if (this.inserted !== undefined) batch.executionsInserted.push(changed(this.inserted, this.change))
    else if (this.change !== undefined)
      batch.executionsUpdated.push({ runId: this.runId, change: this.change })
    if (this.timers !== undefined) this.foldTimers(this.timers, batch)
  }

  /** Writes `current`, which must be the last write of this batch to its key. */
  foldCurrent(key: WorkflowKey, batch: OpenBatch): void {
    if (this.deleted === undefined) batch.currents.push({ key, runId: this.runId })
    else batch.currentsDropped.push(key)
  }

  private foldHumanTasks(rows: ReadonlyMap<number, HumanTaskRow | undefined>, batch: OpenBatch): void {
    for (const [op, row] of rows) {
      if (row !== undefined) batch.humanTasks.push(row)
      else if (this.inserted === undefined) batch.humanTasksDropped.push({ runId: this.runId, op })
    }
  }

  private foldTimers(timers: ReadonlyMap<number, TimerRow | undefined>, batch: OpenBatch): void {
    for (const [timer, row] of timers) {
      if (row !== undefined) batch.timersArmed.push(row)
      else if (this.inserted === undefined)
        batch.timersDropped.push({ runId: this.runId, timer } satisfies TimerKey)
    }
  }

  private ofAdmin(): AdminWrites {
    this.admin ??= new AdminWrites()
    return this.admin
  }

  private taskWrites(seq: TaskSeq): TaskWrites {
    this.tasks ??= new Map()
    const known = this.tasks.get(seq)
    if (known !== undefined) return known
    const writes: TaskWrites = { inserted: undefined, change: undefined, isDeleted: false }
    this.tasks.set(seq, writes)
    this.count(1, 0)
    return writes
  }

  private setTimer(timer: number, row: TimerRow | undefined): void {
    this.timers ??= new Map()
    const before = this.timers.size
    this.timers.set(timer, row)
    if (this.timers.size > before) this.count(1, 0)
  }

  private closeEntry(): void {
    this.closedEntries ??= []
    this.closedEntries.push(this.openEntry())
  }

  private openEntry(): JournalEntry {
    return {
      runId: this.runId,
      seq: this.entrySeq,
      epoch: this.entryEpoch,
      count: this.entryCount,
      events: `[${this.entryText}]`,
    }
  }

  private count(rows: number, textBytes: number): void {
    const bytes = rows * ROW_BYTES + textBytes
    this.rows += rows
    this.bytes += bytes
    this.builder.rows += rows
    this.builder.bytes += bytes
  }
}
