/** `perdure list`: the executions of a store, newest first. */
import type { Attributes } from '../protocol/event.ts'
import { EXECUTION_STATUSES } from '../protocol/execution-status.ts'
import { DEFAULT_NAMESPACE, isRunId, type RunId, runIdAbove } from '../protocol/ids.ts'
import type { StoreListQuery } from '../store/contract/store.ts'
import {
  COMMON_OPTIONS,
  type Command,
  type CommandCall,
  type GivenOptions,
  STORE_OPTIONS,
} from './command.ts'
import { printable } from './display-width.ts'
import { ENGINE_OPTIONS, NAMESPACE_TO_LIST } from './engine-choice.ts'
import {
  type ExecutionSource,
  type ListedExecution,
  withExecutionSource,
} from './executions/execution-source.ts'
import { attributeOf } from './given-values.ts'
import { knownWord } from './nearest-word.ts'
import { statusCell } from './status-style.ts'
import { type Cell, type Column, Table } from './table.ts'
import { durationText, isoTime, parsedTime, timeText } from './time-text.ts'
import { UsageError } from './usage-error.ts'
import { WATCH_OPTION } from './watching.ts'

const DEFAULT_LIMIT = 100
const PAGE_ROWS = 1000

export const listCommand: Command = {
  name: 'list',
  summary: 'Lists executions, newest first, also while an engine runs on the file.',
  operands: [],
  options: {
    ...STORE_OPTIONS,
    ...ENGINE_OPTIONS,
    status: {
      value: 'STATUS',
      says: `${EXECUTION_STATUSES.join(', ')}; several with commas`,
      multiple: true,
    },
    workflow: { value: 'NAME', says: 'only this workflow' },
    namespace: NAMESPACE_TO_LIST,
    since: {
      value: 'TIME',
      says: 'started at or after TIME: 2h or 30d ago, 2026-08-02, 2026-08-02T10:15:00Z',
    },
    until: { value: 'TIME', says: 'started before TIME' },
    attribute: { value: 'NAME=VALUE', says: 'with this search attribute', multiple: true },
    limit: { value: 'N', says: `at most N executions; default ${DEFAULT_LIMIT}` },
    cursor: { value: 'RUN', says: 'go on after this run id: where the list before ended' },
    ...WATCH_OPTION,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure list --store sqlite:./orders.db', says: 'the newest 100' },
    { line: 'perdure list --status failed,parked --since 1d', says: 'what went wrong since yesterday' },
    {
      line: 'perdure list --workflow fulfil-order --attribute customer=ada',
      says: 'the orders of one customer',
    },
    { line: 'perdure list --status failed --json | jq -r .id', says: 'only their ids' },
  ],
  run: runList,
}

interface Selection {
  readonly query: Omit<StoreListQuery, 'limit' | 'before'>
  readonly attributes: readonly AttributeFilter[]
  readonly limit: number
  readonly cursor: RunId | undefined
}

interface AttributeFilter {
  readonly name: string
  /** A value such as 12 on a command line may be a number or a text. */
  readonly values: readonly Attributes[string][]
}

async function runList(call: CommandCall): Promise<number> {
  const { options, output } = call
  const selection = selectionOf(options, call.nowMs)
  await withExecutionSource(call, async (source) => {
    const print = options.flag('json') ? jsonPrinter(call) : tablePrinter(call)
    let listed = 0
    let last: ListedExecution | undefined
    for await (const page of selectedPages(source, selection)) {
      const shown = page.slice(0, selection.limit - listed)
      print(shown)
      await output.flushed()
      listed += shown.length
      last = shown.at(-1) ?? last
      if (shown.length < page.length) output.note(`There are more: go on with --cursor ${last?.runId}`)
    }
    if (listed === 0 && !options.flag('json')) output.note('No executions.')
  })
  return 0
}

/** Pages of selected rows, one row more than the limit in all if there is one. */
async function* selectedPages(
  source: ExecutionSource,
  { query, attributes, limit, cursor }: Selection,
): AsyncGenerator<readonly ListedExecution[]> {
  let left = limit + 1
  const { startedTo } = query
  let before = cursor ?? (startedTo === undefined ? undefined : runIdAbove(startedTo))
  while (left > 0) {
    // Attributes are compared here: the store takes one value of each, and compares it by type.
    const wanted = attributes.length > 0 ? PAGE_ROWS : Math.min(PAGE_ROWS, left)
    const rows = await source.list({ ...query, limit: wanted, ...(before === undefined ? {} : { before }) })
    const selected = rows.filter((row) => hasAttributes(row, attributes)).slice(0, left)
    if (selected.length > 0) yield selected
    left -= selected.length
    before = rows.at(-1)?.runId
    if (rows.length < wanted) return
  }
}

