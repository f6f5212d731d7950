/** All that an engine listens on. */
import type { Listener, ListenOptions } from './listen-options.ts'
import type { OwnListener, ProtocolServerParts } from './protocol-server.ts'

export class Doors {
  readonly #parts: ProtocolServerParts
  readonly #listeners = new Set<OwnListener>()

  constructor(parts: ProtocolServerParts) {
    this.#parts = parts
  }

  async open(options?: ListenOptions): Promise<Listener> {
    // Most programs that run an engine listen on nothing.
    const { listen } = await import('./protocol-server.ts')
    const listener = await listen(this.#parts, options)
    this.#listeners.add(listener)
    return listener
  }

  /** Clients are asked to go on with another node; those that do not are not waited for any longer than `mostMs`. */
  async leave(mostMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, mostMs)
    })
    await Promise.race([Promise.all([...this.#listeners].map((listener) => listener.leave())), late])
    clearTimeout(timer)
  }

  /** Lets nobody in any more, and waits for the answers of requests that have begun, `mostMs` at most. */
  async finish(mostMs: number): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.finish(mostMs)))
  }

  /** Load balancers are in front of one of them. */
  get hasProxies(): boolean {
    return [...this.#listeners].some(({ hasProxies }) => hasProxies)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()))
  }
}
