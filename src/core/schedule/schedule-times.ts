/**
 * The times of a schedule.
 *
 * A time is nominal: it names a run for ever. With jitter the run starts some time later, which follows from the id of the
 * schedule and the time alone, so that it is the same after a restart; and before the next time, so that order holds.
 *
 * There is none after the year 9999: what is later may be no date at all.
 */
import type { ScheduleSpec } from '../../protocol/schedule-port.ts'

/** First time of a cron expression strictly after `afterMs`, ms since 1970; undefined: there is none. */
export type NextCron = (cron: string, timezone: string, afterMs: number) => number | undefined

export interface ScheduleTimesOf {
  /** The first time strictly after `ms`. */
  after(ms: number): number | undefined
  /** When the run of a time starts. */
  startMs(timeMs: number): number
}

/** The last millisecond of the year 9999. */
const LAST_MS = 253_402_300_799_999

export function timesOf(
  id: string,
  { times, startAtMs, endAtMs, jitterMs }: ScheduleSpec,
  nextCron: NextCron,
): ScheduleTimesOf {
  const after = (ms: number): number | undefined => {
    const fromMs = startAtMs === undefined ? ms : Math.max(ms, startAtMs - 1)
    if (fromMs >= LAST_MS) return undefined
    const next =
      times.kind === 'cron'
        ? nextCron(times.cron, times.timezone, fromMs)
        : nextOfInterval(times.everyMs, times.offsetMs, fromMs)
    if (next === undefined || next > LAST_MS) return undefined
    return endAtMs !== undefined && next >= endAtMs ? undefined : next
  }
  const startMs = (timeMs: number): number => {
    if (jitterMs === 0) return timeMs
    const next = after(timeMs)
    const roomMs = next === undefined ? jitterMs : Math.min(jitterMs, next - timeMs - 1)
    return timeMs + Math.floor(shareOf(`${id} ${timeMs}`) * (roomMs + 1))
  }
  return { after, startMs }
}

function nextOfInterval(everyMs: number, offsetMs: number, afterMs: number): number {
  return (Math.floor((afterMs - offsetMs) / everyMs) + 1) * everyMs + offsetMs
}

/** A number of [0, 1) that follows from the text: FNV-1a with the final mix of murmur3. */
function shareOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) / 2 ** 32
}
