/**
 * The end of HTTP connections that are kept alive, without one request lost: while the engine drains, each answer is the last
 * one of its connection, so that whoever kept it opens the next one elsewhere; then nobody new is let in, and what has begun
 * is answered.
 */
import type { Server, ServerResponse } from 'node:http'

export class HttpDrain {
  readonly #http: Server
  readonly #open = new Set<ServerResponse>()
  #onIdle: (() => void)[] = []

  /** Before the server has connections. */
  constructor(http: Server, isDraining: () => boolean) {
    this.#http = http
    http.prependListener('request', (_, response) => {
      if (isDraining()) response.setHeader('connection', 'close')
      this.#open.add(response)
      response.once('close', () => {
        this.#open.delete(response)
        if (this.#open.size > 0) return
        for (const resolve of this.#onIdle.splice(0)) resolve()
      })
    })
  }

  /** Takes no more connections. Resolves when all requests are answered, or after `mostMs`. */
  async finish(mostMs: number): Promise<void> {
    this.#http.close()
    for (const response of this.#open) if (!response.headersSent) response.setHeader('connection', 'close')
    if (this.#open.size === 0) return
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, mostMs)
      this.#onIdle.push(() => {
        clearTimeout(late)
        resolve()
      })
    })
  }
}
