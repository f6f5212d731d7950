/**
 * Affinity: which worker a key sticks to. Bounded: beyond `keysMax` the key that was not used for longest is forgotten, and
 * sticks to whoever gets it next.
 */
export interface Leaving {
  readonly hasLeft: boolean
}

export class Affinity<Worker extends Leaving> {
  private readonly keysMax: number
  /** In order of use, least recent first. */
  private readonly workers = new Map<string, Worker>()

  constructor(keysMax: number) {
    this.keysMax = keysMax
  }

  /** The worker of the key, while it lives. Counts as a use. */
  workerOf(key: string): Worker | undefined {
    const worker = this.workers.get(key)
    if (worker === undefined) return undefined
    this.workers.delete(key)
    if (worker.hasLeft) return undefined
    this.workers.set(key, worker)
    return worker
  }

  bind(key: string, worker: Worker): void {
    this.workers.delete(key)
    this.workers.set(key, worker)
    if (this.workers.size <= this.keysMax) return
    for (const oldest of this.workers.keys()) {
      this.workers.delete(oldest)
      return
    }
  }

  get size(): number {
    return this.workers.size
  }
}
