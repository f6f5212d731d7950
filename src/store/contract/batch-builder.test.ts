import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Event } from '../../protocol/event.ts'
import { type RunId, runIdOf, type WorkflowKey } from '../../protocol/ids.ts'
import { createMemoryStore } from '../memory/memory-store.ts'
import type { Batch } from './batch.ts'
import { BatchBuilder, type RunWrites } from './batch-builder.ts'
import type { ExecutionChange, ExecutionRow, OutboxRow, Session } from './rows.ts'
import type { Store } from './store.ts'
import type { TaskRow } from './task-rows.ts'

const RUNS = 6
const KEYS: readonly WorkflowKey[] = [
  { namespace: 'default', workflowId: 'a' },
  { namespace: 'default', workflowId: 'b' },
]
const runIds = Array.from({ length: RUNS }, (_, i) => runIdOf(86_400_000 * 20_000 + i, [i]))
const runIdAt = (run: number): RunId => runIds[run] as RunId
const keyOf = (run: number): WorkflowKey => KEYS[run % KEYS.length] as WorkflowKey

const KINDS = ['insert', 'change', 'current', 'event', 'arm', 'drop', 'send', 'apply', 'delete'] as const

/** One change; `value` fills whatever its kind needs. */
interface Operation {
  readonly kind: (typeof KINDS)[number]
  readonly run: number
  readonly value: number
}

const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom(...KINDS, 'event', 'arm', 'change'),
  run: fc.nat(RUNS - 1),
  value: fc.nat(3),
})

const rowOf = (run: number, value: number): ExecutionRow => ({
  runId: runIdAt(run),
  key: keyOf(run),
  shard: value,
  workflow: 'w',
  version: '1',
  status: 'running',
  active: value % 2 === 0,
  startedAt: value,
  closedAt: null,
  attributes: null,
})

const changeOf = (value: number): ExecutionChange => ({
  status: value === 0 ? 'running' : 'completed',
  active: value === 0,
  closedAt: value === 0 ? null : value,
  attributes: { value },
})

const messageOf = (seq: number): OutboxRow => ({ fromShard: 1, toShard: 2, seq, message: `{"seq":${seq}}` })
const eventOf = (seq: number): Event => ({ type: 'patch-marked', at: seq, id: `event ${seq}` })

/**
 * Keeps what an engine may do: a run is inserted once and before its other rows, events are numbered without gaps,
 * message numbers rise, a message is applied once, and nothing follows a deletion.
 */
class Rules {
  private readonly inserted = new Set<number>()
  private readonly deleted = new Set<number>()
  private readonly events = new Map<number, number>()
  private readonly sent: number[] = []
  private messages = 0

  /** The change that is made for an operation, with the number of its event or message. */
  allowed({ kind, run, value }: Operation): (Operation & { readonly number: number }) | undefined {
    if (kind === 'send') {
      this.messages++
      this.sent.push(this.messages)
      return { kind, run, value, number: this.messages }
    }
    if (kind === 'apply') {
      const [number] = this.sent.splice(value, 1)
      return number === undefined ? undefined : { kind, run, value, number }
    }
    if (this.deleted.has(run)) return undefined
    if (!this.inserted.has(run)) {
      this.inserted.add(run)
      return { kind: 'insert', run, value, number: 0 }
    }
    if (kind === 'insert') return undefined
    if (kind === 'delete') this.deleted.add(run)
    if (kind !== 'event') return { kind, run, value, number: 0 }
    const number = (this.events.get(run) ?? 0) + 1
    this.events.set(run, number)
    return { kind, run, value, number }
  }
}

function append(writes: RunWrites, { kind, run, value }: Operation, number: number): void {
  switch (kind) {
    case 'insert':
      return writes.insertExecution(rowOf(run, value))
    case 'change':
      return writes.changeExecution(changeOf(value))
    case 'current':
      return writes.setCurrent(keyOf(run))
    case 'event':
      return writes.appendEvent(number, 1 + (value >> 1), eventOf(number))
    case 'arm':
      return writes.armTimer(value % 2, value * 10, 3)
    case 'drop':
      return writes.dropTimer(value % 2)
    case 'send':
      return writes.addOutbox(messageOf(number))
    case 'apply':
      return writes.dropOutbox({ fromShard: 1, toShard: 2, seq: number })
    case 'delete':
      return writes.deleteRun(keyOf(run))
  }
}