function hasAttributes({ attributes }: ListedExecution, filters: readonly AttributeFilter[]): boolean {
  return filters.every(({ name, values }) => {
    const value = attributes !== null && Object.hasOwn(attributes, name) ? attributes[name] : undefined
    return value !== undefined && values.includes(value)
  })
}

function selectionOf(options: GivenOptions, nowMs: number): Selection {
  const status = options
    .texts('status')
    .flatMap((text) => text.split(','))
    .map((text) => knownWord(text, EXECUTION_STATUSES, 'a status'))
  const workflow = options.text('workflow')
  const namespace = options.text('namespace')
  const since = options.text('since')
  const until = options.text('until')
  const cursor = options.text('cursor')
  if (cursor !== undefined && !isRunId(cursor)) throw new UsageError(`--cursor ${cursor} is not a run id`)
  return {
    query: {
      ...(status.length === 0 ? {} : { status }),
      ...(workflow === undefined ? {} : { workflow }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(since === undefined ? {} : { startedFrom: parsedTime(since, 'since', nowMs) }),
      ...(until === undefined ? {} : { startedTo: parsedTime(until, 'until', nowMs) }),
    },
    attributes: options.texts('attribute').map(filterOf),
    limit: options.count('limit', 1) ?? DEFAULT_LIMIT,
    cursor,
  }
}

function filterOf(text: string): AttributeFilter {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`--attribute ${text} is not of the form NAME=VALUE`)
  const given = text.slice(at + 1)
  const value = attributeOf(given)
  return { name: text.slice(0, at), values: typeof value === 'string' ? [value] : [given, value] }
}

type Printer = (rows: readonly ListedExecution[]) => void

function jsonPrinter({ output }: CommandCall): Printer {
  return (rows) => {
    for (const row of rows) output.line(JSON.stringify(summaryJson(row)))
  }
}

/** A summary as `list --json` and `show --json` print it. */
export function summaryJson(row: ListedExecution): Record<string, unknown> {
  const { key, runId, workflow, version, status, startedAt, closedAt, attributes } = row
  return {
    id: key.workflowId,
    namespace: key.namespace,
    runId,
    workflow,
    version,
    status,
    startedAt: isoTime(startedAt),
    closedAt: closedAt === null ? null : isoTime(closedAt),
    attributes: attributes ?? {},
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'ID', leastWidth: 12 },
  { title: 'WORKFLOW', leastWidth: 10 },
  { title: 'VERSION', leastWidth: 4, optional: 3 },
  { title: 'STATUS' },
  { title: 'STARTED', optional: 1 },
  { title: 'TOOK', align: 'right', optional: 2 },
  { title: 'ATTRIBUTES', leastWidth: 16, optional: 4 },
  { title: 'RUN', optional: 5 },
]
const NAMESPACE: Column = { title: 'NAMESPACE', leastWidth: 8 }

/** The widths are those of the first page. */
function tablePrinter({ output, nowMs }: CommandCall): Printer {
  let table: Table | undefined
  let withNamespace = false
  return (rows) => {
    if (table === undefined) {
      withNamespace = rows.some(({ key }) => key.namespace !== DEFAULT_NAMESPACE)
      const cells = rows.map((row) => cellsOf(row, withNamespace, nowMs))
      const columns = withNamespace ? [NAMESPACE, ...COLUMNS] : COLUMNS
      table = new Table(columns, cells, output)
      output.line(table.header())
    }
    for (const row of rows) output.line(table.row(cellsOf(row, withNamespace, nowMs)))
  }
}

function cellsOf(row: ListedExecution, withNamespace: boolean, nowMs: number): Cell[] {
  const { key, workflow, version, status, startedAt, closedAt, attributes, runId } = row
  const cells: Cell[] = [
    printable(key.workflowId),
    printable(workflow),
    printable(version),
    statusCell(status),
    timeText(startedAt),
    durationText(Math.max(0, (closedAt ?? nowMs) - startedAt)),
    printable(attributesText(attributes ?? {})),
    runId,
  ]
  return withNamespace ? [printable(key.namespace), ...cells] : cells
}

function attributesText(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}
