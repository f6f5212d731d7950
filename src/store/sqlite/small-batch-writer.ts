/**
 * Writes small batches on the caller's thread.
 *
 * A hop to the writer thread and back takes longer than writing a few rows: with one execution in flight it would double
 * the time of a step. But the caller waits for the disk here, so this is only for disks that are fast: when commits
 * become slow, small batches go to the thread again for a while.
 *
 * Its connection and that of the thread never write at the same time: the store asks it only while the thread is idle.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { CommitOutcome } from '../contract/batch.ts'
import { BatchCursor, type FlatBatch } from './batch-message.ts'
import { BatchWriter } from './batch-writer.ts'
import { openWriting } from './connection.ts'
import type { WriterData } from './writer-message.ts'

/** About three transitions with their rows. */
const SMALL_ROWS = 24
/** The same where nothing else is to be done meanwhile: then the hop only costs. */
const AWAITED_ROWS = 256
const SMALL_TEXT = 65_536
/** Of so many small batches one goes to the thread, which then copies the log into the file if it has grown long. */
const THREAD_EVERY = 64
/** Mean time of a commit beyond which the caller no longer waits for it. */
const SLOW_MS = 2
/** Weight of the newest commit in the mean. */
const NEWEST = 0.05
/** One commit counts for at most so much: a stall now and then does not make a disk slow. */
const COUNTED_MS_MAX = 8
/** Small batches that go to the thread before this is tried again, by a few that must be fast. */
const PAUSE_BATCHES = 200
const MEAN_AFTER_PAUSE_MS = 1.5

export class SmallBatchWriter {
  private readonly data: WriterData
  private opened: { readonly database: DatabaseSync; readonly batches: BatchWriter } | undefined
  private meanMs = 0
  private pause = 0
  private sinceThread = 0

  constructor(data: WriterData) {
    this.data = data
  }

  takes({ counts, textLength }: FlatBatch, isAwaited: boolean): boolean {
    // One deletion may remove a hundred thousand rows.
    if (counts.deleted > 0 || counts.auditDropped > 0 || textLength > SMALL_TEXT) return false
    let rows = 0
    for (const count of Object.values(counts)) rows += count
    if (rows > (isAwaited ? AWAITED_ROWS : SMALL_ROWS)) return false
    if (this.pause > 0) {
      this.pause -= 1
      return false
    }
    this.sinceThread = (this.sinceThread + 1) % THREAD_EVERY
    return this.sinceThread !== 0
  }

  /** Everything but a refusal is thrown, and leaves the connection fit only for closing. */
  commit(batch: FlatBatch): CommitOutcome {
    const startMs = performance.now()
    this.opened ??= this.open()
    const outcome = this.opened.batches.commit(batch, () => BatchCursor.ofFlat(batch))
    this.meanMs += NEWEST * (Math.min(performance.now() - startMs, COUNTED_MS_MAX) - this.meanMs)
    if (this.meanMs > SLOW_MS) {
      this.pause = PAUSE_BATCHES
      this.meanMs = MEAN_AFTER_PAUSE_MS
    }
    return outcome
  }

  close(): void {
    this.opened?.database.close()
    this.opened = undefined
  }

  private open(): { database: DatabaseSync; batches: BatchWriter } {
    const database = openWriting(this.data.file, { synchronous: this.data.synchronous })
    // Copying 32 MiB of log into the file is no work for the caller's thread.
    database.exec('pragma wal_autocheckpoint = 0')
    return { database, batches: new BatchWriter(database) }
  }
}
