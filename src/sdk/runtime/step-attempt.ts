/** One running attempt of a step, and what its function sees. */

import type { Logger } from '../../platform/logger.ts'
import { idempotencyKeyOf } from '../../protocol/ids.ts'
import type { RunInfo, StepDispatch } from '../../protocol/worker-port.ts'
import type { StepContext } from '../context.ts'

export class StepAttempt implements StepContext {
  readonly dispatch: StepDispatch
  readonly name: string
  readonly log: Logger
  readonly #info: RunInfo
  readonly #onSettled: () => void
  #isSettled = false
  #controller: AbortController | undefined
  #abortReason: Error | undefined
  cancelTimeout: (() => void) | undefined

  constructor(dispatch: StepDispatch, name: string, info: RunInfo, log: Logger, onSettled: () => void) {
    this.dispatch = dispatch
    this.name = name
    this.#info = info
    this.log = log
    this.#onSettled = onSettled
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

  /** True for the first outcome, the only one that counts: what comes after a timeout or an abort is ignored. */
  settle(): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    this.cancelTimeout?.()
    this.#onSettled()
    return true
  }

  /** Its outcome no longer counts. */
  abort(reason: Error): void {
    this.settle()
    this.#abortReason ??= reason
    this.#controller?.abort(reason)
  }
}
