/** `perdure schedules`: the schedules of a store, in the order of their ids. */
import type { ScheduleState } from '../core/schedule/schedule-state.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import type { ScheduleSpec, ScheduleTimes } from '../protocol/schedule-port.ts'
import type { ScheduleKey, ScheduleRow } from '../store/contract/schedule-rows.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, STORE_OPTIONS } from './command.ts'
import { printable } from './display-width.ts'
import { openStoreReader, requireRows } from './store-option.ts'
import { type Cell, type Column, Table } from './table.ts'
import { durationText, isoTime, timeText } from './time-text.ts'
import { UsageError } from './usage-error.ts'
import { WATCH_OPTION } from './watching.ts'

const DEFAULT_LIMIT = 100
const PAGE_ROWS = 1000
/** The first schema version that has schedules. */

export const schedulesCommand: Command = {
  name: 'schedules',
  summary: 'Lists schedules in the order of their ids, also while an engine runs on the file.',
  operands: [],
  options: {
    ...STORE_OPTIONS,
    namespace: { value: 'NAME', says: 'only this namespace; default: all' },
    limit: { value: 'N', says: `at most N schedules; default ${DEFAULT_LIMIT}` },
    cursor: { value: 'CURSOR', says: 'go on where the list before ended, which names it' },
    ...WATCH_OPTION,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure schedules --store sqlite:./orders.db', says: 'the first 100' },
    {
      line: 'perdure schedules --json | jq -r "select(.paused) | .id"',
      says: 'ids of those that are paused',
    },
  ],
  run: runSchedules,
}

async function runSchedules(call: CommandCall): Promise<number> {
  const { options, output } = call
  const limit = options.count('limit', 1) ?? DEFAULT_LIMIT
  const cursor = options.text('cursor')
  const namespace = options.text('namespace')
  let after = cursor === undefined ? undefined : keyOf(cursor)
  const reader = await openStoreReader(call)
  try {
    requireRows(reader, 'schedules')
    const print = options.flag('json') ? jsonPrinter(call) : tablePrinter(call)
    let listed = 0
    for (;;) {
      const wanted = Math.min(PAGE_ROWS, limit - listed)
      const rows = await reader.listSchedules({
        limit: wanted + 1,
        ...(namespace === undefined ? {} : { namespace }),
        ...(after === undefined ? {} : { after }),
      })
      const shown = rows.slice(0, wanted)
      if (shown.length > 0) print(shown.map(scheduleOf))
      await output.flushed()
      listed += shown.length
      after = shown.at(-1)
      if (after === undefined || rows.length <= wanted) break
      if (listed < limit) continue
      output.note(`There are more: go on with --cursor ${cursorOf(after)}`)
      break
    }
    if (listed === 0 && !options.flag('json')) output.note('No schedules.')
    return 0
  } finally {
    await reader.close()
  }
}

function cursorOf({ namespace, id }: ScheduleKey): string {
  return `${encodeURIComponent(namespace)}/${encodeURIComponent(id)}`
}

function keyOf(cursor: string): ScheduleKey {
  try {
    const [namespace, id, ...rest] = cursor.split('/').map(decodeURIComponent)
    if (namespace !== undefined && id !== undefined && rest.length === 0) return { namespace, id }
  } catch (error) {
    if (!(error instanceof URIError)) throw error
  }
  throw new UsageError(`--cursor ${cursor} is not one that a list of schedules has shown`)
}

interface ShownSchedule {
  readonly row: ScheduleRow
  readonly spec: ScheduleSpec
  readonly state: ScheduleState
}

/** Throws `STORE_CORRUPT` where its texts are no JSON. */
function scheduleOf(row: ScheduleRow): ShownSchedule {
  try {
    return { row, spec: JSON.parse(row.spec) as ScheduleSpec, state: JSON.parse(row.state) as ScheduleState }
  } catch (error) {
    throw new PerdureError('STORE_CORRUPT', `the row of schedule ${row.id} is damaged`, { cause: error })
  }
}

type Printer = (schedules: readonly ShownSchedule[]) => void

function jsonPrinter({ output }: CommandCall): Printer {
  return (schedules) => {
    for (const { row, spec, state } of schedules) {
      const { times, start, overlap } = spec
      const { paused, nextMs, recent, buffered, counts } = state
      const [last] = recent
      output.line(
        JSON.stringify({
          id: row.id,
          namespace: row.namespace,
          times,
          workflow: start.workflow,
          version: start.version,
          overlap,
          paused: paused?.reason ?? null,
          nextTime: paused !== undefined || nextMs === undefined ? null : isoTime(nextMs),
          lastRun:
            last === undefined
              ? null
              : {
                  workflowId: last.workflowId,
                  time: isoTime(last.timeMs),
                  startedAt: isoTime(last.startedMs),
                  cause: last.cause,
                },
          buffered: buffered?.workflowId ?? null,
          ...counts,
        }),
      )
    }
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'ID', leastWidth: 12 },
  { title: 'TIMES', leastWidth: 12 },
  { title: 'NEXT' },
  { title: 'WORKFLOW', leastWidth: 8, optional: 1 },
  { title: 'LAST', optional: 2 },
  { title: 'RUNS', align: 'right', optional: 3 },
  { title: 'SKIPPED', align: 'right', optional: 4 },
  { title: 'MISSED', align: 'right', optional: 5 },
  { title: 'OVERLAP', optional: 6 },
]
const NAMESPACE: Column = { title: 'NAMESPACE', leastWidth: 8 }

/** The widths are those of the first page. */
function tablePrinter({ output }: CommandCall): Printer {
  let table: Table | undefined
  let withNamespace = false
  return (schedules) => {
    if (table === undefined) {
      withNamespace = schedules.some(({ row }) => row.namespace !== DEFAULT_NAMESPACE)
      const cells = schedules.map((schedule) => cellsOf(schedule, withNamespace))
      table = new Table(withNamespace ? [NAMESPACE, ...COLUMNS] : COLUMNS, cells, output)
      output.line(table.header())
    }
    for (const schedule of schedules) output.line(table.row(cellsOf(schedule, withNamespace)))
  }
}

function cellsOf({ row, spec, state }: ShownSchedule, withNamespace: boolean): Cell[] {
  const { counts, recent } = state
  const [last] = recent
  const cells: Cell[] = [
    printable(row.id),
    printable(timesText(spec.times)),
    nextCell(state),
    printable(spec.start.workflow),
    last === undefined ? '' : timeText(last.startedMs),
    String(counts.started),
    String(counts.skipped),
    String(counts.missed),
    spec.overlap,
  ]
  return withNamespace ? [printable(row.namespace), ...cells] : cells
}

function nextCell({ paused, nextMs }: ScheduleState): Cell {
  if (paused !== undefined) return { text: 'paused', style: 'yellow' }
  return nextMs === undefined ? { text: 'none', style: 'gray' } : timeText(nextMs)
}

function timesText(times: ScheduleTimes): string {
  if (times.kind === 'cron') return times.timezone === 'UTC' ? times.cron : `${times.cron} ${times.timezone}`
  const every = `every ${durationText(times.everyMs)}`
  return times.offsetMs === 0 ? every : `${every} + ${durationText(times.offsetMs)}`
}
