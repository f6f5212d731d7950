/** The workers of this process, as an engine or a connection holds them. */
import type { TaskWorkerHost, TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import type { WorkerHost, WorkerPort } from '../../protocol/worker-port.ts'

export interface LocalWorker<Owner> extends WorkerPort<Owner> {
  /** Step attempts whose outcome still counts. */
  readonly awaitedSteps: number
  connect(host: WorkerHost<Owner>): void
}

export interface LocalTaskWorker<Owner> extends TaskWorkerPort<Owner> {
  /** Tasks whose end is waited for. */
  readonly running: number
  connect(host: TaskWorkerHost<Owner>): void
}
