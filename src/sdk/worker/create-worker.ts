import { openTracing } from '../../platform/open-tracing.ts'
import type { Worker } from './worker.ts'
import { checkedWorkerSettings, type WorkerSettings } from './worker-settings.ts'

export type { Worker } from './worker.ts'

/** Connects to the engine, and resolves when it has; until then it tries again, with a warning in its log for each failure. */
export async function createWorker(settings: WorkerSettings): Promise<Worker> {
  const checked = checkedWorkerSettings(settings)
  const tracing = await openTracing(checked.tracing, 'createWorker()', checked)
  // With all that connects: a program that runs an engine alone does not need it.
  const { Worker } = await import('./worker.ts')
  const worker = new Worker(checked, { tracing })
  await worker.connected()
  return worker
}
