/** What users define and get of tasks. */
import type { Logger } from '../../platform/logger.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { RetryPolicy } from '../../protocol/retry-policy.ts'
import type { TaskTimeouts } from '../../protocol/task-port.ts'
import { checkNames, type OptionNames } from '../checked-arguments.ts'
import { type RetryOptions, retryPolicyOf } from '../retry-options.ts'
import type { InferInput, InferOutput, StandardSchema } from '../standard-schema.ts'
import { type TaskTimeoutOptions, taskTimeoutsOf } from './task-options.ts'

type Awaitable<T> = T | PromiseLike<T>

/** What the function of a task gets. */
export interface TaskContext {
  readonly id: string
  readonly name: string
  /** 1, 2, …; a slice after a yield belongs to the same attempt. */
  readonly attempt: number
  /** The same for all attempts. Give it to receivers that deduplicate. */
  readonly idempotencyKey: string
  /** What the last attempt or slice left with `heartbeat` or `yield`; undefined at the beginning. */
  readonly checkpoint: unknown
  /** Aborts when the attempt is given up: cancelled, timed out, or the engine closes. */
  readonly abortSignal: AbortSignal
  readonly log: Logger
  /** A sign of life; with a checkpoint, what the next attempt starts from. */
  heartbeat(checkpoint?: unknown): void
  /** Shown to people. `fraction`: 0 to 1. */
  progress(fraction: number, note?: string): void
  /** The task has had its time slice (queues with the policy `round-robin`), and others wait for theirs. */
  readonly shouldYield: boolean
  /** Ends the slice: the task waits again, at the tail, and goes on from the checkpoint. Never returns. */
  yield(checkpoint: unknown): never
}

export interface Task<In = unknown, Out = unknown> {
  readonly kind: 'task'
  readonly name: string
  readonly queue: string
  readonly inputSchema: StandardSchema | undefined
  readonly outputSchema: StandardSchema | undefined
  readonly retry: RetryPolicy | undefined
  readonly timeouts: TaskTimeouts | undefined
  readonly run: (task: TaskContext, input: unknown) => unknown
  readonly types?: { readonly input: In; readonly output: Out }
}

export type TaskInputOf<T> = T extends Task<infer In, unknown> ? In : never
export type TaskOutputOf<T> = T extends Task<infer _In, infer Out> ? Out : never

interface TaskSettings {
  /** Unique among the tasks of an engine. */
  readonly name: string
  /** Where it waits. Default `'default'`. */
  readonly queue?: string
  readonly retry?: RetryOptions
  readonly timeouts?: TaskTimeoutOptions
}

const SETTINGS: OptionNames<TaskSettings> & Readonly<Record<'input' | 'output' | 'run', true>> = {
  name: true,
  queue: true,
  retry: true,
  timeouts: true,
  input: true,
  output: true,
  run: true,
}

/**
 * Defines a task: work that waits in a queue, in the order of the queue's policy, until a worker has room. `input` and
 * `output` are Standard Schemas and optional.
 */
export function task<IS extends StandardSchema, OS extends StandardSchema>(
  options: TaskSettings & {
    readonly input: IS
    readonly output: OS
    readonly run: (task: TaskContext, input: InferOutput<IS>) => Awaitable<InferInput<OS>>
  },
): Task<InferInput<IS>, InferOutput<OS>>
export function task<IS extends StandardSchema, Out>(
  options: TaskSettings & {
    readonly input: IS
    readonly output?: undefined
    readonly run: (task: TaskContext, input: InferOutput<IS>) => Awaitable<Out>
  },
): Task<InferInput<IS>, Out>
export function task<In, OS extends StandardSchema>(
  options: TaskSettings & {
    readonly input?: undefined
    readonly output: OS
    readonly run: (task: TaskContext, input: In) => Awaitable<InferInput<OS>>
  },
): Task<In, InferOutput<OS>>
export function task<In, Out>(
  options: TaskSettings & {
    readonly input?: undefined
    readonly output?: undefined
    readonly run: (task: TaskContext, input: In) => Awaitable<Out>
  },
): Task<In, Out>
export function task<In>(
  options: TaskSettings & {
    readonly input?: StandardSchema | undefined
    readonly output?: StandardSchema | undefined
    readonly run: (task: TaskContext, input: In) => unknown
  },
): Task {
  if (typeof options?.run !== 'function')
    throw new PerdureError('ARGUMENT_INVALID', 'task({ run }) is not a function')
  for (const [what, schema] of Object.entries({ input: options.input, output: options.output })) {
    if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function')
      throw new PerdureError('ARGUMENT_INVALID', `task({ ${what} }) is not a Standard Schema`)
  }
  checkNames(options, SETTINGS, (name) => `task() has no setting '${name}'`)
  const { run, retry, timeouts } = options
  return Object.freeze({
    kind: 'task' as const,
    name: checkedName(options.name, 'the name of a task'),
    queue: checkedName(options.queue ?? 'default', 'the name of a queue'),
    inputSchema: options.input,
    outputSchema: options.output,
    retry: retry === undefined ? undefined : retryPolicyOf(retry),
    timeouts: timeouts === undefined ? undefined : taskTimeoutsOf(timeouts),
    // The input was validated, or its type was promised by the caller's: this is the one place that says so.
    run: (context: TaskContext, input: unknown) => run(context, input as In),
  })
}
