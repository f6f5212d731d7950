/**
 * The rows of a PostgreSQL database as doctor reads them, all of one moment (see `DatabaseConnection`).
 *
 * 1. Runs come in pages, with what belongs to each page in one query each; the journal comes in the same order, from one cursor
 *    that is read along with them. So a run costs no round trip of its own.
 * 2. Memory does not grow with the database: pages are of a fixed number of runs, and as many rows of the journal are fetched
 *    at once as were about 4 MiB last time.
 */
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { HumanTaskRow } from '../../store/contract/human-task-rows.ts'
import type { QueueSettingRow } from '../../store/contract/queue-setting-rows.ts'
import type { RegistryKey, RegistryRow } from '../../store/contract/registry-rows.ts'
import type { OutboxRow } from '../../store/contract/rows.ts'
import type { ScheduleKey, ScheduleRow } from '../../store/contract/schedule-rows.ts'
import type { TaskRow, TaskSeq } from '../../store/contract/task-rows.ts'
import { registryRowOf } from '../../store/postgres/postgres-admin-reads.ts'
import { scheduleOf } from '../../store/postgres/postgres-desk-reads.ts'
import type { Query, Row } from '../../store/postgres/postgres-link.ts'
import { taskOf } from '../../store/postgres/postgres-task-reads.ts'
import type { StoredChain } from './admin-audit.ts'
import type { AuditRows, RunPosition, StoredEntry, StoredExecution } from './audit-rows.ts'
import { shardCountFindings } from './file-ownership.ts'
import type { Finding } from './finding.ts'
import type { StoredHumanTask } from './human-task-audit.ts'
import { attributesOf } from './stored-attributes.ts'

const PAGE_RUNS = 500
const PAGE_ROWS = 1000
/** Their bodies may have 64 KiB each. */
const PAGE_OBJECTS = 100
const FETCH_BYTES = 4 * 1024 * 1024
const FIRST_FETCH_ROWS = 16
const MOST_FETCH_ROWS = 2000
/** Data that cannot be read: corrupted, an internal error, a file that is missing, a text of no encoding. */
const DAMAGE = /^(XX|58|22)/

const EXECUTION_COLUMNS = `day, run_id, namespace, workflow_id, shard, workflow, version, status, active, started_at,
  closed_at, attributes`
const TASK_COLUMNS =
  'seq, namespace, id, queue, part, name, status, lane, rank, due_at, closed_at, dedupe, spec, state'

interface Page {
  readonly runs: readonly StoredExecution[]
  readonly timers: ReadonlyMap<string, readonly { readonly timer: number; readonly dueAt: number }[]>
  readonly currents: ReadonlyMap<string, RunPosition>
  readonly humanTasks: ReadonlyMap<string, readonly StoredHumanTask[]>
}

export class DatabaseRows implements AuditRows {
  readonly #query: Query
  #page: Page | undefined
  #fetched: Row[] = []
  #nextEntry = 0
  #fetchRows = FIRST_FETCH_ROWS
  #cursor: 'unopened' | 'open' | 'ended' = 'unopened'

  constructor(query: Query) {
    this.#query = query
  }

