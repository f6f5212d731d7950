/**
 * A worker in another process, as the engine sees it: tokens for its tasks, and what it says of them.
 *
 * 1. A dispatch has a token of its own, random, known to nobody else. It is void when the end of the task was told, and
 *    when the worker is lost. Of a void token nothing is believed.
 * 2. An aborted task has its token until the worker says, once, that its function has ended. Whatever it says of the task
 *    then changes nothing but that the place is free.
 */
import type { Logger } from '../../platform/logger.ts'
import type { Failure } from '../../protocol/failure.ts'
import type { TaskDispatch, TaskWorkerHost, TaskWorkerPort } from '../../protocol/task-worker-port.ts'
import type { EngineMessage, TaskReport } from '../../protocol/worker-messages.ts'

export interface RemoteTaskWorkerOptions<Owner> {
  readonly id: string
  readonly tasks: readonly string[]
  readonly host: TaskWorkerHost<Owner>
  readonly logger: Logger
  readonly newToken: () => string
  readonly send: (message: EngineMessage) => void
}

interface Dispatched<Owner> {
  readonly owner: Owner
  readonly token: string
  isAborted: boolean
}

export class RemoteTaskWorker<Owner> implements TaskWorkerPort<Owner> {
  readonly #options: RemoteTaskWorkerOptions<Owner>
  readonly #tasks: ReadonlySet<string>
  readonly #byToken = new Map<string, Dispatched<Owner>>()
  readonly #byOwner = new Map<Owner, Dispatched<Owner>>()

  constructor(options: RemoteTaskWorkerOptions<Owner>) {
    this.#options = options
    this.#tasks = new Set(options.tasks)
  }

  supports(name: string): boolean {
    return this.#tasks.has(name)
  }

  /** Tokens that are not void. */
  get dispatched(): number {
    return this.#byToken.size
  }

  start(dispatch: TaskDispatch<Owner>): void {
    const { owner, checkpoint, quantumMs, trace } = dispatch
    // What no worker needs is not sent.
    const queue = trace === undefined ? undefined : dispatch.queue
    const token = this.#options.newToken()
    const known: Dispatched<Owner> = { owner, token, isAborted: false }
    this.#byToken.set(token, known)
    this.#byOwner.set(owner, known)
    this.#options.send({
      type: 'task',
      token,
      id: dispatch.id,
      name: dispatch.name,
      input: dispatch.input,
      attempt: dispatch.attempt,
      idempotencyKey: dispatch.idempotencyKey,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(quantumMs === undefined ? {} : { quantumMs }),
      ...(trace === undefined ? {} : { trace, ...(queue === undefined ? {} : { queue }) }),
    })
  }

  abort(owner: Owner, reason: Failure): void {
    const known = this.#byOwner.get(owner)
    if (known === undefined) return
    this.#byOwner.delete(owner)
    known.isAborted = true
    this.#options.send({ type: 'abort', token: known.token, reason })
  }

  /** What the worker says of a task. */
  receive(report: TaskReport): void {
    const known = this.#byToken.get(report.token)
    if (known === undefined) {
      this.#reject(report, 'the token is void: the end of the task was told, or it was never given out here')
      return
    }
    if (known.isAborted) this.#afterAbort(known, report)
    else this.#tell(known, report)
  }

  /** The connection is lost: all tokens are void. */
  lost(): void {
    this.#byToken.clear()
    this.#byOwner.clear()
  }

  #tell(known: Dispatched<Owner>, report: TaskReport): void {
    const { host } = this.#options
    const { owner } = known
    switch (report.type) {
      case 'heartbeat':
        host.onTaskHeartbeat(owner, report.checkpoint)
        return
      case 'progress': {
        const { fraction, note } = report
        host.onTaskProgress(owner, note === undefined ? { fraction } : { fraction, note })
        return
      }
      case 'released':
        this.#reject(report, 'the task was not aborted')
        return
    }
    this.#forget(known)
    if (report.type === 'completed') host.onTaskCompleted(owner, report.result)
    else if (report.type === 'failed') host.onTaskFailed(owner, report.failure)
    else if (report.type === 'yielded') host.onTaskYielded(owner, report.checkpoint)
    else host.onTaskReturned(owner)
  }

  /** Its place is free again when its function has ended. The worker may have told its end before it knew of the abort. */
  #afterAbort(known: Dispatched<Owner>, report: TaskReport): void {
    if (report.type === 'heartbeat' || report.type === 'progress') return
    this.#forget(known)
    if (report.type !== 'released') this.#reject(report, 'the task was aborted before')
    this.#options.host.onTaskSlotFree(this, known.owner)
  }

  /** The task may have been given to this worker again since it was aborted. */
  #forget(known: Dispatched<Owner>): void {
    this.#byToken.delete(known.token)
    if (this.#byOwner.get(known.owner) === known) this.#byOwner.delete(known.owner)
  }

  #reject({ token, type }: TaskReport, reason: string): void {
    const { logger, id, send } = this.#options
    logger.warn('a report of a worker was rejected', { worker: id, type, reason })
    send({ type: 'rejected', token, reason })
  }
}
