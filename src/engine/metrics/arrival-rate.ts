/** How many come per second, of late: each one counts less with time, by half after 42 s. */
const MEMORY_MS = 60_000

export class ArrivalRate {
  #level = 0
  #atMs = 0

  arrived(nowMs: number): void {
    this.#forget(nowMs)
    this.#level += 1
  }

  /** Per second. */
  at(nowMs: number): number {
    this.#forget(nowMs)
    return (this.#level * 1000) / MEMORY_MS
  }

  #forget(nowMs: number): void {
    if (nowMs <= this.#atMs) return
    if (this.#level > 0) this.#level *= Math.exp((this.#atMs - nowMs) / MEMORY_MS)
    this.#atMs = nowMs
  }
}
