/**
 * A set of small numbers as bits, to find the next member from a position on: 32 numbers are looked at in one step, so
 * finding the one free worker among 1,024 takes at most 32 steps.
 */
export class SlotBits {
  private words = new Int32Array(4)

  add(slot: number): void {
    const word = slot >>> 5
    if (word >= this.words.length) {
      const grown = new Int32Array(Math.max(word + 1, this.words.length * 2))
      grown.set(this.words)
      this.words = grown
    }
    this.words[word] = (this.words[word] ?? 0) | (1 << (slot & 31))
  }

  delete(slot: number): void {
    const word = slot >>> 5
    if (word < this.words.length) this.words[word] = (this.words[word] ?? 0) & ~(1 << (slot & 31))
  }

  /** The lowest member of `slot` or more, or -1. */
  from(slot: number): number {
    let word = slot >>> 5
    let bits = (this.words[word] ?? 0) & (-1 << (slot & 31))
    while (bits === 0) {
      word++
      if (word >= this.words.length) return -1
      bits = this.words[word] ?? 0
    }
    // The lowest bit by itself; 31 minus its leading zeros is its number.
    return word * 32 + 31 - Math.clz32(bits & -bits)
  }
}
