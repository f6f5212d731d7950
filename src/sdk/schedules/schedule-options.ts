/** What callers say of schedules, checked. */
import { checkCron } from '../../platform/cron-times.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs, optionalMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Attributes } from '../../protocol/event.ts'
import type { Limits } from '../../protocol/limits.ts'
import {
  OVERLAP_POLICIES,
  type OverlapPolicy,
  type ScheduleSpec,
  SHORTEST_INTERVAL_MS,
} from '../../protocol/schedule-port.ts'
import { checkedOptions, checkedReason, checkNames, type OptionNames } from '../checked-arguments.ts'
import { checkedAttributes } from '../checked-attributes.ts'
import type { InputOf, Workflow } from '../definition.ts'

interface TimeBounds {
  /** No time before this one. Default: none. */
  readonly startAt?: Date | number
  /** Only times before this one. Default: none. */
  readonly endAt?: Date | number
}

export interface CronTimes extends TimeBounds {
  /**
   * 5 fields (minute, hour, day of month, month, day of week), 6 (seconds first), 7 (the year last), or a nickname such as
   * `@daily`. `L`, `W`, `#` and names of days and months are known.
   */
  readonly cron: string
  /** IANA name, such as `Europe/Berlin`. Default `UTC`. */
  readonly timezone?: string
}

export interface IntervalTimes extends TimeBounds {
  /** At least `'1s'`. Times are multiples of it since 1970 in UTC: `'1h'` is each full hour. */
  readonly every: Duration
  /** Moves them by this much; shorter than `every`. Default 0. */
  readonly offset?: Duration
}

export type ScheduleTimes = CronTimes | IntervalTimes

export interface ScheduleSettings {
  /** Workflow ids are this, `-`, and the time in UTC. Default: the id of the schedule. */
  readonly workflowIdPrefix?: string
  /** What becomes of a run whose time has come while an earlier one is open. Default `'skip'`. */
  readonly overlap?: OverlapPolicy
  /** Times that passed while no engine ran are caught up if they are no longer past than this. At least `'10s'`; default `'1d'`. */
  readonly catchUp?: Duration
  /** Each run starts up to this much later than its time, the same for each time, and before the next one. Default 0. */
  readonly jitter?: Duration
  /** Each run ends with status `timed-out` after this time. Default: none. */
  readonly executionTimeout?: Duration
  /** Of each run, beside `scheduleId` and `scheduledTime`. */
  readonly attributes?: Attributes
}

type InputOption<W extends Workflow> =
  undefined extends InputOf<W> ? { readonly input?: InputOf<W> } : { readonly input: InputOf<W> }

export type ScheduleOptions<W extends Workflow> = ScheduleSettings &
  InputOption<W> & {
    readonly workflow: W
    /** True, or why: nothing starts before `resume`. Only of a new schedule. Default false. */
    readonly paused?: boolean | string
    /** If there is a schedule with this id. `fail` (default): `SCHEDULE_EXISTS`; `update`: it gets these times and options. */
    readonly onConflict?: 'fail' | 'update'
  }

/** What is not given stays as it is. */
export interface ScheduleUpdate<W extends Workflow> extends ScheduleSettings {
  readonly times?: ScheduleTimes
  /** With `input` or without: then that stays as it is too. */
  readonly workflow?: W
  /** Needs `workflow`. */
  readonly input?: InputOf<W>
}

const SETTINGS: OptionNames<ScheduleSettings> = {
  workflowIdPrefix: true,
  overlap: true,
  catchUp: true,
  jitter: true,
  executionTimeout: true,
  attributes: true,
}
export const SCHEDULE_OPTIONS: OptionNames<ScheduleOptions<Workflow>> = {
  workflow: true,
  input: true,
  ...SETTINGS,
  paused: true,
  onConflict: true,
}
export const SCHEDULE_UPDATE: OptionNames<ScheduleUpdate<Workflow>> = {
  times: true,
  workflow: true,
  input: true,
  ...SETTINGS,
}
const CRON_TIMES: OptionNames<CronTimes> = { cron: true, timezone: true, startAt: true, endAt: true }
const INTERVAL_TIMES: OptionNames<IntervalTimes> = { every: true, offset: true, startAt: true, endAt: true }

const DEFAULT_CATCH_UP = '1d'
const SHORTEST_CATCH_UP_MS = 10_000
/** What follows the prefix in a workflow id: a time, or the id of a trigger. */
const ID_SUFFIX_BYTES = 50

