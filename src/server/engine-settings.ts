/** Settings of an engine, and what is wrong with them. */

import type { Coordinator } from '../engine/cluster/coordinator.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Randomness } from '../platform/randomness.ts'
import type { Duration } from '../protocol/duration.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_LIMITS, type Limits } from '../protocol/limits.ts'
import type { Workflow } from '../sdk/definition.ts'
import type { Encryption } from '../sdk/encryption/encryption.ts'
import type { EmbeddedWorkerOptions } from '../sdk/runtime/embedded-worker.ts'
import type { Task } from '../sdk/tasks/task.ts'
import type { Store } from '../store/contract/store.ts'
import type { AccessSettings } from './access/access-settings.ts'
import type { AuditSettings } from './audit/audit-settings.ts'
import type { NodeNetwork } from './cluster/cluster-assembly.ts'
import type { ClusterSettings } from './cluster/cluster-settings.ts'
import type { MetricsSettings } from './metrics/metrics-settings.ts'
import type { PostgresSettings } from './postgres-settings.ts'
import type { QueueSettings } from './queue-settings.ts'

export interface EngineSettings {
  /** `'memory'`, `'sqlite:PATH'`, `'postgres://USER@HOST:PORT/DATABASE'`, or a store. */
  readonly store: string | Store
  /**
   * URL of a streaming standby of that PostgreSQL database, `postgres://USER@HOST:PORT/DATABASE`: lists, inboxes and history are
   * read there whenever it has all that was acknowledged, else from the primary. Default: all reads are the primary's.
   */
  readonly readStore?: string
  /** Connections and time limits on PostgreSQL. */
  readonly postgres?: PostgresSettings
  /**
   * Workflows whose code runs in this process; workers (`createWorker`) may have others. Default: none, and executions are
   * started also while no worker with their code is connected.
   */
  readonly workflows?: readonly Workflow[]
  /** Tasks that this engine runs. Default: none. */
  readonly tasks?: readonly Task[]
  /** Policies and limits of queues; those that are not named are `fcfs` without limits. */
  readonly queues?: readonly QueueSettings[]
  /** Tasks that run at once in this process. Default 64. */
  readonly taskConcurrency?: number
  /**
   * This engine is one node of a cluster: it shares its database, PostgreSQL, with others, and the work with them. `{}` for the
   * defaults. Default: it is alone, and another engine on its database is refused.
   */
  readonly cluster?: ClusterSettings
  /**
   * Whoever connects shows who it is, by an API key, a token or a certificate, and may do what policies permit
   * (docs/security-guide.md). `{}` for the defaults. In a cluster it needs `tls`. Default: whoever reaches the port may do everything.
   */
  readonly access?: AccessSettings
  /** What the engine observes of itself, for `metricsText()` and `GET /metrics`. Default: true. */
  readonly metrics?: boolean | MetricsSettings
  /**
   * Starts, executions, steps, tasks and calls have spans (OpenTelemetry), by the provider that this program registers with
   * `@opentelemetry/api`; the trace context goes with executions and tasks, also to other processes. Default: false.
   */
  readonly tracing?: boolean
  /** Default `'default'`. */
  readonly namespace?: string
  /** Default: JSON lines on standard error, warnings and errors. */
  readonly logger?: Logger
  readonly limits?: Partial<Limits>
  /** Idle executions kept in memory; others are read from the store when they wake. Default 2,000. */
  readonly idleExecutions?: number
  /**
   * Closed executions and tasks are deleted this long after their end. On PostgreSQL, from two days on, executions go by whole
   * days of their start: up to two days later. Default: never.
   */
  readonly retention?: Duration
  /** Calls that change something are recorded: who, what, on what, from where. Default: they are not. */
  readonly audit?: AuditSettings
  /** How long `close` waits for running steps. Default `'10s'`. */
  readonly shutdownGrace?: Duration
  /**
   * How long `close` goes on serving after `/readyz` has begun to say that this engine is not ready, so that load balancers
   * send it no more connections. Default `'3s'` if it listens with `trustedProxies`, else 0.
   */
  readonly drainDelay?: Duration
  /** Called once if the engine stops by itself (for example: the disk is full). Default: the error is logged. */
  readonly onFailed?: (error: Error) => void
  /**
   * Answers calls of workflow code that replay could not repeat (`Date.now()`, `Math.random()`, timers, `fetch`, …) with
   * `NONDETERMINISTIC_CALL` and parks the execution. It wraps these globals for the whole process. Default: false; always
   * on in `perdure/testing`.
   */
  readonly determinismGuards?: boolean
  /**
   * Of the payloads of the workflows and tasks of this process, and of what its own client sends: what `openEncryption` gave.
   * Default: they are not encrypted. Workers and clients of other processes have their own.
   */
  readonly encryption?: Encryption
  /** `allowPrivate`: webhooks may call addresses of private networks and of this machine. Default: they may not. */
  readonly webhooks?: { readonly allowPrivate?: boolean }
}

