/** A progress bar on a terminal; elsewhere a line per ten percent. */
import type { WriteStream } from 'node:tty'

const width = 32
const lineEveryPercent = 10

export class ProgressDisplay {
  readonly #output: Pick<WriteStream, 'write' | 'isTTY'>
  #shownPercent = 0
  #isBarShown = false

  constructor(output: Pick<WriteStream, 'write' | 'isTTY'>) {
    this.#output = output
  }

  /** What happens now, on a line of its own. */
  say(text: string): void {
    this.clear()
    this.#output.write(`${text}\n`)
  }

  show(done: number, total: number, text: string): void {
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total)
    if (this.#output.isTTY) {
      const filled = Math.floor((width * percent) / 100)
      const bar = '█'.repeat(filled) + '░'.repeat(width - filled)
      this.#output.write(`\r${bar} ${String(percent).padStart(3)} %  ${text}\x1b[K`)
      this.#isBarShown = true
      return
    }
    if (percent < this.#shownPercent + lineEveryPercent) return
    this.#shownPercent = percent - (percent % lineEveryPercent)
    this.#output.write(`${String(percent).padStart(3)} %  ${text}\n`)
  }

  clear(): void {
    if (this.#isBarShown) this.#output.write('\r\x1b[K')
    this.#isBarShown = false
  }
}
