/** `perdure`: authoring, and the embedded engine. */

export type {
  BalancedWorker,
  Candidates,
  Completion,
  LoadBalancer,
  PickRequest,
  WorkerLoad,
} from './core/balance/load-balancer.ts'
export type { Place, PolicyTask, SchedulingPolicy } from './core/queue/policy.ts'
export type {
  DataKeyStore,
  FoundDataKey,
  KeySelection,
  StoredDataKey,
} from './platform/encryption/data-key-store.ts'
export type { KeyFileSettings } from './platform/encryption/key-files.ts'
export type { KeyContext, KeyService } from './platform/encryption/key-service.ts'
export { jsonLogger, type Logger, silentLogger } from './platform/logger.ts'
export type { MetricsText } from './platform/metrics-text.ts'
export type { TlsSettings } from './platform/tls.ts'
export type { AuditEntry, AuditPersonal, AuditRecord, SignedHead } from './protocol/audit.ts'
export type { ConflictPolicy, PendingOperation } from './protocol/client-port.ts'
export type { Duration } from './protocol/duration.ts'
export { type ErrorCode, PerdureError } from './protocol/errors.ts'
export type { Attributes, Event, ParentClosePolicy, SequencedEvent } from './protocol/event.ts'
export type { ExecutionExplanation, WaitExplanation } from './protocol/execution-explanation.ts'
export type { ExecutionStatus } from './protocol/execution-status.ts'
export { ApplicationError, NonRetryableError } from './protocol/failure.ts'
export type { HumanChange, SeatDecision } from './protocol/human-task.ts'
export type { Limits } from './protocol/limits.ts'
export type { NodeDescription, NodesPort, ShardDescription } from './protocol/nodes-port.ts'
export type { HeldUpTasks, QueueExplanation } from './protocol/queue-explanation.ts'
export type {
  QueueChangeOptions,
  QueueChangeReply,
  QueueDeclaration,
  QueueDescription,
} from './protocol/queue-port.ts'
export type { BalancerSetting, PolicySetting, QueueLimits, RateLimit } from './protocol/queue-settings.ts'
export type { OverlapPolicy, ScheduleCounts, TriggerReply } from './protocol/schedule-port.ts'
export type { TaskExplanation } from './protocol/task-port.ts'
export type { TaskStatus } from './protocol/task-status.ts'
export type { WorkerDescription } from './protocol/workers-port.ts'
export {
  Execution,
  type ExecutionInfo,
  type InputArgs,
  type SignalOptions,
  type StartOptions,
} from './sdk/client.ts'
export { type ConnectOptions, connect, type RemoteClient } from './sdk/connect/connect.ts'
export type {
  CancellationScope,
  Child,
  ChildOptions,
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
export type { Encryption, EncryptionSettings, ShredTarget } from './sdk/encryption/encryption.ts'
export { openEncryption } from './sdk/encryption/load-encryption.ts'
export { ExecutionFailedError } from './sdk/execution-failed-error.ts'
export type { ListOptions } from './sdk/list-options.ts'
export type { Form, FormSchema, JsonSchema } from './sdk/people/form.ts'
export type {
  ApprovalOptions,
  Approver,
  EscalationOptions,
  HumanTaskOptions,
} from './sdk/people/human-options.ts'
export type { ApprovalDecision, ApprovalResult, HumanResult } from './sdk/people/human-results.ts'
export {
  type HumanTask,
  type HumanTaskDetails,
  type Inbox,
  type InboxTask,
  PeopleClient,
  type Person,
} from './sdk/people/people-client.ts'
export { type QueueChanges, QueueClient, type QueueDetails } from './sdk/queues/queue-client.ts'
export type { RetryOptions } from './sdk/retry-options.ts'
export {
  ScheduleClient,
  type ScheduleDetails,
  type ScheduleInfo,
  type ScheduleRunInfo,
  type StartedScheduleRunInfo,
} from './sdk/schedules/schedule-client.ts'
export type {
  CronTimes,
  IntervalTimes,
  ScheduleOptions,
  ScheduleSettings,
  ScheduleTimes,
  ScheduleUpdate,
} from './sdk/schedules/schedule-options.ts'
export { type Task, type TaskContext, type TaskInputOf, type TaskOutputOf, task } from './sdk/tasks/task.ts'
export {
  type EnqueueOptions,
  TaskHandle,
  type TaskInfo,
} from './sdk/tasks/task-client.ts'
export { TaskFailedError } from './sdk/tasks/task-failed-error.ts'
export type { DebounceOptions, TaskKeyOptions } from './sdk/tasks/task-key-options.ts'
export type {
  RetryableTaskStatus,
  TaskListOptions,
  TaskRetryOptions,
  TaskSelection,
} from './sdk/tasks/task-list-options.ts'
export type { TaskCallOptions, TaskTimeoutOptions } from './sdk/tasks/task-options.ts'
export { createWorker, type Worker } from './sdk/worker/create-worker.ts'
export type { WorkerSettings } from './sdk/worker/worker-settings.ts'
export type { AuditSettings } from './server/audit/audit-settings.ts'
export type { AuditErasure, EngineAudit } from './server/audit/engine-audit.ts'
export type { CoordinatorSettings } from './server/cluster/etcd/etcd-settings.ts'
export { createEngine, type EmbeddedEngine as Engine } from './server/embedded-engine.ts'
export type { EngineSettings } from './server/engine-settings.ts'
export type { Listener, ListenOptions } from './server/listen/listen-options.ts'
export type { MetricsSettings } from './server/metrics/metrics-settings.ts'
export { defineConfig, type PerdureConfig } from './server/perdure-config.ts'
export type { QueueSettings } from './server/queue-settings.ts'
