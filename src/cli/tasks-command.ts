/** `perdure tasks`: the tasks of a store, newest first. */
import { attemptsOf, type TaskSpec, type TaskState } from '../core/task/task-record.ts'
import { lowestNumberFrom } from '../engine/tasks/task-numbers.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import { cursorOfTask, ownTaskId, seqOfCursor } from '../protocol/task-ids.ts'
import { TASK_PRIORITY } from '../protocol/task-port.ts'
import { TASK_STATUSES } from '../protocol/task-status.ts'
import type { StoreReader } from '../store/contract/store-reader.ts'
import type { TaskListQuery, TaskRow, TaskSeq } from '../store/contract/task-rows.ts'
import {
  COMMON_OPTIONS,
  type Command,
  type CommandCall,
  type GivenOptions,
  STORE_OPTIONS,
} from './command.ts'
import { printable } from './display-width.ts'
import { knownWord } from './nearest-word.ts'
import { statusCell } from './status-style.ts'
import { openStoreReader, requireRows } from './store-option.ts'
import { type Cell, type Column, Table } from './table.ts'
import { durationText, isoTime, parsedTime, timeText } from './time-text.ts'
import { UsageError } from './usage-error.ts'
import { WATCH_OPTION } from './watching.ts'

const DEFAULT_LIMIT = 100
const PAGE_ROWS = 1000
/** That a task runs is known to the engine alone: its row says that it waits. */
const STORED_STATUSES = TASK_STATUSES.filter((status) => status !== 'running')

export const tasksCommand: Command = {
  name: 'tasks',
  summary:
    'Lists tasks, newest first, also while an engine runs on the file. A task that runs is waiting here.',
  operands: [],
  options: {
    ...STORE_OPTIONS,
    status: { value: 'STATUS', says: `${STORED_STATUSES.join(', ')}; several with commas`, multiple: true },
    queue: { value: 'NAME', says: 'only of this queue' },
    name: { value: 'NAME', says: 'only tasks of this name' },
    key: { value: 'KEY', says: 'only with this key' },
    owner: { value: 'ID', says: 'only those that this execution asked for' },
    error: { value: 'CODE', says: 'only with this code of the last failure' },
    id: { value: 'PREFIX', says: 'only ids that begin so' },
    namespace: { value: 'NAME', says: 'only this namespace; default: all' },
    since: {
      value: 'TIME',
      says: 'enqueued at or after TIME: 2h or 30d ago, 2026-08-02, 2026-08-02T10:15:00Z',
    },
    until: { value: 'TIME', says: 'enqueued before TIME' },
    limit: { value: 'N', says: `at most N tasks; default ${DEFAULT_LIMIT}` },
    cursor: { value: 'CURSOR', says: 'go on where the list before ended, which names it' },
    ...WATCH_OPTION,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure tasks --store sqlite:./orders.db', says: 'the newest 100' },
    { line: 'perdure tasks --status failed --since 1d', says: 'the dead letters since yesterday' },
    { line: 'perdure tasks --queue mail --error TASK_TIMEOUT', says: 'what took too long' },
    { line: 'perdure tasks --status failed --json | jq -r .id', says: 'only their ids' },
  ],
  run: runTasks,
}

interface Selection {
  readonly query: Omit<TaskListQuery, 'limit' | 'before'>
  readonly limit: number
  readonly cursor: TaskSeq | undefined
}

async function runTasks(call: CommandCall): Promise<number> {
  const { options, output } = call
  const selection = selectionOf(options, call.nowMs)
  const reader = await openStoreReader(call)
  try {
    requireRows(reader, 'tasks')
    const print = options.flag('json') ? jsonPrinter(call) : tablePrinter(call)
    let listed = 0
    let last: TaskRow | undefined
    for await (const page of pages(reader, selection)) {
      const shown = page.slice(0, selection.limit - listed)
      print(shown.map(taskOf))
      await output.flushed()
      listed += shown.length
      last = shown.at(-1) ?? last
      if (shown.length < page.length)
        output.note(`There are more: go on with --cursor ${last === undefined ? '' : cursorOfTask(last.seq)}`)
    }
    if (listed === 0 && !options.flag('json')) output.note('No tasks.')
    return 0
  } finally {
    await reader.close()
  }
}

/** Pages of selected rows, one row more than the limit in all if there is one. */
async function* pages(
  reader: StoreReader,
  { query, limit, cursor }: Selection,
): AsyncGenerator<readonly TaskRow[]> {
  let left = limit + 1
  let before = cursor
  while (left > 0) {
    const wanted = Math.min(PAGE_ROWS, left)
    const rows = await reader.listTasks({
      ...query,
      limit: wanted,
      ...(before === undefined ? {} : { before }),
    })
    if (rows.length > 0) yield rows
    left -= rows.length
    before = rows.at(-1)?.seq
    if (rows.length < wanted) return
  }
}

