/** What happened in a simulation, folded into a hash: the same seed gives the same hash. */
export class Trace {
  #low = 0x811c9dc5
  #high = 0x1b873593
  lines = 0
  /** Gets each line, for people. */
  readonly #print: ((line: string) => void) | undefined

  constructor(print?: (line: string) => void) {
    this.#print = print
  }

  add(line: string): void {
    this.lines += 1
    let low = this.#low
    let high = this.#high
    for (let i = 0; i < line.length; i++) {
      const unit = line.charCodeAt(i)
      low = Math.imul(low ^ unit, 0x01000193)
      high = Math.imul(high + unit, 0x85ebca6b) ^ (high >>> 13)
    }
    this.#low = low
    this.#high = high
    this.#print?.(line)
  }

  get hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
