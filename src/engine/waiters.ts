/** Who waits for the end of a run or task, or for the next committed events of a run. Told after the commit, never before. */
import { PerdureError } from '../protocol/errors.ts'

interface Waiter<News> {
  resolve(news: News | undefined): void
  reject(error: Error): void
}

/** @throws PerdureError `CANCELLED` if nobody waits any more */
export function assertAwaited(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new PerdureError('CANCELLED', 'nobody waits for the answer of this call any more')
}

/** `News`: what they are told; undefined: look yourself. */
export class Waiters<Key, News> {
  readonly #waiters = new Map<Key, Waiter<News>[]>()
  #failure: Error | undefined

  get size(): number {
    return this.#waiters.size
  }

  /** Tells the waiter once: at the next commit of this run or task, with its end if it has ended, or when the engine stops. */
  add(key: Key, waiter: Waiter<News>): void {
    if (this.#failure !== undefined) {
      waiter.reject(this.#failure)
      return
    }
    const waiters = this.#waiters.get(key)
    if (waiters === undefined) this.#waiters.set(key, [waiter])
    else waiters.push(waiter)
  }

  /** The same as a promise, which an abort resolves too. Whoever waits no longer must say so. */
  next(
    key: Key,
    signal?: AbortSignal,
  ): { readonly told: Promise<News | undefined>; readonly forget: () => void } {
    const { promise: told, resolve, reject } = Promise.withResolvers<News | undefined>()
    const waiter = { resolve, reject }
    const forget = (): void => {
      signal?.removeEventListener('abort', abort)
      this.#forget(key, waiter)
    }
    const abort = (): void => {
      forget()
      resolve(undefined)
    }
    this.add(key, waiter)
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort)
    // Who forgets it does not look at it any more.
    told.catch(() => {})
    return { told, forget }
  }

  tell(key: Key, news: News | undefined): void {
    const waiters = this.#waiters.get(key)
    if (waiters === undefined) return
    this.#waiters.delete(key)
    for (const waiter of waiters) waiter.resolve(news)
  }

  /** What they wait for may have been dropped: they look at the store again. */
  tellAll(): void {
    for (const key of [...this.#waiters.keys()]) this.tell(key, undefined)
  }

  failAll(error: Error): void {
    this.#failure = error
    const all = [...this.#waiters.values()].flat()
    this.#waiters.clear()
    for (const waiter of all) waiter.reject(error)
  }

  #forget(key: Key, waiter: Waiter<News>): void {
    const waiters = this.#waiters.get(key)
    const place = waiters?.indexOf(waiter) ?? -1
    if (waiters === undefined || place < 0) return
    if (waiters.length === 1) this.#waiters.delete(key)
    else waiters.splice(place, 1)
  }
}