/**
 * Seams for tests and simulation.
 *
 * @internal
 */
export interface EngineSeams {
  readonly clock?: Clock
  readonly random?: Randomness
  readonly enter?: EmbeddedWorkerOptions['enter']
  readonly timerLookaheadMs?: number
  readonly timerPageRows?: number
  /** How long runs wait for workflow code whose last worker has left. */
  readonly codeGraceMs?: number
  /** Waiting tasks of a queue in memory, about. */
  readonly taskWindow?: number
  /** Between the nodes of a cluster. */
  readonly network?: NodeNetwork
  /** Of this node, in place of what the settings say. */
  readonly coordinator?: Coordinator
}

const SETTINGS: Readonly<Record<keyof EngineSettings, true>> = {
  store: true,
  readStore: true,
  postgres: true,
  workflows: true,
  tasks: true,
  queues: true,
  taskConcurrency: true,
  cluster: true,
  access: true,
  metrics: true,
  tracing: true,
  namespace: true,
  logger: true,
  limits: true,
  idleExecutions: true,
  retention: true,
  audit: true,
  shutdownGrace: true,
  drainDelay: true,
  onFailed: true,
  determinismGuards: true,
  encryption: true,
  webhooks: true,
}
const LOGGER_METHODS = ['debug', 'info', 'warn', 'error'] as const satisfies readonly (keyof Logger)[]
export const DEFAULT_IDLE_EXECUTIONS = 2000
export const DEFAULT_TASK_CONCURRENCY = 64

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkSettingNames(settings: EngineSettings): void {
  for (const name of Object.keys(settings ?? {}))
    if (!Object.hasOwn(SETTINGS, name))
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `createEngine() has no setting '${name}'; there are ${Object.keys(SETTINGS).join(', ')}`,
      )
}

/** @throws PerdureError `ARGUMENT_INVALID` */
export function checkSettings(settings: EngineSettings): void {
  if (typeof settings !== 'object' || settings === null)
    throw new PerdureError('ARGUMENT_INVALID', 'the settings of the engine are missing')
  const { logger, onFailed, workflows } = settings
  const idleLimit = settings.idleExecutions ?? DEFAULT_IDLE_EXECUTIONS
  if (!Number.isInteger(idleLimit) || idleLimit < 0)
    throw new PerdureError('ARGUMENT_INVALID', `idleExecutions is ${idleLimit}, not a whole number`)
  if (logger !== undefined && !LOGGER_METHODS.every((name) => typeof logger?.[name] === 'function'))
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `createEngine({ logger }) is not an object with the methods ${LOGGER_METHODS.join(', ')}`,
    )
  if (onFailed !== undefined && typeof onFailed !== 'function')
    throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ onFailed }) is not a function')
  const concurrency = settings.taskConcurrency ?? DEFAULT_TASK_CONCURRENCY
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      `taskConcurrency is ${concurrency}, not a whole number of 1 or more`,
    )
  checkWebhooks(settings.webhooks)
  checkDefinitions(workflows, settings.tasks)
}

function checkWebhooks(webhooks: unknown = {}): void {
  const isObject = typeof webhooks === 'object' && webhooks !== null
  const wrong = isObject
    ? Object.entries(webhooks).find(([name, value]) => name !== 'allowPrivate' || typeof value !== 'boolean')
    : ['']
  if (wrong !== undefined)
    throw new PerdureError(
      'ARGUMENT_INVALID',
      'createEngine({ webhooks }) is not { allowPrivate: true } or { allowPrivate: false }',
    )
}

function checkDefinitions(workflows: unknown = [], tasks: unknown = []): void {
  if (!Array.isArray(workflows))
    throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ workflows }) is not a list')
  if (!Array.isArray(tasks))
    throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ tasks }) is not a list')
  for (const task of tasks) {
    if (task?.kind !== 'task')
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'createEngine({ tasks }) has an item that task() did not make',
      )
  }
  for (const workflow of workflows) {
    if (workflow?.kind !== 'workflow')
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'createEngine({ workflows }) has an item that workflow() did not make',
      )
  }
}

export function checkedLimits(given: Partial<Limits> | undefined): Limits {
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given)))
    throw new PerdureError('ARGUMENT_INVALID', 'createEngine({ limits }) is not an object')
  const limits = { ...DEFAULT_LIMITS, ...given }
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name))
      throw new PerdureError('ARGUMENT_INVALID', `there is no limit '${name}'`)
    if (!Number.isInteger(value) || value < 1)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `limits.${name} is ${value}, not a whole number of 1 or more`,
      )
  }
  return limits
}
