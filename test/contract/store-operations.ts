/** Random operations, to which all stores give the same answers. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ExecutionStatus } from '../../src/protocol/execution-status.ts'
import { keyText, type RunId } from '../../src/protocol/ids.ts'
import type { TaskStatus } from '../../src/protocol/task-status.ts'
import type { Batch, CommitOutcome } from '../../src/store/contract/batch.ts'
import type { HumanTaskQuery } from '../../src/store/contract/human-task-rows.ts'
import type { QueueSettingQuery } from '../../src/store/contract/queue-setting-rows.ts'
import type { OutboxKey, Session } from '../../src/store/contract/rows.ts'
import type { DueSchedulePage, ScheduleListQuery } from '../../src/store/contract/schedule-rows.ts'
import type { Store, StoreListQuery, TimerPage } from '../../src/store/contract/store.ts'
import type { DuePage, TaskListQuery, TaskSeq, WaitingPage } from '../../src/store/contract/task-rows.ts'
import {
  type AdminQueries,
  ALL_ADMIN,
  adminAnswers,
  adminQueries,
  adminRows,
  humanKey,
  humanTask,
  humanTaskQuery,
  queueSetting,
  queueSettingQuery,
  schedule,
  scheduleKey,
  schedulePage,
  scheduleQuery,
} from './store-desk-operations.ts'
import { memoryFixture } from './store-fixtures.ts'
import {
  ALL_DUE,
  ALL_SCHEDULES_DUE,
  type BatchRows,
  batchOf,
  change,
  contentOf,
  executionRow,
  journalEntry,
  keyAt,
  outboxRow,
  runIdAt,
  taskChange,
  taskRow,
  timerRow,
} from './store-rows.ts'
import type { CreateFixture, StoreFixture } from './store-test.ts'

const RUNS = 6
const RUN_IDS = Array.from({ length: RUNS }, (_, i) => runIdAt(i))
const KEYS = Array.from({ length: 3 }, (_, i) => keyAt(i))

const small = (most: number) => fc.nat(most)
const optional = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: undefined })
const run = small(RUNS - 1).map(runIdAt)
const key = fc.constantFrom(...KEYS)
const few = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 2 })
const timer = fc.constantFrom(-2, -1, 1, 2)
const shard = small(2)
const status = fc.constantFrom<ExecutionStatus>('running', 'parked', 'completed', 'timed-out')
const attributes = fc.constantFrom(null, {}, { paid: true }, { paid: 1, note: null }, { note: 'ä' })
const changeOf = fc.record({ status, active: fc.boolean(), attributes }).map((it) => change(it.status, it))

const execution = fc
  .record({ runId: run, key, change: changeOf, startedAt: small(3), workflow: fc.constantFrom('a', 'b') })
  .map(({ runId, change: changed, ...row }) => executionRow(runId, { ...row, ...changed }))

const taskSeq = fc.integer({ min: 1, max: 12 })
const taskStatus = fc.constantFrom<TaskStatus>(
  'waiting',
  'waiting',
  'waiting',
  'delayed',
  'completed',
  'failed',
)
const lane = fc.constantFrom('a\n\n', 'b\n\n')
const rank = fc.constantFrom(-1, 0, 0.5, 1e300)
const due = fc.constantFrom(null, 0, 1, 2)
const taskSpec = fc
  .record({ enqueuedMs: small(4), key: fc.constantFrom(undefined, 'ada'), isOwned: fc.boolean() })
  .map(({ isOwned, ...spec }) => JSON.stringify(isOwned ? { ...spec, owner: { workflowId: 'w' } } : spec))
const taskState = fc.constantFrom(null, '{}', '{"failure":{"code":"E1"}}', '{"failure":{"code":"E2"}}')
const dedupe = fc.constantFrom(null, null, 'k', 'l')
const queue = fc.constantFrom('mail', 'print')

const task = fc
  .record({
    seq: taskSeq,
    id: fc.constantFrom(null, null, 'x', 'y', 'xyz', 'x\u{10ffff}'),
    status: taskStatus,
    lane,
    rank,
    dueAt: due,
    queue,
    dedupe,
    spec: taskSpec,
    state: taskState,
  })
  .map(({ seq, ...row }) => taskRow(seq, row))
const taskChangeOf = fc
  .record({ status: taskStatus, lane, rank, dueAt: due, key: optional(dedupe), state: taskState })
  .map(({ status: next, key: held, ...more }) =>
    taskChange(next, held === undefined ? more : { ...more, dedupe: held }),
  )

type AnyRows = Omit<Batch, 'session' | 'seq' | 'atMs'> & { readonly admin: BatchRows }

/** Few runs and numbers, so that keys meet: some batches are refused. */
const anyRows: fc.Arbitrary<AnyRows> = fc.record({
  journal: few(fc.tuple(run, small(40), fc.integer({ min: 1, max: 3 })).map((it) => journalEntry(...it))),
  executionsInserted: few(execution),
  executionsUpdated: few(fc.record({ runId: run, change: changeOf })),
  currents: few(fc.record({ key, runId: run })),
  currentsDropped: few(key),
  timersArmed: few(fc.tuple(run, timer, small(4), shard).map((it) => timerRow(...it))),
  timersDropped: few(fc.record({ runId: run, timer })),
  outboxAdded: few(fc.tuple(shard, shard, small(30)).map((it) => outboxRow(...it))),
  outboxDropped: few(fc.record({ fromShard: shard, toShard: shard, seq: small(30) })),
  deleted: fc.array(fc.record({ runId: run, key }), { maxLength: 1 }),
  tasksInserted: few(task),
  tasksUpdated: few(fc.record({ seq: taskSeq, change: taskChangeOf })),
  tasksDeleted: few(taskSeq),
  schedules: few(schedule),
  schedulesDropped: few(scheduleKey),
  queueSettings: few(queueSetting),
  humanTasks: few(humanTask),
  humanTasksDropped: few(humanKey),
  admin: adminRows,
})

