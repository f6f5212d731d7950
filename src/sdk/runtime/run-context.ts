/** `ctx` as workflow code sees it: each call becomes an operation of the run, within one cancellation scope. */

import type { LogFields, Logger } from '../../platform/logger.ts'
import { type Randomness, seededRandomness, seedOf } from '../../platform/randomness.ts'
import { checkedName } from '../../protocol/checked-text.ts'
import { type Duration, durationMs, optionalMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Attributes, HumanTaskClosed, ParentClosePolicy } from '../../protocol/event.ts'
import type { HumanTaskSpec } from '../../protocol/human-task.ts'
import type { LogRecord } from '../../protocol/worker-port.ts'
import { checkedOptions, checkedReason, nameOf } from '../checked-arguments.ts'
import { checkedAttributes } from '../checked-attributes.ts'
import type {
  CallArgs,
  CancellationScope,
  Child,
  ChildOptions,
  StepContext,
  StepOptions,
  UpdateHandlerOptions,
  WorkflowContext,
  WorkflowInfo,
} from '../context.ts'
import type { InputOf, OutputOf, Query, Signal, Update, Workflow } from '../definition.ts'
import type { Form, FormOutput, JsonSchema } from '../people/form.ts'
import {
  type ApprovalOptions,
  approvalSpec,
  type HumanTaskOptions,
  humanTaskSpec,
} from '../people/human-options.ts'
import {
  type ApprovalResult,
  approvalResult,
  type HumanResult,
  humanResult,
} from '../people/human-results.ts'
import { retryPolicyOf } from '../retry-options.ts'
import { validateSync } from '../standard-schema.ts'
import type { Task, TaskInputOf, TaskOutputOf } from '../tasks/task.ts'
import { queueOf, TASK_CALL_OPTIONS, type TaskCallOptions, taskOptionsOf } from '../tasks/task-options.ts'
import { ContinueAsNew } from './continue-as-new.ts'
import { Scope } from './scope.ts'
import type { WorkflowRun } from './workflow-run.ts'

const DEFAULT_CONCURRENCY = 100
const CLOSE_POLICIES: readonly ParentClosePolicy[] = ['terminate', 'cancel', 'abandon']

export class RunContext implements WorkflowContext {
  readonly #run: WorkflowRun
  readonly #scope: Scope
  #shared: { random: Randomness | undefined; log: Logger | undefined }

  constructor(
    run: WorkflowRun,
    scope: Scope,
    shared: { random: Randomness | undefined; log: Logger | undefined } = {
      random: undefined,
      log: undefined,
    },
  ) {
    this.#run = run
    this.#scope = scope
    this.#shared = shared
  }

  get info(): WorkflowInfo {
    const { key, runId, workflow, version } = this.#run.info
    return { namespace: key.namespace, workflowId: key.workflowId, runId, workflow, version }
  }

