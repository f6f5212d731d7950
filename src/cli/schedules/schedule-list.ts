/** `perdure schedules list`: the schedules of a store or of an engine that runs, in the order of their ids. */
import type { Static } from 'typebox'
import type { ScheduleState } from '../../core/schedule/schedule-state.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../../protocol/ids.ts'
import type { ScheduleSpec, ScheduleTimes } from '../../protocol/schedule-port.ts'
import { present } from '../../server/http/present.ts'
import type { schedulePage } from '../../server/http/schemas/schedules.ts'
import type { ScheduleKey, ScheduleRow } from '../../store/contract/schedule-rows.ts'
import type { CommandCall } from '../command.ts'
import { printable } from '../display-width.ts'
import { engineInsteadOfStore } from '../engine-choice.ts'
import { Rest } from '../rest/rest.ts'
import { openStoreReader, requireRows } from '../store-option.ts'
import { type Cell, type Column, Table } from '../table.ts'
import { durationText, isoTime, timeText } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'

const DEFAULT_LIMIT = 100
const PAGE_ROWS = 1000

type ApiSchedule = Static<typeof schedulePage>['schedules'][number]

export async function listSchedules(call: CommandCall): Promise<number> {
  const engine = engineInsteadOfStore(call, { overEnvironment: false })
  if (engine === undefined) return listStored(call)
  const rest = new Rest(call, engine)
  const print = call.options.flag('json') ? jsonPrinter(call) : tablePrinter(call)
  let isEmpty = true
  for await (const page of rest.pages<ApiSchedule>(call, { path: ['schedules'] }, 'schedules')) {
    isEmpty = false
    print(page.map((schedule) => ({ ...schedule, namespace: rest.namespace })))
    await call.output.flushed()
  }
  if (isEmpty && !call.options.flag('json')) call.output.note('No schedules.')
  return 0
}

async function listStored(call: CommandCall): Promise<number> {
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

/** As the REST API tells of it, and what only a store does. */
interface ListedSchedule extends Pick<ApiSchedule, 'id' | 'paused' | 'nextMs' | 'counts' | 'lastRun'> {
  readonly namespace: string
  readonly spec: Pick<ApiSchedule['spec'], 'times' | 'overlap'> & {
    readonly start: Pick<ApiSchedule['spec']['start'], 'workflow' | 'version'>
  }
  /** The run that waits; undefined: the API says it of a single one. */
  readonly buffered?: string | null
}

/** Throws `STORE_CORRUPT` where its texts are no JSON. */
function scheduleOf({ namespace, id, ...row }: ScheduleRow): ListedSchedule {
  try {
    const spec = JSON.parse(row.spec) as ScheduleSpec
    const { paused, nextMs, recent, buffered, counts } = JSON.parse(row.state) as ScheduleState
    const lastRun = recent[0]
    return {
      id,
      namespace,
      spec,
      counts,
      buffered: buffered?.workflowId ?? null,
      ...present({ paused, nextMs, lastRun }),
    }
  } catch (error) {
    throw new PerdureError('STORE_CORRUPT', `the row of schedule ${id} is damaged`, { cause: error })
  }
}

type Printer = (schedules: readonly ListedSchedule[]) => void

function jsonPrinter({ output }: CommandCall): Printer {
  return (schedules) => {
    for (const { id, namespace, spec, paused, nextMs, lastRun, buffered, counts } of schedules) {
      const { times, start, overlap } = spec
      output.line(
        JSON.stringify({
          id,
          namespace,
          times,
          workflow: start.workflow,
          version: start.version,
          overlap,
          paused: paused?.reason ?? null,
          nextTime: paused !== undefined || nextMs === undefined ? null : isoTime(nextMs),
          lastRun:
            lastRun === undefined
              ? null
              : {
                  workflowId: lastRun.workflowId,
                  time: isoTime(lastRun.timeMs),
                  startedAt: isoTime(lastRun.startedMs),
                  cause: lastRun.cause,
                },
          ...(buffered === undefined ? {} : { buffered }),
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
      withNamespace = schedules.some(({ namespace }) => namespace !== DEFAULT_NAMESPACE)
      const cells = schedules.map((schedule) => cellsOf(schedule, withNamespace))
      table = new Table(withNamespace ? [NAMESPACE, ...COLUMNS] : COLUMNS, cells, output)
      output.line(table.header())
    }
    for (const schedule of schedules) output.line(table.row(cellsOf(schedule, withNamespace)))
  }
}

function cellsOf(schedule: ListedSchedule, withNamespace: boolean): Cell[] {
  const { id, namespace, spec, counts, lastRun } = schedule
  const cells: Cell[] = [
    printable(id),
    printable(timesText(spec.times)),
    nextCell(schedule),
    printable(spec.start.workflow),
    lastRun === undefined ? '' : timeText(lastRun.startedMs),
    String(counts.started),
    String(counts.skipped),
    String(counts.missed),
    spec.overlap,
  ]
  return withNamespace ? [printable(namespace), ...cells] : cells
}

function nextCell({ paused, nextMs }: ListedSchedule): Cell {
  if (paused !== undefined) return { text: 'paused', style: 'yellow' }
  return nextMs === undefined ? { text: 'none', style: 'gray' } : timeText(nextMs)
}

function timesText(times: ScheduleTimes): string {
  if (times.kind === 'cron') return times.timezone === 'UTC' ? times.cron : `${times.cron} ${times.timezone}`
  const every = `every ${durationText(times.everyMs)}`
  return times.offsetMs === 0 ? every : `${every} + ${durationText(times.offsetMs)}`
}
