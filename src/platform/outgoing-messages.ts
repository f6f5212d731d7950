/** Messages to one peer: what is said in one turn goes out in few frames. */

import { type Clock, systemClock } from './clock.ts'
import type { Socket } from './socket.ts'

/** A frame ends when it has about so many characters. */
const FRAME_CHARACTERS = 256 * 1024

export class OutgoingMessages<Message> {
  readonly #socket: Socket
  readonly #clock: Pick<Clock, 'defer'>
  #waiting: Message[] = []

  constructor(socket: Socket, clock: Pick<Clock, 'defer'> = systemClock) {
    this.#socket = socket
    this.#clock = clock
  }

  send(message: Message): void {
    this.#waiting.push(message)
    if (this.#waiting.length === 1) this.#clock.defer(() => this.flush())
  }

  /** Sends what waits, now. */
  flush(): void {
    const messages = this.#waiting
    if (messages.length === 0) return
    this.#waiting = []
    // Of a closed connection nobody hears any more: whoever depends on it is told by its end.
    if (this.#socket.readyState !== this.#socket.OPEN) return
    let frame = '['
    for (const message of messages) {
      if (frame.length > FRAME_CHARACTERS) {
        this.#socket.send(`${frame}]`)
        frame = '['
      }
      frame += frame.length > 1 ? `,${JSON.stringify(message)}` : JSON.stringify(message)
    }
    this.#socket.send(`${frame}]`)
  }
}
