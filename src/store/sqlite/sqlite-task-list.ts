/**
 * `listTasks`, window by window, as `list` does it: a query that selects little must not hold the thread of the engine.
 *
 * Columns are compared by SQL, so that rows that are not wanted are not read; what is in the texts of a task is compared
 * here, for those that are left. There is no index for it: each would cost every enqueue reading its JSON, and lists are
 * for people. Two indexes are there already, and help: dead letters alone (`task_failed`), and ids (`task_id`).
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { OWN_TASK_ID } from '../../protocol/task-port.ts'
import {
  isTaskListed,
  type TaskListQuery,
  type TaskRow,
  type TaskSeq,
  taskFactsOfRow,
} from '../contract/task-rows.ts'
import { TASK_COLUMNS, taskOf } from './sqlite-task-reads.ts'

/** Rows looked at before other work runs: about 5 ms. */
const WINDOW_ROWS = 2000
/** Rows with an id of the prefix that are read and sorted at once; of more the list is read in windows. */
const PREFIX_ROWS = 2000

type Read = <T>(read: (database: DatabaseSync) => T) => T

export async function listTasks(read: Read, query: TaskListQuery): Promise<TaskRow[]> {
  const named = read((database) => listByPrefix(database, query))
  if (named !== undefined) return named
  const rows: TaskRow[] = []
  const readWindow = read((database) => windowReader(database, query))
  let position = query.before
  while (rows.length < query.limit) {
    const window = read(() => readWindow(position, query.limit - rows.length))
    rows.push(...window.rows)
    if (window.end === undefined) break
    position = window.end
    await setImmediate()
  }
  return rows
}

/** Reads the selected ones among the next rows. `end`: the last row looked at; undefined: there are no more. */
function windowReader(database: DatabaseSync, query: TaskListQuery) {
  const isUp = query.oldestFirst === true
  const [after, upTo, order] = isUp ? ['>', '<=', 'seq'] : ['<', '>=', 'seq desc']
  const lowest = query.seqFrom ?? -1
  const [start, finish] = isUp ? [lowest - 1, Number.MAX_SAFE_INTEGER] : [Number.MAX_SAFE_INTEGER, lowest]
  const isOfFailed = query.status?.length === 1 && query.status[0] === 'failed'
  const table = isOfFailed ? "task indexed by task_failed where status = 'failed' and" : 'task where'
  const filter = filterOf(query)
  const last = database.prepare(`
    select seq from ${table} seq ${after} ? and seq ${upTo} ? order by ${order} limit 1 offset ${WINDOW_ROWS - 1}`)
  const select = database.prepare(`
    select ${TASK_COLUMNS} from ${table} seq ${after} ? and seq ${upTo} ? ${filter.sql} order by ${order} limit ?`)
  return (
    position: TaskSeq | undefined,
    limit: number,
  ): { readonly rows: readonly TaskRow[]; readonly end: TaskSeq | undefined } => {
    const from = position === undefined ? start : isUp ? Math.max(start, position) : position
    const found = last.get(from, finish)
    const end = found === undefined ? undefined : Number(found.seq)
    // Texts are compared here: then SQL must not cut the window short.
    const most = isOfTexts(query) ? WINDOW_ROWS : Math.min(limit, WINDOW_ROWS)
    const rows = select.all(from, end ?? finish, ...filter.values, most).map(taskOf)
    return { rows: rows.filter((row) => isListed(row, query)).slice(0, limit), end }
  }
}

/** Those with an id of the prefix that a caller gave, if they are few; undefined: read all. */
function listByPrefix(database: DatabaseSync, query: TaskListQuery): TaskRow[] | undefined {
  const { namespace, idPrefix = '', before, limit } = query
  const end = textAfter(idPrefix)
  if (namespace === undefined || idPrefix === '' || idPrefix.startsWith(OWN_TASK_ID) || end === undefined)
    return undefined
  const seqs = database
    .prepare('select seq from task where namespace = ? and id >= ? and id < ? limit ?')
    .all(namespace, idPrefix, end, PREFIX_ROWS + 1)
    .map(({ seq }) => Number(seq))
  if (seqs.length > PREFIX_ROWS) return undefined
  const isUp = query.oldestFirst === true
  const isAhead = (seq: TaskSeq): boolean => before === undefined || (isUp ? seq > before : seq < before)
  const row = database.prepare(`select ${TASK_COLUMNS} from task where seq = ?`)
  const rows: TaskRow[] = []
  for (const seq of seqs.filter(isAhead).sort((a, b) => (isUp ? a - b : b - a))) {
    if (rows.length >= limit) break
    const columns = row.get(seq)
    const task = columns === undefined ? undefined : taskOf(columns)
    if (task !== undefined && isListed(task, query)) rows.push(task)
  }
  return rows
}

function isListed(row: TaskRow, query: TaskListQuery): boolean {
  return isTaskListed(row, query, () => taskFactsOfRow(row))
}

function isOfTexts({ idPrefix, key, owner, errorCode, enqueuedFrom, enqueuedTo }: TaskListQuery): boolean {
  return [idPrefix, key, owner, errorCode, enqueuedFrom, enqueuedTo].some((each) => each !== undefined)
}

function filterOf(query: TaskListQuery): {
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
  if (query.queue !== undefined) add('queue = ?', query.queue)
  if (query.name !== undefined) add('name = ?', query.name)
  if (query.status !== undefined)
    add(`status in (${query.status.map(() => '?').join(', ')})`, ...query.status)
  if (query.closedBefore !== undefined) add('closed_at < ?', query.closedBefore)
  return { sql: conditions.join(' '), values }
}

/** The first text after all that begin with this one, as SQLite orders them (by code point); undefined: there is none. */
function textAfter(prefix: string): string | undefined {
  const points = [...prefix].map((char) => char.codePointAt(0) ?? 0)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue
    // Surrogates are no characters.
    points.push(last === 0xd7ff ? 0xe000 : last + 1)
    return String.fromCodePoint(...points)
  }
  return undefined
}
