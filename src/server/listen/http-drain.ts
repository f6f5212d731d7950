/**
 * The end of HTTP connections that are kept alive, without one request lost: while the engine drains, each answer is the last
 * one of its connection, so that whoever kept it opens the next one elsewhere; then nobody new is let in, and what has begun
 * is answered.
 */
import type { Server, ServerResponse } from 'node:http'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'

/** A turn of the loop that is shorter leaves nobody waiting to be let in. */
const SHORT_TURN_MS = 0.3
const TURNS_MOST = 100
/** Whoever was let in last may not have asked yet. */
const LAST_MS = 250

export class HttpDrain {
  readonly #http: Server
  readonly #open = new Set<ServerResponse>()
  #askedAtMs = Number.NEGATIVE_INFINITY
  #onIdle: (() => void)[] = []

  /** Before the server has connections. */
  constructor(http: Server, isDraining: () => boolean) {
    this.#http = http
    const open = this.#open
    const closed = (response: ServerResponse): void => {
      open.delete(response)
      if (open.size > 0) return
      for (const resolve of this.#onIdle.splice(0)) resolve()
    }
    // One function for all requests: `once` and a function of its own for each cost more than the rest of this.
    function onClose(this: ServerResponse): void {
      closed(this)
    }
    http.prependListener('request', (_, response) => {
      if (isDraining()) response.setHeader('connection', 'close')
      this.#askedAtMs = performance.now()
      open.add(response)
      response.on('close', onClose)
    })
  }

  /** Takes no more connections. Resolves when all requests are answered, or after `mostMs`. */
  async finish(mostMs: number): Promise<void> {
    const isAsked = performance.now() - this.#askedAtMs < LAST_MS
    if (isAsked) await this.#letInWhoWaits()
    this.#http.close()
    if (isAsked) await sleep(LAST_MS)
    for (const response of this.#open) if (!response.headersSent) response.setHeader('connection', 'close')
    if (this.#open.size === 0) return
    await this.#idle(mostMs)
  }

  /**
   * The system resets connections that it has taken and we have not: a request that was sent on one of them is lost. They are
   * taken between two turns of the loop, so it is closed right after one.
   */
  async #letInWhoWaits(): Promise<void> {
    for (let i = 0; i < TURNS_MOST; i++) {
      const beganMs = performance.now()
      await turn()
      if (performance.now() - beganMs < SHORT_TURN_MS) return
    }
  }

  #idle(mostMs: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const late = setTimeout(resolve, mostMs)
      this.#onIdle.push(() => {
        clearTimeout(late)
        resolve()
      })
    })
  }
}
