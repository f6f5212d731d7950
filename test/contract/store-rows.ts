/** Small rows for store tests: everything that a test does not say has a plain value. */
import type { Attributes } from '../../src/protocol/event.ts'
import type { ExecutionStatus } from '../../src/protocol/execution-status.ts'
import { type RunId, runIdOf, type WorkflowKey } from '../../src/protocol/ids.ts'
import { isTaskClosed, type TaskStatus } from '../../src/protocol/task-status.ts'
import type { AuditHeadRow, AuditRow } from '../../src/store/contract/audit-rows.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import type { HumanTaskRow } from '../../src/store/contract/human-task-rows.ts'
import type { QueueSettingRow } from '../../src/store/contract/queue-setting-rows.ts'
import type { RegistryRow } from '../../src/store/contract/registry-rows.ts'
import type {
  ExecutionChange,
  ExecutionRow,
  JournalEntry,
  OutboxRow,
  Session,
  TimerRow,
} from '../../src/store/contract/rows.ts'
import type { DueSchedulePage, ScheduleRow } from '../../src/store/contract/schedule-rows.ts'
import type { Store } from '../../src/store/contract/store.ts'
import type { DuePage, TaskChange, TaskRow, TaskSeq } from '../../src/store/contract/task-rows.ts'

const DAY_MS = 86_400_000
const FIRST_MS = 20_000 * DAY_MS

/** The run ids of 0, 1, 2, … rise; every fourth one begins another day. */
export function runIdAt(index: number): RunId {
  const random = Array.from({ length: 16 }, (_, i) => (index * 7 + i) % 32)
  return runIdOf(FIRST_MS + Math.floor(index / 4) * DAY_MS + (index % 4) * 1000, random)
}

export function keyAt(index: number): WorkflowKey {
  return { namespace: index % 2 === 0 ? 'default' : 'other', workflowId: `order-${index >> 1}` }
}

export function executionRow(runId: RunId, row: Partial<ExecutionRow> = {}): ExecutionRow {
  return {
    runId,
    key: { namespace: 'default', workflowId: `of-${runId}` },
    shard: 7,
    workflow: 'fulfil-order',
    version: '1',
    status: 'running',
    active: true,
    startedAt: 1_000,
    closedAt: null,
    attributes: null,
    ...row,
  }
}

export function change(status: ExecutionStatus, more: Partial<ExecutionChange> = {}): ExecutionChange {
  const closedAt = status === 'running' || status === 'parked' ? null : 2_000
  return { status, active: closedAt === null, closedAt, attributes: null, ...more }
}

export function journalEntry(runId: RunId, seq: number, count = 1, text = 'event'): JournalEntry {
  const events = JSON.stringify(Array.from({ length: count }, (_, i) => ({ type: text, at: seq + i })))
  return { runId, seq, epoch: 1, count, events }
}

export function timerRow(runId: RunId, timer: number, dueAt: number, shard = 7): TimerRow {
  return { runId, timer, shard, dueAt }
}

export function outboxRow(fromShard: number, toShard: number, seq: number): OutboxRow {
  return { fromShard, toShard, seq, message: JSON.stringify({ text: `${fromShard} to ${toShard}` }) }
}

export function taskRow(seq: TaskSeq, row: Partial<TaskRow> = {}): TaskRow {
  return {
    seq,
    namespace: 'default',
    id: null,
    queue: 'mail',
    partition: 0,
    name: 'send',
    status: 'waiting',
    lane: 'a\n\nsend',
    rank: seq,
    dueAt: null,
    closedAt: null,
    dedupe: null,
    spec: '{}',
    state: null,
    ...row,
  }
}

export function taskChange(status: TaskStatus, more: Partial<TaskChange> = {}): TaskChange {
  const closedAt = isTaskClosed(status) ? 2_000 : null
  return {
    status,
    lane: 'a\n\nsend',
    rank: 1,
    dueAt: null,
    closedAt,
    state: '{"attempt":1}',
    ...more,
  }
}

