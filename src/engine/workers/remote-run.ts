/**
 * A run whose code is live in a worker in another process, as the engine sees it.
 *
 * 1. It ends with `evict`, or when its worker is lost. From then on nothing that the worker says of it is believed, and
 *    what is asked of it is answered with undefined.
 * 2. The code waits when the worker says so of the last event that it was sent.
 * 3. An end of a step is believed once, of an attempt that was sent and is still waited for.
 */
import { PerdureError } from '../../protocol/errors.ts'
import type { DeliveredEvent, Operation } from '../../protocol/event.ts'
import { platformFailure } from '../../protocol/failure.ts'
import type { Payload } from '../../protocol/payload.ts'
import type {
  Activation,
  ActiveRun,
  CallResult,
  CodeWait,
  RunInfo,
  StepDispatch,
  UpdateVerdict,
} from '../../protocol/worker-port.ts'
import type { RunMessage, RunReport } from '../../protocol/workflow-messages.ts'

/** The worker of a run. */
export interface RunCarrier<Owner> {
  readonly build: string | undefined
  readonly isLeaving: boolean
  send(message: RunMessage): void
  newCall(): number
  /** The engine does not want the run here any more. */
  evicted(run: RemoteRun<Owner>): void
  /** The last step of a run has ended, in a worker that is leaving. */
  stepless(run: RemoteRun<Owner>): void
}

type Report<T extends RunReport['type']> = Extract<RunReport, { readonly type: T }>
type Answer = Report<'answer' | 'verdict' | 'waiting'>

interface OpenCall {
  readonly type: Answer['type']
  /** Undefined: the run is lost. */
  readonly resolve: (answer: Answer | undefined) => void
}

export class RemoteRun<Owner> implements ActiveRun {
  readonly owner: Owner
  readonly info: RunInfo
  readonly number: number
  /** It has asked for something, or waited for something, since it was activated: its history could be replayed. */
  hasReported = false
  readonly #carrier: RunCarrier<Owner>
  /** The last event that was sent. */
  #sent: number
  #isIdle = false
  #isEnded = false
  /** Attempts that run, by operation. */
  readonly #steps = new Map<Operation, StepDispatch>()
  readonly #calls = new Map<number, OpenCall>()

  constructor(number: number, { owner, info, history }: Activation<Owner>, carrier: RunCarrier<Owner>) {
    this.number = number
    this.owner = owner
    this.info = info
    this.#carrier = carrier
    this.#sent = history.at(-1)?.seq ?? 0
    const { key, runId, workflow, version } = info
    carrier.send({
      type: 'activate',
      run: number,
      namespace: key.namespace,
      workflowId: key.workflowId,
      runId,
      workflow,
      version,
      ...(history.length === 0 ? {} : { history }),
    })
  }

  get build(): string | undefined {
    return this.#carrier.build
  }

  get runningSteps(): number {
    return this.#steps.size
  }

  /** Its code waits, and runs no step. */
  get isQuiet(): boolean {
    return this.#isIdle && this.#steps.size === 0
  }

  deliver(seq: number, event: DeliveredEvent): void {
    if (this.#isEnded) return
    this.#sent = seq
    this.#isIdle = false
    this.#carrier.send({ type: 'event', run: this.number, seq, event })
  }

  runStep(step: StepDispatch): void {
    const { op, attempt } = step
    // Of a worker that is leaving the run is moved when its last step has ended, and asks for this one again.
    if (this.#isEnded || this.#carrier.isLeaving) return
    this.#steps.set(op, step)
    this.#carrier.send({ type: 'step', run: this.number, op, attempt })
  }

  abortStep(op: Operation): void {
    if (!this.#steps.delete(op)) return
    this.#carrier.send({ type: 'abort-step', run: this.number, op })
    this.#lookAtSteps()
  }

  async query(name: string, payload: Payload): Promise<CallResult | undefined> {
    const answer = await this.#ask('answer', (call) => ({
      type: 'query',
      run: this.number,
      call,
      name,
      payload,
    }))
    if (answer === undefined) return undefined
    const { result, failure } = answer
    if (failure !== undefined) return { ok: false, failure }
    if (result !== undefined) return { ok: true, result }
    const nothing = platformFailure('QUERY_FAILED', `the worker answered query '${name}' with nothing`)
    return { ok: false, failure: nothing }
  }

  async validateUpdate(name: string, payload: Payload): Promise<UpdateVerdict | undefined> {
    const answer = await this.#ask('verdict', (call) => ({
      type: 'validate',
      run: this.number,
      call,
      name,
      payload,
    }))
    if (answer?.verdict !== 'rejected') return answer?.verdict
    return answer.failure ?? platformFailure('UPDATE_REJECTED', 'the worker gave no reason')
  }

  async waits(): Promise<readonly CodeWait[]> {
    const answer = await this.#ask('waiting', (call) => ({ type: 'waits', run: this.number, call }))
    return answer?.waits ?? []
  }

  evict(): void {
    if (this.#isEnded) return
    this.end()
    this.#carrier.send({ type: 'evict', run: this.number })
    this.#carrier.evicted(this)
  }

  /** Whoever asked it something hears that it is lost. */
  end(): void {
    this.#isEnded = true
    this.#steps.clear()
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const { resolve } of calls) resolve(undefined)
  }

  /** Whether the code waits now. Throws `PROTOCOL_INVALID` if the worker cannot have seen what it says. */
  turned({ seen, idle }: Report<'turn'>): boolean {
    if (seen > this.#sent)
      throw new PerdureError(
        'PROTOCOL_INVALID',
        `turn.seen is ${seen}, the last event of the run is ${this.#sent}`,
      )
    this.hasReported = true
    this.#isIdle = idle && seen === this.#sent
    return this.#isIdle
  }

  /** What was sent, if the end of this attempt is waited for; then it is not any more. */
  takeEnd({ op, attempt }: Pick<StepDispatch, 'op' | 'attempt'>): StepDispatch | undefined {
    const step = this.#steps.get(op)
    if (step?.attempt !== attempt) return undefined
    this.#steps.delete(op)
    return step
  }

  /** After the end of a step was told to the engine. */
  stepEnded(): void {
    this.#lookAtSteps()
  }

  /** False: nobody asked. */
  answered(answer: Answer): boolean {
    const open = this.#calls.get(answer.call)
    if (open?.type !== answer.type) return false
    this.#calls.delete(answer.call)
    open.resolve(answer)
    return true
  }

  #lookAtSteps(): void {
    if (!this.#isEnded && this.#carrier.isLeaving && this.#steps.size === 0) this.#carrier.stepless(this)
  }

  #ask<T extends Answer['type']>(
    type: T,
    message: (call: number) => RunMessage,
  ): Promise<Extract<Answer, { readonly type: T }> | undefined> {
    if (this.#isEnded) return Promise.resolve(undefined)
    const call = this.#carrier.newCall()
    return new Promise((resolve) => {
      // The one cast: `answered` lets only answers of this type through.
      this.#calls.set(call, { type, resolve: resolve as OpenCall['resolve'] })
      this.#carrier.send(message(call))
    })
  }
}
