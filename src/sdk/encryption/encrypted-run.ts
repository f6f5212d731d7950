/**
 * A run whose payloads are encrypted outside of this process: what comes is decrypted before its code sees it, what it says is
 * encrypted before it leaves.
 *
 * Most of it happens at once. When a key has to be got first, what comes after it waits, so that the order stays. A payload that
 * cannot be read parks the run: it goes on where the key is.
 */
import type { Clock } from '../../platform/clock.ts'
import type { DeliveredEvent, Operation, SequencedEvent } from '../../protocol/event.ts'
import { type Failure, failureOf, platformFailure } from '../../protocol/failure.ts'
import type { Payload } from '../../protocol/payload.ts'
import { mapCommand, mapEvent } from '../../protocol/payload-places.ts'
import type {
  Activation,
  ActiveRun,
  CallResult,
  CodeWait,
  StepDispatch,
  TurnReport,
  UpdateVerdict,
  WorkerHost,
} from '../../protocol/worker-port.ts'
import { ExecutionPlaces } from './execution-places.ts'
import { InOrder } from './in-order.ts'
import type { KeysPatience } from './keys-patience.ts'
import type { Coder, PayloadCodec } from './payload-codec.ts'

export interface EncryptedRunParts<Owner> {
  readonly patience: KeysPatience
  readonly clock: Clock
  readonly codec: PayloadCodec
  readonly host: WorkerHost<Owner>
  /** Makes the code live, with a history that can be read. */
  readonly begin: (run: EncryptedRun<Owner>, history: readonly SequencedEvent[]) => ActiveRun
  readonly onBusy: (isBusy: boolean) => void
}

export class EncryptedRun<Owner> implements ActiveRun {
  readonly owner: Owner
  readonly #places: ExecutionPlaces
  readonly #parts: EncryptedRunParts<Owner>
  readonly #in: InOrder
  readonly #out: InOrder
  #code: ActiveRun | undefined
  #received = 0
  /** Steps that have ended, which the engine does not know yet. */
  #untold = 0
  #isEnded = false
  #isEvicted = false

