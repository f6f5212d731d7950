/** Which store a command reads: `--store`, the environment, or the only store file of the current directory. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { LaterRows, StoreReader } from '../store/contract/store-reader.ts'
import { isPostgresUrl } from '../store/postgres/postgres-url.ts'
import type { CommandCall } from './command.ts'
import { UsageError } from './usage-error.ts'

const HEADER_BYTES = 72
const MAGIC = 'SQLite format 3\0'
/** Of the SQLite header: where an application leaves its mark, and ours ("Perd"). */
const APPLICATION_ID_OFFSET = 68
const APPLICATION_ID = 0x50657264

const REMEDY =
  'Name it with --store sqlite:PATH, --store postgres://USER@HOST:PORT/DATABASE, or in the variable PERDURE_STORE.'

export function namedStore({ options, env }: CommandCall): string | undefined {
  return options.text('store') ?? (env.PERDURE_STORE === '' ? undefined : env.PERDURE_STORE)
}

/** The path of the file, absolute. It need not exist if it was named. */
export function storeFileOf(call: CommandCall): string {
  const named = namedStore(call)
  return named === undefined ? onlyStoreIn(call.directory) : resolve(call.directory, pathOf(named))
}

/** Opens the store for reading. `node:sqlite` is loaded only here, so that help works where it is missing. */
export async function openStoreReader(call: CommandCall): Promise<StoreReader> {
  const named = namedStore(call)
  if (named !== undefined && isPostgresUrl(named)) {
    const { openPostgresReader } = await import('../store/postgres/postgres-reader.ts')
    return openPostgresReader(named)
  }
  const file = storeFileOf(call)
  try {
    const { openSqliteReader } = await import('../store/sqlite/sqlite-reader.ts')
    return openSqliteReader(file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_BUILTIN_MODULE'))
      throw error
    const why = `Node ${process.versions.node} has no node:sqlite: perdure needs Node 22.13 or newer`
    throw new Error(why, { cause: error })
  }
}

/** Throws if an older version of the store lacks these rows. */
export function requireRows(reader: StoreReader, rows: LaterRows): void {
  const why = reader.lacks(rows)
  if (why !== undefined)
    throw new UsageError(why, 'Start an engine of this version of perdure once: it migrates the file.')
}

function pathOf(store: string): string {
  if (store === 'memory')
    throw new UsageError('a memory store lives in the process of its engine only', REMEDY)
  if (store.startsWith('sqlite://'))
    throw new UsageError(`'${store}' has // before its path`, 'Write sqlite:x.db, or sqlite:/data/x.db.')
  if (store.startsWith('sqlite:') && store.length > 'sqlite:'.length) return store.slice('sqlite:'.length)
  // One letter and a colon is a drive.
  if (store === '' || /^[a-z][a-z0-9+.-]+:/i.test(store))
    throw new UsageError(`'${store}' names no store that this command can read`, REMEDY)
  return store
}

function onlyStoreIn(directory: string): string {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.db') && isStoreFile(join(directory, name)))
    .sort()
  const [only, second] = files
  if (only === undefined)
    throw new UsageError('no store was named, and the current directory holds no perdure *.db file', REMEDY)
  if (second !== undefined)
    throw new UsageError(
      `no store was named, and the current directory holds ${files.length}: ${files.join(', ')}`,
      `Choose one: --store sqlite:${only}`,
    )
  return join(directory, only)
}

/**
 * By its header alone: opening each candidate as a database would leave files beside those of others. The mark of a new
 * file is in its log until the first checkpoint; then the lock file beside it tells.
 */
function isStoreFile(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false
    const header = Buffer.alloc(HEADER_BYTES)
    const descriptor = openSync(path, 'r')
    try {
      if (readSync(descriptor, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return false
    } finally {
      closeSync(descriptor)
    }
    if (header.toString('latin1', 0, MAGIC.length) !== MAGIC) return false
    return header.readUInt32BE(APPLICATION_ID_OFFSET) === APPLICATION_ID || existsSync(`${path}.lock`)
  } catch {
    // A file that cannot be read is no candidate; naming it tells why.
    return false
  }
}
