/** Times and durations for people. Times are shown in the local time zone. */
import { UsageError } from './usage-error.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const two = (value: number): string => String(value).padStart(2, '0')

/** `2026-08-02 10:15:03`, with milliseconds if asked. */
export function timeText(ms: number, precision: 's' | 'ms' = 's'): string {
  const time = new Date(ms)
  if (Number.isNaN(time.getTime())) return `${ms} ms`
  const day = `${String(time.getFullYear()).padStart(4, '0')}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
  return precision === 's'
    ? `${day} ${clock}`
    : `${day} ${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

/** ISO 8601, or null for a time that no calendar has. */
export function isoTime(ms: number): string | null {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? null : time.toISOString()
}

/** The two largest units: `340ms`, `2.1s`, `3m 12s`, `2h 5m`, `12d 3h`. */
export function durationText(ms: number): string {
  if (ms < 0) return `-${durationText(-ms)}`
  if (ms < SECOND) return `${Math.round(ms)}ms`
  if (ms < 10 * SECOND && ms % SECOND !== 0) return `${(ms / SECOND).toFixed(1)}s`
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)}s`
  const pair = (large: number, largeName: string, small: number, smallName: string): string => {
    const rest = Math.floor((ms % large) / small)
    return `${Math.floor(ms / large)}${largeName}${rest === 0 ? '' : ` ${rest}${smallName}`}`
  }
  if (ms < HOUR) return pair(MINUTE, 'm', SECOND, 's')
  if (ms < DAY) return pair(HOUR, 'h', MINUTE, 'm')
  return pair(DAY, 'd', HOUR, 'h')
}

/** `in 2h 5m`, `3m 12s ago`. */
export function relativeText(ms: number, nowMs: number): string {
  return ms >= nowMs ? `in ${durationText(ms - nowMs)}` : `${durationText(nowMs - ms)} ago`
}

const AGO_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7 * DAY,
}
const AGO = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/
const CALENDAR = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/

/** Of a time, as `parsedTime` takes it: that long ago. */
export function isAgo(text: string): boolean {
  return AGO.test(text)
}

/** A point in time: `2h` (that long ago), `2026-08-02`, `2026-08-02T10:15:00`, with a zone or in the local one. */
export function parsedTime(text: string, option: string, nowMs: number): number {
  const ago = AGO.exec(text)
  if (ago !== null) return Math.round(nowMs - Number(ago[1]) * (AGO_UNITS[ago[2] ?? ''] ?? Number.NaN))
  // The language takes a bare date as UTC; people mean their own midnight, as with a date and time.
  const time = CALENDAR.test(text)
    ? new Date(text.length === 10 ? `${text}T00:00:00` : text.replace(' ', 'T')).getTime()
    : Number.NaN
  if (Number.isNaN(time))
    throw new UsageError(
      `--${option} ${text} is not a time`,
      'Use a duration (2h, 30d: that long ago) or a time such as 2026-08-02 or 2026-08-02T10:15:00Z.',
    )
  return time
}