/** As folding leaves it: one write per key. Inserts may still meet each other, and are refused then. */
const rows: fc.Arbitrary<BatchRows> = anyRows.map((it) => {
  const deleted = new Set(it.deleted.map(({ runId }) => runId))
  const inserted = new Set(it.executionsInserted.map(({ runId }) => runId))
  const taken = new Set<string>()
  const isFirst = (...parts: readonly unknown[]): boolean => taken.size < taken.add(parts.join(' ')).size
  const isKept = ({ runId }: { readonly runId: RunId }): boolean => !deleted.has(runId)
  const newTasks = new Set(it.tasksInserted.map(({ seq }) => seq))
  const isNewTask = (seq: TaskSeq): boolean => newTasks.has(seq)
  const messageKey = ({ fromShard, toShard, seq }: OutboxKey) => ['outbox', fromShard, toShard, seq]
  for (const row of it.outboxAdded) isFirst(...messageKey(row))
  return {
    journal: it.journal.filter(isKept),
    executionsInserted: it.executionsInserted.filter(isKept),
    executionsUpdated: it.executionsUpdated.filter(
      (row) => isKept(row) && !inserted.has(row.runId) && isFirst('execution', row.runId),
    ),
    currents: it.currents.filter((row) => isKept(row) && isFirst('current', keyText(row.key))),
    currentsDropped: it.currentsDropped.filter((dropped) => isFirst('current', keyText(dropped))),
    timersArmed: it.timersArmed.filter((row) => isKept(row) && isFirst('timer', row.runId, row.timer)),
    timersDropped: it.timersDropped.filter((row) => isKept(row) && isFirst('timer', row.runId, row.timer)),
    outboxAdded: it.outboxAdded,
    outboxDropped: it.outboxDropped.filter((row) => isFirst(...messageKey(row))),
    deleted: it.deleted,
    tasksInserted: it.tasksInserted,
    tasksDeleted: it.tasksDeleted.filter((seq) => !isNewTask(seq) && isFirst('task', seq)),
    tasksUpdated: it.tasksUpdated.filter(({ seq }) => !isNewTask(seq) && isFirst('task', seq)),
    schedules: it.schedules.filter((row) => isFirst('schedule', row.namespace, row.id)),
    schedulesDropped: it.schedulesDropped.filter((row) => isFirst('schedule', row.namespace, row.id)),
    queueSettings: it.queueSettings.filter((row) => isFirst('queue', row.namespace, row.queue)),
    humanTasks: it.humanTasks.filter((row) => isFirst('human', row.runId, row.op)),
    humanTasksDropped: it.humanTasksDropped.filter((row) => isFirst('human', row.runId, row.op)),
    ...it.admin,
  }
})

type Operation =
  | { readonly kind: 'commit'; readonly rows: BatchRows; readonly session: number; readonly seqBack: number }
  | { readonly kind: 'fence' | 'check'; readonly session: number }
  | { readonly kind: 'register' | 'restart' }
  | { readonly kind: 'timers'; readonly page: TimerPage }
  | { readonly kind: 'list'; readonly query: StoreListQuery }
  | { readonly kind: 'journal'; readonly runId: RunId; readonly after: number; readonly limit: number }
  | { readonly kind: 'waiting'; readonly page: WaitingPage }
  | { readonly kind: 'due'; readonly page: DuePage }
  | { readonly kind: 'tasks'; readonly query: TaskListQuery }
  | { readonly kind: 'queue-settings'; readonly query: QueueSettingQuery }
  | { readonly kind: 'admin'; readonly queries: AdminQueries }
  | { readonly kind: 'human-tasks'; readonly query: HumanTaskQuery }
  | { readonly kind: 'schedules'; readonly query: ScheduleListQuery; readonly page: DueSchedulePage }
  | { readonly kind: 'holders'; readonly dedupe: string }
  | { readonly kind: 'recoverable'; readonly after: RunId | undefined; readonly limit: number }

