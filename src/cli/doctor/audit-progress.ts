/** Tells how far the audit is, on standard error, once it takes long. */
import type { Output } from '../output.ts'

const QUIET_MS = 2000
const TERMINAL_EVERY_MS = 200
const LOG_EVERY_MS = 10_000

export class AuditProgress {
  readonly #output: Output
  readonly #startedAt = performance.now()
  #toldAt = Number.NEGATIVE_INFINITY
  #isShown = false

  constructor(output: Output) {
    this.#output = output
  }

  readonly update = (done: number, total: number): void => {
    const now = performance.now()
    const everyMs = this.#output.isStderrTerminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS
    if (now - this.#startedAt < QUIET_MS || now - this.#toldAt < everyMs) return
    this.#toldAt = now
    const text = `checked ${done} of ${total} executions`
    if (!this.#output.isStderrTerminal) {
      this.#output.note(text)
      return
    }
    this.#isShown = true
    this.#output.status(`\r${text}\u001b[K`)
  }

  clear(): void {
    if (this.#isShown) this.#output.status('\r\u001b[K')
    this.#isShown = false
  }
}
