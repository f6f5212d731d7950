/** Updates of a run: validated before they are recorded, handled after. */
import { PerdureError } from '../../protocol/errors.ts'
import type { UpdateAccepted } from '../../protocol/event.ts'
import { type Failure, failureOf } from '../../protocol/failure.ts'
import { decodePayload, type Payload } from '../../protocol/payload.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'

interface Handler {
  readonly handle: (input: unknown) => unknown
  readonly validate: ((input: unknown) => unknown) | undefined
}

/** What handlers need of their run. */
export interface UpdateRun {
  /** Runs code that may only read. */
  read<T>(call: () => T): T
  /** Runs workflow code. */
  enter<T>(call: () => T): T
  encode(value: unknown): Payload
  command(command: WorkflowCommand): void
  /** Whether code that ends now does so in its turn; if not, the run is parked. */
  endsInTurn(what: string): boolean
}

export class UpdateHandlers {
  readonly #run: UpdateRun
  readonly #handlers = new Map<string, Handler>()

  constructor(run: UpdateRun) {
    this.#run = run
  }

  /** A handler exists: it may settle promises that the code made itself. */
  get canResolve(): boolean {
    return this.#handlers.size > 0
  }

  register(name: string, handler: Handler): void {
    this.#handlers.set(name, handler)
  }

  validate(name: string, input: Payload): 'accepted' | 'unknown' | Failure {
    const handler = this.#handlers.get(name)
    if (handler === undefined) return 'unknown'
    if (handler.validate === undefined) return 'accepted'
    const { validate } = handler
    try {
      const result = this.#run.read(() => validate(decodePayload(input)))
      if (result instanceof Promise) {
        result.catch(() => {})
        throw new PerdureError(
          'UPDATE_REJECTED',
          `the validator of update '${name}' returned a promise; it must decide at once`,
        )
      }
      return 'accepted'
    } catch (error) {
      return failureOf(error)
    }
  }

  /** Runs the handler of a recorded update; its result goes back as a command, in the turn in which it settles. */
  handle(event: UpdateAccepted): void {
    const run = this.#run
    const { name } = event
    const handler = this.#handlers.get(name)
    const call = async () => {
      if (handler === undefined) throw new PerdureError('UPDATE_UNKNOWN', `no handler for update '${name}'`)
      return handler.handle(decodePayload(event.payload))
    }
    run.enter(call).then(
      (value) => this.#answer(event, () => ({ result: run.encode(value) })),
      (error) => this.#answer(event, () => ({ failure: failureOf(error) })),
    )
  }

  #answer(
    { updateId, name }: UpdateAccepted,
    outcome: () => { readonly result: Payload } | { readonly failure: Failure },
  ): void {
    if (!this.#run.endsInTurn(`the handler of update '${name}'`)) return
    try {
      this.#run.command({ kind: 'update-result', updateId, ...outcome() })
    } catch (error) {
      this.#run.command({ kind: 'update-result', updateId, failure: failureOf(error) })
    }
  }
}
