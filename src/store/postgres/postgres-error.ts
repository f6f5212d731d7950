/** What the errors of PostgreSQL mean to the engine. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
import pg from 'pg'
import { PerdureError } from '../../protocol/errors.ts'

/** Raised by `perdure.guard`. */
const FENCED = 'PD001'
/** Integrity constraint violation, data exception, program limit exceeded: the rows themselves are at fault. */
const REFUSALS = ['23', '22', '54']
/** Connection exception, insufficient resources, operator intervention, system error. */
const OUTAGES = ['08', '53', '57', '58']

export function isFenced(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === FENCED
}

/** The same batch fails each time, and nothing of it was written. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError) || error.severity !== 'ERROR') return false
  return REFUSALS.includes(error.code?.slice(0, 2) ?? '')
}

/** Nothing is wrong with what was asked: it can be asked again, on a new connection. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return isOfConnection(error)
  if (error.severity !== 'ERROR') return true
  return isBlocked(error) || isReadOnly(error) || OUTAGES.includes(error.code?.slice(0, 2) ?? '')
}

/** Lock timeout, deadlock, serialization failure: somebody else was in the way. */
function isBlocked(error: InstanceType<typeof pg.DatabaseError>): boolean {
  return error.code === '55P03' || error.code?.startsWith('40') === true
}

/** The server has become a standby. */
function isReadOnly(error: InstanceType<typeof pg.DatabaseError>): boolean {
  return error.code === '25006'
}

/** An error of the socket has a code of the system; those of a closed connection are made by the driver, without one. */
function isOfConnection(error: unknown): boolean {
  if (error instanceof PerdureError || !(error instanceof Error)) return false
  if ('code' in error && typeof error.code === 'string') return true
  return /^Connection terminated|^timeout|^Client has|^Query read timeout|not queryable/i.test(error.message)
}

/** What it was answered with may be on this server only: it counts as an outage. */
export function warned(): Error {
  return Object.assign(new Error('a registration was answered with a warning'), { code: 'EWARNING' })
}

/** Of the server; undefined: it is none of the server's errors. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** For people: without the address of the database, which the caller adds. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map((each) => messageOf(each)).join('; ')
  return error instanceof Error ? error.message : String(error)
}

export function storeFailed(name: string, error: unknown): PerdureError {
  if (error instanceof PerdureError) return error
  return new PerdureError('STORE_FAILED', `${name}: ${messageOf(error)}`, { cause: error })
}
