/** `perdure tasks list`: the tasks of a store or of an engine that runs, newest first. */
import type { Static } from 'typebox'
import { attemptsOf, type TaskSpec, type TaskState } from '../../core/task/task-record.ts'
import { lowestNumberFrom } from '../../engine/tasks/task-numbers.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import { cursorOfTask, ownTaskId, seqOfCursor } from '../../protocol/task-ids.ts'
import { TASK_PRIORITY } from '../../protocol/task-port.ts'
import { TASK_STATUSES } from '../../protocol/task-status.ts'
import { present } from '../../server/http/present.ts'
import type { task as apiTask } from '../../server/http/schemas/tasks.ts'
import type { StoreReader } from '../../store/contract/store-reader.ts'
import type { TaskListQuery, TaskRow, TaskSeq } from '../../store/contract/task-rows.ts'
import type { CommandCall, GivenOptions, OptionSpec } from '../command.ts'
import { printable } from '../display-width.ts'
import { engineInsteadOfStore } from '../engine-choice.ts'
import { wordsOf } from '../given-values.ts'
import { knownWord } from '../nearest-word.ts'
import { Rest } from '../rest/rest.ts'
import { statusCell } from '../status-style.ts'
import { openStoreReader, requireRows } from '../store-option.ts'
import { type Cell, type Column, Table } from '../table.ts'
import { durationText, isoTime, parsedTime, timeText } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'

const DEFAULT_LIMIT = 100
const PAGE_ROWS = 1000
/** That a task runs is known to the engine alone: its row says that it waits. */
const STORED_STATUSES = TASK_STATUSES.filter((status) => status !== 'running')

export const TASK_FILTER_OPTIONS = {
  status: { value: 'STATUS', says: `${TASK_STATUSES.join(', ')}; several with commas`, multiple: true },
  queue: { value: 'NAME', says: 'only of this queue' },
  name: { value: 'NAME', says: 'only tasks of this name' },
  key: { value: 'KEY', says: 'only with this key' },
  owner: { value: 'ID', says: 'only those that this execution asked for' },
  error: { value: 'CODE', says: 'only with this code of the last failure' },
  id: { value: 'PREFIX', says: 'only ids that begin so' },
  since: {
    value: 'TIME',
    says: 'enqueued at or after TIME: 2h or 30d ago, 2026-08-02, 2026-08-02T10:15:00Z',
  },
  until: { value: 'TIME', says: 'enqueued before TIME' },
} as const satisfies Record<string, OptionSpec>

/** As the REST API takes it. */
export function taskFilterOf({ options, nowMs }: CommandCall): Readonly<Record<string, unknown>> {
  const [since, until] = ['since', 'until'].map((name) => options.text(name))
  return present({
    status: wordsOf(options, 'status')?.map((word) => knownWord(word, TASK_STATUSES, 'a status')),
    ...Object.fromEntries(
      (['queue', 'name', 'key', 'owner'] as const).map((name) => [name, options.text(name)]),
    ),
    errorCode: options.text('error'),
    idPrefix: options.text('id'),
    enqueuedFrom: since === undefined ? undefined : parsedTime(since, 'since', nowMs),
    enqueuedTo: until === undefined ? undefined : parsedTime(until, 'until', nowMs),
  })
}

export async function listTasks(call: CommandCall): Promise<number> {
  const engine = engineInsteadOfStore(call, { overEnvironment: false })
  if (engine === undefined) return listStored(call)
  const rest = new Rest(call, engine)
  const { status, ...filter } = taskFilterOf(call)
  const query = present({ ...filter, status: (status as readonly string[] | undefined)?.join(',') })
  const print = call.options.flag('json') ? jsonPrinter(call) : tablePrinter(call)
  let isEmpty = true
  for await (const page of rest.pages<ApiTask>(call, { path: ['tasks'], query }, 'tasks')) {
    isEmpty = false
    print(page.map((task) => ({ ...task, namespace: rest.namespace })))
    await call.output.flushed()
  }
  if (isEmpty && !call.options.flag('json')) call.output.note('No tasks.')
  return 0
}

interface Selection {
  readonly query: Omit<TaskListQuery, 'limit' | 'before'>
  readonly limit: number
  readonly cursor: TaskSeq | undefined
}

async function listStored(call: CommandCall): Promise<number> {
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

type ApiTask = Static<typeof apiTask>

/** As the REST API tells of it. */
interface ListedTask extends ApiTask {
  readonly namespace: string
}

/** Throws `STORE_CORRUPT` where its texts are no JSON. */
function taskOf(row: TaskRow): ListedTask {
  const id = row.id ?? ownTaskId(row.seq)
  try {
    const spec = JSON.parse(row.spec) as TaskSpec
    return listedTask(id, row, spec, row.state === null ? {} : (JSON.parse(row.state) as TaskState))
  } catch (error) {
    throw new PerdureError('STORE_CORRUPT', `the row of task ${id} is damaged`, { cause: error })
  }
}

function listedTask(
  id: string,
  { namespace, name, queue, status, closedAt }: TaskRow,
  spec: TaskSpec,
  state: TaskState,
): ListedTask {
  const { key = '', owner, enqueuedMs } = spec
  return {
    id,
    namespace,
    name,
    queue,
    status,
    key,
    priority: state.priority ?? spec.priority ?? TASK_PRIORITY.default,
    attempts: attemptsOf(state),
    enqueuedAt: enqueuedMs,
    servedMs: 0,
    ...present({
      owner,
      startedAt: state.startedMs,
      closedAt: closedAt ?? undefined,
      delayedUntil: status === 'delayed' ? state.wakeMs : undefined,
      failure: state.failure,
    }),
  }
}

type Printer = (tasks: readonly ListedTask[]) => void

function jsonPrinter({ output }: CommandCall): Printer {
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : isoTime(ms))
  return (tasks) => {
    for (const task of tasks) {
      const { id, namespace, name, queue, status, key, priority, owner, attempts, failure } = task
      output.line(
        JSON.stringify({
          id,
          namespace,
          name,
          queue,
          status,
          key,
          priority,
          owner: owner ?? null,
          attempts,
          enqueuedAt: time(task.enqueuedAt),
          startedAt: time(task.startedAt),
          closedAt: time(task.closedAt),
          delayedUntil: time(task.delayedUntil),
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
      withNamespace = tasks.some(({ namespace }) => namespace !== DEFAULT_NAMESPACE)
      const cells = tasks.map((task) => cellsOf(task, withNamespace, nowMs))
      table = new Table(withNamespace ? [NAMESPACE, ...COLUMNS] : COLUMNS, cells, output)
      output.line(table.header())
    }
    for (const task of tasks) output.line(table.row(cellsOf(task, withNamespace, nowMs)))
  }
}

function cellsOf(task: ListedTask, withNamespace: boolean, nowMs: number): Cell[] {
  const { id, name, queue, status, enqueuedAt, closedAt = nowMs, attempts, key, owner, failure } = task
  const cells: Cell[] = [
    printable(id),
    printable(name),
    printable(queue),
    statusCell(status),
    timeText(enqueuedAt),
    durationText(Math.max(0, closedAt - enqueuedAt)),
    String(attempts),
    printable(key),
    printable(owner?.workflowId ?? ''),
    printable(failure === undefined ? '' : `${failure.code ?? failure.name}: ${failure.message}`),
  ]
  return withNamespace ? [printable(task.namespace), ...cells] : cells
}
