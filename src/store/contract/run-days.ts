/**
 * The partition day of run ids. Most runs of a batch started within the same half minute: the part of an id that stands
 * for it is kept with its day.
 */
import { type RunId, runDay, runStartMs } from '../../protocol/ids.ts'

/** Of the 10 characters of a run id's time, so many stay the same for 32,768 ms. */
const PREFIX_LENGTH = 7
const PREFIX_MS = 32_768
const DAY_MS = 86_400_000

export class RunDays {
  private prefix = ''
  private day = 0

  of(runId: RunId): number {
    if (this.prefix !== '' && runId.startsWith(this.prefix)) return this.day
    const day = runDay(runId)
    const startMs = Math.floor(runStartMs(runId) / PREFIX_MS) * PREFIX_MS
    const isWhole = Math.floor(startMs / DAY_MS) === Math.floor((startMs + PREFIX_MS - 1) / DAY_MS)
    this.prefix = isWhole ? runId.slice(0, PREFIX_LENGTH) : ''
    this.day = day
    return day
  }
}
