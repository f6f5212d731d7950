/** What the demo watches while files are uploaded, whoever uploads them: an engine, or the nodes of a cluster. */
import type { TaskInfo } from 'perdure'
import type { RecordedUploads } from './upload-journal.ts'

export interface RunningTask {
  readonly execution: string
  readonly operation: number
  readonly worker: string
}

export interface UploadRun {
  /** Resolves when all uploads have ended; rejects if that cannot happen any more. */
  readonly done: Promise<unknown>
  /** What is recorded now. */
  uploads(): Promise<RecordedUploads>
  /** What runs on the workers; nothing if nobody is there to be asked. */
  runningTasks(): Promise<readonly RunningTask[]>
}

export function runningTaskOf({ owner, worker = '' }: TaskInfo): RunningTask {
  return { execution: owner?.workflowId ?? '', operation: owner?.op ?? 0, worker }
}
