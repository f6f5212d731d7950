/** Schedules of an engine: made, changed, and what they do now. */
import type { Static } from 'typebox'
import { OVERLAP_POLICIES, SHORTEST_INTERVAL_MS } from '../../protocol/schedule-port.ts'
import { present } from '../../server/http/present.ts'
import type { schedule, triggered } from '../../server/http/schemas/schedules.ts'
import type { Action, Actions } from '../action-command.ts'
import type { CommandCall, OptionSpec } from '../command.ts'
import { attributesOf, durationOf, neededText } from '../given-values.ts'
import { INPUT_OPTION, inputOf } from '../input-value.ts'
import { knownWord } from '../nearest-word.ts'
import { printDone, printThing } from '../printed-rows.ts'
import { deletion } from '../rest/deletion.ts'
import { overRest } from '../rest/rest.ts'
import { isAgo, parsedTime } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'

const OVERLAP = {
  overlap: {
    value: 'POLICY',
    says: `if an earlier run is open: ${OVERLAP_POLICIES.join(', ')}`,
  },
} as const satisfies Record<string, OptionSpec>
const SETTINGS = {
  cron: { value: 'CRON', says: 'when: 5 fields (minute first), 6 (seconds first), 7, or such as @daily' },
  timezone: { value: 'ZONE', says: 'of --cron, such as Europe/Berlin; default UTC' },
  every: { value: 'TIME', says: 'when: each 15m, say' },
  offset: { value: 'TIME', says: 'moves the times of --every by this much' },
  from: { value: 'TIME', says: 'no time before this one, such as 2026-08-02' },
  to: { value: 'TIME', says: 'only times before this one' },
  ...OVERLAP,
  'catch-up': { value: 'TIME', says: 'times that passed without an engine are caught up so long after' },
  jitter: { value: 'TIME', says: 'each run starts up to this much later' },
  workflow: { value: 'NAME', says: 'what runs' },
  version: { value: 'VERSION', says: 'of the workflow' },
  ...INPUT_OPTION,
  prefix: { value: 'TEXT', says: 'of workflow ids; default: the id of the schedule' },
  timeout: { value: 'TIME', says: 'each run ends as timed out after this time' },
  attribute: { value: 'NAME=VALUE', says: 'a search attribute of each run', multiple: true },
} as const satisfies Record<string, OptionSpec>

function timesOf({ options }: CommandCall): object | undefined {
  const cron = options.text('cron')
  const everyMs = durationOf(options, 'every')
  const timezone = options.text('timezone')
  const offsetMs = durationOf(options, 'offset')
  if (everyMs !== undefined && everyMs < SHORTEST_INTERVAL_MS)
    throw new UsageError(`--every ${options.text('every')} is less than 1s`)
  if (cron !== undefined && everyMs !== undefined)
    throw new UsageError('--cron and --every are given', 'Leave one of them out.')
  if ((timezone !== undefined && cron === undefined) || (offsetMs !== undefined && everyMs === undefined))
    throw new UsageError('--timezone belongs to --cron, and --offset to --every')
  if (cron !== undefined) return present({ kind: 'cron', cron, timezone })
  return everyMs === undefined ? undefined : present({ kind: 'interval', everyMs, offsetMs })
}

function overlapOf({ options }: CommandCall): string | undefined {
  const text = options.text('overlap')
  return text === undefined ? undefined : knownWord(text, OVERLAP_POLICIES, 'an overlap policy')
}

function timeOf({ options, nowMs }: CommandCall, name: string): number | undefined {
  const text = options.text(name)
  return text === undefined ? undefined : parsedTime(text, name, nowMs)
}

/** Of a bound of its times. Elsewhere `30d` is that long ago: here nobody means that, and the schedule would never run. */
function boundOf(call: CommandCall, name: string): number | undefined {
  const text = call.options.text(name) ?? ''
  if (isAgo(text))
    throw new UsageError(
      `--${name} ${text} is no time of a schedule`,
      'Name a time such as 2026-08-02 or 2026-08-02T10:15:00Z.',
    )
  return timeOf(call, name)
}

/** What is given of its settings, as the API takes it. */
async function settingsOf(call: CommandCall): Promise<Readonly<Record<string, unknown>>> {
  const { options } = call
  const start = present({
    workflow: options.text('workflow'),
    version: options.text('version'),
    input: await inputOf(call),
    idPrefix: options.text('prefix'),
    timeoutMs: durationOf(options, 'timeout'),
    attributes: attributesOf(options),
  })
  return present({
    times: timesOf(call),
    startAtMs: boundOf(call, 'from'),
    endAtMs: boundOf(call, 'to'),
    overlap: overlapOf(call),
    catchUpMs: durationOf(options, 'catch-up'),
    jitterMs: durationOf(options, 'jitter'),
    start: Object.keys(start).length === 0 ? undefined : start,
  })
}