function selectionOf(options: GivenOptions, nowMs: number): Selection {
  const status = options
    .texts('status')
    .flatMap((text) => text.split(','))
    .map((text) => knownWord(text, STORED_STATUSES, 'a status of a stored task'))
  const [since, until, error, id] = ['since', 'until', 'error', 'id'].map((name) => options.text(name))
  const enqueuedFrom = since === undefined ? undefined : parsedTime(since, 'since', nowMs)
  const query: { -readonly [Name in keyof TaskListQuery]?: TaskListQuery[Name] } = {
    ...(status.length === 0 ? {} : { status }),
    ...(enqueuedFrom === undefined ? {} : { enqueuedFrom, seqFrom: lowestNumberFrom(enqueuedFrom) }),
    ...(until === undefined ? {} : { enqueuedTo: parsedTime(until, 'until', nowMs) }),
    ...(error === undefined ? {} : { errorCode: error }),
    ...(id === undefined ? {} : { idPrefix: id }),
  }
  for (const name of ['queue', 'name', 'key', 'owner', 'namespace'] as const) {
    const text = options.text(name)
    if (text !== undefined) query[name] = text
  }
  const cursor = options.text('cursor')
  return {
    query,
    limit: options.count('limit', 1) ?? DEFAULT_LIMIT,
    cursor: cursor === undefined ? undefined : seqOf(cursor),
  }
}

function seqOf(cursor: string): TaskSeq {
  const seq = seqOfCursor(cursor)
  if (seq === undefined) throw new UsageError(`--cursor ${cursor} is not one that a list of tasks has shown`)
  return seq
}

interface ShownTask {
  readonly row: TaskRow
  readonly id: string
  readonly spec: TaskSpec
  readonly state: TaskState
}

/** Throws `STORE_CORRUPT` where its texts are no JSON. */
function taskOf(row: TaskRow): ShownTask {
  const id = row.id ?? ownTaskId(row.seq)
  try {
    const spec = JSON.parse(row.spec) as TaskSpec
    return { row, id, spec, state: row.state === null ? {} : (JSON.parse(row.state) as TaskState) }
  } catch (error) {
    throw new PerdureError('STORE_CORRUPT', `the row of task ${id} is damaged`, { cause: error })
  }
}

type Printer = (tasks: readonly ShownTask[]) => void

function jsonPrinter({ output }: CommandCall): Printer {
  return (tasks) => {
    for (const { row, id, spec, state } of tasks) {
      const time = (ms: number | null | undefined): string | null => (ms == null ? null : isoTime(ms))
      const { namespace, name, queue, status, closedAt } = row
      const { failure } = state
      output.line(
        JSON.stringify({
          id,
          namespace,
          name,
          queue,
          status,
          key: spec.key ?? '',
          priority: state.priority ?? spec.priority ?? TASK_PRIORITY.default,
          owner: spec.owner ?? null,
          attempts: attemptsOf(state),
          enqueuedAt: time(spec.enqueuedMs),
          startedAt: time(state.startedMs),
          closedAt: time(closedAt),
          delayedUntil: status === 'delayed' ? time(state.wakeMs) : null,
          error:
            failure === undefined
              ? null
              : { name: failure.name, message: failure.message, code: failure.code ?? null },
        }),
      )
    }
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'ID', leastWidth: 12 },
  { title: 'TASK', leastWidth: 8 },
  { title: 'QUEUE', leastWidth: 8, optional: 3 },
  { title: 'STATUS' },
  { title: 'ENQUEUED', optional: 1 },
  { title: 'TOOK', align: 'right', optional: 2 },
  { title: 'TRIES', align: 'right', optional: 6 },
  { title: 'KEY', leastWidth: 6, optional: 5 },
  { title: 'OWNER', leastWidth: 8, optional: 4 },
  { title: 'ERROR', leastWidth: 16, optional: 7 },
]
const NAMESPACE: Column = { title: 'NAMESPACE', leastWidth: 8 }

/** The widths are those of the first page. */
function tablePrinter({ output, nowMs }: CommandCall): Printer {
  let table: Table | undefined
  let withNamespace = false
  return (tasks) => {
    if (table === undefined) {
      withNamespace = tasks.some(({ row }) => row.namespace !== DEFAULT_NAMESPACE)
      const cells = tasks.map((task) => cellsOf(task, withNamespace, nowMs))
      table = new Table(withNamespace ? [NAMESPACE, ...COLUMNS] : COLUMNS, cells, output)
      output.line(table.header())
    }
    for (const task of tasks) output.line(table.row(cellsOf(task, withNamespace, nowMs)))
  }
}

function cellsOf({ row, id, spec, state }: ShownTask, withNamespace: boolean, nowMs: number): Cell[] {
  const { enqueuedMs, key = '', owner } = spec
  const { failure } = state
  const cells: Cell[] = [
    printable(id),
    printable(row.name),
    printable(row.queue),
    statusCell(row.status),
    timeText(enqueuedMs),
    durationText(Math.max(0, (row.closedAt ?? nowMs) - enqueuedMs)),
    String(attemptsOf(state)),
    printable(key),
    printable(owner?.workflowId ?? ''),
    printable(failure === undefined ? '' : `${failure.code ?? failure.name}: ${failure.message}`),
  ]
  return withNamespace ? [printable(row.namespace), ...cells] : cells
}
