/** What has become of a schedule, and the changes that its owner makes. */
import type {
  OverlapPolicy,
  ScheduleChanges,
  ScheduleCounts,
  ScheduleRun,
  ScheduleSpec,
  StartedScheduleRun,
} from '../../protocol/schedule-port.ts'
import type { ScheduleTimesOf } from './schedule-times.ts'

/** Times that are counted one by one. */
const SKIPPED_MAX = 1000

export interface Backfill {
  /** When it was asked for. */
  readonly askedMs: number
  /** Times from here on are still to come; `toMs` is one of them if it is a time. */
  readonly fromMs: number
  readonly toMs: number
  readonly overlap: OverlapPolicy
}

/** All of it is JSON: it is stored as it is. */
export interface ScheduleState {
  readonly createdMs: number
  readonly paused?: { readonly reason: string; readonly atMs: number }
  /** The next time that was not decided yet; absent: there is none. */
  readonly nextMs?: number
  /** Workflow ids of runs that were open when it was looked at last, oldest first. */
  readonly running: readonly string[]
  /** Newest first. */
  readonly recent: readonly StartedScheduleRun[]
  readonly buffered?: ScheduleRun
  readonly backfills: readonly Backfill[]
  readonly counts: ScheduleCounts
}

export function createdState(times: ScheduleTimesOf, nowMs: number, pausedReason?: string): ScheduleState {
  const state: ScheduleState = {
    createdMs: nowMs,
    running: [],
    recent: [],
    backfills: [],
    counts: { started: 0, skipped: 0, missed: 0 },
  }
  const planned = withNext(state, times.after(nowMs))
  return pausedReason === undefined ? planned : pausedState(planned, { reason: pausedReason, times }, nowMs)
}

/** A run of its own that waits, also for its jitter, is left out; one that somebody asked for stays. */
export function pausedState(
  state: ScheduleState,
  { reason, times }: { readonly reason: string; readonly times: ScheduleTimesOf },
  nowMs: number,
): ScheduleState {
  const left = state.paused === undefined ? withoutWaiting(state, times, nowMs) : state
  const paused: ScheduleState = { ...left, paused: { reason, atMs: nowMs } }
  if (state.buffered?.cause !== 'schedule') return paused
  const { buffered: _, ...rest } = paused
  return { ...rest, counts: { ...left.counts, skipped: left.counts.skipped + 1 } }
}

/** Times that have come, and whose runs have not started yet, are skipped. */
function withoutWaiting(state: ScheduleState, times: ScheduleTimesOf, nowMs: number): ScheduleState {
  let { nextMs } = state
  let skipped = 0
  for (; nextMs !== undefined && nextMs <= nowMs && skipped < SKIPPED_MAX; skipped++)
    nextMs = times.after(nextMs)
  if (skipped === 0) return state
  const { counts } = state
  return withNext({ ...state, counts: { ...counts, skipped: counts.skipped + skipped } }, times.after(nowMs))
}

/** Times that passed while it was paused have no runs. */
export function resumedState(state: ScheduleState, times: ScheduleTimesOf, nowMs: number): ScheduleState {
  if (state.paused === undefined) return state
  const { paused: _, ...rest } = state
  return withNext(rest, times.after(nowMs))
}

export function changedSpec(spec: ScheduleSpec, changes: ScheduleChanges): ScheduleSpec {
  const { startAtMs: _, endAtMs: __, ...unbounded } = spec
  const kept = changes.times === undefined ? spec : unbounded
  return { ...kept, ...changes, start: { ...spec.start, ...changes.start } }
}

/** Other times hold from now on, and those before that have not started yet are left out; what is not changed keeps its next time, also one that is due. */
export function respecifiedState(
  state: ScheduleState,
  change: {
    readonly before: ScheduleSpec
    readonly after: ScheduleSpec
    readonly timesBefore: ScheduleTimesOf
    readonly times: ScheduleTimesOf
  },
  nowMs: number,
): ScheduleState {
  const textOf = ({ times, startAtMs, endAtMs }: ScheduleSpec): string =>
    JSON.stringify([times, startAtMs, endAtMs])
  if (textOf(change.before) === textOf(change.after)) return state
  const left = state.paused === undefined ? withoutWaiting(state, change.timesBefore, nowMs) : state
  return withNext(left, change.times.after(nowMs))
}

export function withBackfill(state: ScheduleState, backfill: Backfill): ScheduleState {
  return { ...state, backfills: [...state.backfills, backfill] }
}

/** When something is to be done for it, ms; null: nothing, as things are. */
export function dueMs({ paused, nextMs, backfills }: ScheduleState, times: ScheduleTimesOf): number | null {
  const [backfill] = backfills
  if (backfill !== undefined) return backfill.askedMs
  return paused !== undefined || nextMs === undefined ? null : times.startMs(nextMs)
}

export function withNext(state: ScheduleState, nextMs: number | undefined): ScheduleState {
  if (nextMs !== undefined) return { ...state, nextMs }
  const { nextMs: _, ...rest } = state
  return rest
}