  #ask(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#query({ text, values })
  }

  /** The transaction is the snapshot; an error ends only what is read here. */
  async snapshot<T>(read: () => Promise<T>): Promise<T> {
    await this.#ask('savepoint part')
    try {
      const result = await read()
      await this.#ask('release savepoint part')
      return result
    } catch (error) {
      if (this.isDamage(error)) await this.#ask('rollback to savepoint part')
      throw error
    }
  }

  isDamage(error: unknown): boolean {
    return error instanceof Error && 'code' in error && DAMAGE.test(String(error.code)) && 'severity' in error
  }

  async executionCount(): Promise<number> {
    const [row] = await this.#ask('select count(*) as n from perdure.execution')
    return Number(row?.n)
  }

  async *executions(after: RunPosition): AsyncGenerator<StoredExecution> {
    let runs = this.#restOfPage(after)
    let position = after
    for (;;) {
      for (const run of runs) {
        position = run
        yield run
      }
      this.#page = await this.#readPage(position)
      runs = this.#page.runs
      if (runs.length === 0) return
    }
  }

  #restOfPage({ day, runId }: RunPosition): readonly StoredExecution[] {
    const runs = this.#page?.runs ?? []
    const at = runs.findIndex((run) => run.day === day && run.runId === runId)
    return at < 0 ? [] : runs.slice(at + 1)
  }

  async #readPage(after: RunPosition): Promise<Page> {
    const day = Math.max(after.day, -2_147_483_648)
    const rows = await this.#ask(
      `select ${EXECUTION_COLUMNS} from perdure.execution where day >= $1 and (day, run_id) > ($1, $2)
       order by day, run_id limit ${PAGE_RUNS}`,
      [day, after.runId],
    )
    const runs = rows.map(executionOf)
    const of = [runs.map((run) => run.day), runs.map(({ runId }) => runId)]
    const timers = await this.#ask(
      `select run_id, timer, due_at from perdure.timer
       join unnest($1::int4[], $2::text[]) as asked (day, run_id) using (day, run_id) order by timer`,
      of,
    )
    const currents = await this.#ask(
      `select namespace, workflow_id, day, run_id from perdure.current
       join (select distinct * from unnest($1::text[], $2::text[]) as given (namespace, workflow_id)) as asked
         using (namespace, workflow_id)`,
      [runs.map(({ key }) => key.namespace), runs.map(({ key }) => key.workflowId)],
    )
    return {
      runs,
      timers: grouped(timers, (row) => ({ timer: Number(row.timer), dueAt: Number(row.due_at) })),
      currents: new Map(currents.map((row) => [keyText(row.namespace, row.workflow_id), positionOf(row)])),
      humanTasks: await this.#humanTasksOf(runs.map(({ runId }) => runId)),
    }
  }

  async #humanTasksOf(runIds: readonly string[]): Promise<Page['humanTasks']> {
    const rows = await this.#ask(
      `select run_id, op, namespace, workflow_id, rank, offers, summary,
         (select coalesce(json_agg(inbox), '[]') from perdure.human_offer as offer
          where offer.run_id = task.run_id and offer.op = task.op) as inboxes
       from perdure.human_task as task where run_id = any ($1::text[]) order by op`,
      [runIds],
    )
    return grouped(rows, (row) => ({ row: humanTaskOf(row), inboxes: row.inboxes as string[] }))
  }

  async execution({ day, runId }: RunPosition): Promise<StoredExecution | undefined> {
    const text = `select ${EXECUTION_COLUMNS} from perdure.execution where day = $1 and run_id = $2`
    const [row] = await this.#ask(text, [day, runId])
    return row === undefined ? undefined : executionOf(row)
  }

  /** Those of runs before it that were not read belong to no summary. */
  async *entries(of: RunPosition): AsyncGenerator<StoredEntry> {
    for (;;) {
      const row = this.#fetched[this.#nextEntry]
      if (row === undefined) {
        if (!(await this.#fetch())) return
        continue
      }
      const order = compared(positionOf(row), of)
      if (order > 0) return
      this.#nextEntry += 1
      if (order === 0) yield entryOf(row)
    }
  }

  async #fetch(): Promise<boolean> {
    if (this.#cursor === 'unopened') {
      // Sorted by the index: nothing of the size of the journal is written aside.
      await this.#ask('set local enable_sort = off')
      await this.#ask(
        `declare entries no scroll cursor for
         select day, run_id, seq, epoch, count, format, events from perdure.journal order by day, run_id, seq`,
      )
      await this.#ask('set local enable_sort = on')
      this.#cursor = 'open'
    }
    if (this.#cursor === 'ended') return false
    this.#fetched = await this.#ask(`fetch forward ${this.#fetchRows} from entries`)
    this.#nextEntry = 0
    if (this.#fetched.length < this.#fetchRows) this.#cursor = 'ended'
    const bytes = this.#fetched.reduce((sum, { events }) => sum + String(events).length, 1)
    const fitting = Math.floor((FETCH_BYTES / bytes) * this.#fetched.length)
    this.#fetchRows = Math.max(1, Math.min(fitting, 2 * this.#fetchRows, MOST_FETCH_ROWS))
    return this.#fetched.length > 0
  }

  timers({ runId }: RunPosition): readonly { readonly timer: number; readonly dueAt: number }[] {
    return this.#page?.timers.get(runId) ?? []
  }

  humanTasks(runId: string): readonly StoredHumanTask[] {
    return this.#page?.humanTasks.get(runId) ?? []
  }

  /** Of a run of this page, or of a child of one. */
  async current({ namespace, workflowId }: WorkflowKey): Promise<RunPosition | undefined> {
    const known = this.#page?.currents.get(keyText(namespace, workflowId))
    if (known !== undefined) return known
    const text = 'select day, run_id from perdure.current where namespace = $1 and workflow_id = $2'
    const [row] = await this.#ask(text, [namespace, workflowId])
    return row === undefined ? undefined : positionOf(row)
  }

  async *outbox(): AsyncGenerator<OutboxRow> {
    let after: readonly unknown[] = [-1, -1, -1]
    for (;;) {
      const rows = await this.#ask(
        `select from_shard, to_shard, seq, message from perdure.outbox where (from_shard, to_shard, seq) > ($1, $2, $3)
         order by from_shard, to_shard, seq limit ${PAGE_ROWS}`,
        after,
      )
      for (const { from_shard, to_shard, seq, message } of rows) {
        after = [from_shard, to_shard, seq]
        const place = { fromShard: Number(from_shard), toShard: Number(to_shard), seq: Number(seq) }
        yield { ...place, message: String(message) }
      }
      if (rows.length < PAGE_ROWS) return
    }
  }

  async *tasks(after: TaskSeq): AsyncGenerator<TaskRow> {
    let seq = after
    for (;;) {
      const rows = await this.#ask(
        `select ${TASK_COLUMNS} from perdure.task where seq > $1 order by seq limit ${PAGE_ROWS}`,
        [seq],
      )
      for (const row of rows) {
        seq = Number(row.seq)
        yield taskOf(row)
      }
      if (rows.length < PAGE_ROWS) return
    }
  }

  async *schedules(after: ScheduleKey): AsyncGenerator<ScheduleRow> {
    let { namespace, id } = after
    for (;;) {
      const rows = await this.#ask(
        `select namespace, id, due_at, waits, spec, state from perdure.schedule
         where (namespace, id) > ($1, $2) order by namespace, id limit ${PAGE_ROWS}`,
        [namespace, id],
      )
      for (const each of rows.map(scheduleOf)) {
        namespace = each.namespace
        id = each.id
        yield each
      }
      if (rows.length < PAGE_ROWS) return
    }
  }

  /** Few: as many as queues that somebody has changed. */
  async *queueSettings(): AsyncGenerator<QueueSettingRow> {
    const text =
      'select namespace, queue, revision, setting from perdure.queue_setting order by namespace, queue'
    for (const { namespace, queue, revision, setting } of await this.#ask(text))
      yield {
        namespace: String(namespace),
        queue: String(queue),
        revision: Number(revision),
        setting: String(setting),
      }
  }

  async *registry(after: RegistryKey): AsyncGenerator<RegistryRow> {
    let { kind, namespace, id } = after
    for (;;) {
      const rows = await this.#ask(
        `select kind, namespace, id, revision, changed_at, request, body from perdure.registry
         where (kind, namespace, id) > ($1, $2, $3) order by kind, namespace, id limit ${PAGE_OBJECTS}`,
        [kind, namespace, id],
      )
      for (const each of rows.map(registryRowOf)) {
        kind = each.kind
        namespace = each.namespace
        id = each.id
        yield each
      }
      if (rows.length < PAGE_OBJECTS) return
    }
  }

  async auditedSessions(): Promise<readonly number[]> {
    const rows = await this.#ask('select distinct session from perdure.audit order by session')
    return rows.map(({ session }) => Number(session))
  }

  async auditChain(session: number): Promise<StoredChain> {
    const [row] = await this.#ask(
      `select count(*) as n, min(seq) as first, max(seq) as last,
         (select seq from perdure.audit_dropped where session = $1) as dropped
       from perdure.audit where session = $1`,
      [session],
    )
    return {
      session,
      rows: Number(row?.n),
      firstSeq: Number(row?.first),
      lastSeq: Number(row?.last),
      droppedSeq: Number(row?.dropped ?? 0),
    }
  }

  /** Only those of runs that are not there, or that have offers of tasks that are not. */
  async *runsOfHumanTasks(): AsyncGenerator<{ readonly runId: RunId; readonly count: number }> {
    const rows = await this.#ask(`
      select run_id, max(n) as n from (
        select run_id, 1 as n from perdure.human_task as task
        where not exists (select from perdure.execution where execution.run_id = task.run_id)
        union all
        select run_id, 0 from perdure.human_offer as offer
        where not exists (
          select from perdure.human_task as task where task.run_id = offer.run_id and task.op = offer.op)
      ) as lost group by run_id limit ${PAGE_ROWS}`)
    for (const row of rows) yield { runId: String(row.run_id) as RunId, count: 0 }
  }

  async *withoutSummary(table: 'journal' | 'timer'): AsyncGenerator<RunPosition> {
    const rows = await this.#ask(`
      select distinct day, run_id from perdure.${table} as own
      where not exists (
        select from perdure.execution where execution.day = own.day and execution.run_id = own.run_id)
      limit ${PAGE_ROWS}`)
    yield* rows.map(positionOf)
  }

  async *danglingCurrents(): AsyncGenerator<{ readonly workflowId: string; readonly runId: RunId }> {
    const rows = await this.#ask(`
      select current.workflow_id, current.run_id from perdure.current
      left join perdure.execution on execution.day = current.day and execution.run_id = current.run_id
      where execution.workflow_id is distinct from current.workflow_id
        or execution.namespace is distinct from current.namespace limit ${PAGE_ROWS}`)
    for (const row of rows) yield { workflowId: String(row.workflow_id), runId: String(row.run_id) as RunId }
  }

  async ownershipFindings(): Promise<readonly Finding[]> {
    const shards = (await this.#ask('select id from perdure.shard order by id')).map(({ id }) => ({
      id: Number(id),
    }))
    const [row] = await this.#ask(`
      select count(*) as n from perdure.shard where session_id is not null
        and not exists (select from perdure.session where session.id = shard.session_id)`)
    const lost = Number(row?.n)
    const findings = shardCountFindings(shards, (await this.meta('shards')) ?? 0)
    if (lost === 0) return findings
    return [
      ...findings,
      { code: 'shards-wrong', detail: `${lost} shards belong to a session that is not there` },
    ]
  }

  async newestSession(): Promise<number> {
    const [row] = await this.#ask('select max(id) as id from perdure.session')
    return Number(row?.id ?? 0)
  }

  async meta(key: string): Promise<number | undefined> {
    const [row] = await this.#ask('select value from perdure.meta where key = $1', [key])
    return row === undefined ? undefined : Number(row.value)
  }

  async clockFloor(): Promise<number> {
    const [row] = await this.#ask(`
      select greatest((select value from perdure.meta where key = 'clock_floor'),
        (select max(at) from perdure.commit)) as at`)
    return Number(row?.at ?? 0)
  }
}

function grouped<T>(rows: readonly Row[], of: (row: Row) => T): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const runId = String(row.run_id)
    const group = groups.get(runId)
    if (group === undefined) groups.set(runId, [of(row)])
    else group.push(of(row))
  }
  return groups
}

/** Run ids are ASCII: their order is that of their bytes. */
function compared(a: RunPosition, b: RunPosition): number {
  if (a.day !== b.day) return a.day - b.day
  if (a.runId === b.runId) return 0
  return a.runId < b.runId ? -1 : 1
}

function keyText(namespace: unknown, workflowId: unknown): string {
  return JSON.stringify([namespace, workflowId])
}

function positionOf(row: Row): RunPosition {
  return { day: Number(row.day), runId: String(row.run_id) }
}

function entryOf({ seq, epoch, count, format, events }: Row): StoredEntry {
  const numbers = { seq: Number(seq), epoch: Number(epoch), count: Number(count), format: Number(format) }
  return { ...numbers, events: String(events) }
}

function executionOf(row: Row): StoredExecution {
  return {
    day: Number(row.day),
    runId: String(row.run_id) as RunId,
    key: { namespace: String(row.namespace), workflowId: String(row.workflow_id) },
    shard: Number(row.shard),
    workflow: String(row.workflow),
    version: String(row.version),
    status: String(row.status) as ExecutionStatus,
    active: row.active === true,
    startedAt: Number(row.started_at),
    closedAt: row.closed_at === null ? null : Number(row.closed_at),
    attributes: attributesOf(row.attributes ?? null),
  }
}

function humanTaskOf(row: Row): HumanTaskRow {
  return {
    runId: String(row.run_id) as RunId,
    op: Number(row.op),
    namespace: String(row.namespace),
    workflowId: String(row.workflow_id),
    rank: String(row.rank),
    offers: String(row.offers),
    summary: String(row.summary),
  }
}
