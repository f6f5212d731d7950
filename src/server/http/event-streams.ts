/**
 * Server-sent events.
 *
 * 1. What is written waits for the reader: nothing more is made for a stream whose reader has not taken what it has. One that takes
 *    nothing for `answerMs` is cut.
 * 2. A stream without news sends a comment now and then, so that neither side, nor a proxy between them, takes it for dead.
 * 3. All streams end when the door does; readers come again by themselves, and say what they had last.
 */
import type { ServerResponse } from 'node:http'
import { PerdureError } from '../../protocol/errors.ts'
import { writeTaken } from './taken.ts'

export interface EventStreamsOptions {
  readonly most: number
  /** Within which a reader must have taken what was written, ms. */
  readonly answerMs: number
  /** Between two comments of a stream without news, ms. */
  readonly commentMs: number
}

export interface StreamedEvent {
  /** What the reader says when it comes again. */
  readonly id?: string
  /** Default: `message`. */
  readonly event?: string
  readonly data: unknown
}

/** After which a reader that was cut comes again, ms. */
const RETRY_MS = 1000

export class EventStreams {
  readonly #options: EventStreamsOptions
  readonly #open = new Set<EventStream>()
  /** Places of those that are about to begin. */
  #kept = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: EventStreamsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * Keeps a place for a stream that is about to begin. Answers how to give it back, once: also when it begins.
   *
   * @throws PerdureError `OVERLOADED`
   */
  keepPlace(): () => void {
    const { most } = this.#options
    if (this.#open.size + this.#kept >= most)
      throw new PerdureError('OVERLOADED', `${most} streams of events are open`)
    this.#kept += 1
    return () => {
      this.#kept -= 1
    }
  }

  /** Calls `write` with a stream, and ends it when that resolves. */
  async serve(response: ServerResponse, write: (stream: EventStream) => Promise<void>): Promise<void> {
    const stream = new EventStream(response, this.#options.answerMs)
    this.#open.add(stream)
    this.#timer ??= this.#comments()
    try {
      await stream.begin()
      await write(stream)
    } finally {
      this.#open.delete(stream)
      stream.end()
      if (this.#open.size === 0) this.#rest()
    }
  }

  /** Ends all of them. */
  end(): void {
    for (const stream of this.#open) stream.end()
  }

  #comments(): NodeJS.Timeout {
    return setInterval(() => {
      for (const stream of this.#open) stream.comment()
    }, this.#options.commentMs).unref()
  }

  #rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

export class EventStream {
  readonly #response: ServerResponse
  readonly #answerMs: number
  readonly #ended = new AbortController()
  #isWaiting = false
  #hasNews = true

  constructor(response: ServerResponse, answerMs: number) {
    this.#response = response
    this.#answerMs = answerMs
    response.once('close', () => this.#ended.abort())
  }

  /** Aborted when the reader has gone, or the stream has ended. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  begin(): Promise<void> {
    return this.#write(`retry: ${RETRY_MS}\n\n`)
  }

  /** Resolves when the reader has taken it, or has gone. */
  send({ id, event, data }: StreamedEvent): Promise<void> {
    const lines = [
      ...(id === undefined ? [] : [`id: ${id}`]),
      ...(event === undefined ? [] : [`event: ${event}`]),
      // JSON has no line break of its own.
      `data: ${JSON.stringify(data)}`,
    ]
    return this.#write(`${lines.join('\n')}\n\n`)
  }

  comment(): void {
    if (!this.#hasNews && !this.#isWaiting && !this.signal.aborted) this.#response.write(': \n\n')
    this.#hasNews = false
  }

  end(): void {
    if (this.signal.aborted) return
    this.#ended.abort()
    this.#response.end()
  }

  async #write(text: string): Promise<void> {
    if (this.signal.aborted) return
    this.#hasNews = true
    this.#isWaiting = true
    await writeTaken(this.#response, text, this.#answerMs)
    this.#isWaiting = false
  }
}
