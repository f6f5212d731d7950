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

  /** The same as a promise, which an abort resolves too. Whoever waits no longer must say so. */
  next(
    runId: RunId,
    signal?: AbortSignal,
  ): { readonly told: Promise<TerminalEvent | undefined>; readonly forget: () => void } {
    const { promise: told, resolve, reject } = Promise.withResolvers<TerminalEvent | undefined>()
    const waiter = { resolve, reject }
    const forget = (): void => {
      signal?.removeEventListener('abort', abort)
      this.#forget(runId, waiter)
    }
    const abort = (): void => {
      forget()
      resolve(undefined)
    }
    this.add(runId, waiter)
    signal?.addEventListener('abort', abort)
    // Who forgets it does not look at it any more.
    told.catch(() => {})
    return { told, forget }
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
    const waiters = this.#waiters.get(runId)
    const place = waiters?.indexOf(waiter) ?? -1
    if (waiters === undefined || place < 0) return
    if (waiters.length === 1) this.#waiters.delete(runId)
    else waiters.splice(place, 1)
  }
}
