/** Durations: a number is milliseconds; a string is a number and a unit. */
import { PerdureError } from './errors.ts'

type Unit = 'ms' | 's' | 'm' | 'h' | 'd' | 'w'

/** `1500`, `'250ms'`, `'10s'`, `'5m'`, `'2h'`, `'30d'`, `'1w'`; fractions such as `'1.5h'` are allowed. */
export type Duration = number | `${number}${Unit}`

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/
/** About 285 years: keeps every due time a safe integer. */
export const LONGEST_MS = 9_000_000_000_000

/**
 * Milliseconds of a duration, rounded up. Throws `DURATION_INVALID` for anything else, also negative or not finite.
 *
 * @param what the option that it is, for the message
 */
export function durationMs(duration: Duration, what?: string): number {
  let ms: number
  if (typeof duration === 'number') ms = duration
  else {
    const match = typeof duration === 'string' ? PATTERN.exec(duration) : null
    ms = match === null ? Number.NaN : Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN)
  }
  if (!(ms >= 0 && ms <= LONGEST_MS)) {
    const shown = typeof duration === 'string' ? JSON.stringify(duration) : String(duration)
    const isLong = ms > LONGEST_MS
    const not = isLong ? `longer than ${LONGEST_MS.toLocaleString('en')} ms (285 years)` : 'not a duration'
    throw new PerdureError(
      'DURATION_INVALID',
      what === undefined ? `${shown} is ${not}` : `${what}: ${shown} is ${not}`,
    )
  }
  const nearest = Math.round(ms)
  // '4.078s' is 4078.0000000000005: an error of the multiplication is no fraction.
  return Math.abs(ms - nearest) <= 4 * Number.EPSILON * ms ? nearest : Math.ceil(ms)
}

export function optionalMs(duration: Duration | undefined, what?: string): number | undefined {
  return duration === undefined ? undefined : durationMs(duration, what)
}
