/** A run whose code is in no worker now, and that waits for one for a while: then it is activated anew. */
import type { ActiveRun, CallResult, CodeWait, UpdateVerdict } from '../../protocol/worker-port.ts'

export class WaitingRun<Owner> implements ActiveRun {
  readonly isWaiting = true
  readonly runningSteps = 0
  readonly owner: Owner
  /** Of its code, and the namespace. */
  readonly code: string
  readonly #onEvicted: (run: WaitingRun<Owner>) => void
  readonly #ended = Promise.withResolvers<undefined>()

  constructor(owner: Owner, code: string, onEvicted: (run: WaitingRun<Owner>) => void) {
    this.owner = owner
    this.code = code
    this.#onEvicted = onEvicted
  }

  /** Events and steps are in the journal: the run is told of them when it is activated. */
  deliver(): void {}

  runStep(): void {}

  abortStep(): void {}

  query(): Promise<CallResult | undefined> {
    return this.#ended.promise
  }

  validateUpdate(): Promise<UpdateVerdict | undefined> {
    return this.#ended.promise
  }

  waits(): readonly CodeWait[] {
    return []
  }

  evict(): void {
    this.#ended.resolve(undefined)
    this.#onEvicted(this)
  }
}
