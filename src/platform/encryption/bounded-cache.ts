/** Remembers for a while: the oldest entries leave first, when there are too many or their time is up. */
export class BoundedCache<V> {
  readonly #most: number
  readonly #forMs: number
  readonly #nowMs: () => number
  readonly #entries = new Map<string, { readonly value: V; readonly untilMs: number }>()

  constructor(options: { readonly most: number; readonly forMs: number; readonly nowMs: () => number }) {
    this.#most = options.most
    this.#forMs = options.forMs
    this.#nowMs = options.nowMs
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || this.#nowMs() < entry.untilMs) return entry?.value
    this.#entries.delete(key)
    return undefined
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, untilMs: this.#nowMs() + this.#forMs })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#most) break
      this.#entries.delete(oldest)
    }
  }

  /** Those whose key begins so. */
  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key)
  }
}