/** The same change as a batch of its own, made without the builder. */
function rowsOf({ kind, run, value }: Operation, number: number): Partial<Batch> {
  const runId = runIdAt(run)
  const timer = { runId, timer: value % 2 }
  const entry = {
    runId,
    seq: number,
    epoch: 1 + (value >> 1),
    count: 1,
    events: JSON.stringify([eventOf(number)]),
  }
  switch (kind) {
    case 'insert':
      return { executionsInserted: [rowOf(run, value)] }
    case 'change':
      return { executionsUpdated: [{ runId, change: changeOf(value) }] }
    case 'current':
      return { currents: [{ key: keyOf(run), runId }] }
    case 'event':
      return { journal: [entry] }
    case 'arm':
      return { timersArmed: [{ ...timer, dueAt: value * 10, shard: 3 }] }
    case 'drop':
      return { timersDropped: [timer] }
    case 'send':
      return { outboxAdded: [messageOf(number)] }
    case 'apply':
      return { outboxDropped: [{ fromShard: 1, toShard: 2, seq: number }] }
    case 'delete':
      return { deleted: [{ runId, key: keyOf(run) }] }
  }
}

const NOTHING: Omit<Batch, 'session' | 'seq' | 'atMs'> = {
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
}

/** A memory store that must accept every batch. */
class Target {
  readonly store: Store = createMemoryStore()
  private session: Session = { id: 0, incarnation: '' }
  private seq = 0

  async open(): Promise<this> {
    const registered = await this.store.register({ node: 'n', incarnation: 'i', nowMs: 0 })
    this.session = registered.session
    return this
  }

  async fold(builder: BatchBuilder): Promise<Batch> {
    const batch = builder.fold(this.session, ++this.seq, this.seq)
    await this.commit(batch)
    return batch
  }

  async apply(rows: Partial<Batch>): Promise<void> {
    this.seq++
    await this.commit({ session: this.session, seq: this.seq, atMs: this.seq, ...NOTHING, ...rows })
  }

  async content() {
    const { store } = this
    const journals = await Promise.all(runIds.map((runId) => store.journal(runId, 0, 1e6)))
    const after = { dueAt: -1, runId: '', timer: 0 }
    return {
      // Entries differ in how many events they hold; the events, their numbers and epochs do not.
      events: journals.map((entries) =>
        entries.flatMap(({ seq, epoch, events }) =>
          (JSON.parse(events) as Event[]).map((event, i) => ({ seq: seq + i, epoch, event })),
        ),
      ),
      executions: await store.list({ limit: 1e6 }),
      currents: await store.currents(KEYS),
      timers: await store.timers({ after, upToMs: 1e6, limit: 1e6 }),
      outbox: await store.outbox(1e6),
    }
  }

  private async commit(batch: Batch): Promise<void> {
    assert.deepEqual(await this.store.commit(batch), { outcome: 'committed' })
  }
}

function assertOneWritePerKey(batch: Batch): void {
  const keys = [
    ...batch.journal.map(({ runId, seq }) => `journal ${runId} ${seq}`),
    ...[...batch.executionsInserted, ...batch.executionsUpdated].map(({ runId }) => `execution ${runId}`),
    ...batch.currents.map(({ key }) => `current ${key.workflowId}`),
    ...batch.currentsDropped.map((key) => `current ${key.workflowId}`),
    ...[...batch.timersArmed, ...batch.timersDropped].map(({ runId, timer }) => `timer ${runId} ${timer}`),
    ...[...batch.outboxAdded, ...batch.outboxDropped].map(({ seq }) => `outbox ${seq}`),
  ]
  assert.equal(new Set(keys).size, keys.length, keys.join(', '))
  for (const { runId } of batch.deleted) {
    assert.ok(!keys.some((key) => key.includes(runId)), `${runId} is deleted, and written`)
  }
}

const batches = fc.array(fc.array(operation, { maxLength: 25 }), { minLength: 1, maxLength: 4 })

