/** One running attempt of a step, and what its function sees. */

import { type Logger, withFields } from '../../platform/logger.ts'
import type { Span, SpanFailure } from '../../platform/tracing.ts'
import { idempotencyKeyOf } from '../../protocol/ids.ts'
import { type TraceContext, traceFields } from '../../protocol/trace-context.ts'
import type { RunInfo, StepDispatch } from '../../protocol/worker-port.ts'
import type { StepContext } from '../context.ts'
import { withoutRun } from './current-run.ts'

/** What the attempts of a worker share. */
export interface StepAttemptHost {
  readonly logger: Logger
  /** Attempts whose outcome still counts. */
  awaitedSteps: number
}

/** What is attempted. */
export interface AttemptedStep {
  readonly name: string
  readonly info: RunInfo
  /** Where the spans of its execution belong. */
  readonly trace: TraceContext | undefined
}

export class StepAttempt implements StepContext {
  readonly dispatch: StepDispatch
  readonly name: string
  readonly #info: RunInfo
  readonly #host: StepAttemptHost
  #log: Logger | undefined
  #isSettled = false
  #controller: AbortController | undefined
  #abortReason: Error | undefined
  cancelTimeout: (() => void) | undefined
  /** With tracing. */
  span: Span | undefined
  readonly #trace: TraceContext | undefined

  constructor(dispatch: StepDispatch, { name, info, trace }: AttemptedStep, host: StepAttemptHost) {
    this.dispatch = dispatch
    this.name = name
    this.#info = info
    this.#trace = trace
    this.#host = host
  }

  get log(): Logger {
    const { key, runId } = this.#info
    const { namespace, workflowId } = key
    this.#log ??= withFields(this.#host.logger, {
      ...{ namespace, workflowId, runId },
      ...{ step: this.name, attempt: this.attempt },
      ...traceFields(this.#trace),
    })
    return this.#log
  }

  get idempotencyKey(): string {
    return idempotencyKeyOf(this.#info.key, this.#info.runId, this.dispatch.op)
  }

  get attempt(): number {
    return this.dispatch.attempt
  }

  get workflowId(): string {
    return this.#info.key.workflowId
  }

  get runId(): RunInfo['runId'] {
    return this.#info.runId
  }

  get abortSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason)
    }
    return this.#controller.signal
  }

  /** Its outcome still counts. */
  get isAwaited(): boolean {
    return !this.#isSettled
  }

  /** True for the first outcome, the only one that counts: what comes after a timeout or an abort is ignored. */
  settle(failure?: SpanFailure): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    this.cancelTimeout?.()
    this.#host.awaitedSteps -= 1
    if (this.span !== undefined) withoutRun(() => this.span?.end(failure))
    return true
  }

  /** Its outcome no longer counts. */
  abort(reason: Error): void {
    this.settle(reason)
    this.#abortReason ??= reason
    this.#controller?.abort(reason)
  }
}
