/**
 * Reads a store file for tools, and leaves the directory as it was.
 *
 * A reader of a file in WAL mode needs the log (`-wal`) and its index (`-shm`). While an engine runs, or after one was
 * killed, both are there and are left alone. After a clean shutdown neither is: SQLite makes empty ones for the reader, and
 * a reader that may not write cannot remove them.
 *
 * 1. The file is never written, and no lock is held that keeps an engine from starting or committing.
 * 2. Empty side files that this reader made are removed by SQLite itself, under its own locks, when nobody else has the
 *    file open. Deleting them by name could destroy the log of an engine that started meanwhile.
 * 3. Where nothing can be written, the file is read as one that does not change; then no engine can run there either.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { PerdureError } from '../../protocol/errors.ts'
import { openReading } from './connection.ts'
import { isCannotOpen } from './sqlite-error.ts'

export interface ToolConnection {
  readonly database: DatabaseSync
  /** Read as a file that nobody writes; SQLite then does not tell its journal mode. */
  readonly isUnchanging: boolean
  close(): void
}

export function openForTool(file: string): ToolConnection {
  const hasLog = (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
  if (!hasLog && !isWritable(file)) return openUnchanging(file)
  let database: DatabaseSync | undefined
  const close = (): void => {
    database?.close()
    if (!hasLog && existsSync(`${file}-wal`)) removeSideFiles(file)
  }
  try {
    database = openReading(file)
    // The side files are opened with the first read.
    database.prepare('select count(*) from sqlite_schema').get()
    return { database, isUnchanging: false, close }
  } catch (error) {
    close()
    if (!hasLog || !isCannotOpen(error)) throw error
    const why = `${file} has a log (-wal) without an index (-shm), and its directory is read-only`
    const remedy = `copy ${file} and ${file}-wal together into a directory that can be written, and read the copy`
    throw new PerdureError('STORE_READ_ONLY', `${why}: ${remedy}`, { cause: error })
  }
}

function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK)
    accessSync(dirname(file), constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Node takes the URI from 22.15 on. */
function openUnchanging(file: string): ToolConnection {
  const uri = pathToFileURL(file)
  uri.searchParams.set('immutable', '1')
  try {
    const database = new DatabaseSync(uri.href, { readOnly: true })
    return { database, isUnchanging: true, close: () => database.close() }
  } catch (error) {
    if (!isCannotOpen(error)) throw error
    const why = `${file} is in a read-only directory, which Node ${process.versions.node} cannot read from`
    throw new PerdureError('STORE_READ_ONLY', `${why}: use Node 22.15 or newer, or copy the file`, {
      cause: error,
    })
  }
}

/** The last writing connection to close removes both files. The log is empty: nothing is copied into the file. */
function removeSideFiles(file: string): void {
  const database = new DatabaseSync(file)
  try {
    database.prepare('select count(*) from sqlite_schema').get()
  } catch {
    // A damaged file: whoever read it was told, and closing removes the files all the same.
  } finally {
    database.close()
  }
}