const limit = fc.constantFrom(1, 1, 2, 100)
const position = fc.record({ dueAt: small(4), runId: fc.oneof(run, fc.constant('')), timer })

const query: fc.Arbitrary<StoreListQuery> = fc
  .record({
    limit,
    before: optional(run),
    oldestFirst: optional(fc.boolean()),
    namespace: optional(fc.constantFrom('default', 'other')),
    status: optional(fc.subarray<ExecutionStatus>(['running', 'parked', 'completed', 'timed-out'])),
    workflow: optional(fc.constantFrom('a', 'b')),
    startedFrom: optional(small(3)),
    startedTo: optional(small(3)),
    closedBefore: optional(fc.constantFrom(2_000, 2_001)),
    attributes: optional(fc.constantFrom({}, { paid: true }, { paid: 1 }, { note: null })),
  })
  .map((it) => Object.fromEntries(Object.entries(it).filter((entry) => entry[1] !== undefined)) as never)

const waitingPage: fc.Arbitrary<WaitingPage> = fc.record({
  namespace: fc.constant('default'),
  queue,
  partition: fc.constant(0),
  lane,
  after: fc.record({
    rank: fc.oneof(rank, fc.constant(Number.NEGATIVE_INFINITY)),
    seq: fc.integer({ min: -1, max: 12 }),
  }),
  limit,
})

const taskQuery: fc.Arbitrary<TaskListQuery> = fc
  .record({
    limit,
    before: optional(taskSeq),
    oldestFirst: optional(fc.boolean()),
    queue: optional(queue),
    status: optional(
      fc.oneof(
        fc.subarray<TaskStatus>(['waiting', 'delayed', 'completed', 'failed']),
        fc.constant(['failed']),
      ),
    ),
    closedBefore: optional(fc.constantFrom(2_000, 2_001)),
    namespace: optional(fc.constantFrom('default', 'other')),
    key: optional(fc.constantFrom('ada', '')),
    owner: optional(fc.constant('w')),
    errorCode: optional(fc.constant('E1')),
    enqueuedFrom: optional(small(4)),
    enqueuedTo: optional(small(4)),
    idPrefix: optional(fc.constantFrom('x', 'xy', '~', '~1', '')),
    seqFrom: optional(taskSeq),
  })
  .map((it) => Object.fromEntries(Object.entries(it).filter((entry) => entry[1] !== undefined)) as never)

/** 0 is the newest session, 1 the one before, 2 an imposter of the newest. */
const session = fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2)

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 24,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      rows,
      session,
      seqBack: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('fence' as const, 'check' as const), session }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('register' as const, 'restart' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('timers' as const),
      page: fc.record({ after: position, upToMs: small(4), limit }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('list' as const), query }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('journal' as const), runId: run, after: small(40), limit }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('waiting' as const), page: waitingPage }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('due' as const),
      page: fc.record({
        after: fc.record({ dueAt: fc.integer({ min: -1, max: 2 }), seq: taskSeq }),
        upToMs: small(2),
        limit,
      }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tasks' as const), query: taskQuery }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('schedules' as const),
      query: scheduleQuery,
      page: schedulePage,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('queue-settings' as const), query: queueSettingQuery }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('admin' as const), queries: adminQueries }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('human-tasks' as const), query: humanTaskQuery }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('holders' as const), dedupe: fc.constantFrom('k', 'l') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('recoverable' as const), after: optional(run), limit }),
  },
)

/** One store under the operations. What it answers is all that is compared. */
class Subject {
  private readonly fixture: StoreFixture
  private store: Store
  private readonly sessions: Session[] = []
  private seq = 0

  private constructor(fixture: StoreFixture, store: Store) {
    this.fixture = fixture
    this.store = store
  }

  static async on(createFixture: CreateFixture): Promise<Subject> {
    const fixture = await createFixture()
    return new Subject(fixture, await fixture.open())
  }

