/**
 * Writes sessions and batches through one connection: the only writer of its file.
 *
 * 1. A batch is one transaction. It begins with the guard: the session exists with its incarnation and is not fenced.
 * 2. Whatever is refused is rolled back whole.
 * 3. Numbers of old batches are dropped in bulk; the newest ones of this session and the last one of each earlier session
 *    stay, and the highest time among those dropped goes to `meta`, as the floor of the clock.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { CommitOutcome } from '../contract/batch.ts'
import type { NodeIdentity, Session } from '../contract/rows.ts'
import { RunDays } from '../contract/run-days.ts'
import { AdminWriter } from './admin-writer.ts'
import type { BatchCursor, BatchHead } from './batch-message.ts'
import { ExecutionUpdater } from './execution-updater.ts'
import { RowInserter } from './row-inserter.ts'
import { isRefusal } from './sqlite-error.ts'

/** Old batch numbers are dropped after this many commits; as many stay. */
const COMMITS_KEPT = 1000
/** Older sessions are dropped when a new one registers. */
const SESSIONS_KEPT = 1000

export class BatchWriter {
  private readonly statements: ReturnType<typeof prepareStatements>
  private readonly inserters: ReturnType<typeof prepareInserters>
  private readonly updater: ExecutionUpdater
  private readonly admin: AdminWriter
  private readonly days = new RunDays()

  /** Everything but a refusal is thrown, and leaves the connection fit only for closing. */
  constructor(database: DatabaseSync) {
    this.statements = prepareStatements(database)
    this.inserters = prepareInserters(database)
    this.updater = new ExecutionUpdater(database)
    this.admin = new AdminWriter(database)
  }

  register(node: NodeIdentity): { session: Session; clockFloorMs: number } {
    const { statements } = this
    return this.transaction(() => {
      const id = Number(statements.nextSession.get()?.id)
      statements.fenceAll.run(node.nowMs)
      statements.insertSession.run(id, node.incarnation, node.node, node.nowMs)
      statements.takeShards.run(id)
      statements.raiseClockFloor.run()
      statements.dropSessionCommits.run(id - SESSIONS_KEPT)
      statements.dropSessions.run(id - SESSIONS_KEPT)
      const clockFloorMs = Number(statements.clockFloor.get()?.floor)
      return { session: { id, incarnation: node.incarnation }, clockFloorMs }
    })
  }

  fence(session: Session, atMs: number): void {
    this.transaction(() => this.statements.fence.run(atMs, session.id, session.incarnation))
  }

  /** `cursorOf` may throw too: a batch that cannot be read is refused. */
  commit(message: BatchHead, cursorOf: () => BatchCursor): CommitOutcome {
    const { statements } = this
    let begun = false
    try {
      const cursor = cursorOf()
      statements.begin.run()
      begun = true
      if (statements.guard.get(message.sessionId, message.incarnation) === undefined) {
        statements.rollback.run()
        return { outcome: 'fenced' }
      }
      statements.insertCommit.run(message.sessionId, message.seq, message.atMs)
      this.writeRuns(cursor, message)
      this.writeRest(cursor, message)
      this.writeTasks(cursor, message)
      this.writeSchedules(cursor, message)
      this.writeQueueSettings(cursor, message)
      this.writeHumanTasks(cursor, message)
      this.admin.write(cursor, message)
      if (message.seq % COMMITS_KEPT === 0) this.dropOldCommits(message)
      statements.commit.run()
      return { outcome: 'committed' }
    } catch (error) {
      for (const inserter of Object.values(this.inserters)) inserter.reset()
      this.updater.reset()
      this.admin.reset()
      if (!isRefusal(error)) throw error
      if (begun) statements.rollback.run()
      return { outcome: 'refused', reason: error instanceof Error ? error.message : String(error) }
    }
  }

