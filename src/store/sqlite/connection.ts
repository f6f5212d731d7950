/** Connections to a store file, with the settings that its guarantees and its speed rest on. */
import { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'

/** A larger page than the default of 4 KiB: a batch touches fewer of them. Counts in a new file only. */
const PAGE_BYTES = 8192
/** Pages in the log before it is copied into the file, within some commit: 32 MiB. */
const CHECKPOINT_PAGES = 4000
/** More makes batches no faster, and counts in the memory of an engine with a million sleeping executions. */
const CACHE_KIB = { writing: 16_384, reading: 4_096 }
/** Other programs hold the write lock for moments only, e.g. a checkpoint of a tool. */
const BUSY_MS = 10_000

/**
 * The writing connection. `synchronous` is set after the switch to the log: set before, it reads back as FULL and behaves
 * as NORMAL, and commits are not on the disk when they are acknowledged.
 */
export function openWriting(
  file: string,
  options: { readonly synchronous: 'full' | 'normal' },
): DatabaseSync {
  const database = new DatabaseSync(file)
  try {
    database.exec(`pragma busy_timeout = ${BUSY_MS}; pragma page_size = ${PAGE_BYTES}`)
    const mode = database.prepare('pragma journal_mode = wal').get()?.journal_mode
    if (mode !== 'wal') {
      throw new PerdureError(
        'STORE_FAILED',
        `${file} is on a file system without shared memory (journal mode ${mode})`,
      )
    }
    database.exec(`pragma synchronous = ${options.synchronous}; pragma wal_autocheckpoint = ${CHECKPOINT_PAGES};
      pragma cache_size = -${CACHE_KIB.writing}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** A connection that sees the newest commit at the start of each statement, and never writes. */
export function openReading(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    database.exec(`pragma busy_timeout = ${BUSY_MS}; pragma query_only = on;
      pragma cache_size = -${CACHE_KIB.reading}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Undoes the change of a process that died in it. SQLite does that with the first read that may write; nothing is set. */
export function rollBackUnfinished(file: string): void {
  const database = new DatabaseSync(file)
  try {
    database.exec(`pragma busy_timeout = ${BUSY_MS}`)
    database.prepare('select count(*) from sqlite_schema').get()
  } finally {
    database.close()
  }
}
