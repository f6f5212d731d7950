/** Messages to one peer: what is said in one turn goes out in few frames. */

import { type Clock, systemClock } from './clock.ts'
import type { Socket } from './socket.ts'

/** A frame ends when it has about so many characters. */
const FRAME_CHARACTERS = 256 * 1024
/** UTF-8 has at most so many bytes for one UTF-16 unit. */
const BYTES_PER_CHARACTER = 3

/** What the other side takes of one message; more would end the connection, and the next one again. */
export interface MessageRoom<Message> {
  /** Undefined: that is not known yet. */
  mostBytes(): number | undefined
  /** What is sent instead of one that is larger; undefined: nothing. */
  instead(message: Message): Message | undefined
}

export class OutgoingMessages<Message> {
  readonly #socket: Socket
  readonly #clock: Pick<Clock, 'defer'>
  readonly #room: MessageRoom<Message> | undefined
  #waiting: Message[] = []

  constructor(
    socket: Socket,
    clock: Pick<Clock, 'defer'> = systemClock,
    room: MessageRoom<Message> | undefined = undefined,
  ) {
    this.#room = room
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
      const text = this.#textOf(message)
      if (text !== undefined) frame += frame.length > 1 ? `,${text}` : text
    }
    if (frame.length > 1) this.#socket.send(`${frame}]`)
  }

  #textOf(message: Message): string | undefined {
    const text = JSON.stringify(message)
    const most = this.#room?.mostBytes()
    if (most === undefined || text.length * BYTES_PER_CHARACTER <= most || Buffer.byteLength(text) <= most)
      return text
    const instead = this.#room?.instead(message)
    return instead === undefined ? undefined : JSON.stringify(instead)
  }
}
