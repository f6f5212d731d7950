/**
 * The store on one SQLite file. Batches are written by a thread of their own, so that a commit, most of which is waiting
 * for the disk, overlaps with the work of the engine; only a batch of a few rows is written on the caller's thread, where
 * reads run too.
 *
 * 1. One store per file, in one process: see `FileLock`.
 * 2. A commit is on the disk when it is acknowledged (`synchronous = full`).
 * 3. After a failure of the disk or of the file everything is refused with that failure: whether the commit it hit took
 *    effect shows only when the file is opened again.
 */
import type { PerdureError } from '../../protocol/errors.ts'
import type { Batch, CommitOutcome } from '../contract/batch.ts'
import type { NodeIdentity, Session } from '../contract/rows.ts'
import type { Store } from '../contract/store.ts'
import { batchMessage, flatBatch } from './batch-message.ts'
import type { FileLock } from './file-lock.ts'
import { FileReads } from './file-reads.ts'
import { SmallBatchWriter } from './small-batch-writer.ts'
import { attempt, type OpenFile, openStoreFile } from './store-file.ts'
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
  const { shards = 256, synchronous = 'full' } = options
  const opened = openStoreFile(path, shards)
  try {
    return attempt(opened.file, () => new FileStore(opened, synchronous))
  } catch (error) {
    opened.reading.close()
    opened.lock.release()
    throw error
  }
}

class FileStore extends FileReads implements SqliteStore {
  readonly shards: number
  private readonly lock: FileLock
  private readonly writer: WriterLink
  private readonly small: SmallBatchWriter
  private readFailure: PerdureError | undefined
  private closed: Promise<void> | undefined

  constructor({ file, lock, reading, shards }: OpenFile, synchronous: 'full' | 'normal') {
    super(file, reading)
    this.lock = lock
    this.shards = shards
    this.writer = new WriterLink({ file, synchronous })
    this.small = new SmallBatchWriter({ file, synchronous })
  }

  async register(node: NodeIdentity): Promise<Registration> {
    this.requireOpen()
    return this.writer.request({ kind: 'register', node })
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    this.requireOpen()
    const flat = flatBatch(batch)
    if (!this.writer.isIdle || !this.small.takes(flat, batch.isAwaited === true)) {
      return this.writer.request({ kind: 'commit', batch: batchMessage(flat) })
    }
    try {
      return this.small.commit(flat)
    } catch (error) {
      throw this.writer.stop(error)
    }
  }

  async fence(session: Session): Promise<void> {
    this.requireOpen()
    await this.writer.request({ kind: 'fence', session, atMs: Date.now() })
  }

  close(): Promise<void> {
    this.closed ??= this.closeAll()
    return this.closed
  }

  protected override isClosed(): boolean {
    return this.closed !== undefined
  }

  protected override onFailure(failure: PerdureError): void {
    this.readFailure ??= failure
  }

  protected override requireOpen(): void {
    const failure = this.writer.failure ?? this.readFailure
    if (failure !== undefined) throw failure
    super.requireOpen()
  }

  private async closeAll(): Promise<void> {
    // The connection that closes last copies the log into the file. After a failure of the disk nothing more is written:
    // then the reading connection, which cannot, closes last.
    const failed = this.writer.failure !== undefined
    if (!failed) {
      this.reading.close()
      this.small.close()
    }
    await this.writer.close()
    if (failed) {
      this.small.close()
      this.reading.close()
    }
    this.lock.release()
  }
}