  private writeRuns(cursor: BatchCursor, { counts }: BatchHead): void {
    const { statements, inserters, updater, days } = this
    for (let i = 0; i < counts.journal; i++) {
      const runId = cursor.runId()
      const events = cursor.text()
      inserters.journal.add(days.of(runId), runId, cursor.number(), cursor.number(), cursor.number(), events)
    }
    inserters.journal.flush()
    for (let i = 0; i < counts.executionsInserted; i++) {
      const runId = cursor.runId()
      inserters.execution.add(
        days.of(runId),
        runId,
        cursor.text(),
        cursor.text(),
        cursor.text(),
        cursor.text(),
      )
      inserters.execution.add(cursor.text(), cursor.textOrNull())
      inserters.execution.add(cursor.number(), cursor.number(), cursor.number(), cursor.numberOrNull())
    }
    inserters.execution.flush()
    for (let i = 0; i < counts.executionsUpdated; i++) {
      const runId = cursor.runId()
      const status = cursor.text()
      const attributes = cursor.textOrNull()
      const active = cursor.number()
      const closedAt = cursor.numberOrNull()
      updater.add(runId, { day: days.of(runId), status, active, closedAt, attributes })
    }
    updater.flush()
    for (let i = 0; i < counts.currents; i++) {
      const namespace = cursor.text()
      const workflowId = cursor.text()
      const runId = cursor.runId()
      inserters.current.add(namespace, workflowId, days.of(runId), runId)
    }
    inserters.current.flush()
    for (let i = 0; i < counts.currentsDropped; i++) statements.dropCurrent.run(cursor.text(), cursor.text())
  }

  private writeRest(cursor: BatchCursor, { counts }: BatchHead): void {
    const { statements, inserters, days } = this
    for (let i = 0; i < counts.timersArmed; i++) {
      const runId = cursor.runId()
      inserters.timer.add(days.of(runId), runId, cursor.number(), cursor.number(), cursor.number())
    }
    inserters.timer.flush()
    for (let i = 0; i < counts.timersDropped; i++) {
      const runId = cursor.runId()
      statements.dropTimer.run(days.of(runId), runId, cursor.number())
    }
    for (let i = 0; i < counts.outboxAdded; i++) {
      inserters.outbox.add(cursor.text(), cursor.number(), cursor.number(), cursor.number())
    }
    inserters.outbox.flush()
    for (let i = 0; i < counts.outboxDropped; i++) {
      statements.dropMessage.run(cursor.number(), cursor.number(), cursor.number())
    }
    for (let i = 0; i < counts.deleted; i++) {
      const runId = cursor.runId()
      const day = days.of(runId)
      statements.deleteCurrent.run(cursor.text(), cursor.text(), runId)
      for (const statement of statements.deleteRun) statement.run(day, runId)
    }
  }

  private writeTasks(cursor: BatchCursor, { counts }: BatchHead): void {
    const { statements, inserters } = this
    for (let i = 0; i < counts.tasksInserted; i++) {
      inserters.task.add(cursor.text(), cursor.textOrNull(), cursor.text(), cursor.text(), cursor.text())
      inserters.task.add(cursor.text(), cursor.text(), cursor.textOrNull())
      inserters.task.add(cursor.number(), cursor.number(), cursor.number())
      inserters.task.add(cursor.numberOrNull(), cursor.numberOrNull())
    }
    inserters.task.flush()
    for (let i = 0; i < counts.tasksUpdated; i++) {
      const status = cursor.text()
      const lane = cursor.text()
      const state = cursor.textOrNull()
      const seq = cursor.number()
      const rank = cursor.number()
      statements.updateTask.run(status, lane, rank, cursor.numberOrNull(), cursor.numberOrNull(), state, seq)
    }
    for (let i = 0; i < counts.taskKeys; i++)
      statements.updateTaskKey.run(cursor.textOrNull(), cursor.number())
    for (let i = 0; i < counts.tasksDeleted; i++) statements.deleteTask.run(cursor.number())
  }

