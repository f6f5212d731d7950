/** One running attempt (or slice) of a task, and what its function sees. */
import { type Logger, withFields } from '../../platform/logger.ts'
import type { Span } from '../../platform/tracing.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { decodePayload, type Payload } from '../../protocol/payload.ts'
import type { TaskDispatch, TaskProgress } from '../../protocol/task-worker-port.ts'
import { traceFields } from '../../protocol/trace-context.ts'
import { NOTE_CHARACTERS_MAX } from '../../protocol/worker-messages.ts'
import type { TaskContext } from './task.ts'

/** What an attempt needs of its worker. */
export interface TaskAttemptHost {
  readonly logger: Logger
  /** ms, for what has passed. */
  tickMs(): number
  encode(value: unknown): Payload
  onHeartbeat(attempt: TaskAttempt<unknown>, checkpoint: Payload | undefined): void
  onProgress(attempt: TaskAttempt<unknown>, progress: TaskProgress): void
}

/** Thrown by `task.yield`. */
export class TaskYield {
  readonly checkpoint: Payload

  constructor(checkpoint: Payload) {
    this.checkpoint = checkpoint
  }
}

export class TaskAttempt<Owner> implements TaskContext {
  readonly dispatch: TaskDispatch<Owner>
  readonly #host: TaskAttemptHost
  readonly #startedMs: number
  /** Nobody waits for its end. */
  isGivenUp = false
  /** With tracing. */
  span: Span | undefined
  #controller: AbortController | undefined
  #abortReason: Error | undefined
  #log: Logger | undefined

  constructor(dispatch: TaskDispatch<Owner>, host: TaskAttemptHost) {
    this.dispatch = dispatch
    this.#host = host
    this.#startedMs = dispatch.quantumMs === undefined ? 0 : host.tickMs()
  }

  get id(): string {
    return this.dispatch.id
  }

  get name(): string {
    return this.dispatch.name
  }

  get attempt(): number {
    return this.dispatch.attempt
  }

  get idempotencyKey(): string {
    return this.dispatch.idempotencyKey
  }

  get checkpoint(): unknown {
    const { checkpoint } = this.dispatch
    return checkpoint === undefined ? undefined : decodePayload(checkpoint)
  }

  get abortSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason)
    }
    return this.#controller.signal
  }

  get log(): Logger {
    const { name: task, id: taskId, attempt, trace } = this.dispatch
    this.#log ??= withFields(this.#host.logger, { task, taskId, attempt, ...traceFields(trace) })
    return this.#log
  }

  get shouldYield(): boolean {
    const { quantumMs } = this.dispatch
    return quantumMs !== undefined && this.#host.tickMs() - this.#startedMs >= quantumMs
  }

  heartbeat(checkpoint?: unknown): void {
    this.#host.onHeartbeat(this, checkpoint === undefined ? undefined : this.#host.encode(checkpoint))
  }

  progress(fraction: number, note?: string): void {
    if (!(fraction >= 0 && fraction <= 1))
      throw new PerdureError('ARGUMENT_INVALID', `task.progress: ${fraction} is not a number from 0 to 1`)
    if (note !== undefined && typeof note !== 'string')
      throw new PerdureError('ARGUMENT_INVALID', 'task.progress: the note is not a string')
    if (note !== undefined && note.length > NOTE_CHARACTERS_MAX)
      throw new PerdureError(
        'ARGUMENT_INVALID',
        `task.progress: the note is longer than ${NOTE_CHARACTERS_MAX} characters`,
      )
    this.#host.onProgress(this, note === undefined ? { fraction } : { fraction, note })
  }

  yield(checkpoint: unknown): never {
    throw new TaskYield(this.#host.encode(checkpoint))
  }

  giveUp(reason: Error): void {
    this.isGivenUp = true
    this.span?.end(reason)
    this.#abortReason = reason
    this.#controller?.abort(reason)
  }
}
