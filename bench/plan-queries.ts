/** What the engine asks a PostgreSQL store: each read, and batches. */
import type { RunId } from '../src/protocol/ids.ts'
import type { Batch } from '../src/store/contract/batch.ts'
import type { Session } from '../src/store/contract/rows.ts'
import type { PostgresReads } from '../src/store/postgres/postgres-reads.ts'
import type { ReadMethods } from '../src/store/postgres/read-methods.ts'
import {
  batchOf,
  change,
  executionRow,
  journalEntry,
  taskRow,
  timerRow,
} from '../test/contract/store-rows.ts'

/** Runs that exist, of days all over, and one that does not exist yet. */
export interface PlanRuns {
  readonly runIds: readonly RunId[]
  readonly newRunId: RunId
  readonly nowMs: number
}

export interface PlanReads {
  readonly all: ReadMethods
  readonly runs: PostgresReads
}

const keyOf = (n: number) => ({ namespace: 'default', workflowId: `order-${n}` })

/** By what they are for. */
export function readsOf(
  { all, runs }: PlanReads,
  { runIds, nowMs }: PlanRuns,
): Record<string, () => Promise<unknown>> {
  const [runId] = runIds
  if (runId === undefined) throw new Error('there are no runs')
  const shards = Array.from({ length: 64 }, (_, shard) => shard)
  const timers = { after: { dueAt: 0, runId: '', timer: 0 }, upToMs: nowMs + 11 * 86_400_000, limit: 1000 }
  const head = { namespace: 'default', queue: 'queue-1', partition: 0, lane: 'lane-1' }
  return {
    'start: newest run of 100 ids': () =>
      all.currents(Array.from({ length: 100 }, (_, n) => keyOf(n * 7 + 1))),
    'load: summaries of 100 runs': () => all.executions(runIds),
    'load: journal of a run': () => all.journal(runId, 0, 1000),
    'load: first entries of 100 runs': () => runs.firstEntries(runIds, 100),
    'result: last entry of a run': () => all.lastEntry(runId),
    'recovery: 500 that run': () => all.recoverable(undefined, 500),
    'take-over: those of 64 shards': () => runs.recoverable(undefined, 500, shards),
    'timers: the next 1,000': () => all.timers(timers),
    'timers: those of 64 shards': () => runs.timers(timers, shards),
    'quota: 1,000 open executions': () => all.countOpen('default', 1000),
    'quota: 1,000 open tasks': () => all.countOpenTasks('default', 1000),
    'messages: 1,000': () => all.outbox(1000),
    'list: newest 100': () => all.list({ limit: 100 }),
    'list: 100 that failed': () => all.list({ status: ['failed'], limit: 100 }),
    'list: 100 of a workflow, from a cursor': () =>
      all.list({ namespace: 'default', workflow: 'ship', before: runId, limit: 100 }),
    'list: parked': () => all.list({ status: ['parked'], limit: 100 }),
    'list: one day': () =>
      all.list({ startedFrom: nowMs - 6 * 86_400_000, startedTo: nowMs - 5 * 86_400_000, limit: 100 }),
    'retention: oldest 500 that have closed': () =>
      all.list({ closedBefore: nowMs - 86_400_000, oldestFirst: true, limit: 500 }),
    'tasks: by number': () => all.tasks([1, 11, 21]),
    'tasks: by id': () => all.taskSeqs([{ namespace: 'default', id: 'task-9' }]),
    'tasks: holders of a key': () => all.keyHolders([{ namespace: 'default', dedupe: 'mail key-7' }]),
    'tasks: how many wait': () => all.lanes(),
    'tasks: the next 1,000 of a lane': () =>
      all.waiting({ ...head, after: { rank: -1, seq: 0 }, limit: 1000 }),
    'tasks: due': () => all.dueTasks({ after: { dueAt: 0, seq: 0 }, upToMs: nowMs, limit: 1000 }),
    'tasks: list, newest 100': () => all.listTasks({ limit: 100 }),
    'tasks: list, failed': () => all.listTasks({ status: ['failed'], limit: 100 }),
    'tasks: last number': () => all.lastTaskSeq(),
    'schedules: due': () =>
      all.dueSchedules({ after: { dueAt: 0, namespace: '', id: '' }, upToMs: nowMs, limit: 100 }),
    'schedules: those that wait for an end': () => all.listSchedules({ waits: true, limit: 100 }),
    'people: 100 of three inboxes': () =>
      all.humanTasks({ namespace: 'default', inboxes: ['group:g1', 'group:g2', 'group:g3'], limit: 100 }),
  }
}

export function batchesOf(session: Session, { runIds, newRunId }: PlanRuns): Record<string, Batch> {
  const updates = runIds.map((runId) => ({ runId, change: change('running') }))
  return {
    'commit: a start': batchOf(session, 1, {
      journal: [journalEntry(newRunId, 1)],
      executionsInserted: [executionRow(newRunId)],
      currents: [{ key: { namespace: 'default', workflowId: 'new' }, runId: newRunId }],
    }),
    'commit: a step of each of 100 runs': batchOf(session, 1, {
      journal: runIds.map((runId) => journalEntry(runId, 100)),
      executionsUpdated: updates,
    }),
    'commit: 100 timers armed, 100 fired': batchOf(session, 1, {
      journal: runIds.map((runId) => journalEntry(runId, 100)),
      timersArmed: runIds.map((runId) => timerRow(runId, 7, 1)),
      timersDropped: runIds.map((runId) => ({ runId, timer: 1 })),
    }),
    'commit: a task is added, another changed': batchOf(session, 1, {
      tasksInserted: [taskRow(1_000_000_000)],
      tasksUpdated: [
        {
          seq: 11,
          change: { status: 'completed', lane: '', rank: 0, dueAt: null, closedAt: 1, state: null },
        },
      ],
    }),
    'commit: 100 runs deleted': batchOf(session, 1, {
      deleted: runIds.map((runId, n) => ({ runId, key: keyOf(n) })),
    }),
  }
}
