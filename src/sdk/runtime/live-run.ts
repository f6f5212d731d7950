/** A run that is live in the embedded worker: its code, what the engine calls, and its steps that run. */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { runAttributes, type Span, type Tracing } from '../../platform/tracing.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { DeliveredEvent, Operation } from '../../protocol/event.ts'
import { type Failure, failureOf } from '../../protocol/failure.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { TraceContext } from '../../protocol/trace-context.ts'
import type { Activation, ActiveRun, CodeWait, StepDispatch } from '../../protocol/worker-port.ts'
import type { Workflow } from '../definition.ts'
import { withoutRun } from './current-run.ts'
import { StepAttempt } from './step-attempt.ts'
import { type RunHost, WorkflowRun } from './workflow-run.ts'

/** What live runs share in their worker. */
export interface LiveRunHost<Owner> extends RunHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly tracing: Tracing | undefined
  /** Steps whose functions have not settled. */
  runningSteps: number
  /** Those of them whose outcome still counts: not those that timed out or were dropped. */
  awaitedSteps: number
  /** The run has an event to deliver, or something to report. */
  enqueue(run: LiveRun<Owner>): void
  onStepCompleted(owner: Owner, step: StepDispatch, result: Payload): void
  onStepFailed(owner: Owner, step: StepDispatch, failure: Failure): void
}

export class LiveRun<Owner> extends WorkflowRun implements ActiveRun {
  readonly owner: Owner
  /** It is in the worker's queue of this turn or the next. */
  isQueued = false
  readonly #host: LiveRunHost<Owner>
  /** Where the spans of its execution belong; its first event says so. */
  #trace: TraceContext | undefined

  constructor(definition: Workflow, activation: Activation<Owner>, host: LiveRunHost<Owner>) {
    super(definition, activation.info, activation.history, host)
    this.owner = activation.owner
    this.#host = host
    const first = activation.history[0]?.event
    if (first?.type === 'execution-started') this.#trace = first.trace
  }

  get runningSteps(): number {
    let running = 0
    for (const [, { attempt }] of this.pending) if (attempt?.isAwaited === true) running += 1
    return running
  }

  deliver(seq: number, event: DeliveredEvent): void {
    if (this.isEnded) throw new Error(`invariant: an event for run ${this.info.runId}, which is not live`)
    if (event.type === 'execution-started') this.#trace = event.trace
    this.push(seq, event)
    this.#host.enqueue(this)
  }

  runStep(step: StepDispatch): void {
    const pending = this.pending.get(step.op)
    const call = pending?.run
    // The run was evicted, or its code dropped the step, after the dispatch was decided.
    if (this.isEnded || pending === undefined || call === undefined) return
    const host = this.#host
    const { name } = pending
    const attempt = new StepAttempt(step, { name, info: this.info, trace: this.#trace }, host)
    pending.attempt = attempt
    host.runningSteps += 1
    host.awaitedSteps += 1
    if (pending.timeoutMs !== undefined) this.#limit(attempt, pending.timeoutMs)
    if (host.tracing !== undefined) attempt.span = this.#spanOf(attempt, host.tracing)
    let result: unknown
    let promise: Promise<unknown> | undefined
    try {
      const { span } = attempt
      result =
        span === undefined ? withoutRun(call, attempt) : withoutRun(() => span.run(() => call(attempt)))
      // A promise takes what a foreign `then` throws for its failure.
      promise = isThenable(result) ? Promise.resolve(result) : undefined
    } catch (error) {
      this.#failed(attempt, failureOf(error))
      return
    }
    if (promise === undefined) this.#completed(attempt, result)
    else
      promise.then(
        (value) => this.#completed(attempt, value),
        (error) => this.#failed(attempt, failureOf(error)),
      )
  }

  abortStep(op: Operation): void {
    this.pending.get(op)?.attempt?.abort(noLongerWaitedFor())
  }

  validateUpdate(name: string, payload: Payload): 'accepted' | 'unknown' | Failure {
    return this.updates.validate(name, payload)
  }

  waits(): readonly CodeWait[] {
    return [...this.pending].flatMap(([op, { kind, name, sinceMs = 0 }]) =>
      kind === 'wait' ? [{ op, name, sinceMs }] : [],
    )
  }

  evict(): void {
    if (this.isEnded) return
    this.end()
    for (const [, { attempt }] of this.pending) attempt?.abort(noLongerWaitedFor())
  }

  protected override wake(): void {
    withoutRun(() => this.#host.enqueue(this))
  }

  #spanOf({ name, attempt }: StepAttempt, tracing: Tracing): Span {
    const parent = this.#trace
    if (parent === undefined) return tracing.untraced
    const attributes = {
      ...runAttributes(this.info),
      'perdure.step.name': name,
      'perdure.attempt': attempt,
    }
    return withoutRun(() => tracing.start(`step ${name}`, { kind: 'internal', parent, attributes }))
  }

  #limit(attempt: StepAttempt, timeoutMs: number): void {
    attempt.cancelTimeout = this.#host.clock.after(timeoutMs, () => {
      const error = new PerdureError(
        'STEP_TIMEOUT',
        `step '${attempt.name}' took longer than ${timeoutMs} ms`,
      )
      if (!attempt.settle(error)) return
      attempt.abort(error)
      this.#host.onStepFailed(this.owner, attempt.dispatch, failureOf(error))
    })
  }

  #completed(attempt: StepAttempt, value: unknown): void {
    let payload: Payload
    try {
      payload = this.encode(value)
    } catch (error) {
      this.#failed(attempt, { ...failureOf(error), nonRetryable: true })
      return
    }
    this.#host.runningSteps -= 1
    if (attempt.settle()) this.#host.onStepCompleted(this.owner, attempt.dispatch, payload)
  }

  #failed(attempt: StepAttempt, failure: Failure): void {
    this.#host.runningSteps -= 1
    if (attempt.settle(failure)) this.#host.onStepFailed(this.owner, attempt.dispatch, failure)
  }
}

function noLongerWaitedFor(): PerdureError {
  return new PerdureError('CANCELLED', 'the result of the step is no longer waited for')
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}
