/** Reads of executions, their journal, timers and messages. */
import type { Attributes } from '../../protocol/event.ts'
import type { ExecutionStatus } from '../../protocol/execution-status.ts'
import { type RunId, runDay, type WorkflowKey } from '../../protocol/ids.ts'
import { isListed } from '../contract/list-filter.ts'
import type { ExecutionRow, JournalEntry, OutboxRow, TimerRow } from '../contract/rows.ts'
import type { StoreListQuery, TimerPage } from '../contract/store.ts'
import { Conditions } from './conditions.ts'
import type { Row, Statement } from './postgres-link.ts'

export type Ask = (statement: Statement) => Promise<Row[]>

const EXECUTION_COLUMNS = `run_id, namespace, workflow_id, shard, workflow, version, status, active, started_at,
  closed_at, attributes`
/** Word for word the condition of the index `execution_recoverable`. */
const RECOVERABLE = `(status = 'parked' or (status = 'running' and active))`
/** Word for word the condition of the index `execution_open`. */
const OPEN = `status in ('running', 'parked')`
const OF_SHARDS = 'and shard = any ($SHARDS::int4[])'
/** Rows of a list that are read at once, where more are read than are wanted. */
const LIST_PAGE = 1000

export class PostgresReads {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  async currents(keys: readonly WorkflowKey[]): Promise<(RunId | undefined)[]> {
    if (keys.length === 0) return []
    const text = `
      select run_id from unnest($1::text[], $2::text[]) with ordinality as asked (namespace, workflow_id, n)
      left join perdure.current using (namespace, workflow_id) order by n`
    const values = [keys.map(({ namespace }) => namespace), keys.map(({ workflowId }) => workflowId)]
    const rows = await this.#ask({ name: 'perdure-currents', text, values })
    return rows.map(({ run_id }) => (run_id ?? undefined) as RunId | undefined)
  }

  async executions(runIds: readonly RunId[]): Promise<(ExecutionRow | undefined)[]> {
    if (runIds.length === 0) return []
    const text = `
      select ${EXECUTION_COLUMNS} from perdure.execution
      join unnest($1::int[], $2::text[]) as asked (day, run_id) using (day, run_id)`
    const unique = [...new Set(runIds)]
    const rows = await this.#ask({ name: 'perdure-executions', text, values: [unique.map(runDay), unique] })
    const found = new Map(rows.map((row) => [row.run_id, row]))
    return runIds.map((runId) => {
      const row = found.get(runId)
      return row === undefined ? undefined : executionOf(row)
    })
  }

  async journal(runId: RunId, afterSeq: number, limit: number): Promise<JournalEntry[]> {
    // Entries of a run do not overlap: the first one that can hold an event after `afterSeq` is the last one at or below it.
    const text = `
      select seq, epoch, count, events from perdure.journal
      where day = $1 and run_id = $2
        and seq >= coalesce(
          (select max(seq) from perdure.journal where day = $1 and run_id = $2 and seq <= $3), 0)
        and seq + count - 1 > $3
      order by seq limit $4`
    const values = [runDay(runId), runId, afterSeq, bounded(limit)]
    const rows = await this.#ask({ name: 'perdure-journal', text, values })
    return rows.map((row) => entryOf(runId, row))
  }

  async firstEntries(runIds: readonly RunId[], limit: number): Promise<JournalEntry[][]> {
    if (runIds.length === 0) return []
    const text = `
      select n, first.* from unnest($1::int[], $2::text[]) with ordinality as asked (day, run_id, n)
      cross join lateral (
        select seq, epoch, count, events from perdure.journal as entry
        where entry.day = asked.day and entry.run_id = asked.run_id order by seq limit $3) as first
      order by n, seq`
    const values = [runIds.map(runDay), runIds, bounded(limit)]
    const found = runIds.map((): JournalEntry[] => [])
    for (const row of await this.#ask({ name: 'perdure-first-entries', text, values })) {
      const index = Number(row.n) - 1
      const runId = runIds[index]
      if (runId !== undefined) found[index]?.push(entryOf(runId, row))
    }
    return found
  }

  async lastEntry(runId: RunId): Promise<JournalEntry | undefined> {
    const text = `
      select seq, epoch, count, events from perdure.journal where day = $1 and run_id = $2
      order by seq desc limit 1`
    const [row] = await this.#ask({ name: 'perdure-last-entry', text, values: [runDay(runId), runId] })
    return row === undefined ? undefined : entryOf(runId, row)
  }