  async answer(it: Operation): Promise<unknown> {
    switch (it.kind) {
      case 'commit':
        return this.commit(it.rows, this.sessionAt(it.session), it.seqBack)
      case 'fence':
        return this.fence(this.sessionAt(it.session))
      case 'check':
        return this.store.hasCommitted(this.sessionAt(it.session), this.seq)
      case 'register':
        return this.register()
      case 'restart':
        await this.store.close()
        this.store = await this.fixture.open()
        return undefined
      case 'timers':
        return this.store.timers(it.page)
      case 'list':
        return this.store.list(it.query)
      case 'journal':
        return this.store.journal(it.runId, it.after, it.limit)
      case 'waiting':
        return this.store.waiting(it.page)
      case 'due':
        return this.store.dueTasks(it.page)
      case 'tasks':
        return this.store.listTasks(it.query)
      case 'schedules':
        return [await this.store.listSchedules(it.query), await this.store.dueSchedules(it.page)]
      case 'queue-settings':
        return this.store.queueSettings(it.query)
      case 'human-tasks':
        return this.store.humanTasks(it.query)
      case 'admin':
        return adminAnswers(this.store, it.queries)
      case 'holders':
        return this.store.keyHolders([{ namespace: 'default', dedupe: it.dedupe }])
      case 'recoverable':
        return this.store.recoverable(it.after, it.limit)
    }
  }

  async content(): Promise<unknown> {
    const last = await Promise.all(RUN_IDS.map((runId) => this.store.lastEntry(runId)))
    const keys = ['x', 'y'].map((id) => ({ namespace: 'default', id }))
    const lanes = await this.store.lanes()
    return {
      ...(await contentOf(this.store, RUN_IDS, KEYS)),
      last,
      tasks: await this.store.listTasks({ limit: 1_000 }),
      found: await this.store.tasks([3, 1, 99, 2]),
      ids: await this.store.taskSeqs(keys),
      holders: await this.store.keyHolders(
        ['k', 'l'].map((each) => ({ namespace: 'default', dedupe: each })),
      ),
      open: await this.store.countOpen('default', 1_000),
      openTasks: await this.store.countOpenTasks('default', 1_000),
      due: await this.store.dueTasks(ALL_DUE),
      lanes: lanes.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
      schedules: await this.store.listSchedules({ limit: 1_000 }),
      queueSettings: await this.store.queueSettings({ limit: 1_000 }),
      humanTasks: await this.store.humanTasks({ namespace: 'default', inboxes: ['all'], limit: 1_000 }),
      dueSchedules: await this.store.dueSchedules(ALL_SCHEDULES_DUE),
      admin: await adminAnswers(this.store, ALL_ADMIN),
      lastTask: await this.store.lastTaskSeq(),
    }
  }

  async register(): Promise<unknown> {
    const incarnation = `incarnation ${this.sessions.length}`
    const { session, clockFloorMs } = await this.store.register({ node: 'host:1', incarnation, nowMs: 1 })
    this.sessions.unshift(session)
    return { session, clockFloorMs }
  }

  /** As a node does whose commit has an unknown outcome. */
  private async fence(of: Session): Promise<unknown> {
    await this.store.fence(of)
    const answers = [await this.store.hasCommitted(of, this.seq), await this.commit({}, of, -1)]
    return [...answers, await this.register()]
  }

  async remove(): Promise<void> {
    await this.store.close()
    await this.fixture.remove()
  }

  private sessionAt(index: number): Session {
    const newest = this.sessions[0] ?? { id: 0, incarnation: '' }
    if (index === 2) return { ...newest, incarnation: 'imposter' }
    return this.sessions[index] ?? newest
  }

  /** Each store has its own words for the reason of a refusal. */
  private async commit(
    batchRows: BatchRows,
    of: Session,
    seqBack: number,
  ): Promise<CommitOutcome['outcome']> {
    this.seq++
    const { outcome } = await this.store.commit(
      batchOf(of, this.seq - seqBack, batchRows, (this.seq * 7) % 50),
    )
    return outcome
  }
}

/** Runs the same operations on a store and on the memory store, which is the simple one. */
export async function compareWithMemory(createFixture: CreateFixture, numRuns: number): Promise<void> {
  const outcomes = new Map<unknown, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: 20, maxLength: 100, size: 'max' }),
      async (operations) => {
        const memory = await Subject.on(memoryFixture)
        const other = await Subject.on(createFixture)
        try {
          assert.deepEqual(await other.register(), await memory.register())
          for (const each of operations) {
            const expected = await memory.answer(each)
            assert.deepEqual(await other.answer(each), expected)
            if (each.kind === 'commit') outcomes.set(expected, (outcomes.get(expected) ?? 0) + 1)
          }
          assert.deepEqual(await other.content(), await memory.content())
        } finally {
          await memory.remove()
          await other.remove()
        }
      },
    ),
    { numRuns, endOnFailure: true },
  )
  for (const outcome of ['committed', 'refused', 'fenced']) {
    assert.ok((outcomes.get(outcome) ?? 0) > 50, `${outcome}: ${outcomes.get(outcome)}`)
  }
}
