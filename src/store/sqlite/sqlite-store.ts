/**
 * The store on one SQLite file. Batches are written by a thread of their own, so that a commit, most of which is waiting
 * for the disk, overlaps with the work of the engine; reads run on the caller's thread.
 *
 * 1. One store per file, in one process: see `FileLock`.
 * 2. A commit is on the disk when it is acknowledged (`synchronous = full`).
 * 3. After a failure of the disk or of the file everything is refused with that failure: whether the commit it hit took
 *    effect shows only when the file is opened again.
 */
import type { DatabaseSync } from 'node:sqlite'
import { PerdureError } from '../../protocol/errors.ts'
import type { RunId, WorkflowKey } from '../../protocol/ids.ts'
import type { Batch, CommitOutcome } from '../contract/batch.ts'
import type {
  ExecutionRow,
  JournalEntry,
  NodeIdentity,
  OutboxRow,
  Session,
  TimerRow,
} from '../contract/rows.ts'
import type { Store, StoreListQuery, TimerPage } from '../contract/store.ts'
import { encodeBatch } from './batch-message.ts'
import type { FileLock } from './file-lock.ts'
import { storeError } from './sqlite-error.ts'
import { listExecutions } from './sqlite-list.ts'
import { SqliteReads } from './sqlite-reads.ts'
import { attempt, openStoreFile } from './store-file.ts'
import { WriterLink } from './writer-link.ts'
import type { Registration } from './writer-message.ts'

export interface SqliteStoreOptions {
  /** Shards of a new file; later it never changes. Default 256. */
  readonly shards?: number
  /** `normal` gives up the last commits before a power failure, for speed: for tests. Default `full`. */
  readonly synchronous?: 'full' | 'normal'
}

export interface SqliteStore extends Store {
  /** The file, absolute, links resolved. */
  readonly file: string
  readonly shards: number
}

/**
 * Opens the store in `path`; a file that does not exist is made.
 *
 * Errors: `STORE_INVALID` (no such directory, or a file of another application), `STORE_READ_ONLY`, `STORE_LOCKED`,
 * `STORE_NEWER`, `STORE_CORRUPT`, `STORE_FAILED`. None of them changes the file.
 */
export function createSqliteStore(path: string, options: SqliteStoreOptions = {}): SqliteStore {
  return new FileStore(path, options)
}

class FileStore implements SqliteStore {
  readonly file: string
  readonly shards: number
  private readonly lock: FileLock
  private readonly reading: DatabaseSync
  private readonly reads: SqliteReads
  private readonly writer: WriterLink
  private readFailure: PerdureError | undefined
  private closed: Promise<void> | undefined

  constructor(path: string, { shards = 256, synchronous = 'full' }: SqliteStoreOptions) {
    const { file, lock, reading } = openStoreFile(path, shards)
    this.file = file
    this.lock = lock
    this.reading = reading
    try {
      this.reads = attempt(file, () => new SqliteReads(reading))
      this.shards = attempt(file, () => Number(reading.prepare('select count(*) as n from shard').get()?.n))
      this.writer = new WriterLink({ file, synchronous })
    } catch (error) {
      reading.close()
      lock.release()
      throw error
    }
  }

  async register(node: NodeIdentity): Promise<Registration> {
    this.requireOpen()
    return this.writer.request({ kind: 'register', node })
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    this.requireOpen()
    return this.writer.request({ kind: 'commit', batch: encodeBatch(batch) })
  }

  async fence(session: Session): Promise<void> {
    this.requireOpen()
    await this.writer.request({ kind: 'fence', session, atMs: Date.now() })
  }

  async hasCommitted(session: Session, seq: number): Promise<boolean> {
    return this.read((reads) => reads.hasCommitted(session, seq))
  }

  async currents(keys: readonly WorkflowKey[]): Promise<readonly (RunId | undefined)[]> {
    return this.read((reads) => reads.currents(keys))
  }

  async executions(runIds: readonly RunId[]): Promise<readonly (ExecutionRow | undefined)[]> {
    return this.read((reads) => reads.executions(runIds))
  }

  async journal(runId: RunId, afterSeq: number, limit: number): Promise<readonly JournalEntry[]> {
    return this.read((reads) => reads.journal(runId, afterSeq, limit))
  }

  async lastEntry(runId: RunId): Promise<JournalEntry | undefined> {
    return this.read((reads) => reads.lastEntry(runId))
  }

  async recoverable(after: RunId | undefined, limit: number): Promise<readonly ExecutionRow[]> {
    return this.read((reads) => reads.recoverable(after, limit))
  }

  async timers(page: TimerPage): Promise<readonly TimerRow[]> {
    return this.read((reads) => reads.timers(page))
  }

  async outbox(limit: number): Promise<readonly OutboxRow[]> {
    return this.read((reads) => reads.outbox(limit))
  }

  async list(query: StoreListQuery): Promise<readonly ExecutionRow[]> {
    return listExecutions((read) => this.read(() => read(this.reading)), query)
  }

  close(): Promise<void> {
    this.closed ??= this.closeAll()
    return this.closed
  }

  private async closeAll(): Promise<void> {
    // The connection that closes last copies the log into the file. After a failure of the disk nothing more is written:
    // then the reading connection, which cannot, closes last.
    const failed = this.writer.failure !== undefined
    if (!failed) this.reading.close()
    await this.writer.close()
    if (failed) this.reading.close()
    this.lock.release()
  }

  private read<T>(read: (reads: SqliteReads) => T): T {
    this.requireOpen()
    try {
      return read(this.reads)
    } catch (error) {
      this.readFailure = storeError(error, this.file)
      throw this.readFailure
    }
  }

  private requireOpen(): void {
    const failure = this.writer.failure ?? this.readFailure
    if (failure !== undefined) throw failure
    if (this.closed !== undefined) throw new PerdureError('ENGINE_CLOSED', `The store ${this.file} is closed`)
  }
}