  private writeSchedules(cursor: BatchCursor, { counts }: BatchHead): void {
    const { putSchedule, dropSchedule } = this.statements
    for (let i = 0; i < counts.schedules; i++) {
      const namespace = cursor.text()
      const id = cursor.text()
      const spec = cursor.text()
      const state = cursor.text()
      putSchedule.run(namespace, id, cursor.numberOrNull(), cursor.number(), spec, state)
    }
    for (let i = 0; i < counts.schedulesDropped; i++) dropSchedule.run(cursor.text(), cursor.text())
  }

  private writeQueueSettings(cursor: BatchCursor, { counts }: BatchHead): void {
    const { putQueueSetting } = this.statements
    for (let i = 0; i < counts.queueSettings; i++)
      putQueueSetting.run(cursor.text(), cursor.text(), cursor.text(), cursor.number())
  }

  private writeHumanTasks(cursor: BatchCursor, { counts }: BatchHead): void {
    const { putHumanTask, dropHumanTask, offerHumanTask, dropHumanOffers } = this.statements
    for (let i = 0; i < counts.humanTasks; i++) {
      const runId = cursor.text()
      const namespace = cursor.text()
      const workflowId = cursor.text()
      const rank = cursor.text()
      const offers = cursor.text()
      const summary = cursor.text()
      const op = cursor.number()
      dropHumanOffers.run(runId, op)
      putHumanTask.run(runId, op, namespace, workflowId, rank, offers, summary)
      offerHumanTask.run(namespace, rank, runId, op, offers)
    }
    for (let i = 0; i < counts.humanTasksDropped; i++) {
      const runId = cursor.text()
      const op = cursor.number()
      dropHumanOffers.run(runId, op)
      dropHumanTask.run(runId, op)
    }
  }

  private dropOldCommits(message: BatchHead): void {
    const { statements } = this
    statements.raiseClockFloor.run()
    statements.dropOldCommits.run(message.sessionId, message.seq - COMMITS_KEPT)
    statements.dropOldSessionCommits.run(message.sessionId)
  }

  /** A failure is fail-stop: closing the connection rolls back. */
  private transaction<T>(write: () => T): T {
    this.statements.begin.run()
    const result = write()
    this.statements.commit.run()
    return result
  }
}

