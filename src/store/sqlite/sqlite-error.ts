/** What the errors of SQLite mean to the engine. Result codes: https://sqlite.org/rescode.html */
import { type ErrorCode, PerdureError } from '../../protocol/errors.ts'

const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_CORRUPT = 11
const SQLITE_CANTOPEN = 14
const SQLITE_TOOBIG = 18
const SQLITE_CONSTRAINT = 19
const SQLITE_MISMATCH = 20
const SQLITE_NOTADB = 26

interface SqliteError extends Error {
  readonly errcode: number
}

export function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
}

/** The primary result code: the low byte of the extended one. Undefined for an error of another origin. */
function resultCode(error: unknown): number | undefined {
  return isSqliteError(error) ? error.errcode & 0xff : undefined
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === SQLITE_BUSY
}

export function isCannotOpen(error: unknown): boolean {
  return resultCode(error) === SQLITE_CANTOPEN
}

/** A batch with a text that cannot be transferred. */
export class UnwritableTextError extends Error {
  override readonly name = 'UnwritableTextError'
}

/** The rows themselves are at fault, so that the same batch fails each time. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof UnwritableTextError) return true
  const code = resultCode(error)
  return code === SQLITE_CONSTRAINT || code === SQLITE_MISMATCH || code === SQLITE_TOOBIG
}

export interface StoreFailure {
  readonly code: ErrorCode
  readonly detail: string
}

/** What a failure of the environment is in words of the catalogue; it can be sent between threads. */
export function failureOf(error: unknown, file: string): StoreFailure {
  if (error instanceof PerdureError) return { code: error.code, detail: detailOf(error) }
  const said = error instanceof Error ? error.message : String(error)
  switch (resultCode(error)) {
    case SQLITE_NOTADB:
      return { code: 'STORE_CORRUPT', detail: `${file} is not a SQLite database: ${said}` }
    case SQLITE_CORRUPT:
      return { code: 'STORE_CORRUPT', detail: `${file} is damaged: ${said}` }
    case SQLITE_READONLY:
      return { code: 'STORE_READ_ONLY', detail: `${file} cannot be written: ${said}` }
    case SQLITE_BUSY:
      return { code: 'STORE_FAILED', detail: `${file} is locked by another program for too long` }
    default: {
      const number = isSqliteError(error) ? ` (SQLite result ${error.errcode})` : ''
      return { code: 'STORE_FAILED', detail: `${file} failed: ${said}${number}` }
    }
  }
}

/** The message without code and hint, which the error made of it on the other side adds again. */
function detailOf({ code, hint, message }: PerdureError): string {
  const end = ` (${code}). ${hint}`
  return message.endsWith(end) ? message.slice(0, -end.length) : message
}

/** The failure as an error, with the original as its cause; an error of the catalogue stays as it is. */
export function storeError(error: unknown, file: string): PerdureError {
  if (error instanceof PerdureError) return error
  const { code, detail } = failureOf(error, file)
  return new PerdureError(code, detail, { cause: error })
}
