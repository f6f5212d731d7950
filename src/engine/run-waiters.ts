/** Who waits for the end of a run, or for its next committed events. Told after the commit, never before. */
import type { TerminalEvent } from '../protocol/event.ts'
import type { RunId } from '../protocol/ids.ts'

interface Waiter {
  readonly resolve: (terminal: TerminalEvent | undefined) => void
  readonly reject: (error: Error) => void
}

export class RunWaiters {
  readonly #waiters = new Map<RunId, Waiter[]>()
  #failure: Error | undefined

  get size(): number {
    return this.#waiters.size
  }

  /** Resolves at the next `tell` of this run, with its end if it has ended; rejects when the engine stops. */
  next(runId: RunId, signal?: AbortSignal): Promise<TerminalEvent | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject }
      const waiters = this.#waiters.get(runId)
      if (waiters === undefined) this.#waiters.set(runId, [waiter])
      else waiters.push(waiter)
      signal?.addEventListener('abort', () => {
        this.#forget(runId, waiter)
        resolve(undefined)
      })
    })
  }

  tell(runId: RunId, terminal: TerminalEvent | undefined): void {
    const waiters = this.#waiters.get(runId)
    if (waiters === undefined) return
    this.#waiters.delete(runId)
    for (const { resolve } of waiters) resolve(terminal)
  }

  failAll(error: Error): void {
    this.#failure = error
    const all = [...this.#waiters.values()].flat()
    this.#waiters.clear()
    for (const { reject } of all) reject(error)
  }

  #forget(runId: RunId, waiter: Waiter): void {
    const left = this.#waiters.get(runId)?.filter((each) => each !== waiter) ?? []
    if (left.length === 0) this.#waiters.delete(runId)
    else this.#waiters.set(runId, left)
  }
}
