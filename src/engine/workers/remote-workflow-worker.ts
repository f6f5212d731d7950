/** The runs whose code is live in one worker in another process, and what the worker says of them. */
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { type Failure, failureOf } from '../../protocol/failure.ts'
import type { Activation, RemoteWorkerHost, TurnReport } from '../../protocol/worker-port.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import {
  type RunMessage,
  type RunReport,
  shapedCommands,
  type WorkflowCode,
} from '../../protocol/workflow-messages.ts'
import { RemoteRun, type RunCarrier } from './remote-run.ts'

export interface RemoteWorkflowWorkerOptions<Owner> {
  readonly id: string
  readonly namespace: string
  readonly build: string | undefined
  /** Its share of the runs, relative to others. */
  readonly weight: number
  readonly workflows: readonly WorkflowCode[]
  readonly host: RemoteWorkerHost<Owner>
  readonly logger: Logger
  readonly send: (message: RunMessage) => void
  /** Its code does not fit the history of this run: true if another worker is to try it. */
  readonly isTriedElsewhere: (run: RemoteRun<Owner>) => boolean
  /** The history of this run was replayed. */
  readonly onReplayed: (run: RemoteRun<Owner>) => void
}

type Turn = Extract<RunReport, { readonly type: 'turn' }>

export class RemoteWorkflowWorker<Owner> implements RunCarrier<Owner> {
  readonly options: RemoteWorkflowWorkerOptions<Owner>
  isLeaving = false
  readonly #codes: ReadonlySet<string>
  readonly #runs = new Map<number, RemoteRun<Owner>>()
  #lastRun = 0
  #lastCall = 0
  /** Of the frame that is being read. */
  #turns: TurnReport<Owner>[] = []

  constructor(options: RemoteWorkflowWorkerOptions<Owner>) {
    this.options = options
    this.#codes = new Set(options.workflows.map(({ name, version }) => codeId(name, version)))
  }

  get build(): string | undefined {
    return this.options.build
  }

  /** What tells its code from that of other workers. */
  get codeOf(): string {
    return this.options.build ?? `worker ${this.options.id}`
  }

  get runs(): number {
    return this.#runs.size
  }

  get isQuiet(): boolean {
    for (const run of this.#runs.values()) if (!run.isQuiet) return false
    return true
  }

  supports(workflow: string, version: string, namespace: string): boolean {
    return namespace === this.options.namespace && this.#codes.has(codeId(workflow, version))
  }

  activate(activation: Activation<Owner>): RemoteRun<Owner> {
    this.#lastRun += 1
    const run = new RemoteRun(this.#lastRun, activation, this)
    this.#runs.set(run.number, run)
    return run
  }

  /** @throws PerdureError `PROTOCOL_INVALID` */
  receive(report: RunReport): void {
    const run = this.#runs.get(report.run)
    if (run === undefined) {
      if (report.run > this.#lastRun)
        throw new PerdureError(
          'PROTOCOL_INVALID',
          `${report.type}: run ${report.run} was never activated here`,
        )
      // It was on its way when the run was evicted.
      return
    }
    if (report.type === 'turn') this.#turned(run, report)
    else {
      this.flush()
      this.#told(run, report)
    }
  }

  /** All messages of a frame were received. */
  flush(): void {
    const turns = this.#turns
    if (turns.length === 0) return
    this.#turns = []
    this.options.host.onTurn(turns)
  }

  /** It ends soon: its runs go to others, those with running steps when these have ended. */
  leave(): void {
    this.isLeaving = true
    this.#lose([...this.#runs.values()].filter(({ runningSteps }) => runningSteps === 0))
  }

  /** The connection is lost. */
  lost(): void {
    this.isLeaving = true
    this.#lose([...this.#runs.values()])
  }

  send(message: RunMessage): void {
    this.options.send(message)
  }

  newCall(): number {
    this.#lastCall += 1
    return this.#lastCall
  }

  evicted({ number }: RemoteRun<Owner>): void {
    this.#runs.delete(number)
  }

  stepless(run: RemoteRun<Owner>): void {
    this.#lose([run])
  }

  #turned(run: RemoteRun<Owner>, report: Turn): void {
    const { parked, commands } = looked(report)
    const { logs } = report
    if (parked?.code === 'NONDETERMINISM' && this.options.isTriedElsewhere(run)) {
      this.#lose([run])
      return
    }
    const isFirst = !run.hasReported
    const idle = run.turned(report)
    if (isFirst && parked === undefined) this.options.onReplayed(run)
    this.#turns.push({
      owner: run.owner,
      commands,
      idle,
      ...(parked === undefined ? {} : { parked }),
      ...(logs === undefined
        ? {}
        : { logs: logs.map(({ level, message, fields }) => ({ level, message, fields })) }),
    })
  }

  #told(run: RemoteRun<Owner>, report: Exclude<RunReport, Turn>): void {
    const { host, logger, id } = this.options
    if (report.type === 'step-completed' || report.type === 'step-failed') {
      const { op, attempt } = report
      const step = run.takeEnd(report)
      if (step !== undefined) {
        if (report.type === 'step-completed') host.onStepCompleted(run.owner, step, report.result)
        else host.onStepFailed(run.owner, step, report.failure)
        run.stepEnded()
        return
      }
      // A step that was aborted has told its end before it knew; anything else should not happen.
      logger.info('the end of a step that nobody waits for was not counted', { worker: id, op, attempt })
    } else if (!run.answered(report))
      throw new PerdureError('PROTOCOL_INVALID', `${report.type}: there is no question ${report.call}`)
  }

  #lose(runs: readonly RemoteRun<Owner>[]): void {
    const { host, send } = this.options
    if (runs.length === 0) return
    this.flush()
    for (const run of runs) {
      run.end()
      this.#runs.delete(run.number)
      send({ type: 'evict', run: run.number })
    }
    host.onRunsLost(runs.map(({ owner }) => owner))
  }
}

/** Commands that are none are a fault of this run's code, or of its worker: the run is parked, the others go on. */
function looked({ commands = [], parked }: Turn): {
  readonly commands: readonly WorkflowCommand[]
  readonly parked?: Failure
} {
  if (parked !== undefined) return { commands: [], parked }
  try {
    return { commands: shapedCommands(commands) }
  } catch (error) {
    return { commands: [], parked: failureOf(error) }
  }
}

export function codeId(workflow: string, version: string): string {
  return `${workflow}\0${version}`
}