describe('BatchBuilder', () => {
  test('a folded batch leaves the same rows as its changes one by one', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (list) => {
        const folded = await new Target().open()
        const single = await new Target().open()
        const rules = new Rules()
        for (const operations of list) {
          const builder = new BatchBuilder()
          for (const each of operations) {
            const made = rules.allowed(each)
            if (made === undefined) continue
            append(builder.run(runIdAt(made.run)), made, made.number)
            await single.apply(rowsOf(made, made.number))
          }
          assertOneWritePerKey(await folded.fold(builder))
          assert.deepEqual(await folded.content(), await single.content())
        }
      }),
      { numRuns: 500 },
    )
  })

  test('the parts of a split batch leave the same rows as the whole', async () => {
    // Without messages and currents: these join runs, and runs that are joined stay in one part.
    const own = operation.filter(({ kind }) => kind !== 'send' && kind !== 'apply' && kind !== 'current')
    const chosen = fc.subarray([0, 1, 2, 3, 4, 5])
    await fc.assert(
      fc.asyncProperty(fc.array(own, { maxLength: 40 }), chosen, async (operations, runs) => {
        const builder = new BatchBuilder()
        const rules = new Rules()
        for (const each of operations) {
          const made = rules.allowed(each)
          if (made !== undefined) append(builder.run(runIdAt(made.run)), made, made.number)
        }
        const whole = await new Target().open()
        const parts = await new Target().open()
        await whole.fold(builder)
        const part = builder.only(runs.map(runIdAt))
        const rest = builder.without(runs.map(runIdAt))
        await parts.fold(part)
        await parts.fold(rest)
        assert.deepEqual(await parts.content(), await whole.content())
        assert.equal(part.rows + rest.rows, builder.rows)
        assert.equal(part.bytes + rest.bytes, builder.bytes)
        assert.deepEqual([...part.runs(), ...rest.runs()].toSorted(), builder.runs().toSorted())
      }),
    )
  })

  const session: Session = { id: 1, incarnation: 'i' }
  const run = runIdAt(0)
  const fold = (fill: (writes: RunWrites) => void): Batch => {
    const builder = new BatchBuilder()
    fill(builder.run(run))
    return builder.fold(session, 1, 1)
  }

  test('consecutive events become one entry; a gap or another epoch begins the next', () => {
    const batch = fold((writes) => {
      for (const seq of [1, 2, 3]) writes.appendEvent(seq, 1, eventOf(seq))
      writes.appendEvent(4, 2, eventOf(4))
      writes.appendEvent(9, 2, eventOf(9))
    })
    const shape = batch.journal.map(({ seq, epoch, count, events }) => [
      seq,
      epoch,
      count,
      JSON.parse(events),
    ])
    assert.deepEqual(shape, [
      [1, 1, 3, [eventOf(1), eventOf(2), eventOf(3)]],
      [4, 2, 1, [eventOf(4)]],
      [9, 2, 1, [eventOf(9)]],
    ])
  })

  test('an insert and its changes are one insert', () => {
    const batch = fold((writes) => {
      writes.insertExecution(rowOf(0, 1))
      writes.changeExecution(changeOf(0))
      writes.changeExecution(changeOf(2))
    })
    assert.deepEqual(batch.executionsInserted, [{ ...rowOf(0, 1), ...changeOf(2) }])
    assert.deepEqual(batch.executionsUpdated, [])
  })

  test('a run that begins and is deleted in one batch leaves nothing', () => {
    const batch = fold((writes) => {
      writes.insertExecution(rowOf(0, 1))
      writes.appendEvent(1, 1, eventOf(1))
      writes.armTimer(1, 10, 0)
      writes.deleteRun(keyOf(0))
    })
    assert.deepEqual(batch, { session, seq: 1, atMs: 1, ...NOTHING })
  })

  test('a timer that is dropped again is still dropped, unless its run is new', () => {
    const armAndDrop = (writes: RunWrites): void => {
      writes.armTimer(1, 10, 0)
      writes.dropTimer(1)
    }
    assert.deepEqual(fold(armAndDrop).timersDropped, [{ runId: run, timer: 1 }])
    const batch = fold((writes) => {
      armAndDrop(writes)
      writes.insertExecution(rowOf(0, 1))
    })
    assert.deepEqual([batch.timersArmed, batch.timersDropped], [[], []])
  })

  test('a message from one run to another in one batch leaves nothing', () => {
    const builder = new BatchBuilder()
    builder.run(runIdAt(1)).dropOutbox({ fromShard: 1, toShard: 2, seq: 5 })
    builder.run(runIdAt(0)).addOutbox(messageOf(5))
    builder.run(runIdAt(0)).addOutbox(messageOf(6))
    const batch = builder.fold(session, 1, 1)
    assert.deepEqual([batch.outboxAdded, batch.outboxDropped], [[messageOf(6)], []])
  })

  test('an event is written as it was when it was appended', () => {
    const event = { type: 'patch-marked', at: 1, id: 'before' }
    const batch = fold((writes) => {
      writes.appendEvent(1, 1, event as Event)
      event.id = 'after'
    })
    assert.equal(JSON.parse(batch.journal[0]?.events ?? '')[0].id, 'before')
  })

  test('events after a deletion are a fault', () => {
    assert.throws(
      () =>
        fold((writes) => {
          writes.deleteRun(keyOf(0))
          writes.appendEvent(1, 1, eventOf(1))
        }),
      /was deleted/,
    )
  })

  test('a task has one write: its last state, or nothing if it came and went', () => {
    const task: TaskRow = {
      seq: 1,
      namespace: 'default',
      id: null,
      queue: 'q',
      partition: 0,
      name: 't',
      status: 'waiting',
      lane: 'l',
      rank: 1,
      dueAt: null,
      closedAt: null,
      dedupe: null,
      spec: '{}',
      state: null,
    }
    const done = {
      status: 'completed',
      lane: 'l',
      rank: 1,
      dueAt: null,
      closedAt: 5,
      dedupe: null,
      state: '{}',
    } as const
    const late = { ...done, status: 'failed' } as const
    const batch = fold((writes) => {
      writes.insertTask(task)
      writes.changeTask(1, done)
      writes.changeTask(2, done)
      writes.changeTask(2, late)
      writes.insertTask({ ...task, seq: 3 })
      writes.deleteTask(3)
      writes.changeTask(4, done)
      writes.deleteTask(4)
    })
    assert.deepEqual(batch.tasksInserted, [{ ...task, ...done }])
    assert.deepEqual(batch.tasksUpdated, [{ seq: 2, change: late }])
    assert.deepEqual(batch.tasksDeleted, [4])
  })

  test('of a schedule the last write counts', () => {
    const builder = new BatchBuilder()
    const row = { namespace: 'n', id: 'a', dueAt: 1, waits: false, spec: '{}', state: '{}' }
    const run = (id: string): RunWrites => builder.run(id as RunId)
    run('1').putSchedule(row)
    run('1').putSchedule({ ...row, dueAt: 2 })
    run('2').putSchedule({ ...row, id: 'b' })
    run('2').dropSchedule({ namespace: 'n', id: 'b' })
    run('3').dropSchedule({ namespace: 'n', id: 'c' })
    run('3').putSchedule({ ...row, id: 'c' })
    const { schedules, schedulesDropped } = builder.fold(session, 1, 5)
    assert.deepEqual(schedules, [
      { ...row, dueAt: 2 },
      { ...row, id: 'c' },
    ])
    assert.deepEqual(schedulesDropped, [{ namespace: 'n', id: 'b' }])
  })

  test('of the setting of a queue the last write counts', () => {
    const builder = new BatchBuilder()
    const row = { namespace: 'n', queue: 'a', revision: 1, setting: '{}' }
    const writes = builder.run('' as RunId)
    writes.putQueueSetting(row)
    writes.putQueueSetting({ ...row, queue: 'b' })
    writes.putQueueSetting({ ...row, revision: 2 })
    assert.equal(builder.isEmpty, false)
    assert.deepEqual(builder.fold(session, 1, 5).queueSettings, [
      { ...row, revision: 2 },
      { ...row, queue: 'b' },
    ])
  })

  test('of a human task the last write counts', () => {
    const builder = new BatchBuilder()
    const runId = 'r' as RunId
    const row = { runId, op: 1, namespace: 'n', workflowId: 'w', rank: '4', offers: '[]', summary: '{}' }
    const writes = builder.run(runId)
    writes.putHumanTask(row)
    writes.putHumanTask({ ...row, op: 2 })
    writes.dropHumanTask(2)
    writes.putHumanTask({ ...row, rank: '5' })
    assert.equal(builder.isEmpty, false)
    const { humanTasks, humanTasksDropped } = builder.fold(session, 1, 5)
    assert.deepEqual(humanTasks, [{ ...row, rank: '5' }])
    assert.deepEqual(humanTasksDropped, [{ runId, op: 2 }])
  })

  test('rows and bytes grow with what is added', () => {
    const builder = new BatchBuilder()
    assert.equal(builder.isEmpty, true)
    const writes = builder.run(run)
    writes.insertExecution(rowOf(0, 1))
    writes.changeExecution(changeOf(1))
    writes.appendEvent(1, 1, eventOf(1))
    writes.appendEvent(2, 1, eventOf(2))
    writes.armTimer(1, 1, 1)
    writes.armTimer(1, 2, 1)
    assert.equal(builder.rows, 3, 'an execution, a journal entry, a timer')
    const { bytes } = builder
    writes.appendEvent(3, 1, { ...eventOf(3), id: 'x'.repeat(1_000) } as Event)
    assert.ok(builder.bytes >= bytes + 1_000)
    assert.equal(builder.rows, 3)
    assert.deepEqual(builder.runs(), [run])
  })
})
