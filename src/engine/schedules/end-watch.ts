/** Which schedules wait for the end of which executions. */
import type { RunId } from '../../protocol/ids.ts'

export class EndWatch {
  /** Schedules by the text of an execution's key. */
  readonly #waiting = new Map<string, Set<RunId>>()
  readonly #texts = new Map<RunId, readonly string[]>()

  get size(): number {
    return this.#waiting.size
  }

  /** From now on the schedule waits for these, and for no others. */
  set(schedule: RunId, texts: readonly string[]): void {
    for (const text of this.#texts.get(schedule) ?? []) {
      const waiting = this.#waiting.get(text)
      if (waiting?.delete(schedule) === true && waiting.size === 0) this.#waiting.delete(text)
    }
    if (texts.length === 0) {
      this.#texts.delete(schedule)
      return
    }
    this.#texts.set(schedule, texts)
    for (const text of texts) {
      const waiting = this.#waiting.get(text)
      if (waiting === undefined) this.#waiting.set(text, new Set([schedule]))
      else waiting.add(schedule)
    }
  }

  /** Those that wait for this execution. */
  of(text: string): readonly RunId[] {
    return [...(this.#waiting.get(text) ?? [])]
  }

  clear(): void {
    this.#waiting.clear()
    this.#texts.clear()
  }
}
