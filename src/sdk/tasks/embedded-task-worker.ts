/**
 * The worker of tasks inside the engine's process.
 *
 * A task that was given up keeps its place until its function has really ended: the function may still use what it uses.
 */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Tracing } from '../../platform/tracing.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { errorOf, type Failure, failureOf } from '../../protocol/failure.ts'
import type { Limits } from '../../protocol/limits.ts'
import { decodePayload, type Payload } from '../../protocol/payload.ts'
import type { TaskDispatch, TaskWorkerHost } from '../../protocol/task-worker-port.ts'
import { checkedPayload } from '../checked-payload.ts'
import type { LocalTaskWorker } from '../runtime/local-worker.ts'
import { validate } from '../standard-schema.ts'
import type { Task } from './task.ts'
import { TaskAttempt, type TaskAttemptHost, TaskYield } from './task-attempt.ts'
import { taskSpan } from './task-span.ts'

export interface EmbeddedTaskWorkerOptions {
  readonly tasks: readonly Task[]
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: Limits
  readonly tracing?: Tracing | undefined
}

/** A task that cannot be read here is given back after so long: another worker may have its key. */
const GIVE_BACK_MS = 1000
/** That is told so often, not for each of them. */
const TELL_MS = 5000

export class EmbeddedTaskWorker<Owner> implements LocalTaskWorker<Owner> {
  readonly #tasks = new Map<string, Task>()
  readonly #attempts = new Map<Owner, TaskAttempt<Owner>>()
  readonly #attemptHost: TaskAttemptHost
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #tracing: Tracing | undefined
  #toldMs = Number.NEGATIVE_INFINITY
  #host: TaskWorkerHost<Owner> | undefined

  constructor(options: EmbeddedTaskWorkerOptions) {
    const { clock, logger, limits } = options
    const warner = { warn: logger.warn }
    this.#clock = clock
    this.#logger = logger
    this.#tracing = options.tracing
    for (const task of options.tasks) {
      const known = this.#tasks.get(task.name)
      if (known !== undefined && known !== task)
        throw new PerdureError('ARGUMENT_INVALID', `task ${task.name} is registered twice`)
      this.#tasks.set(task.name, task)
    }
    this.#attemptHost = {
      logger,
      tickMs: () => clock.tickMs?.() ?? clock.nowMs(),
      encode: (value) => checkedPayload(value, limits, warner),
      onHeartbeat: (attempt, checkpoint) => {
        if (!attempt.isGivenUp) this.#host?.onTaskHeartbeat(attempt.dispatch.owner as Owner, checkpoint)
      },
      onProgress: (attempt, progress) => {
        if (!attempt.isGivenUp) this.#host?.onTaskProgress(attempt.dispatch.owner as Owner, progress)
      },
    }
  }

  connect(host: TaskWorkerHost<Owner>): void {
    this.#host = host
  }

  supports(name: string): boolean {
    return this.#tasks.has(name)
  }

  /** Tasks whose end is waited for. */
  get running(): number {
    return this.#attempts.size
  }

  start(dispatch: TaskDispatch<Owner>): void {
    const task = this.#tasks.get(dispatch.name)
    if (task === undefined) throw new Error(`invariant: task ${dispatch.name} was started without code`)
    const attempt = new TaskAttempt(dispatch, this.#attemptHost)
    this.#attempts.set(dispatch.owner, attempt)
    let input: unknown
    try {
      input = decodePayload(dispatch.input)
    } catch (error) {
      if (dispatch.input[2] === null) queueMicrotask(() => this.#threw(attempt, error))
      // Encrypted.
      else this.#giveBack(attempt, error)
      return
    }
    let result: unknown
    try {
      attempt.span = this.#tracing && taskSpan(this.#tracing, dispatch)
      const { span } = attempt
      result = span === undefined ? task.run(attempt, input) : span.run(() => task.run(attempt, input))
    } catch (error) {
      // Not within the engine's call.
      queueMicrotask(() => this.#threw(attempt, error))
      return
    }
    Promise.resolve(result).then(
      (value) => this.#returned(attempt, task, value),
      (error) => this.#threw(attempt, error),
    )
  }

  abort(owner: Owner, reason: Failure): void {
    const attempt = this.#attempts.get(owner)
    if (attempt === undefined) return
    this.#attempts.delete(owner)
    attempt.giveUp(errorOf(reason))
  }

  /**
   * Instead of `start`: it cannot be read here. That is no failed attempt, and nothing of it is lost; it goes to a worker that can,
   * or waits for one.
   */
  refuse(dispatch: TaskDispatch<Owner>, error: unknown): void {
    const attempt = new TaskAttempt(dispatch, this.#attemptHost)
    this.#attempts.set(dispatch.owner, attempt)
    this.#giveBack(attempt, error)
  }

  #giveBack(attempt: TaskAttempt<Owner>, error: unknown): void {
    const { owner, name, id } = attempt.dispatch
    const nowMs = this.#attemptHost.tickMs()
    if (nowMs >= this.#toldMs + TELL_MS) {
      this.#toldMs = nowMs
      this.#logger.error('a task cannot be read here, and is given back', { task: name, taskId: id, error })
    }
    this.#clock.after(GIVE_BACK_MS, () => {
      if (this.#ends(attempt)) this.#host?.onTaskReturned(owner)
    })
  }

  #returned(attempt: TaskAttempt<Owner>, task: Task, value: unknown): void {
    const { outputSchema } = task
    if (outputSchema === undefined) this.#completed(attempt, value)
    else
      validate(outputSchema, value, 'OUTPUT_INVALID', `the output of task ${task.name}`).then(
        (accepted) => this.#completed(attempt, accepted),
        (error) => this.#threw(attempt, error),
      )
  }

  #completed(attempt: TaskAttempt<Owner>, value: unknown): void {
    let result: Payload
    try {
      result = this.#attemptHost.encode(value)
    } catch (error) {
      this.#threw(attempt, error)
      return
    }
    if (!this.#ends(attempt)) return
    attempt.span?.end()
    this.#host?.onTaskCompleted(attempt.dispatch.owner, result)
  }

  #threw(attempt: TaskAttempt<Owner>, error: unknown): void {
    if (!this.#ends(attempt)) return
    const { owner } = attempt.dispatch
    if (error instanceof TaskYield) {
      attempt.span?.end()
      this.#host?.onTaskYielded(owner, error.checkpoint)
      return
    }
    const failure = failureOf(error)
    attempt.span?.end(failure)
    this.#host?.onTaskFailed(owner, failure)
  }

  /** Whether its end is waited for. */
  #ends(attempt: TaskAttempt<Owner>): boolean {
    if (attempt.isGivenUp) {
      this.#host?.onTaskSlotFree(this, attempt.dispatch.owner)
      return false
    }
    this.#attempts.delete(attempt.dispatch.owner)
    return true
  }
}
