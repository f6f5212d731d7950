/** Who waits for the end of a run, or for its next committed events. Told after the commit, never before. */
import type { RunId } from '../protocol/ids.ts'

export class RunWaiters {
  readonly #waiters = new Map<RunId, (() => void)[]>()
  #failure: Error | undefined

  get size(): number {
    return this.#waiters.size
  }

  /** Resolves at the next `tell` of this run; rejects when the engine stops. */
  next(runId: RunId, signal?: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const waiter = (): void => (this.#failure === undefined ? resolve() : reject(this.#failure))
      const waiters = this.#waiters.get(runId)
      if (waiters === undefined) this.#waiters.set(runId, [waiter])
      else waiters.push(waiter)
      signal?.addEventListener('abort', () => {
        const left = this.#waiters.get(runId)?.filter((each) => each !== waiter) ?? []
        if (left.length === 0) this.#waiters.delete(runId)
        else this.#waiters.set(runId, left)
        resolve()
      })
    })
  }

  tell(runId: RunId): void {
    const waiters = this.#waiters.get(runId)
    if (waiters === undefined) return
    this.#waiters.delete(runId)
    for (const waiter of waiters) waiter()
  }

  failAll(error: Error): void {
    this.#failure = error
    for (const runId of [...this.#waiters.keys()]) this.tell(runId)
  }
}
