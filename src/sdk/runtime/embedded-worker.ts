/**
 * The worker inside the engine's process: runs workflow code in turns, and step functions when they are released.
 *
 * One macrotask turn serves all ready runs: it first takes what the runs of the turn before asked for (their microtasks
 * have drained), then delivers one event to each ready run. Turns are cut into pieces of `TURN_RUNS` runs, so that the first
 * results can be committed while later runs still execute.
 */

import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Tracing } from '../../platform/tracing.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Failure } from '../../protocol/failure.ts'
import { DEFAULT_LIMITS, type Limits } from '../../protocol/limits.ts'
import type { Payload } from '../../protocol/payload.ts'
import type { Activation, StepDispatch, TurnReport, WorkerHost } from '../../protocol/worker-port.ts'
import type { WorkflowContext } from '../context.ts'
import type { Workflow } from '../definition.ts'
import { withRun } from './current-run.ts'
import { LiveRun, type LiveRunHost } from './live-run.ts'
import type { LocalWorker } from './local-worker.ts'
import { RunContext } from './run-context.ts'
import type { Scope } from './scope.ts'
import type { WorkflowRun } from './workflow-run.ts'

export interface EmbeddedWorkerOptions {
  readonly workflows: readonly Workflow[]
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: Limits
  readonly tracing?: Tracing | undefined
  /** Enters workflow code. Default: with its run as the current one, see `current-run.ts`. */
  readonly enter?: <T>(run: WorkflowRun, call: () => T) => T
}

/** Runs that one turn delivers to. */
const TURN_RUNS = 64

export class EmbeddedWorker<Owner> implements LocalWorker<Owner>, LiveRunHost<Owner> {
  readonly limits: Limits
  readonly enter: <T>(run: WorkflowRun, call: () => T) => T
  readonly clock: Clock
  readonly logger: Logger
  readonly tracing: Tracing | undefined
  runningSteps = 0
  awaitedSteps = 0
  readonly #workflows = new Map<string, Workflow>()
  #host: WorkerHost<Owner> | undefined
  #ready: LiveRun<Owner>[] = []
  #turned: LiveRun<Owner>[] = []
  #turnAsked = false

  constructor(options: EmbeddedWorkerOptions) {
    this.limits = options.limits ?? DEFAULT_LIMITS
    this.enter = options.enter ?? withRun
    this.clock = options.clock
    this.logger = options.logger
    this.tracing = options.tracing
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

  connect(host: WorkerHost<Owner>): void {
    this.#host = host
  }

  supports(workflow: string, version: string): boolean {
    return this.#workflows.has(codeId(workflow, version))
  }

  get busyRuns(): number {
    return this.#ready.length + this.#turned.length
  }

  get isQuiet(): boolean {
    return this.busyRuns === 0 && this.runningSteps === 0
  }

  activate(activation: Activation<Owner>): LiveRun<Owner> {
    const { info, history } = activation
    const definition = this.#workflows.get(codeId(info.workflow, info.version))
    if (definition === undefined) throw new Error(`invariant: run ${info.runId} was activated without code`)
    const run = new LiveRun(definition, activation, this)
    if (history.length > 0) this.enqueue(run)
    return run
  }

  enqueue(run: LiveRun<Owner>): void {
    if (!run.isQueued) {
      run.isQueued = true
      this.#ready.push(run)
    }
    this.#askTurn()
  }

  onStepCompleted(owner: Owner, step: StepDispatch, result: Payload): void {
    this.#host?.onStepCompleted(owner, step, result)
  }

  onStepFailed(owner: Owner, step: StepDispatch, failure: Failure): void {
    this.#host?.onStepFailed(owner, step, failure)
  }

  #askTurn(): void {
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.clock.defer(() => {
      this.#turnAsked = false
      this.#turn()
    })
  }

  #turn(): void {
    const reports: TurnReport<Owner>[] = []
    const turned = this.#turned
    this.#turned = []
    for (const run of turned) {
      const report = run.isEnded ? undefined : run.endTurn(run.owner)
      if (report !== undefined) reports.push(report)
      if (run.hasWork) this.#ready.push(run)
      else run.isQueued = false
    }
    // Also without reports: while code replays, what others have appended must not wait for it.
    this.#host?.onTurn(reports)
    const ready = this.#ready
    const count = Math.min(ready.length, TURN_RUNS)
    for (let i = 0; i < count; i++) {
      const run = ready[i]
      if (run === undefined) continue
      run.beginTurn()
      this.#turned.push(run)
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
        for (const run of turned) run.seal()
      }),
    )
  }
}

function codeId(workflow: string, version: string): string {
  return `${workflow}\0${version}`
}