export const ALL_DUE: DuePage = {
  after: { dueAt: Number.MIN_SAFE_INTEGER, seq: -1 },
  upToMs: Number.MAX_SAFE_INTEGER,
  limit: 1_000,
}

export const ALL_SCHEDULES_DUE: DueSchedulePage = {
  after: { dueAt: Number.MIN_SAFE_INTEGER, namespace: '', id: '' },
  upToMs: Number.MAX_SAFE_INTEGER,
  limit: 1_000,
}

export function scheduleRow(id: string, row: Partial<ScheduleRow> = {}): ScheduleRow {
  return { namespace: 'default', id, dueAt: null, waits: false, spec: '{}', state: '{}', ...row }
}

export function queueSettingRow(queue: string, row: Partial<QueueSettingRow> = {}): QueueSettingRow {
  return { namespace: 'default', queue, revision: 1, setting: '{}', ...row }
}

export function registryRow(id: string, row: Partial<RegistryRow> = {}): RegistryRow {
  return { kind: 'api-key', namespace: '', id, revision: 1, body: '{}', changedMs: 20, request: 'r1', ...row }
}

export function auditRow(session: number, seq: number, row: Partial<AuditRow> = {}): AuditRow {
  const hash = `hash of ${session}.${seq}`
  return { session, seq, atMs: 20, namespace: 'default', entry: '{}', hash, personal: null, ...row }
}

export function auditHeadRow(number: number, row: Partial<AuditHeadRow> = {}): AuditHeadRow {
  return { number, atMs: 20, body: '{}', signature: 'signed', keyId: 'k1', ...row }
}

/** In the inbox `all`, and in those given. */
export function humanTaskRow(
  runId: RunId,
  op: number,
  { inboxes = [], ...row }: Partial<HumanTaskRow> & { readonly inboxes?: readonly string[] } = {},
): HumanTaskRow {
  const offers = JSON.stringify(['all', ...inboxes])
  return { runId, op, namespace: 'default', workflowId: 'w', rank: '5', offers, summary: '{}', ...row }
}

export type BatchRows = Partial<Omit<Batch, 'session' | 'seq' | 'atMs'>>

export function batchOf(session: Session, seq: number, rows: BatchRows = {}, atMs = seq): Batch {
  return {
    session,
    seq,
    atMs,
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
    ...rows,
  }
}

/** One row in every table, and one change of each kind, for run ids `index` and following. */
export function rowsOfEveryKind(index: number): BatchRows {
  const runId = runIdAt(index)
  return {
    journal: [journalEntry(runId, 1)],
    executionsInserted: [executionRow(runId, { key: keyAt(index) })],
    currents: [{ key: keyAt(index), runId }],
    timersArmed: [timerRow(runId, 1, 500)],
    outboxAdded: [outboxRow(1, 2, index)],
  }
}

export const EVERYTHING_DUE = {
  after: { dueAt: Number.NEGATIVE_INFINITY, runId: '', timer: 0 },
  upToMs: Number.POSITIVE_INFINITY,
  limit: 1_000,
} as const

/** All that a store holds about these runs and keys. */
export async function contentOf(store: Store, runIds: readonly RunId[], keys: readonly WorkflowKey[]) {
  const journals: [RunId, readonly JournalEntry[]][] = []
  for (const runId of runIds) {
    const entries = await store.journal(runId, 0, 1_000)
    if (entries.length > 0) journals.push([runId, entries])
  }
  return {
    executions: await store.list({ limit: 1_000, oldestFirst: true }),
    found: await store.executions(runIds),
    recoverable: await store.recoverable(undefined, 1_000),
    currents: await store.currents(keys),
    journals,
    timers: await store.timers(EVERYTHING_DUE),
    outbox: await store.outbox(1_000),
  }
}

export function attributesOf(attributes: Attributes): Partial<ExecutionRow> {
  return { attributes }
}

export const SOME_RUNS = Array.from({ length: 12 }, (_, i) => runIdAt(i))
export const SOME_KEYS = Array.from({ length: 12 }, (_, i) => keyAt(i))
