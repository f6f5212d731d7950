/**
 * The worker inside the engine's process: runs workflow code in turns, and step functions when they are released.
 *
 * One macrotask turn serves all ready runs: it first takes what the runs of the turn before asked for (their microtasks
 * have drained), then delivers one event to each ready run. Turns are cut into pieces of `TURN_RUNS` runs, so that the first
 * results can be committed while later runs still execute.
 */

import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { DeliveredEvent } from '../../protocol/event.ts'
import { type Failure, failureOf, platformFailure } from '../../protocol/failure.ts'
import type { RunId } from '../../protocol/ids.ts'
import { DEFAULT_LIMITS, type Limits } from '../../protocol/limits.ts'
import type { Payload } from '../../protocol/payload.ts'
import type {
  Activation,
  CallResult,
  StepDispatch,
  TurnReport,
  WorkerHost,
  WorkerPort,
} from '../../protocol/worker-port.ts'
import type { WorkflowContext } from '../context.ts'
import type { Workflow } from '../definition.ts'
import { withoutRun, withRun } from './current-run.ts'
import { RunContext } from './run-context.ts'
import type { Scope } from './scope.ts'
import { StepAttempt } from './step-attempt.ts'
import { type RunHost, WorkflowRun } from './workflow-run.ts'

export interface EmbeddedWorkerOptions {
  readonly workflows: readonly Workflow[]
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: Limits
  /** Enters workflow code. Default: with its run as the current one, see `current-run.ts`. */
  readonly enter?: <T>(run: WorkflowRun, call: () => T) => T
}

/** Runs that one turn delivers to. */
const TURN_RUNS = 256

interface Live {
  readonly run: WorkflowRun
  queued: boolean
}