export function timesFrom(times: ScheduleTimes): Pick<ScheduleSpec, 'times' | 'startAtMs' | 'endAtMs'> {
  if (typeof times !== 'object' || times === null)
    throw invalid('the times are neither { cron } nor { every }')
  const startAtMs = optionalTime(times.startAt, 'startAt')
  const endAtMs = optionalTime(times.endAt, 'endAt')
  if (startAtMs !== undefined && endAtMs !== undefined && startAtMs >= endAtMs)
    throw invalid('startAt is not before endAt')
  return {
    times: 'cron' in times ? cronOf(times) : intervalOf(times),
    ...(startAtMs === undefined ? {} : { startAtMs }),
    ...(endAtMs === undefined ? {} : { endAtMs }),
  }
}

function cronOf(given: CronTimes): ScheduleSpec['times'] {
  checkNames(given, CRON_TIMES, (name) => `a schedule by cron has no option '${name}'`)
  const { cron, timezone = 'UTC' } = given
  checkCron(cron, timezone)
  return { kind: 'cron', cron, timezone }
}

function intervalOf(given: IntervalTimes): ScheduleSpec['times'] {
  checkNames(given, INTERVAL_TIMES, (name) => `a schedule by interval has no option '${name}'`)
  if (given.every === undefined) throw invalid('the times are neither { cron } nor { every }')
  const everyMs = durationMs(given.every, 'every')
  const offsetMs = durationMs(given.offset ?? 0, 'offset')
  if (everyMs < SHORTEST_INTERVAL_MS) throw invalid(`every is ${everyMs} ms, less than 1 second`)
  if (offsetMs >= everyMs) throw invalid(`offset is ${offsetMs} ms, not less than every`)
  return { kind: 'interval', everyMs, offsetMs }
}

export interface CheckedSettings {
  readonly overlap: OverlapPolicy | undefined
  readonly catchUpMs: number | undefined
  readonly jitterMs: number | undefined
  readonly idPrefix: string | undefined
  readonly timeoutMs: number | undefined
  readonly attributes: Attributes | undefined
}

export function checkedSettings(settings: ScheduleSettings, limits: Limits): CheckedSettings {
  const { overlap, catchUp, jitter, workflowIdPrefix, executionTimeout, attributes } = settings
  return {
    overlap: overlap === undefined ? undefined : checkedOverlap(overlap),
    catchUpMs: catchUp === undefined ? undefined : checkedCatchUp(catchUp),
    jitterMs: optionalMs(jitter, 'jitter'),
    idPrefix: workflowIdPrefix === undefined ? undefined : checkedPrefix(workflowIdPrefix, limits),
    timeoutMs: optionalMs(executionTimeout, 'executionTimeout'),
    attributes: attributes === undefined ? undefined : checkedAttributes(attributes),
  }
}

/** An engine that is busy is seconds late now and then. */
function checkedCatchUp(catchUp: Duration): number {
  const ms = durationMs(catchUp, 'catchUp')
  if (ms < SHORTEST_CATCH_UP_MS) throw invalid(`catchUp is ${ms} ms, less than 10 seconds`)
  return ms
}

export const DEFAULT_CATCH_UP_MS = durationMs(DEFAULT_CATCH_UP)

export function checkedPrefix(prefix: string, { idBytes }: Limits): string {
  return checkedName(prefix, 'the prefix of workflow ids', idBytes - ID_SUFFIX_BYTES)
}

export function checkedOverlap(overlap: OverlapPolicy): OverlapPolicy {
  if (!OVERLAP_POLICIES.includes(overlap))
    throw invalid(`overlap is ${JSON.stringify(overlap)}, not one of ${OVERLAP_POLICIES.join(', ')}`)
  return overlap
}

/** Of `trigger` and `backfill`. */
export function overlapOption(
  options: { readonly overlap?: OverlapPolicy } | undefined,
  call: string,
): OverlapPolicy | undefined {
  const { overlap } = checkedOptions(options, call, { overlap: true })
  return overlap === undefined ? undefined : checkedOverlap(overlap)
}

export function pausedReason(paused: boolean | string | undefined): string | undefined {
  if (paused === undefined || paused === false) return undefined
  return paused === true ? 'created paused' : checkedReason(paused)
}

export function timeOf(time: Date | number, what: string): number {
  const ms = time instanceof Date ? time.getTime() : time
  if (typeof ms !== 'number' || !Number.isSafeInteger(ms) || Number.isNaN(new Date(ms).getTime()))
    throw invalid(`${what} is not a valid time: give a Date, or milliseconds since 1970`)
  return ms
}

function optionalTime(time: Date | number | undefined, what: string): number | undefined {
  return time === undefined ? undefined : timeOf(time, what)
}

export function invalid(detail: string): PerdureError {
  return new PerdureError('ARGUMENT_INVALID', detail)
}
