/** Updates on their way: waiting for a handler, accepted and running, answered when durable. */
import { PerdureError } from '../protocol/errors.ts'
import { isClosed } from '../protocol/execution-status.ts'
import { type Failure, platformFailure } from '../protocol/failure.ts'
import type { UpdateVerdict } from '../protocol/worker-port.ts'
import type { AuditDesk } from './audit/audit-desk.ts'
import type { Committer } from './committer.ts'
import type { LiveExecution, UpdateRequest } from './live-execution.ts'
import type { Transitions } from './transitions.ts'

export interface UpdateDeskOptions {
  readonly committer: Committer
  readonly transitions: Transitions
  /** Asked each time: it is made last. */
  readonly audit: () => AuditDesk | undefined
  /** It may have become idle, or busy. */
  readonly refresh: (execution: LiveExecution) => void
  /** A failure of what is called stops the engine. */
  readonly guarded: <A extends unknown[]>(call: (...args: A) => void) => (...args: A) => void
}

const NONE_KNOWN: ReadonlyMap<UpdateRequest, UpdateVerdict> = new Map()

export class UpdateDesk {
  readonly #options: UpdateDeskOptions

  constructor(options: UpdateDeskOptions) {
    this.#options = options
  }

  submit(execution: LiveExecution, request: UpdateRequest): void {
    if (execution.state.updates?.has(request.updateId) === true) {
      this.#join(execution, request)
      return
    }
    request.at = execution
    execution.updateRequests ??= []
    execution.updateRequests.push(request)
    this.tryAll(execution)
  }

  /** Nobody waits for it any more: one that was accepted goes on, any other one is forgotten. */
  withdraw(request: UpdateRequest): void {
    const { at: execution, updateId, reply } = request
    if (execution === undefined) return
    request.at = undefined
    const requests = execution.updateRequests?.filter((each) => each !== request)
    execution.updateRequests = requests?.length === 0 ? undefined : requests
    const waiters = execution.updateWaiters?.get(updateId)?.filter((each) => each !== request)
    if (waiters?.length === 0) execution.updateWaiters?.delete(updateId)
    else if (waiters !== undefined) execution.updateWaiters?.set(updateId, waiters)
    if (execution.updateWaiters?.size === 0) execution.updateWaiters = undefined
    // Nothing else may happen to it for long: it can leave memory now.
    this.#options.refresh(execution)
    reply({ error: new PerdureError('CANCELLED', 'nobody waits for the answer of this update any more') })
  }

  /**
   * Validates what waits; a request whose handler is not there yet goes on waiting for it.
   *
   * @param known verdicts of the code as it is now
   */
  tryAll(execution: LiveExecution, known: ReadonlyMap<UpdateRequest, UpdateVerdict> = NONE_KNOWN): void {
    const requests = execution.updateRequests
    // Code that has events to come may still register the handler, or change what the validator sees.
    const { run } = execution
    if (requests === undefined || run === undefined || !execution.isCodeIdle || execution.isAskedToValidate)
      return
    const { transitions } = this.#options
    const waiting: UpdateRequest[] = []
    for (const [i, request] of requests.entries()) {
      const { updateId, name, payload } = request
      // One before it was accepted: this one is validated against what that one leaves.
      if (!execution.isCodeIdle) {
        waiting.push(request)
        continue
      }
      if (execution.state.updates?.has(updateId) === true) {
        this.#join(execution, request)
        continue
      }
      const verdict = known.get(request) ?? run.validateUpdate(name, payload)
      if (verdict instanceof Promise) {
        this.#validateLater(execution, verdict, request, known)
        waiting.push(...requests.slice(i))
        break
      }
      if (verdict === 'unknown') waiting.push(request)
      else if (verdict === 'accepted') {
        const { seq, runId } = execution.state
        transitions.apply(execution, { type: 'update', updateId, name, payload })
        if (execution.state.seq > seq) this.#options.audit()?.changed(request.call, runId)
        this.#await(execution, request)
      } else this.#reject(execution, request, verdict)
    }
    execution.updateRequests = waiting.length === 0 ? undefined : waiting
  }

