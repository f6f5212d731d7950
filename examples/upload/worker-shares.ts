/**
 * What each worker has done, from the journal. A task counts for the worker that completed it, with its wait and its
 * retries, so that the rows of the workers add up to the row of all.
 */
import { columnTable } from './column-table.ts'
import type { RecordedTask, RecordedUploads } from './upload-journal.ts'

export interface WorkerShare {
  readonly worker: string
  readonly tasks: number
  /** Of all tasks, 0 to 1. */
  readonly share: number
  readonly waitMeanMs: number
  /** 95 % of the waits are not longer. */
  readonly waitP95Ms: number
  readonly retries: number
}

/** Of each worker by name, also of one that has done nothing, and then of all. */
export function workerShares(names: readonly string[], uploads: RecordedUploads): WorkerShare[] {
  const all = [...uploads.values()].flatMap(({ tasks }) => [...tasks.values()])
  const shareOf = (worker: string, tasks: readonly RecordedTask[]): WorkerShare => {
    const waitsMs = tasks.map(({ waitMs }) => waitMs).toSorted((a, b) => a - b)
    return {
      worker,
      tasks: tasks.length,
      share: all.length === 0 ? 0 : tasks.length / all.length,
      waitMeanMs:
        waitsMs.length === 0 ? 0 : waitsMs.reduce((sum, waitMs) => sum + waitMs, 0) / waitsMs.length,
      waitP95Ms: waitsMs[Math.ceil(waitsMs.length * 0.95) - 1] ?? 0,
      retries: tasks.reduce((sum, task) => sum + task.retries, 0),
    }
  }
  const byWorker = Map.groupBy(all, ({ worker }) => worker)
  return [...names.map((name) => shareOf(name, byWorker.get(name) ?? [])), shareOf('all', all)]
}

export function shareTableOf(shares: readonly WorkerShare[], killed: string | null): string {
  const rows = [
    ['worker', 'tasks done', 'share', 'mean wait ms', 'p95 wait ms', 'retries'],
    ...shares.map(({ worker, tasks, share, waitMeanMs, waitP95Ms, retries }) => [
      worker === killed ? `${worker} (killed)` : worker,
      String(tasks),
      `${(100 * share).toFixed(1)} %`,
      waitMeanMs.toFixed(0),
      waitP95Ms.toFixed(0),
      String(retries),
    ]),
  ]
  return columnTable(rows)
}
