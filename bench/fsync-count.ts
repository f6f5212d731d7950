/**
 * Counts fsyncs of a SQLite file in WAL mode with `synchronous=FULL`, without a tracer that would slow it down.
 *
 * Each commit syncs the log once. Each checkpoint syncs the log and the file, and the first commit after it syncs the log's
 * new header too: three more. The log's header counts how often it was begun anew, once per checkpoint.
 */
import { closeSync, openSync, readSync } from 'node:fs'

const FSYNCS_PER_CHECKPOINT = 3
/** Offset of the checkpoint sequence number in the header of the log: https://sqlite.org/fileformat2.html#walformat */
const CHECKPOINTS_OFFSET = 12

export function fsyncsOf(file: string, commits: number): number {
  return commits + FSYNCS_PER_CHECKPOINT * checkpointsOf(file)
}

function checkpointsOf(file: string): number {
  const header = Buffer.alloc(4)
  const log = openSync(`${file}-wal`, 'r')
  try {
    // A log that nothing was written to yet is empty.
    if (readSync(log, header, 0, 4, CHECKPOINTS_OFFSET) < 4) return 0
  } finally {
    closeSync(log)
  }
  return header.readUInt32BE()
}
