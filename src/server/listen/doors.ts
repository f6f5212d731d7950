/** All that an engine listens on. */
import { type Listener, type ListenOptions, listen, type ProtocolServerParts } from './protocol-server.ts'

export class Doors {
  readonly #parts: ProtocolServerParts
  readonly #listeners = new Set<Listener>()

  constructor(parts: ProtocolServerParts) {
    this.#parts = parts
  }

  async open(options?: ListenOptions): Promise<Listener> {
    const listener = await listen(this.#parts, options)
    this.#listeners.add(listener)
    return listener
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()))
  }
}
