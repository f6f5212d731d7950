/** The partition day of run ids: rows of one run often follow each other, so the last answer is kept. */
import { type RunId, runDay } from '../../protocol/ids.ts'

export class RunDays {
  private lastRunId = ''
  private lastDay = 0

  of(runId: RunId): number {
    if (runId === this.lastRunId) return this.lastDay
    this.lastRunId = runId
    this.lastDay = runDay(runId)
    return this.lastDay
  }
}
