/** Runs workflow code whose payloads are encrypted outside of this process. */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Activation, TurnReport, WorkerHost } from '../../protocol/worker-port.ts'
import type { LocalWorker } from '../runtime/local-worker.ts'
import { EncryptedRun } from './encrypted-run.ts'
import { KeysPatience } from './keys-patience.ts'
import type { PayloadCodec } from './payload-codec.ts'

export interface EncryptedWorkerOptions<Owner> {
  /** Runs the code. */
  readonly worker: LocalWorker<EncryptedRun<Owner>>
  readonly codec: PayloadCodec
  readonly clock: Clock
  readonly logger: Logger
}

export class EncryptedWorker<Owner> implements LocalWorker<Owner> {
  readonly #options: EncryptedWorkerOptions<Owner>
  readonly #patience: KeysPatience
  /** Runs, in one direction each, that wait for keys. */
  #waiting = 0
  #host: WorkerHost<Owner> | undefined

  constructor(options: EncryptedWorkerOptions<Owner>) {
    this.#options = options
    this.#patience = new KeysPatience(options)
  }

  get busyRuns(): number {
    return this.#options.worker.busyRuns + this.#waiting
  }

  /** With those whose results wait for keys. */
  get runningSteps(): number {
    return this.#options.worker.runningSteps + this.#waiting
  }

  get awaitedSteps(): number {
    return this.#options.worker.awaitedSteps + this.#waiting
  }

  get isQuiet(): boolean {
    return this.#options.worker.isQuiet && this.#waiting === 0
  }

  connect(host: WorkerHost<Owner>): void {
    this.#host = host
    this.#options.worker.connect({
      onTurn: (reports) => this.#turned(reports, host),
      onStepCompleted: (run, step, result) => run.stepCompleted(step, result),
      onStepFailed: (run, step, failure) => run.stepFailed(step, failure),
    })
  }

  supports(workflow: string, version: string, namespace: string): boolean {
    return this.#options.worker.supports(workflow, version, namespace)
  }

  activate(activation: Activation<Owner>): EncryptedRun<Owner> {
    const { worker, codec, clock } = this.#options
    if (this.#host === undefined)
      throw new Error('invariant: a run is activated before the worker is connected')
    return new EncryptedRun(activation, {
      codec,
      clock,
      patience: this.#patience,
      host: this.#host,
      begin: (owner, history) => worker.activate({ ...activation, owner, history }),
      onBusy: (isBusy) => {
        this.#waiting += isBusy ? 1 : -1
      },
    })
  }

  #turned(reports: readonly TurnReport<EncryptedRun<Owner>>[], host: WorkerHost<Owner>): void {
    const together: TurnReport<Owner>[] = []
    for (const report of reports) report.owner.turned(report, together)
    host.onTurn(together)
  }
}