const CLOCK_FLOOR = `
  max(coalesce((select value from meta where key = 'clock_floor'), 0), coalesce((select max(at) from "commit"), 0))`

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    begin: prepare('begin immediate'),
    commit: prepare('commit'),
    rollback: prepare('rollback'),
    guard: prepare('select 1 from session where id = ? and incarnation = ? and fenced_at is null'),
    insertCommit: prepare('insert into "commit" (session_id, seq, at) values (?, ?, ?)'),
    nextSession: prepare('select coalesce(max(id), 0) + 1 as id from session'),
    insertSession: prepare('insert into session (id, incarnation, node, heartbeat_at) values (?, ?, ?, ?)'),
    fenceAll: prepare('update session set fenced_at = ? where fenced_at is null'),
    fence: prepare('update session set fenced_at = ? where id = ? and incarnation = ? and fenced_at is null'),
    takeShards: prepare('update shard set session_id = ?, epoch = epoch + 1'),
    dropSessionCommits: prepare('delete from "commit" where session_id <= ?'),
    dropSessions: prepare('delete from session where id <= ?'),
    clockFloor: prepare(`select ${CLOCK_FLOOR} as floor`),
    raiseClockFloor: prepare(`update meta set value = ${CLOCK_FLOOR} where key = 'clock_floor'`),
    dropOldCommits: prepare('delete from "commit" where session_id = ? and seq <= ?'),
    dropOldSessionCommits: prepare(`
      delete from "commit" where session_id < ?
      and seq < (select max(last.seq) from "commit" as last where last.session_id = "commit".session_id)`),
    dropCurrent: prepare('delete from current where namespace = ? and workflow_id = ?'),
    dropTimer: prepare('delete from timer where day = ? and run_id = ? and timer = ?'),
    dropMessage: prepare('delete from outbox where from_shard = ? and to_shard = ? and seq = ?'),
    deleteCurrent: prepare('delete from current where namespace = ? and workflow_id = ? and run_id = ?'),
    updateTask: prepare(`
      update or fail task set status = ?, lane = ?, rank = ?, due_at = ?, closed_at = ?, state = ? where seq = ?`),
    updateTaskKey: prepare('update or fail task set dedupe = ? where seq = ?'),
    deleteTask: prepare('delete from task where seq = ?'),
    putSchedule: prepare(`
      insert or fail into schedule (namespace, id, due_at, waits, spec, state) values (?, ?, ?, ?, ?, ?)
      on conflict (namespace, id) do update set
        due_at = excluded.due_at, waits = excluded.waits, spec = excluded.spec, state = excluded.state`),
    dropSchedule: prepare('delete from schedule where namespace = ? and id = ?'),
    putQueueSetting: prepare(`
      insert or fail into queue_setting (namespace, queue, setting, revision) values (?, ?, ?, ?)
      on conflict (namespace, queue) do update set setting = excluded.setting, revision = excluded.revision`),
    putHumanTask: prepare(`
      insert or fail into human_task (run_id, op, namespace, workflow_id, rank, offers, summary)
      values (?, ?, ?, ?, ?, ?, ?)
      on conflict (run_id, op) do update set
        namespace = excluded.namespace, workflow_id = excluded.workflow_id, rank = excluded.rank,
        offers = excluded.offers, summary = excluded.summary`),
    dropHumanTask: prepare('delete from human_task where run_id = ? and op = ?'),
    offerHumanTask: prepare(`
      insert or fail into human_offer (namespace, rank, run_id, op, inbox)
      select ?, ?, ?, ?, value from json_each(?)`),
    dropHumanOffers: prepare('delete from human_offer where run_id = ? and op = ?'),
    deleteRun: ['journal', 'execution', 'timer'].map((table) =>
      prepare(`delete from ${table} where day = ? and run_id = ?`),
    ),
  }
}

/**
 * `or fail`: without it a statement of many rows keeps a journal of its own, in a temporary file, to take back a part of
 * itself. Nothing needs that here, since a batch that is refused is rolled back whole.
 */
function prepareInserters(database: DatabaseSync) {
  return {
    journal: new RowInserter(database, {
      into: 'insert or fail into journal (day, run_id, seq, epoch, count, events, format)',
      row: '(?, ?, ?, ?, ?, ?, 1)',
    }),
    execution: new RowInserter(database, {
      into: `insert or fail into execution (day, run_id, namespace, workflow_id, workflow, version, status, attributes,
        shard, active, started_at, closed_at)`,
      row: '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    }),
    current: new RowInserter(database, {
      into: 'insert or fail into current (namespace, workflow_id, day, run_id)',
      row: '(?, ?, ?, ?)',
      tail: `on conflict (namespace, workflow_id) do update set day = excluded.day, run_id = excluded.run_id`,
    }),
    timer: new RowInserter(database, {
      into: 'insert or fail into timer (day, run_id, timer, due_at, shard)',
      row: '(?, ?, ?, ?, ?)',
      tail: 'on conflict (day, run_id, timer) do update set due_at = excluded.due_at, shard = excluded.shard',
    }),
    task: new RowInserter(database, {
      into: `insert or fail into task (namespace, id, queue, name, status, lane, spec, state, seq, part, rank, due_at,
        closed_at)`,
      row: '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    }),
    outbox: new RowInserter(database, {
      into: 'insert or fail into outbox (message, from_shard, to_shard, seq)',
      row: '(?, ?, ?, ?)',
    }),
  }
}
