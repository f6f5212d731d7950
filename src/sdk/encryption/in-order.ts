/** Does jobs one after another. A job that is done at once is done within the call, if none is before it. */
export class InOrder {
  readonly #onBusy: (isBusy: boolean) => void
  #waiting: (() => void | Promise<void>)[] = []
  #isBusy = false

  /** @param onBusy told when the first job waits, and when none does any more */
  constructor(onBusy: (isBusy: boolean) => void) {
    this.#onBusy = onBusy
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  /** @param job must not fail */
  do(job: () => void | Promise<void>): void {
    if (this.#isBusy) {
      this.#waiting.push(job)
      return
    }
    const done = job()
    if (!(done instanceof Promise)) return
    this.#isBusy = true
    this.#onBusy(true)
    void this.#goOn(done)
  }

  /** Resolves when all that was asked for before is done. */
  async settled(): Promise<void> {
    if (this.#isBusy) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async #goOn(first: Promise<void>): Promise<void> {
    await first
    for (;;) {
      const job = this.#waiting.shift()
      if (job === undefined) break
      await job()
    }
    this.#isBusy = false
    this.#onBusy(false)
  }
}
