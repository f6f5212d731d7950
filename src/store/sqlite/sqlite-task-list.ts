/** `listTasks`, window by window, as `list` does it: a query that selects little must not hold the thread of the engine. */
import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { isTaskListed, type TaskListQuery, type TaskRow } from '../contract/task-rows.ts'
import { TASK_COLUMNS, taskOf } from './sqlite-task-reads.ts'

/** Rows looked at before other work runs: about 5 ms. */
const WINDOW_ROWS = 2000

type Read = <T>(read: (database: DatabaseSync) => T) => T

export async function listTasks(read: Read, query: TaskListQuery): Promise<TaskRow[]> {
  const rows: TaskRow[] = []
  const [after, order, start] =
    query.oldestFirst === true ? ['>', 'asc', -1] : ['<', 'desc', Number.MAX_SAFE_INTEGER]
  const window = read((database) =>
    database.prepare(`select ${TASK_COLUMNS} from task where seq ${after} ? order by seq ${order} limit ?`),
  )
  let before = query.before ?? start
  while (rows.length < query.limit) {
    const page = read(() => window.all(before, WINDOW_ROWS).map(taskOf))
    for (const row of page) if (rows.length < query.limit && isTaskListed(row, query)) rows.push(row)
    const last = page.at(-1)
    if (last === undefined || page.length < WINDOW_ROWS) break
    before = last.seq
    await setImmediate()
  }
  return rows
}
