/** `perdure`: authoring, and the embedded engine. */

export type {
  BalancedWorker,
  Candidates,
  Completion,
  LoadBalancer,
  PickRequest,
  WorkerLoad,
} from './core/balance/load-balancer.ts'
export { jsonLogger, type Logger, silentLogger } from './platform/logger.ts'
export type { ConflictPolicy, PendingOperation } from './protocol/client-port.ts'
export type { Duration } from './protocol/duration.ts'
export { type ErrorCode, PerdureError } from './protocol/errors.ts'
export type { Attributes, Event, ParentClosePolicy, SequencedEvent } from './protocol/event.ts'
export type { ExecutionStatus } from './protocol/execution-status.ts'
export { ApplicationError, NonRetryableError } from './protocol/failure.ts'
export type { Limits } from './protocol/limits.ts'
export {
  Execution,
  type ExecutionInfo,
  type InputArgs,
  type SignalOptions,
  type StartOptions,
} from './sdk/client.ts'
export type {
  CancellationScope,
  Child,
  ChildOptions,
  RetryOptions,
  StepContext,
  StepOptions,
  WorkflowContext,
  WorkflowInfo,
} from './sdk/context.ts'
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
export type { ListOptions } from './sdk/list-options.ts'
export { createEngine, type EmbeddedEngine as Engine, type EngineSettings } from './server/embedded-engine.ts'
