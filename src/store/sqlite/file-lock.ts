/**
 * One engine per file: an exclusive transaction, held for life, on an empty database beside it (`<file>.lock`).
 *
 * The system releases the lock of a process however it ends, so that a killed engine leaves nothing behind to clean up.
 *
 * 1. Who does not get the lock changes nothing: neither the file nor the sessions in it.
 * 2. The lock file is opened by SQLite alone, and never deleted: closing any other descriptor of it in this process would
 *    drop the lock (POSIX), and deleting it would let two engines lock two files of one name.
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'
import { openReading } from './connection.ts'
import { isBusy } from './sqlite-error.ts'

/** A tool that looks whether the file is in use holds a shared lock for an instant: that must not turn an engine away. */
const LOOK_MS = 200

export class FileLock {
  private readonly database: DatabaseSync

  /** Throws `STORE_LOCKED`, which names the holder. */
  constructor(file: string) {
    this.database = new DatabaseSync(`${file}.lock`)
    try {
      this.database.exec(`pragma busy_timeout = ${LOOK_MS}; begin exclusive`)
    } catch (error) {
      this.database.close()
      if (!isBusy(error)) throw error
      throw new PerdureError('STORE_LOCKED', `${file} is in use by ${holderOf(file)}`)
    }
  }

  release(): void {
    this.database.close()
  }
}

/** Whether an engine has the file, without taking the lock. A lock file that is not there was never taken. */
export function isFileLocked(file: string): boolean {
  if (!existsSync(`${file}.lock`)) return false
  const database = new DatabaseSync(`${file}.lock`, { readOnly: true })
  try {
    database.exec('pragma busy_timeout = 0')
    database.prepare('select count(*) from sqlite_schema').get()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    database.close()
  }
}

/** For the message only: while the holder is about to make the file, there is nothing to read yet. */
function holderOf(file: string): string {
  try {
    const database = openReading(file)
    try {
      const sql = 'select id, node from session where fenced_at is null order by id desc limit 1'
      const session = database.prepare(sql).get()
      if (session !== undefined) return `the engine at ${session.node} (session ${session.id})`
    } finally {
      database.close()
    }
  } catch {
    return 'an engine that is starting'
  }
  return 'an engine that is starting'
}