  step<T>(name: string, run: (step: StepContext) => T | PromiseLike<T>, options?: StepOptions): Promise<T> {
    if (typeof name !== 'string' || name === '')
      throw new PerdureError('ARGUMENT_INVALID', 'ctx.step: the first argument is the name of the step')
    checkedName(name, 'the name of a step', this.#run.host.limits.idBytes)
    assertFunction(run, `ctx.step('${name}'): the second argument`)
    if (options !== undefined) checkedOptions(options, `ctx.step('${name}')`)
    const timeoutMs = optionalMs(options?.timeout, 'timeout')
    const retry = options?.retry === undefined ? undefined : retryPolicyOf(options.retry)
    // The one cast: what the step resolves with was recorded from what its function returned.
    return this.#run.issueStep(this.#scope, name, run, retry, timeoutMs) as Promise<T>
  }

  sleep(duration: Duration): Promise<void> {
    const delayMs = durationMs(duration)
    return this.#run.issue<void>(this.#scope, 'sleep', 'sleep', {
      command: (op) => ({ kind: 'sleep', op, delayMs }),
    }).promise
  }

  sleepUntil(time: Date | number): Promise<void> {
    const untilMs = typeof time === 'number' ? time : time instanceof Date ? time.getTime() : Number.NaN
    if (!Number.isSafeInteger(Math.ceil(untilMs)))
      throw new PerdureError('ARGUMENT_INVALID', 'ctx.sleepUntil: not a valid time')
    return this.#run.issue<void>(this.#scope, 'sleep', 'sleep', {
      command: (op) => ({ kind: 'sleep', op, untilMs: Math.ceil(untilMs) }),
    }).promise
  }

  waitFor<T>(signal: Signal<T>, options?: { readonly timeout: Duration }): Promise<T> {
    // The payload's type was promised by the sender's `Signal<T>`.
    const name = nameOf(signal, 'signal', 'ctx.waitFor')
    return this.#run.waitFor(this.#scope, name, optionalMs(options?.timeout, 'timeout')) as Promise<T>
  }

  child<W extends Workflow>(workflow: W, ...[input, options]: CallArgs<InputOf<W>>): Child<OutputOf<W>> {
    if (workflow?.kind !== 'workflow')
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'ctx.child: the first argument is not a workflow that workflow() made',
      )
    const {
      id,
      parentClosePolicy: closePolicy = 'terminate',
      executionTimeout,
    } = checkedOptions<ChildOptions>(options, 'ctx.child()')
    if (!CLOSE_POLICIES.includes(closePolicy))
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `parentClosePolicy is ${JSON.stringify(closePolicy)}, not one of ${CLOSE_POLICIES.join(', ')}`,
      )
    const { name, version, inputSchema } = workflow
    const accepted =
      inputSchema === undefined
        ? input
        : validateSync(inputSchema, input, 'INPUT_INVALID', `the input of child ${name}`)
    const payload = this.#run.encode(accepted)
    const { limits } = this.#run.host
    const workflowId = id === undefined ? undefined : checkedName(id, 'the id of a child', limits.idBytes)
    // The id that it gets by default grows with each generation.
    if (id === undefined)
      checkedName(`${this.#run.info.key.workflowId}/${this.#run.nextOp}`, 'the id of a child', limits.idBytes)
    const timeoutMs = optionalMs(executionTimeout, 'executionTimeout')
    const { op, promise } = this.#run.issue<OutputOf<W>>(this.#scope, 'child', name, {
      command: (number) => ({
        kind: 'child',
        op: number,
        workflow: name,
        version,
        input: payload,
        closePolicy,
        ...(workflowId === undefined ? {} : { workflowId }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      }),
    })
    // A child that is kept and never awaited may fail: that is no unhandled rejection.
    promise.catch(() => {})
    return Object.assign(promise, {
      id: workflowId ?? `${this.#run.info.key.workflowId}/${op}`,
      signal: <T>(signal: Signal<T>, value?: T) =>
        this.#signalChild(op, nameOf(signal, 'signal', 'child.signal'), value),
      cancel: (reason = 'cancelled by its parent') => {
        this.#run.assertActive('child.cancel')
        this.#run.command({ kind: 'cancel-child', op, reason: checkedReason(reason) })
      },
    })
  }

  task<T extends Task>(
    task: T,
    ...[input, options]: CallArgs<TaskInputOf<T>, TaskCallOptions>
  ): Promise<TaskOutputOf<T>> {
    if (task?.kind !== 'task')
      throw new PerdureError(
        'ARGUMENT_INVALID',
        'ctx.task: the first argument is not a task that task() made',
      )
    const { name, inputSchema } = task
    const checked = checkedOptions<TaskCallOptions>(options, `ctx.task('${name}')`, TASK_CALL_OPTIONS)
    const { limits } = this.#run.host
    const queue = queueOf(task, checked.queue, limits)
    const taskOptions = taskOptionsOf(task, checked, limits)
    const accepted =
      inputSchema === undefined
        ? input
        : validateSync(inputSchema, input, 'INPUT_INVALID', `the input of task ${name}`)
    const payload = this.#run.encode(accepted)
    return this.#run.issue<TaskOutputOf<T>>(this.#scope, 'task', name, {
      command: (op) => ({ kind: 'task', op, name, queue, input: payload, options: taskOptions }),
    }).promise
  }

  async humanTask<F extends Form = JsonSchema>(
    options: HumanTaskOptions<F>,
  ): Promise<HumanResult<FormOutput<F>>> {
    const { name, spec } = humanTaskSpec(options, (value) => this.#run.encode(value))
    const event = await this.#human('human', name, spec)
    // The one cast: the form has had what was filled in.
    return humanResult(event, options.form) as HumanResult<FormOutput<F>>
  }

  async approval<F extends Form = JsonSchema>(
    options: ApprovalOptions<F>,
  ): Promise<ApprovalResult<FormOutput<F>>> {
    const { name, spec } = approvalSpec(options, (value) => this.#run.encode(value))
    const event = await this.#human('approval', name, spec)
    return approvalResult(event, options.form) as ApprovalResult<FormOutput<F>>
  }

  #human(kind: 'human' | 'approval', name: string, spec: HumanTaskSpec): Promise<HumanTaskClosed> {
    return this.#run.issue<HumanTaskClosed>(this.#scope, kind, name, {
      command: (op) => ({ kind: 'human', op, name, spec }),
    }).promise
  }

  #signalChild(childOp: number, signal: string, value: unknown): Promise<void> {
    const payload = this.#run.encode(value)
    const op = this.#run.takeNumber('signal-child', signal)
    this.#run.command({ kind: 'signal-child', op, childOp, signal, payload })
    return Promise.resolve()
  }

  async map<T, R>(
    items: Iterable<T>,
    run: (item: T, index: number) => Promise<R>,
    options?: { readonly concurrency?: number },
  ): Promise<R[]> {
    const concurrency = options?.concurrency ?? DEFAULT_CONCURRENCY
    if (typeof items?.[Symbol.iterator] !== 'function')
      throw new PerdureError('ARGUMENT_INVALID', 'ctx.map: the first argument is not iterable')
    assertFunction(run, 'ctx.map: the second argument')
    if (!(Number.isInteger(concurrency) || concurrency === Number.POSITIVE_INFINITY) || concurrency < 1)
      throw new PerdureError('ARGUMENT_INVALID', 'ctx.map: concurrency must be a whole number of 1 or more')
    const all = [...items]
    const results = new Array<R>(all.length)
    let next = 0
    let failed = false
    const lane = async (): Promise<void> => {
      while (next < all.length && !failed) {
        const index = next++
        try {
          results[index] = await run(all[index] as T, index)
        } catch (error) {
          failed = true
          throw error
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, all.length) }, lane))
    return results
  }

  now(): number {
    return this.#run.nowMs
  }

  random(): number {
    this.#run.assertActive('random')
    this.#shared.random ??= seededRandomness(seedOf(this.#run.info.runId))
    return this.#shared.random()
  }

  uuid(): string {
    const hex = (digits: number): string => {
      let text = ''
      for (let i = 0; i < digits; i++) text += Math.floor(this.random() * 16).toString(16)
      return text
    }
    const variant = (8 + Math.floor(this.random() * 4)).toString(16)
    return `${hex(8)}-${hex(4)}-4${hex(3)}-${variant}${hex(3)}-${hex(12)}`
  }

  get log(): Logger {
    const run = this.#run
    const at = (level: LogRecord['level']) => (message: string, fields?: LogFields) =>
      run.log({ level, message, fields })
    this.#shared.log ??= { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    return this.#shared.log
  }

  setAttributes(values: Attributes): void {
    const checked = checkedAttributes(values)
    const op = this.#run.takeNumber('attributes', '')
    this.#run.command({ kind: 'attributes', op, values: checked })
  }

  onQuery<In, Out>(query: Query<In, Out>, answer: (input: In) => Out): void {
    this.#run.assertActive('onQuery')
    const name = nameOf(query, 'query', 'ctx.onQuery')
    assertFunction(answer, `ctx.onQuery('${name}'): the second argument`)
    this.#run.onQuery(name, (input) => answer(input as In))
  }

  onUpdate<In, Out>(
    update: Update<In, Out>,
    handle: (input: In) => Out | Promise<Out>,
    options?: UpdateHandlerOptions<In>,
  ): void {
    this.#run.assertActive('onUpdate')
    const validate = options?.validate
    const name = nameOf(update, 'update', 'ctx.onUpdate')
    assertFunction(handle, `ctx.onUpdate('${name}'): the second argument`)
    if (validate !== undefined) assertFunction(validate, `ctx.onUpdate('${name}'): the option validate`)
    this.#run.updates.register(name, {
      handle: (input) => handle(input as In),
      validate: validate === undefined ? undefined : (input) => validate(input as In),
    })
  }

  get abortSignal(): AbortSignal {
    return this.#scope.abortSignal
  }

  scope<T>(run: (ctx: WorkflowContext) => Promise<T>): CancellationScope<T> {
    assertFunction(run, 'ctx.scope: the argument')
    const scope = new Scope(this.#scope)
    const promise = this.#within(scope, run)
    promise.catch(() => {})
    return Object.assign(promise, {
      cancel: (reason = 'the scope was cancelled') => {
        this.#run.assertActive('scope.cancel')
        this.#run.cancelScope(scope, checkedReason(reason))
      },
    })
  }

  uncancellable<T>(run: (ctx: WorkflowContext) => Promise<T>): Promise<T> {
    assertFunction(run, 'ctx.uncancellable: the argument')
    return this.#within(new Scope(this.#scope, true), run)
  }

  async #within<T>(scope: Scope, run: (ctx: WorkflowContext) => Promise<T>): Promise<T> {
    try {
      return await run(new RunContext(this.#run, scope, this.#shared))
    } finally {
      scope.leave()
    }
  }

  patched(id: string): boolean {
    this.#run.assertActive('patched')
    return this.#run.patched(checkedName(id, 'the id of a patch'))
  }

  continueAsNew(input?: unknown): never {
    throw new ContinueAsNew(input)
  }
}

function assertFunction(value: unknown, what: string): void {
  if (typeof value !== 'function') throw new PerdureError('ARGUMENT_INVALID', `${what} is not a function`)
}
