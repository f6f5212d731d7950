/** Who waits for the end of a run, or for its next committed events. Told after the commit, never before. */
import type { TerminalEvent } from '../protocol/event.ts'
import type { RunId } from '../protocol/ids.ts'

export interface RunWaiter {
  resolve(terminal: TerminalEvent | undefined): void
  reject(error: Error): void
}

export class RunWaiters {
  readonly #waiters = new Map<RunId, RunWaiter[]>()
  #failure: Error | undefined

  get size(): number {
    return this.#waiters.size
  }

  /** Tells the waiter once: at the next commit of this run, with its end if it has ended, or when the engine stops. */
  add(runId: RunId, waiter: RunWaiter): void {
    if (this.#failure !== undefined) {
      waiter.reject(this.#failure)
      return
    }
    const waiters = this.#waiters.get(runId)
    if (waiters === undefined) this.#waiters.set(runId, [waiter])
    else waiters.push(waiter)
  }

  /** The same as a promise. */
  next(runId: RunId, signal?: AbortSignal): Promise<TerminalEvent | undefined> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject }
      this.add(runId, waiter)
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
    for (const waiter of waiters) waiter.resolve(terminal)
  }

  /** What they wait for may have been dropped: they look at the store again. */
  tellAll(): void {
    for (const runId of [...this.#waiters.keys()]) this.tell(runId, undefined)
  }

  failAll(error: Error): void {
    this.#failure = error
    const all = [...this.#waiters.values()].flat()
    this.#waiters.clear()
    for (const waiter of all) waiter.reject(error)
  }

  #forget(runId: RunId, waiter: RunWaiter): void {
    const left = this.#waiters.get(runId)?.filter((each) => each !== waiter) ?? []
    if (left.length === 0) this.#waiters.delete(runId)
    else this.#waiters.set(runId, left)
  }
}
