/** What the errors of SQLite mean to the engine. Result codes: https://sqlite.org/rescode.html */
import { PerdureError } from '../../protocol/errors.ts'

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

function isSqliteError(error: unknown): error is SqliteError {
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

/** The failure of the environment as an error of the catalogue; the original is its cause. */
export function storeError(error: unknown, file: string): PerdureError {
  if (error instanceof PerdureError) return error
  const said = error instanceof Error ? error.message : String(error)
  const code = resultCode(error)
  if (code === SQLITE_NOTADB) {
    return new PerdureError('STORE_CORRUPT', `${file} is not a SQLite database: ${said}`, { cause: error })
  }
  if (code === SQLITE_CORRUPT) {
    return new PerdureError('STORE_CORRUPT', `${file} is damaged: ${said}`, { cause: error })
  }
  if (code === SQLITE_READONLY) {
    return new PerdureError('STORE_READ_ONLY', `${file} cannot be written: ${said}`, { cause: error })
  }
  if (code === SQLITE_BUSY) {
    const why = 'another program holds its write lock for too long'
    return new PerdureError('STORE_FAILED', `${file} cannot be written: ${why}`, { cause: error })
  }
  const number = isSqliteError(error) ? ` (SQLite result ${error.errcode})` : ''
  return new PerdureError('STORE_FAILED', `${file} failed: ${said}${number}`, { cause: error })
}
