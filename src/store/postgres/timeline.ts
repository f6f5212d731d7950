/**
 * The timeline of the server that the connections of a store are to. It rises by one each time a standby is promoted.
 *
 * Whoever has seen the new server must not read from the old one, which may still live and not know that it has been replaced:
 * a fence on the one says nothing about the other. So a connection to a newer timeline ends those to older ones, and a server
 * of an older one is passed over from then on.
 */
export class Timeline {
  #newest = 0
  readonly #listeners: ((host: number) => void)[] = []

  /** Called with the host where a server of a newer timeline was met: connections made before are to end. */
  onNewer(listener: (host: number) => void): void {
    this.#listeners.push(listener)
  }

  /** 0: no server was met yet. */
  get newest(): number {
    return this.#newest
  }

  /** `host`: index of that of the server. Throws if a newer timeline is known. */
  admit(timeline: number, host: number): void {
    if (timeline < this.#newest) {
      const message = `it has been replaced: it is at timeline ${timeline}, and ${this.#newest} is known`
      throw Object.assign(new Error(message), { code: 'EREPLACED' })
    }
    if (timeline === this.#newest) return
    const isFirst = this.#newest === 0
    this.#newest = timeline
    if (!isFirst) for (const listener of this.#listeners) listener(host)
  }
}
