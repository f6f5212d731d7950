/** `ctx`: what workflow code may do. Everything here is recorded, and replays the same way. */

import type { Logger } from '../platform/logger.ts'
import type { Duration } from '../protocol/duration.ts'
import type { Attributes, ParentClosePolicy } from '../protocol/event.ts'
import type { RunId } from '../protocol/ids.ts'
import type { Form, FormOutput, JsonSchema } from './people/form.ts'
import type { ApprovalOptions, HumanTaskOptions } from './people/human-options.ts'
import type { ApprovalResult, HumanResult } from './people/human-results.ts'
import type { RetryOptions } from './retry-options.ts'
import type { StandardSchema } from './standard-schema.ts'
import type { Task, TaskInputOf, TaskOutputOf } from './tasks/task.ts'
import type { TaskCallOptions } from './tasks/task-options.ts'

/**
 * A named, versioned definition: a function over `ctx`. `In` is what callers pass, `Out` what they get.
 * Several versions stand side by side; an open execution keeps its own.
 */
export interface Workflow<In = unknown, Out = unknown> {
  readonly kind: 'workflow'
  readonly name: string
  readonly version: string
  readonly inputSchema: StandardSchema | undefined
  readonly outputSchema: StandardSchema | undefined
  run(ctx: WorkflowContext, input: unknown): unknown
  /** Only for the type checker. */
  readonly types?: { readonly input: In; readonly output: Out }
}

export type InputOf<W> = W extends Workflow<infer In, infer _Out> ? In : never
export type OutputOf<W> = W extends Workflow<infer _In, infer Out> ? Out : never

/** A message that an execution receives, in order, each once. */
export interface Signal<T = unknown> {
  readonly kind: 'signal'
  readonly name: string
  readonly types?: { readonly payload: T }
}

/** A read-only question to an execution. */
export interface Query<In = unknown, Out = unknown> {
  readonly kind: 'query'
  readonly name: string
  readonly types?: { readonly input: In; readonly output: Out }
}

/** A request that an execution validates, accepts durably, and answers. */
export interface Update<In = unknown, Out = unknown> {
  readonly kind: 'update'
  readonly name: string
  readonly types?: { readonly input: In; readonly output: Out }
}

export interface StepOptions {
  readonly retry?: RetryOptions
  /** Limit of one attempt. An attempt that passes it fails with `STEP_TIMEOUT`, and its `abortSignal` aborts. Default: none. */
  readonly timeout?: Duration
}

/** What a step function gets. */
export interface StepContext {
  /** `namespace/workflowId/runId/operation`: the same for all attempts. Give it to receivers that deduplicate. */
  readonly idempotencyKey: string
  /** 1, 2, … */
  readonly attempt: number
  readonly name: string
  readonly workflowId: string
  readonly runId: RunId
  /** Aborts when the step times out, is no longer waited for, or the engine stops. */
  readonly abortSignal: AbortSignal
  readonly log: Logger
}

export interface ChildOptions {
  /** Default: `<parent's id>/<operation>`. */
  readonly id?: string
  /** What happens to the child when its parent closes first. Default `'terminate'`. */
  readonly parentClosePolicy?: ParentClosePolicy
  readonly executionTimeout?: Duration
}

/** A child execution: await it for its result, or keep it and talk to it. */
export interface Child<Out> extends Promise<Out> {
  readonly id: string
  /** Resolves when the signal is recorded. */
  signal<T>(signal: Signal<T>, ...payload: PayloadArgs<T>): Promise<void>
  cancel(reason?: string): void
}

/** Operations made through the scope's own `ctx` are cancelled together. */
export interface CancellationScope<T> extends Promise<T> {
  cancel(reason?: string): void
}

export type PayloadArgs<T> = undefined extends T ? [payload?: T] : [payload: T]

export interface WorkflowInfo {
  readonly namespace: string
  readonly workflowId: string
  readonly runId: RunId
  readonly workflow: string
  readonly version: string
}

export interface UpdateHandlerOptions<In> {
  /** Throws to reject the update before it is recorded. Must only read. */
  readonly validate?: (input: In) => void
}