  /**
   * Goes on with the verdict of a worker in another process. It counts if the code has had no event since it was asked for:
   * the worker says things in order, so that the code is idle only when what it said before has come.
   */
  #validateLater(
    execution: LiveExecution,
    asked: Promise<UpdateVerdict | undefined>,
    request: UpdateRequest,
    known: ReadonlyMap<UpdateRequest, UpdateVerdict>,
  ): void {
    const { run } = execution
    execution.isAskedToValidate = true
    asked.then(
      this.#options.guarded((verdict) => {
        execution.isAskedToValidate = false
        if (verdict === undefined || execution.run !== run) return this.tryAll(execution)
        if (!execution.isCodeIdle) return
        this.tryAll(execution, new Map(known).set(request, verdict))
        this.#options.transitions.finish(execution)
      }),
      this.#options.guarded((error) => {
        throw error
      }),
    )
  }

  completed(execution: LiveExecution, updateId: string): void {
    const waiters = execution.updateWaiters?.get(updateId)
    const event = execution.state.updates?.get(updateId)
    if (waiters === undefined || event === undefined || event === null) return
    execution.updateWaiters?.delete(updateId)
    if (execution.updateWaiters?.size === 0) execution.updateWaiters = undefined
    this.#options.committer.release(execution, (dropped) => {
      for (const request of waiters) {
        if (dropped !== undefined) answer(request, { error: dropped })
        else if (event.failure !== undefined)
          answer(request, {
            failure: platformFailure(
              'UPDATE_FAILED',
              `the update failed: ${event.failure.message}`,
              event.failure,
            ),
          })
        else if (event.result !== undefined) answer(request, { result: event.result })
      }
    })
  }

  /** The execution has ended: what was not answered never will be. */
  closed(execution: LiveExecution): void {
    if (execution.updateRequests === undefined && execution.updateWaiters === undefined) return
    const error = new PerdureError(
      'EXECUTION_CLOSED',
      `execution ${execution.state.key.workflowId} ended before it answered the update`,
    )
    this.#options.committer.release(execution, (dropped) => this.dropped(execution, dropped ?? error))
  }

  /** The execution was loaded anew: who waits for it waits for the new object. */
  handOver(from: LiveExecution, to: LiveExecution): void {
    if (from === to) return
    // Some may wait for the new object already.
    const requests = [...(from.updateRequests ?? []), ...(to.updateRequests ?? [])]
    to.updateRequests = requests.length === 0 ? undefined : requests
    for (const request of requests) request.at = to
    for (const request of [...(from.updateWaiters?.values() ?? [])].flat()) this.#await(to, request)
    from.updateRequests = undefined
    from.updateWaiters = undefined
    // It has ended while it was read.
    if (isClosed(to.state.status)) this.closed(to)
  }

  dropped(execution: LiveExecution, error: Error): void {
    const requests = [
      ...(execution.updateRequests ?? []),
      ...[...(execution.updateWaiters?.values() ?? [])].flat(),
    ]
    execution.updateRequests = undefined
    execution.updateWaiters = undefined
    for (const request of requests) answer(request, { error })
  }

  /** The verdict rests on what the code has seen, and leaves when that is durable. */
  #reject(execution: LiveExecution, request: UpdateRequest, verdict: Failure): void {
    const text = `update '${request.name}' was rejected: ${verdict.message}`
    const failure = platformFailure('UPDATE_REJECTED', text, verdict)
    this.#options.committer.release(execution, (dropped) =>
      answer(request, dropped === undefined ? { failure } : { error: dropped }),
    )
  }

  /** The update was accepted before, and perhaps answered. */
  #join(execution: LiveExecution, request: UpdateRequest): void {
    this.#await(execution, request)
    this.completed(execution, request.updateId)
  }

  #await(execution: LiveExecution, request: UpdateRequest): void {
    request.at = execution
    execution.updateWaiters ??= new Map()
    const waiters = execution.updateWaiters.get(request.updateId)
    if (waiters === undefined) execution.updateWaiters.set(request.updateId, [request])
    else waiters.push(request)
  }
}

function answer(request: UpdateRequest, reply: Parameters<UpdateRequest['reply']>[0]): void {
  request.at = undefined
  request.reply(reply)
}
