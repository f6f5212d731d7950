/** Schedules: executions that start at given times, again and again. */
import type { Attributes } from './event.ts'
import type { ExecutionStatus } from './execution-status.ts'
import type { Payload } from './payload.ts'

export const OVERLAP_POLICIES = ['skip', 'buffer-one', 'allow', 'cancel-other', 'terminate-other'] as const

/** What becomes of a run whose time has come while an earlier one of its schedule is still open. */
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number]

/** Of the times of an interval. */
export const SHORTEST_INTERVAL_MS = 1000

export type ScheduleTimes =
  /** 5 fields (minute first), 6 (seconds first) or 7 (with the year), or a nickname such as `@daily`; IANA time zone. */
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone: string }
  /** All times t, ms since 1970, with t modulo `everyMs` = `offsetMs`. */
  | { readonly kind: 'interval'; readonly everyMs: number; readonly offsetMs: number }

export interface ScheduledStart {
  readonly workflow: string
  readonly version: string
  readonly input: Payload
  /** Workflow ids begin with it; `-` and the time follow. */
  readonly idPrefix: string
  readonly timeoutMs?: number
  readonly attributes?: Attributes
}

export interface ScheduleSpec {
  readonly times: ScheduleTimes
  /** Bounds of its times, ms since 1970: from inclusive, to exclusive. */
  readonly startAtMs?: number
  readonly endAtMs?: number
  readonly overlap: OverlapPolicy
  /** A time that is longer past than this is missed. */
  readonly catchUpMs: number
  /** Each run starts up to this much after its time, and before the next time. */
  readonly jitterMs: number
  readonly start: ScheduledStart
}

/** What is not given stays as it is; but bounds belong to the times: other times come with their own, or have none. */
export interface ScheduleChanges extends Partial<Omit<ScheduleSpec, 'start'>> {
  readonly start?: Partial<ScheduledStart>
}

export interface ScheduleTarget {
  readonly namespace: string
  readonly id: string
}

/** A run that the schedule has started, or will start. */
export interface ScheduleRun {
  readonly workflowId: string
  /** The time that it is for, ms since 1970: of the schedule, or of the trigger. */
  readonly timeMs: number
  readonly cause: 'schedule' | 'trigger' | 'backfill'
}

export interface StartedScheduleRun extends ScheduleRun {
  readonly startedMs: number
}

export interface ScheduleCounts {
  readonly started: number
  /** Times that were left out because a run was open, and runs that waited and whose place another took. */
  readonly skipped: number
  /** Times that were past by more than the catch-up window. Of one outage at most 1,000 are counted. */
  readonly missed: number
}

export interface ScheduleSummary {
  readonly id: string
  readonly spec: ScheduleSpec
  readonly createdMs: number
  readonly paused?: { readonly reason: string; readonly atMs: number }
  /** The next time, without jitter; absent: there is none. */
  readonly nextMs?: number
  readonly counts: ScheduleCounts
  readonly lastRun?: StartedScheduleRun
}

export interface ScheduleDescription extends ScheduleSummary {
  /** The next ten times, as if it were not paused. */
  readonly nextTimesMs: readonly number[]
  /** The last ten runs, newest first. */
  readonly recentRuns: readonly (StartedScheduleRun & { readonly status: ExecutionStatus | 'deleted' })[]
  /** Workflow ids of its runs that are open; of `allow` the newest 10. */
  readonly running: readonly string[]
  /** It starts when those that are open have ended. */
  readonly buffered?: ScheduleRun
  /** Backfills that are not done yet: the times from `fromMs` to `toMs`, both inclusive. */
  readonly backfills: readonly { readonly fromMs: number; readonly toMs: number }[]
}

export interface ScheduleListPage {
  readonly schedules: readonly ScheduleSummary[]
  readonly cursor?: string
}

export interface TriggerReply {
  readonly outcome: 'started' | 'buffered' | 'skipped'
  readonly workflowId: string
}

export interface SchedulePort {
  create(
    target: ScheduleTarget,
    spec: ScheduleSpec,
    options: { readonly paused?: string; readonly onConflict: 'fail' | 'update' },
  ): Promise<void>
  update(target: ScheduleTarget, changes: ScheduleChanges): Promise<void>
  pause(target: ScheduleTarget, reason: string): Promise<void>
  resume(target: ScheduleTarget): Promise<void>
  /** Once for each `requestId`, which is a part of the workflow id. */
  trigger(
    target: ScheduleTarget,
    options: { readonly requestId: string; readonly overlap?: OverlapPolicy },
  ): Promise<TriggerReply>
  backfill(
    target: ScheduleTarget,
    range: { readonly fromMs: number; readonly toMs: number; readonly overlap: OverlapPolicy },
  ): Promise<void>
  describe(target: ScheduleTarget): Promise<ScheduleDescription>
  /** In the order of their ids. */
  list(query: {
    readonly namespace: string
    readonly limit?: number
    readonly cursor?: string
  }): Promise<ScheduleListPage>
  /** Its runs stay. */
  delete(target: ScheduleTarget): Promise<void>
}
