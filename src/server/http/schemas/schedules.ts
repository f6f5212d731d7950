/** Shapes of what the API says of schedules, and takes. */
import Type from 'typebox'
import {
  OVERLAP_POLICIES,
  type ScheduleTimes,
  SHORTEST_INTERVAL_MS,
} from '../../../protocol/schedule-port.ts'
import {
  answered,
  asked,
  attributes,
  count,
  cursor,
  durationMs,
  list,
  name,
  optional,
  payload,
  timeMs,
  words,
} from './values.ts'

export const scheduleParam = { id: name('Of the schedule.') }
export const overlap = words(
  OVERLAP_POLICIES,
  'What becomes of a run whose time has come while an earlier one is open. Default `skip`.',
)

const cron = asked({
  kind: Type.Literal('cron'),
  cron: Type.String({
    maxLength: 4096,
    description:
      '5 fields (minute first), 6 (seconds first), 7 (the year last), or a nickname such as `@daily`.',
  }),
  timezone: optional(
    Type.String({ maxLength: 512, description: 'IANA name, such as `Europe/Berlin`. Default `UTC`.' }),
  ),
})
const interval = asked({
  kind: Type.Literal('interval'),
  everyMs: Type.Integer({
    minimum: SHORTEST_INTERVAL_MS,
    description: 'Milliseconds. Times are multiples of it since 1970 in UTC.',
  }),
  offsetMs: optional(durationMs('Moves them by this much. Default 0.')),
})
const times = Type.Union([cron, interval], { description: 'When its runs start.' })

const startFields = {
  workflow: name('Its name.'),
  version: optional(name('Default `1`.')),
  input: optional(payload('Given to each run.')),
  idPrefix: optional(
    name('Workflow ids are this, `-`, and the time in UTC. Default: the id of the schedule.'),
  ),
  timeoutMs: optional(durationMs('Each run ends as `timed-out` after this time. Default: none.')),
  attributes: optional(attributes),
}
export const scheduleFields = {
  startAtMs: optional(timeMs('No time before this one.')),
  endAtMs: optional(timeMs('Only times before this one.')),
  overlap: optional(overlap),
  catchUpMs: optional(
    Type.Integer({
      minimum: 10_000,
      description:
        'Times that passed while no engine ran are caught up if they are no longer past than this, milliseconds. Default: a day.',
    }),
  ),
  jitterMs: optional(durationMs('Each run starts up to this much later than its time. Default 0.')),
}
export const newSchedule = {
  times,
  ...scheduleFields,
  start: asked(startFields, 'What each run is.'),
  paused: optional(
    Type.String({ maxLength: 4096, description: 'Why: nothing starts before it is resumed.' }),
  ),
  onConflict: optional(
    words(
      ['fail', 'update'],
      'If there is one with this id. `fail` (default): `SCHEDULE_EXISTS`. `update`: it gets these times and options.',
    ),
  ),
}
export const scheduleChanges = asked(
  {
    times: optional(times),
    ...scheduleFields,
    start: optional(asked({ ...startFields, workflow: optional(startFields.workflow) })),
  },
  'What is not given stays as it is; but bounds belong to the times: other times come with their own, or have none.',
)

const run = {
  workflowId: Type.String(),
  timeMs: timeMs('That it is for.'),
  cause: words(['schedule', 'trigger', 'backfill']),
}
const startedRun = { ...run, startedMs: timeMs('When it was started.') }
const spec = Type.Object(
  {
    times: Type.Unsafe<ScheduleTimes>({ type: 'object' }),
    startAtMs: optional(timeMs('')),
    endAtMs: optional(timeMs('')),
    overlap: words(OVERLAP_POLICIES),
    catchUpMs: durationMs(''),
    jitterMs: durationMs(''),
    start: Type.Object({
      workflow: Type.String(),
      version: Type.String(),
      input: optional(payload('Given to each run.')),
      idPrefix: Type.String(),
      timeoutMs: optional(durationMs('')),
      attributes: optional(attributes),
    }),
  },
  { title: 'ScheduleSpec' },
)
const scheduleSummary = {
  id: Type.String(),
  spec,
  createdMs: timeMs('When it was created.'),
  paused: optional(Type.Object({ reason: Type.String(), atMs: timeMs('Since when.') })),
  nextMs: optional(timeMs('The next time, without jitter.')),
  counts: Type.Object({
    started: count('Runs.'),
    skipped: count('Times that were left out because a run was open.'),
    missed: count('Times that were past by more than the catch-up window.'),
  }),
  lastRun: optional(Type.Object(startedRun)),
}
export const schedule = answered('ScheduleDescription', {
  ...scheduleSummary,
  nextTimesMs: list(timeMs(''), 'The next ten times, as if it were not paused.'),
  recentRuns: list(Type.Object({ ...startedRun, status: Type.String() }), 'The last ten, the newest first.'),
  running: list(Type.String(), 'Workflow ids of its runs that are open.'),
  buffered: optional(Type.Object(run)),
  backfills: list(Type.Object({ fromMs: timeMs(''), toMs: timeMs('') }), 'That are not done yet.'),
})
export const schedulePage = answered('SchedulePage', {
  schedules: list(answered('Schedule', scheduleSummary), 'In the order of their ids.'),
  cursor,
})
export const triggered = answered('Triggered', {
  outcome: words(['started', 'buffered', 'skipped'], 'What became of the run.'),
  workflowId: Type.String(),
})
