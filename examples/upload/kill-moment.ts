/** When the engine is killed: half way, with many uploads in mid-file. */
import type { RecordedUploads } from './upload-journal.ts'
import { executionIdOf, partCount, type SourceFile } from './upload-manifest.ts'

/** So many uploads in mid-file the kill has to hit, if there are as many files with `midFilePartsMin` parts or more. */
export const midFileWanted = 20
export const midFilePartsMin = 8
/** Between the look and the kill some uploads may get to their end. */
const margin = 6

export interface Progress {
  readonly parts: number
  readonly partsRecorded: number
  /** Uploads with some parts recorded, and others not. */
  readonly midFile: number
  /** Files with `midFilePartsMin` parts or more. */
  readonly large: number
  /** Of these, those with parts that are not recorded. */
  readonly largeOpen: number
  readonly filesDone: number
}

export function progressOf(files: readonly SourceFile[], uploads: RecordedUploads): Progress {
  const progress = { parts: 0, partsRecorded: 0, midFile: 0, large: 0, largeOpen: 0, filesDone: 0 }
  for (const { path, bytes } of files) {
    const upload = uploads.get(executionIdOf(path))
    const parts = partCount(bytes)
    const recorded = upload?.parts.size ?? 0
    progress.parts += parts
    progress.partsRecorded += recorded
    if (recorded > 0 && recorded < parts) progress.midFile += 1
    if (parts >= midFilePartsMin) progress.large += 1
    if (parts >= midFilePartsMin && recorded < parts) progress.largeOpen += 1
    if (upload?.status === 'completed') progress.filesDone += 1
  }
  return progress
}

/** True when it is time, or when waiting longer would only make the kill hit fewer uploads. */
export function isKillMoment({ parts, partsRecorded, midFile, large, largeOpen }: Progress): boolean {
  const isHalfWay = partsRecorded * 2 >= parts
  if (large < midFileWanted) return isHalfWay
  const goal = Math.min(midFileWanted + margin, large)
  if (midFile < goal) return isHalfWay && largeOpen < goal
  return isHalfWay || largeOpen < goal + margin
}