  /** @param shards only those of these; default: all */
  async recoverable(
    after: RunId | undefined,
    limit: number,
    shards?: readonly number[],
  ): Promise<ExecutionRow[]> {
    const text = `
      select ${EXECUTION_COLUMNS} from perdure.execution
      where ${RECOVERABLE} and day >= $1 and (day, run_id) > ($1, $2) ${shards === undefined ? '' : OF_SHARDS}
      order by day, run_id limit $3`
    const values = [after === undefined ? -1 : runDay(after), after ?? '', bounded(limit)]
    const statement =
      shards === undefined
        ? { name: 'perdure-recoverable', text, values }
        : { name: 'perdure-recoverable-of', text: text.replace('$SHARDS', '$4'), values: [...values, shards] }
    return (await this.#ask(statement)).map(executionOf)
  }

  /** Stops at `most`: what it costs does not grow with what is there beyond, nor with what has closed. */
  async countOpen(namespace: string, most: number): Promise<number> {
    const text = `
      select count(*) as open from (
        select from perdure.execution where namespace = $1 and ${OPEN} limit $2) as counted`
    const values = [namespace, bounded(most)]
    const [row] = await this.#ask({ name: 'perdure-open', text, values })
    return Number(row?.open)
  }

  /** @param shards only those of these; default: all */
  async timers({ after, upToMs, limit }: TimerPage, shards?: readonly number[]): Promise<TimerRow[]> {
    const text = `
      select run_id, timer, shard, due_at from perdure.timer
      where (due_at, run_id, timer) > ($1, $2, $3) and due_at <= $4 ${shards === undefined ? '' : OF_SHARDS}
      order by due_at, run_id, timer limit $5`
    const values = [bounded(after.dueAt), after.runId, after.timer, bounded(upToMs), bounded(limit)]
    const statement =
      shards === undefined
        ? { name: 'perdure-timers', text, values }
        : { name: 'perdure-timers-of', text: text.replace('$SHARDS', '$6'), values: [...values, shards] }
    const rows = await this.#ask(statement)
    return rows.map((row) => ({
      runId: row.run_id as RunId,
      timer: Number(row.timer),
      shard: Number(row.shard),
      dueAt: Number(row.due_at),
    }))
  }

  async outbox(limit: number): Promise<OutboxRow[]> {
    const text = `
      select from_shard, to_shard, seq, message from perdure.outbox order by from_shard, to_shard, seq limit $1`
    const rows = await this.#ask({ name: 'perdure-outbox', text, values: [bounded(limit)] })
    return rows.map((row) => ({
      fromShard: Number(row.from_shard),
      toShard: Number(row.to_shard),
      seq: Number(row.seq),
      message: String(row.message),
    }))
  }

  /** Columns are compared by SQL, attributes here, so that a number never equals a boolean. */
  async list(query: StoreListQuery): Promise<ExecutionRow[]> {
    const rows: ExecutionRow[] = []
    let before = query.before
    while (rows.length < query.limit) {
      const isWhole = query.attributes === undefined
      const most = isWhole ? bounded(query.limit) : LIST_PAGE
      const page = (await this.#ask(listStatement(query, before, most))).map(executionOf)
      for (const row of page) {
        if (rows.length >= query.limit) break
        if (isListed(row, query)) rows.push(row)
      }
      before = page.at(-1)?.runId
      if (page.length < most) break
    }
    return rows
  }
}

function listStatement(query: StoreListQuery, before: RunId | undefined, limit: number): Statement {
  const where = new Conditions()
  const isUp = query.oldestFirst === true
  if (before !== undefined) {
    const day = where.value(runDay(before))
    where.add(`day ${isUp ? '>=' : '<='} ${day}`)
    where.add(`(day, run_id) ${isUp ? '>' : '<'} (${day}, ${where.value(before)})`)
  }
  const { namespace, status, workflow, startedFrom, startedTo, closedBefore } = query
  if (namespace !== undefined) where.add(`namespace = ${where.value(namespace)}`)
  if (status !== undefined) where.add(`status = any (${where.value(status)}::text[])`)
  if (workflow !== undefined) where.add(`workflow = ${where.value(workflow)}`)
  if (startedFrom !== undefined) where.add(`started_at >= ${where.value(startedFrom)}::float8`)
  if (startedTo !== undefined) where.add(`started_at < ${where.value(startedTo)}::float8`)
  if (closedBefore !== undefined) where.add(`closed_at < ${where.value(closedBefore)}::float8`)
  const order = isUp ? 'day, run_id' : 'day desc, run_id desc'
  const end = `order by ${order} limit ${where.value(limit)}`
  return {
    text: `select ${EXECUTION_COLUMNS} from perdure.execution ${where.sql} ${end}`,
    values: where.values,
  }
}

/** Limits, positions and times may be infinite; the integers of SQL are not. */
export function bounded(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER))
}

function entryOf(runId: RunId, { seq, epoch, count, events }: Row): JournalEntry {
  return { runId, seq: Number(seq), epoch: Number(epoch), count: Number(count), events: String(events) }
}

function executionOf(row: Row): ExecutionRow {
  return {
    runId: row.run_id as RunId,
    key: { namespace: String(row.namespace), workflowId: String(row.workflow_id) },
    shard: Number(row.shard),
    workflow: String(row.workflow),
    version: String(row.version),
    status: row.status as ExecutionStatus,
    active: row.active === true,
    startedAt: Number(row.started_at),
    closedAt: row.closed_at === null ? null : Number(row.closed_at),
    attributes: row.attributes === null ? null : (JSON.parse(String(row.attributes)) as Attributes),
  }
}
