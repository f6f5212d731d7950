/**
 * Runs tasks whose payloads are encrypted outside of this process.
 *
 * The engine may give a task out again while a function that it has given up still runs. So the code behind this is told of
 * dispatches, not of tasks.
 */
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { MissingKeyError } from '../../protocol/encrypted-payload.ts'
import { type Failure, failureOf } from '../../protocol/failure.ts'
import type { TaskDispatch, TaskWorkerHost } from '../../protocol/task-worker-port.ts'
import type { LocalTaskWorker } from '../runtime/local-worker.ts'
import type { EmbeddedTaskWorker } from '../tasks/embedded-task-worker.ts'
import { InOrder } from './in-order.ts'
import { KeysPatience } from './keys-patience.ts'
import type { Coder, PayloadCodec } from './payload-codec.ts'
import { placesOfDispatch, type TaskPlaces } from './task-places.ts'

export interface EncryptedTaskWorkerOptions<Owner> {
  /** Runs the code. */
  readonly worker: EmbeddedTaskWorker<Dispatched<Owner>>
  readonly codec: PayloadCodec
  readonly clock: Clock
  readonly logger: Logger
}

/** One dispatch. */
export interface Dispatched<Owner> {
  readonly owner: Owner
  readonly places: TaskPlaces
  readonly order: InOrder
  /** Its code runs; else it waits for keys, before or after that. */
  isRunning: boolean
  /** Nobody waits for its end any more. */
  isGivenUp: boolean
}

type Use<T> = (coder: Coder, places: TaskPlaces) => T

interface Outcomes<T> {
  readonly done: (value: T) => void
  readonly failed: (error: unknown) => void
  readonly givenUp: () => void
}

export class EncryptedTaskWorker<Owner> implements LocalTaskWorker<Owner> {
  readonly #options: EncryptedTaskWorkerOptions<Owner>
  readonly #patience: KeysPatience
  /** Whose end is waited for. */
  readonly #held = new Map<Owner, Dispatched<Owner>>()
  #host: TaskWorkerHost<Owner> | undefined

  constructor(options: EncryptedTaskWorkerOptions<Owner>) {
    this.#options = options
    this.#patience = new KeysPatience(options)
  }

  get running(): number {
    return this.#held.size
  }

  connect(host: TaskWorkerHost<Owner>): void {
    this.#host = host
    this.#options.worker.connect({
      onTaskCompleted: (held, result) =>
        this.#end(
          held,
          (coder, places) => coder.seal(result, places.result),
          (sealed) => host.onTaskCompleted(held.owner, sealed),
        ),
      onTaskFailed: (held, failure) =>
        this.#end(
          held,
          (coder, places) => coder.sealFailure(failure, places.failure),
          (sealed) => host.onTaskFailed(held.owner, sealed),
        ),
      onTaskYielded: (held, checkpoint) =>
        this.#end(
          held,
          (coder, places) => coder.seal(checkpoint, places.checkpoint),
          (sealed) => host.onTaskYielded(held.owner, sealed),
        ),
      onTaskReturned: (held) => {
        this.#held.delete(held.owner)
        host.onTaskReturned(held.owner)
      },
      onTaskHeartbeat: (held, checkpoint) => {
        if (checkpoint === undefined) host.onTaskHeartbeat(held.owner, undefined)
        else
          this.#tell(
            held,
            (coder, places) => coder.seal(checkpoint, places.checkpoint),
            (sealed) => host.onTaskHeartbeat(held.owner, sealed),
          )
      },
      onTaskProgress: ({ owner }, progress) => host.onTaskProgress(owner, progress),
      onTaskSlotFree: (_, { owner }) => host.onTaskSlotFree(this, owner),
    })
  }

  supports(name: string): boolean {
    return this.#options.worker.supports(name)
  }

  start(dispatch: TaskDispatch<Owner>): void {
    const { worker } = this.#options
    const { owner, input, checkpoint, id, name, attempt, idempotencyKey, quantumMs, trace, queue } = dispatch
    const places = placesOfDispatch(dispatch)
    const held: Dispatched<Owner> = {
      ...{ owner, places, order: new InOrder(() => {}) },
      ...{ isRunning: false, isGivenUp: false },
    }
    this.#held.set(owner, held)
    const given = { owner: held, id, name, attempt, idempotencyKey, quantumMs, trace, queue }
    this.#inOrder(
      held,
      (coder) => ({
        input: coder.open(input, places.input),
        checkpoint: checkpoint === undefined ? undefined : coder.open(checkpoint, places.checkpoint),
      }),
      {
        done: (opened) => {
          held.isRunning = true
          worker.start({ ...given, ...opened })
        },
        failed: (error) => {
          if (!(error instanceof MissingKeyError)) {
            // No worker can: it was changed, or its key was shredded.
            this.#held.delete(owner)
            this.#host?.onTaskFailed(owner, { ...failureOf(error), nonRetryable: true })
            return
          }
          held.isRunning = true
          worker.refuse({ ...given, input, checkpoint }, error)
        },
        givenUp: () => this.#host?.onTaskSlotFree(this, owner),
      },
    )
  }

  abort(owner: Owner, reason: Failure): void {
    const held = this.#held.get(owner)
    if (held === undefined) return
    this.#held.delete(owner)
    held.isGivenUp = true
    // What waits for keys learns of it when these are there.
    if (held.isRunning) this.#options.worker.abort(held, reason)
  }

  /** Its code has ended. */
  #end<T>(held: Dispatched<Owner>, use: Use<T>, then: (sealed: T) => void): void {
    const { owner } = held
    held.isRunning = false
    this.#inOrder(held, use, {
      done: (sealed) => {
        this.#held.delete(owner)
        then(sealed)
      },
      failed: (error) => {
        this.#held.delete(owner)
        // It says which key is missing; nothing of the task.
        this.#host?.onTaskFailed(owner, failureOf(error))
      },
      givenUp: () => this.#host?.onTaskSlotFree(this, owner),
    })
  }

  #tell<T>(held: Dispatched<Owner>, use: Use<T>, then: (sealed: T) => void): void {
    const { logger } = this.#options
    this.#inOrder(held, use, {
      done: then,
      failed: (error) => logger.error('the checkpoint of a task cannot be encrypted', { error }),
      givenUp: () => {},
    })
  }

  #inOrder<T>(held: Dispatched<Owner>, use: Use<T>, outcomes: Outcomes<T>): void {
    held.order.do(() => this.#coded(held, (coder) => use(coder, held.places), outcomes))
  }

  #coded<T>(
    held: Dispatched<Owner>,
    use: (coder: Coder) => T,
    { done, failed, givenUp }: Outcomes<T>,
  ): void | Promise<void> {
    const { codec } = this.#options
    let value: T | Promise<T | undefined>
    try {
      value = this.#patience.ask(
        () => codec.code(held.places.namespace, use),
        () => held.isGivenUp,
      )
    } catch (error) {
      failed(error)
      return
    }
    if (!(value instanceof Promise)) {
      done(value)
      return
    }
    return value.then(
      (found) => (found === undefined || held.isGivenUp ? givenUp() : done(found)),
      (error) => (held.isGivenUp ? givenUp() : failed(error)),
    )
  }
}
