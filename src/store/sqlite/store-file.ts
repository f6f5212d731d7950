/** Opening a store file: where it is, whether it is ours, and that it has the newest schema. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'
import { openReading, openWriting, rollBackUnfinished } from './connection.ts'
import { FileLock } from './file-lock.ts'
import { migrate, schemaVersionOf } from './migrate.ts'
import { storeError } from './sqlite-error.ts'

/** One page of the smallest size. */
const SMALLEST_DATABASE_BYTES = 512
/** How a rollback journal begins that was complete on the disk before the file was written. */
const JOURNAL_START = Buffer.from('d9d505f920a163d7', 'hex')

export interface OpenFile {
  readonly file: string
  readonly lock: FileLock
  readonly reading: DatabaseSync
  readonly shards: number
}

/**
 * The one name of a file, links resolved: two engines must not meet in one file under two names. The file need not
 * exist, its directory must.
 */
export function resolveFile(path: string): string {
  if (path === '' || path === ':memory:' || path.includes('\0')) {
    throw new PerdureError('STORE_INVALID', `${JSON.stringify(path)} is not the path of a file`)
  }
  // As in other URLs of databases, which say a host after it: the file would be in the root of the file system.
  if (path.startsWith('//'))
    throw new PerdureError(
      'STORE_INVALID',
      `'${path}' begins with //: write sqlite:x.db, or sqlite:/data/x.db`,
    )
  const file = resolve(path)
  if (!existsSync(dirname(file))) {
    throw new PerdureError('STORE_INVALID', `The directory ${dirname(file)} does not exist`)
  }
  if (!existsSync(file)) return join(realpathSync(dirname(file)), basename(file))
  if (!statSync(file).isFile()) throw new PerdureError('STORE_INVALID', `${file} is not a file`)
  return realpathSync(file)
}

/** Locks the file, makes it if it is not there, and brings it to the newest schema. */
export function openStoreFile(path: string, shards: number): OpenFile {
  const file = resolveFile(path)
  requireWritable(file)
  const lock = attempt(file, () => new FileLock(file))
  try {
    const reading = attempt(file, () => prepareFile(file, shards))
    return { file, lock, reading, shards: attempt(file, () => shardsOf(reading)) }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Runs `open`, and tells its failures in words of the catalogue. */
export function attempt<T>(file: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw storeError(error, file)
  }
}

function prepareFile(file: string, shards: number): DatabaseSync {
  // Before the log is in use, changes are made under a rollback journal. A process that died leaves it, and a reader is
  // refused until it is rolled back; the file is then as it was before the change, perhaps empty.
  if (hasRollbackJournal(file)) rollBackUnfinished(file)
  // A file that is not ours must stay as it is, so it is read before anything is set in it.
  if (sizeOf(file) > 0) {
    requireWhole(file)
    const found = openReading(file)
    try {
      schemaVersionOf(found, file)
      requireAllPages(found, file)
    } finally {
      found.close()
    }
  }
  const writing = openWriting(file, { synchronous: 'full' })
  try {
    migrate(writing, file, shards)
    // Opened before the other one closes: the last connection to close would copy the whole log into the file.
    return openReading(file)
  } finally {
    writing.close()
  }
}

/** The size is all that is asked of the system: to open and close the file here would drop SQLite's locks on it (POSIX). */
function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** Any other file of that name is left alone: SQLite would delete it. */
function hasRollbackJournal(file: string): boolean {
  if (sizeOf(`${file}-journal`) < JOURNAL_START.length) return false
  const journal = openSync(`${file}-journal`, 'r')
  try {
    const start = Buffer.alloc(JOURNAL_START.length)
    readSync(journal, start)
    return start.equals(JOURNAL_START)
  } finally {
    closeSync(journal)
  }
}

/** SQLite takes a file of a few bytes for an empty database, and would write over it. */
function requireWhole(file: string): void {
  if (sizeOf(file) >= SMALLEST_DATABASE_BYTES) return
  throw new PerdureError('STORE_CORRUPT', `${file} is not a SQLite database: it has ${sizeOf(file)} bytes`)
}

/** SQLite does not miss a part of the last page. While there is a log, pages may be in it alone. */
function requireAllPages(found: DatabaseSync, file: string): void {
  const value = (name: string): number => Number(found.prepare(`pragma ${name}`).get()?.[name])
  const bytes = value('page_count') * value('page_size')
  if (sizeOf(`${file}-wal`) > 0 || sizeOf(file) >= bytes) return
  throw new PerdureError('STORE_CORRUPT', `${file} is cut off: it has ${sizeOf(file)} bytes of ${bytes}`)
}

function shardsOf(reading: DatabaseSync): number {
  return Number(reading.prepare("select value from meta where key = 'shards'").get()?.value)
}

/** SQLite reports a directory that cannot be written as a file that cannot be opened; this tells them apart. */
function requireWritable(file: string): void {
  const directory = dirname(file)
  const probe = `${file}.probe-${process.pid}`
  try {
    writeFileSync(probe, '', { flag: 'wx' })
    rmSync(probe)
    if (existsSync(file)) accessSync(file, constants.W_OK)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw storeError(error, file)
    throw new PerdureError('STORE_READ_ONLY', `${file}, or its directory ${directory}, is read-only`, {
      cause: error,
    })
  }
}
