/**
 * Times of cron expressions in time zones, by croner.
 *
 * Where clocks change, an expression that gives its hour, minute and second as numbers, lists or ranges runs once for each
 * of its times: a time that is skipped runs at the end of the gap, a time that comes twice runs the first time. One with
 * `*` or steps in one of these fields goes by what the clock shows: in a gap it has no times, and an hour that comes twice
 * has them twice.
 */
import { Cron } from 'croner'
import { PerdureError } from '../protocol/errors.ts'

/** Parsed expressions that are kept, those that were used last. */
const PARSED_MAX = 1000

const parsed = new Map<string, Cron>()

/** The first time strictly after `afterMs`, ms since 1970; undefined: there is none. Throws `ARGUMENT_INVALID`. */
export function nextCronTime(cron: string, timezone: string, afterMs: number): number | undefined {
  return parsedCron(cron, timezone).nextRun(new Date(afterMs))?.getTime()
}

/** Throws `ARGUMENT_INVALID` for what is no cron expression, has no time at all, or names no time zone. */
export function checkCron(cron: string, timezone: string): void {
  if (nextCronTime(cron, timezone, 0) === undefined)
    throw new PerdureError('ARGUMENT_INVALID', `the cron expression '${cron}' has no time at all`)
}

function parsedCron(cron: string, timezone: string): Cron {
  const text = `${timezone}\0${cron}`
  const known = parsed.get(text)
  if (known !== undefined) {
    parsed.delete(text)
    parsed.set(text, known)
    return known
  }
  const made = parse(cron, timezone)
  parsed.set(text, made)
  for (const oldest of parsed.keys()) {
    if (parsed.size <= PARSED_MAX) break
    parsed.delete(oldest)
  }
  return made
}

function parse(cron: string, timezone: string): Cron {
  if (typeof cron !== 'string')
    throw new PerdureError('ARGUMENT_INVALID', `the cron expression is of type ${typeof cron}, not a string`)
  checkTimezone(timezone)
  try {
    // Croner also takes a date, as an expression of one time.
    if (cron.includes(':')) throw new TypeError('it is a date')
    return new Cron(cron, { timezone, fixedTimeRule: 'no-wildcard' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new PerdureError('ARGUMENT_INVALID', `'${cron}' is not a cron expression: ${reason}`, {
      cause: error,
    })
  }
}

function checkTimezone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone }).format(0)
  } catch (error) {
    throw new PerdureError('ARGUMENT_INVALID', `'${timezone}' is not a time zone`, { cause: error })
  }
}