export class EmbeddedWorker implements WorkerPort, RunHost {
  readonly limits: Limits
  readonly enter: <T>(run: WorkflowRun, call: () => T) => T
  readonly #workflows = new Map<string, Workflow>()
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #live = new Map<RunId, Live>()
  #host: WorkerHost | undefined
  #ready: Live[] = []
  #turned: Live[] = []
  #turnAsked = false
  #runningSteps = 0
  #awaitedSteps = 0
  readonly #onStepSettled = (): void => {
    this.#awaitedSteps -= 1
  }

  constructor(options: EmbeddedWorkerOptions) {
    this.limits = options.limits ?? DEFAULT_LIMITS
    this.enter = options.enter ?? withRun
    this.#clock = options.clock
    this.#logger = options.logger
    for (const workflow of options.workflows) {
      const id = codeId(workflow.name, workflow.version)
      const known = this.#workflows.get(id)
      if (known !== undefined && known !== workflow) {
        throw new PerdureError(
          'ARGUMENT_INVALID',
          `workflow ${workflow.name} version ${workflow.version} is registered twice`,
        )
      }
      this.#workflows.set(id, workflow)
    }
  }

  createContext(run: WorkflowRun, scope: Scope): WorkflowContext {
    return new RunContext(run, scope)
  }

  connect(host: WorkerHost): void {
    this.#host = host
  }

  supports(workflow: string, version: string): boolean {
    return this.#workflows.has(codeId(workflow, version))
  }

  get busyRuns(): number {
    return this.#ready.length + this.#turned.length
  }

  get runningSteps(): number {
    return this.#runningSteps
  }

  /** Running step attempts whose outcome still counts: not those that timed out or were dropped. */
  get awaitedSteps(): number {
    return this.#awaitedSteps
  }

  activate({ info, history }: Activation): void {
    const definition = this.#workflows.get(codeId(info.workflow, info.version))
    if (definition === undefined) throw new Error(`invariant: run ${info.runId} was activated without code`)
    // A run that is activated again starts over: code of before must not go on.
    this.evict(info.runId)
    const live: Live = {
      run: new WorkflowRun(definition, info, history, this),
      queued: false,
    }
    this.#live.set(info.runId, live)
    if (history.length > 0) this.#enqueue(live)
  }

  deliver(runId: RunId, seq: number, event: DeliveredEvent): void {
    const live = this.#live.get(runId)
    if (live === undefined) throw new Error(`invariant: an event for run ${runId}, which is not live`)
    live.run.push(seq, event)
    this.#enqueue(live)
  }

  wake(run: WorkflowRun): void {
    const live = this.#live.get(run.info.runId)
    if (live?.run === run) withoutRun(() => this.#enqueue(live))
  }

  evict(runId: RunId): void {
    const live = this.#live.get(runId)
    if (live === undefined) return
    this.#live.delete(runId)
    live.run.end()
    for (const { attempt } of live.run.pending.values()) attempt?.abort(noLongerWaitedFor())
  }

  query(runId: RunId, name: string, payload: Payload): CallResult {
    const live = this.#live.get(runId)
    if (live === undefined)
      return { ok: false, failure: platformFailure('QUERY_FAILED', `run ${runId} is not live`) }
    return live.run.query(name, payload)
  }

  validateUpdate(runId: RunId, name: string, payload: Payload): 'accepted' | 'unknown' | Failure {
    return this.#live.get(runId)?.run.updates.validate(name, payload) ?? 'unknown'
  }

  runStep(dispatch: StepDispatch): void {
    const live = this.#live.get(dispatch.runId)
    const pending = live?.run.pending.get(dispatch.op)
    const call = pending?.run
    // The run was evicted, or its code dropped the step, after the dispatch was decided.
    if (live === undefined || pending === undefined || call === undefined) return
    const attempt = new StepAttempt(dispatch, pending.name, live.run.info, this.#logger, this.#onStepSettled)
    pending.attempt = attempt
    this.#runningSteps += 1
    this.#awaitedSteps += 1
    if (pending.timeoutMs !== undefined) this.#limit(attempt, pending.timeoutMs)
    let result: unknown
    let promise: Promise<unknown> | undefined
    try {
      result = withoutRun(() => call(attempt))
      // A promise takes what a foreign `then` throws for its failure.
      promise = isThenable(result) ? Promise.resolve(result) : undefined
    } catch (error) {
      this.#failed(attempt, failureOf(error))
      return
    }
    if (promise !== undefined) {
      promise.then(
        (value) => this.#completed(live, attempt, value),
        (error) => this.#failed(attempt, failureOf(error)),
      )
    } else this.#completed(live, attempt, result)
  }

  abortStep(runId: RunId, op: number): void {
    this.#live.get(runId)?.run.pending.get(op)?.attempt?.abort(noLongerWaitedFor())
  }

  #limit(attempt: StepAttempt, timeoutMs: number): void {
    attempt.cancelTimeout = this.#clock.after(timeoutMs, () => {
      const error = new PerdureError(
        'STEP_TIMEOUT',
        `step '${attempt.name}' took longer than ${timeoutMs} ms`,
      )
      if (!attempt.settle()) return
      attempt.abort(error)
      this.#host?.onStepFailed(attempt.dispatch, failureOf(error))
    })
  }

  #completed(live: Live, attempt: StepAttempt, value: unknown): void {
    this.#runningSteps -= 1
    let payload: Payload
    try {
      payload = live.run.encode(value)
    } catch (error) {
      const failure: Failure = { ...failureOf(error), nonRetryable: true }
      if (attempt.settle()) this.#host?.onStepFailed(attempt.dispatch, failure)
      return
    }
    if (attempt.settle()) this.#host?.onStepCompleted(attempt.dispatch, payload)
  }

  #failed(attempt: StepAttempt, failure: Failure): void {
    this.#runningSteps -= 1
    if (attempt.settle()) this.#host?.onStepFailed(attempt.dispatch, failure)
  }

  #enqueue(live: Live): void {
    if (!live.queued) {
      live.queued = true
      this.#ready.push(live)
    }
    this.#askTurn()
  }

  #askTurn(): void {
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.#clock.defer(() => {
      this.#turnAsked = false
      this.#turn()
    })
  }

  #turn(): void {
    const reports: TurnReport[] = []
    const turned = this.#turned
    this.#turned = []
    for (const live of turned) {
      const report = live.run.isEnded ? undefined : live.run.endTurn()
      if (report !== undefined) reports.push(report)
      if (live.run.hasWork) this.#ready.push(live)
      else live.queued = false
    }
    // Also without reports: while code replays, what others have appended must not wait for it.
    this.#host?.onTurn(reports)
    const ready = this.#ready
    const count = Math.min(ready.length, TURN_RUNS)
    for (let i = 0; i < count; i++) {
      const live = ready[i]
      if (live === undefined) continue
      live.run.beginTurn()
      this.#turned.push(live)
    }
    if (count === ready.length) this.#ready = []
    else ready.splice(0, count)
    if (count > 0) this.#sealAfterMicrotasks()
    if (this.busyRuns > 0) this.#askTurn()
  }

  /** A tick asked for by a microtask runs when all microtasks have drained, before any other macrotask. */
  #sealAfterMicrotasks(): void {
    const turned = this.#turned
    queueMicrotask(() =>
      process.nextTick(() => {
        // Already ended, where a simulation makes its own turns.
        if (this.#turned !== turned) return
        for (const { run } of turned) run.seal()
      }),
    )
  }
}

function noLongerWaitedFor(): PerdureError {
  return new PerdureError('CANCELLED', 'the result of the step is no longer waited for')
}

function codeId(workflow: string, version: string): string {
  return `${workflow}\0${version}`
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}
