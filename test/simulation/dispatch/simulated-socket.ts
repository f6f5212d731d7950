/** One end of a simulated connection, as `ws` shows it to engine and worker. */
import { EventEmitter } from 'node:events'
import type { WebSocket } from 'ws'

export type Side = 'engine' | 'worker'

/** What is between the two ends. */
export interface Wire {
  send(from: Side, frame: string): void
  ping(from: Side): void
  /** The end says that it is done. */
  close(from: Side): void
  /** The end is gone at once. */
  terminate(from: Side): void
}

export class SimulatedSocket extends EventEmitter {
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readonly url = 'ws://127.0.0.1:1'
  readyState = 0
  readonly #wire: Wire
  readonly #side: Side

  constructor(wire: Wire, side: Side) {
    super()
    this.#wire = wire
    this.#side = side
  }

  /** The one cast: it has what engine and worker use of it. */
  get asWebSocket(): WebSocket {
    return this as unknown as WebSocket
  }

  send(frame: string): void {
    if (this.readyState === this.OPEN) this.#wire.send(this.#side, frame)
  }

  ping(): void {
    if (this.readyState === this.OPEN) this.#wire.ping(this.#side)
  }

  close(): void {
    if (this.readyState > this.OPEN) return
    this.readyState = this.CLOSING
    this.#wire.close(this.#side)
  }

  terminate(): void {
    if (this.readyState === this.CLOSED) return
    this.readyState = this.CLOSING
    this.#wire.terminate(this.#side)
  }
}