export interface WorkflowContext {
  readonly info: WorkflowInfo

  /** Runs a side effect and records its result. The function may run again after a failure or crash; its result is recorded once. */
  step<T>(name: string, run: (step: StepContext) => T | PromiseLike<T>, options?: StepOptions): Promise<T>

  /** Resolves when the time has passed, also if that takes months and restarts. Never early. */
  sleep(duration: Duration): Promise<void>
  sleepUntil(time: Date | number): Promise<void>

  /** The next signal of this name, in order of acceptance. With a timeout: `undefined` when the time is up. */
  waitFor<T>(signal: Signal<T>): Promise<T>
  waitFor<T>(signal: Signal<T>, options: { readonly timeout: Duration }): Promise<T | undefined>

  child<W extends Workflow>(workflow: W, ...args: CallArgs<InputOf<W>>): Child<OutputOf<W>>

  /**
   * Puts a task into its queue and waits for its result. When it fails for good, a `PerdureError` is thrown
   * (`TASK_FAILED`, `TASK_EXPIRED`) whose `cause` is the error of its last attempt.
   */
  task<T extends Task>(task: T, ...args: CallArgs<TaskInputOf<T>, TaskCallOptions>): Promise<TaskOutputOf<T>>

  /**
   * Puts a task into the inboxes of people and waits until one of them has done it. Throws `HUMAN_TASK_REJECTED`,
   * `HUMAN_TASK_WITHDRAWN` or `HUMAN_TASK_EXPIRED` if nobody does.
   */
  humanTask<F extends Form = JsonSchema>(options: HumanTaskOptions<F>): Promise<HumanResult<FormOutput<F>>>

  /** Asks several people to approve, and waits until it is decided. Throws `HUMAN_TASK_WITHDRAWN` or `HUMAN_TASK_EXPIRED`. */
  approval<F extends Form = JsonSchema>(options: ApprovalOptions<F>): Promise<ApprovalResult<FormOutput<F>>>

  /** Calls `run` for each item, at most `concurrency` at a time (default 100); results in the order of the items. */
  map<T, R>(
    items: Iterable<T>,
    run: (item: T, index: number) => Promise<R>,
    options?: { readonly concurrency?: number },
  ): Promise<R[]>

  /** Time of the last recorded event, ms since 1970: the same in replay. Use instead of `Date.now()`. */
  now(): number
  /** Uniform in [0, 1), the same in replay. Use instead of `Math.random()`. */
  random(): number
  /** A version 4 UUID, the same in replay. Use instead of `randomUUID()`. */
  uuid(): string
  /** Written when what it derives from is durable; silent in replay. */
  readonly log: Logger

  /** Sets searchable attributes; others keep their values. */
  setAttributes(values: Attributes): void

  /** Answers a query. The handler must only read, and answer at once. */
  onQuery<In, Out>(query: Query<In, Out>, answer: (input: In) => Out): void
  /** Answers an update, which is recorded before the handler runs, and answered when its result is durable. */
  onUpdate<In, Out>(
    update: Update<In, Out>,
    handle: (input: In) => Out | Promise<Out>,
    options?: UpdateHandlerOptions<In>,
  ): void

  /** Aborts when this scope, or the execution, is cancelled. */
  readonly abortSignal: AbortSignal
  /** A part that can be cancelled on its own: use the `ctx` it gets. */
  scope<T>(run: (ctx: WorkflowContext) => Promise<T>): CancellationScope<T>
  /** A part that cancellation does not reach, for clean-up: use the `ctx` it gets. */
  uncancellable<T>(run: (ctx: WorkflowContext) => Promise<T>): Promise<T>

  /**
   * Guards a change of code: false in executions whose history shows that the old code passed this place, true in all
   * others. The first answer for an id holds for the whole execution.
   */
  patched(id: string): boolean

  /** Ends this run and starts the next with a fresh history, the same id and the signals not yet consumed. Never returns. */
  continueAsNew(input?: unknown): never
}

export type CallArgs<In, Options = ChildOptions> = undefined extends In
  ? [input?: In, options?: Options]
  : [input: In, options?: Options]
