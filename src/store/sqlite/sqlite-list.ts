/**
 * `list`, window by window: a query that selects little would otherwise hold the thread of the engine while it reads
 * through the whole table. Between two windows other work runs.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { type RunId, runDay } from '../../protocol/ids.ts'
import { isListed } from '../contract/list-filter.ts'
import type { ExecutionRow } from '../contract/rows.ts'
import type { StoreListQuery } from '../contract/store.ts'
import { EXECUTION_COLUMNS, executionOf } from './sqlite-reads.ts'

/** Rows looked at before other work runs: about 2 ms. */
const WINDOW_ROWS = 4000

interface Position {
  readonly day: number
  readonly runId: string
}

const BEFORE_ALL: Position = { day: Number.MIN_SAFE_INTEGER, runId: '' }
const AFTER_ALL: Position = { day: Number.MAX_SAFE_INTEGER, runId: '' }

/** Runs one uninterrupted read, in the caller's way of handling its failures. */
type Read = <T>(read: (database: DatabaseSync) => T) => T

export async function listExecutions(read: Read, query: StoreListQuery): Promise<ExecutionRow[]> {
  const rows: ExecutionRow[] = []
  const readWindow = read((database) => windowReader(database, query))
  let position: Position | undefined = query.before === undefined ? undefined : positionOf(query.before)
  while (rows.length < query.limit) {
    const window = read(() => readWindow(position, query.limit - rows.length))
    rows.push(...window.rows)
    if (window.end === undefined) break
    position = window.end
    await setImmediate()
  }
  return rows
}

/** Reads the selected ones among the next rows. `end`: the last row looked at; undefined at the end of the table. */
function windowReader(database: DatabaseSync, query: StoreListQuery) {
  const oldestFirst = query.oldestFirst === true
  const [start, finish] = oldestFirst ? [BEFORE_ALL, AFTER_ALL] : [AFTER_ALL, BEFORE_ALL]
  const [after, upTo] = oldestFirst ? ['>', '<='] : ['<', '>=']
  const order = oldestFirst ? 'order by day, run_id' : 'order by day desc, run_id desc'
  const filter = filterOf(query)
  const last = database.prepare(`
    select day, run_id from execution where (day, run_id) ${after} (?, ?) ${order} limit 1 offset ${WINDOW_ROWS - 1}`)
  const select = database.prepare(`
    select ${EXECUTION_COLUMNS} from execution
    where (day, run_id) ${after} (?, ?) and (day, run_id) ${upTo} (?, ?) ${filter.sql} ${order} limit ?`)
  return (position: Position = start, limit: number): { rows: ExecutionRow[]; end: Position | undefined } => {
    const found = last.get(position.day, position.runId)
    const end = found === undefined ? undefined : { day: Number(found.day), runId: String(found.run_id) }
    const until = end ?? finish
    // Attributes are compared here, so that a number never equals a boolean; then SQL must not cut the window short.
    const most = query.attributes === undefined ? Math.min(limit, WINDOW_ROWS) : WINDOW_ROWS
    const bounds = [position.day, position.runId, until.day, until.runId]
    const rows = select.all(...bounds, ...filter.values, most).map(executionOf)
    return { rows: rows.filter((row) => isListed(row, query)).slice(0, limit), end }
  }
}

function filterOf(query: StoreListQuery): {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
} {
  const conditions: string[] = []
  const values: SQLInputValue[] = []
  const add = (condition: string, ...bound: readonly SQLInputValue[]): void => {
    conditions.push(`and ${condition}`)
    values.push(...bound)
  }
  if (query.namespace !== undefined) add('namespace = ?', query.namespace)
  if (query.status !== undefined)
    add(`status in (${query.status.map(() => '?').join(', ')})`, ...query.status)
  if (query.workflow !== undefined) add('workflow = ?', query.workflow)
  if (query.startedFrom !== undefined) add('started_at >= ?', query.startedFrom)
  if (query.startedTo !== undefined) add('started_at < ?', query.startedTo)
  if (query.closedBefore !== undefined) add('closed_at < ?', query.closedBefore)
  return { sql: conditions.join(' '), values }
}

function positionOf(runId: RunId): Position {
  return { day: runDay(runId), runId }
}
