/** `perdure/client`: the client over HTTP, and what names workflows and tasks. It runs in browsers and edge runtimes too. */

export type { ConflictPolicy, PendingOperation } from './protocol/client-port.ts'
export type { Duration } from './protocol/duration.ts'
export { type ErrorCode, PerdureError } from './protocol/errors.ts'
export type { Attributes, Event, SequencedEvent } from './protocol/event.ts'
export type { ExecutionExplanation } from './protocol/execution-explanation.ts'
export type { ExecutionStatus } from './protocol/execution-status.ts'
export { ApplicationError } from './protocol/failure.ts'
export type { NodesPort } from './protocol/nodes-port.ts'
export type { TaskStatus } from './protocol/task-status.ts'
export type { WorkerDescription } from './protocol/workers-port.ts'
export {
  Client,
  Execution,
  type ExecutionInfo,
  type SignalOptions,
  type StartOptions,
} from './sdk/client.ts'
export {
  type InputOf,
  type OutputOf,
  type Query,
  query,
  type Signal,
  signal,
  type Update,
  update,
  type Workflow,
  workflow,
} from './sdk/definition.ts'
export { ExecutionFailedError } from './sdk/execution-failed-error.ts'
export { type CreateClientOptions, createClient } from './sdk/http/create-client.ts'
export type { ListOptions } from './sdk/list-options.ts'
export { PeopleClient } from './sdk/people/people-client.ts'
export { QueueClient } from './sdk/queues/queue-client.ts'
export { ScheduleClient } from './sdk/schedules/schedule-client.ts'
export { type Task, type TaskInputOf, type TaskOutputOf, task } from './sdk/tasks/task.ts'
export { type EnqueueOptions, TaskHandle, type TaskInfo } from './sdk/tasks/task-client.ts'
export { TaskFailedError } from './sdk/tasks/task-failed-error.ts'