/** Of one that is there, with a body if `bodyOf` is given. */
function change(
  path: readonly string[],
  what: string,
  action: Omit<Action, 'run' | 'operands'>,
  bodyOf?: (call: CommandCall) => object,
): Action {
  return {
    ...action,
    operands: ['ID'],
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      const body = bodyOf === undefined ? {} : { body: bodyOf(call) }
      await rest.ask({ method: 'POST', path: ['schedules', id, ...path], ...body })
      printDone(call, { id }, `schedule ${id} ${what}`)
      return 0
    }),
  }
}

export const scheduleActions: Actions = {
  show: {
    operands: ['ID'],
    says: 'one, at an engine: its runs, and its next ten times',
    looks: true,
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      const { spec, nextTimesMs, ...known } = await rest.ask<Static<typeof schedule>>({
        path: ['schedules', id],
      })
      const isJson = call.options.flag('json')
      const times = isJson ? nextTimesMs : nextTimesMs.map((ms) => new Date(ms).toISOString())
      printThing(call, isJson ? { ...known, spec, nextTimesMs } : { ...known, ...spec, nextTimes: times })
      return 0
    }),
  },
  create: {
    operands: ['ID'],
    says: 'makes one',
    options: {
      ...SETTINGS,
      paused: { value: 'TEXT', says: 'why nothing starts before it is resumed' },
      replace: { says: 'one with this id gets these times and options' },
    },
    run: overRest(async (call, rest) => {
      const { options, operands } = call
      neededText(options, 'workflow')
      const settings = await settingsOf(call)
      if (settings.times === undefined)
        throw new UsageError('its times are missing', "Such as --cron '0 2 * * *' or --every 15m.")
      const onConflict = options.flag('replace') ? 'update' : undefined
      const id = operands[0] ?? ''
      const body = present({ id, ...settings, paused: options.text('paused'), onConflict })
      await rest.ask({ method: 'POST', path: ['schedules'], body })
      printDone(call, { id }, `schedule ${id} is in force`)
      return 0
    }),
  },
  update: {
    operands: ['ID'],
    says: 'changes what is given; other times come with their own bounds',
    options: SETTINGS,
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      const body = await settingsOf(call)
      if (Object.keys(body).length === 0)
        throw new UsageError('nothing is to be changed', 'Such as --every 30m, or --overlap buffer-one.')
      await rest.ask({ method: 'PATCH', path: ['schedules', id], body })
      printDone(call, { id }, `schedule ${id} is changed`)
      return 0
    }),
  },
  pause: change(
    ['pause'],
    'is paused',
    {
      says: 'starts nothing by it until it is resumed',
      options: { reason: { value: 'TEXT', says: 'why' } },
    },
    ({ options }) => present({ reason: options.text('reason') }),
  ),
  resume: change(['resume'], 'goes on', { says: 'goes on with the next time after now' }),
  trigger: {
    operands: ['ID'],
    says: 'starts a run now, also while it is paused, and prints its workflow id',
    options: {
      ...OVERLAP,
      'request-id': { value: 'ID', says: 'there is one run for it; default: a new one' },
    },
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      const body = present({ requestId: call.options.text('request-id'), overlap: overlapOf(call) })
      const path = ['schedules', id, 'trigger']
      const run = await rest.ask<Static<typeof triggered>>({ method: 'POST', path, body })
      printDone(call, run, run.workflowId)
      if (run.outcome !== 'started') call.output.note(`It is ${run.outcome}: another run is open.`)
      return 0
    }),
  },
  backfill: change(
    ['backfill'],
    'is being backfilled',
    {
      says: 'starts the runs of times that are past',
      options: {
        from: { value: 'TIME', says: 'the first of them' },
        to: { value: 'TIME', says: 'the last of them; default: now' },
        ...OVERLAP,
      },
    },
    (call) => {
      neededText(call.options, 'from')
      return present({
        fromMs: timeOf(call, 'from'),
        toMs: timeOf(call, 'to') ?? call.nowMs,
        overlap: overlapOf(call),
      })
    },
  ),
  delete: deletion({ says: 'deletes one; its runs stay', path: 'schedules', thing: 'schedule' }),
}