  constructor({ owner, info, history }: Activation<Owner>, parts: EncryptedRunParts<Owner>) {
    this.owner = owner
    this.#parts = parts
    this.#places = new ExecutionPlaces(info.key)
    this.#in = new InOrder(parts.onBusy)
    this.#out = new InOrder(parts.onBusy)
    for (const { event } of history) this.#places.see(event)
    this.#take(
      (coder) => {
        const to = this.#places.opening(coder)
        return history.map(({ seq, event }) => ({ seq, event: mapEvent(event, to) }))
      },
      (opened) => {
        this.#code = parts.begin(this, opened)
      },
    )
  }

  /** With those whose results wait for keys. */
  get runningSteps(): number {
    return (this.#code?.runningSteps ?? 0) + this.#untold
  }

  deliver(seq: number, event: DeliveredEvent): void {
    this.#received += 1
    this.#take(
      (coder) => mapEvent(event, this.#places.opening(coder)),
      (opened) => this.#code?.deliver(seq, opened),
    )
  }

  runStep(step: StepDispatch): void {
    this.#in.do(() => {
      if (!this.#isEnded) this.#code?.runStep(step)
    })
  }

  abortStep(op: Operation): void {
    this.#code?.abortStep(op)
  }

  async query(name: string, payload: Payload): Promise<CallResult | undefined> {
    await this.#in.settled()
    try {
      const opened = await this.#coded((coder) => coder.open(payload, this.#places.place('query')))
      const answer = this.#isEnded ? undefined : await this.#code?.query(name, opened)
      if (answer === undefined) return undefined
      return await this.#coded((coder) =>
        answer.ok
          ? { ok: true, result: coder.seal(answer.result, this.#places.place('query-result')) }
          : { ok: false, failure: coder.sealFailure(answer.failure, this.#places.failure()) },
      )
    } catch (error) {
      return {
        ok: false,
        failure: platformFailure('QUERY_FAILED', `query '${name}' failed`, failureOf(error)),
      }
    }
  }

  async validateUpdate(name: string, payload: Payload): Promise<UpdateVerdict | undefined> {
    await this.#in.settled()
    try {
      const opened = await this.#coded((coder) => coder.open(payload, this.#places.place('update')))
      const verdict = this.#isEnded ? undefined : await this.#code?.validateUpdate(name, opened)
      if (verdict === undefined || typeof verdict === 'string') return verdict
      return await this.#coded((coder) => coder.sealFailure(verdict, this.#places.failure()))
    } catch (error) {
      return failureOf(error)
    }
  }

  async waits(): Promise<readonly CodeWait[]> {
    return (await this.#code?.waits()) ?? []
  }

  evict(): void {
    this.#isEnded = true
    this.#isEvicted = true
    this.#code?.evict()
  }

  /** What its code said in a turn. What can be told at once is added to `together`, as long as that is open. */
  turned(report: TurnReport<EncryptedRun<Owner>>, together: TurnReport<Owner>[]): void {
    const received = this.#received
    for (const command of report.commands) this.#places.seeCommand(command)
    this.#say(
      (coder) => {
        const to = this.#places.sealing(coder)
        const { parked } = report
        return {
          ...report,
          commands: report.commands.map((command) => mapCommand(command, to)),
          ...(parked === undefined ? {} : { parked: to.failure(parked) }),
        }
      },
      (sealed, isLater) => {
        // More has come meanwhile: the code has not seen it.
        const idle = sealed.idle && !this.#in.isBusy && received === this.#received
        const told: TurnReport<Owner> = { ...sealed, owner: this.owner, idle }
        if (isLater) this.#parts.host.onTurn([told])
        else together.push(told)
      },
    )
  }

  stepCompleted(step: StepDispatch, result: Payload): void {
    this.#untold += 1
    this.#say(
      (coder) => coder.seal(result, this.#places.place('step-result')),
      (sealed) => {
        this.#untold -= 1
        this.#parts.host.onStepCompleted(this.owner, step, sealed)
      },
    )
  }

  stepFailed(step: StepDispatch, failure: Failure): void {
    this.#untold += 1
    this.#say(
      (coder) => coder.sealFailure(failure, this.#places.failure()),
      (sealed) => {
        this.#untold -= 1
        this.#parts.host.onStepFailed(this.owner, step, sealed)
      },
    )
  }

  #take<T>(use: (coder: Coder) => T, then: (opened: T) => void): void {
    this.#in.do(() => this.#patiently(use, then))
  }

  #say<T>(use: (coder: Coder) => T, then: (sealed: T, isLater: boolean) => void): void {
    let isLater = false
    this.#out.do(() => this.#patiently(use, (sealed) => then(sealed, isLater)))
    isLater = true
  }

  #patiently<T>(use: (coder: Coder) => T, then: (value: T) => void): void | Promise<void> {
    if (this.#isEnded) return
    let value: T | Promise<T | undefined>
    try {
      value = this.#parts.patience.ask(
        () => this.#coded(use),
        () => this.#isEnded,
      )
    } catch (error) {
      this.#park(failureOf(error))
      return
    }
    if (!(value instanceof Promise)) {
      then(value)
      return
    }
    return value.then(
      (found) => {
        if (found !== undefined && !this.#isEnded) then(found)
      },
      (error) => this.#park(failureOf(error)),
    )
  }

  #coded<T>(use: (coder: Coder) => T): T | Promise<T> {
    return this.#parts.codec.code(this.#places.key.namespace, use)
  }

  /** Later: whoever delivers does not expect an answer within the call. */
  #park(parked: Failure): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#code?.evict()
    const { clock, host, onBusy } = this.#parts
    onBusy(true)
    clock.defer(() => {
      onBusy(false)
      if (!this.#isEvicted) host.onTurn([{ owner: this.owner, commands: [], parked, idle: true }])
    })
  }
}
