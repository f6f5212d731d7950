/**
 * Answers of `ctx.patched`: does new code run here, or did older code pass this place before?
 *
 * Older code leaves no mark at the place itself. That it passed shows in what the history has of the code from there on:
 * operations, markers, answers of updates, human tasks that it withdrew, the end. What reached the execution from outside (signals, requests to cancel,
 * updates that were only accepted) shows nothing.
 *
 * 1. True is recorded: the marker is asked for before all that the code makes after the answer, and the journal keeps that
 *    order. A history that has anything of it has the marker.
 * 2. Without a marker, anything that the code made from here on says false. By 1 no code that answered true made it, and
 *    it stays in the history.
 * 3. With neither, nothing recorded derives from any answer given before: the new code runs.
 *
 * What a retry withdraws (a failed operation, the end of the execution) was never there.
 */
import { type Event, isTerminal, type SequencedEvent } from '../../protocol/event.ts'
import type { WorkflowCommand } from '../../protocol/workflow-command.ts'
import { isEnding, isEndOfCode } from './end-of-code.ts'

/** Where code asks. */
export interface Place {
  /** Number of the event that this turn delivered. */
  readonly positionSeq: number
  readonly nextOp: number
  /** What the code has asked for since the replay began. */
  readonly commands: readonly WorkflowCommand[]
}

export class Patches {
  readonly #answers = new Map<string, boolean>()
  /** Of the history: numbers of the events, by the id of the patch and of the update. */
  readonly #markers = new Map<string, number>()
  readonly #updateAnswers = new Map<string, number>()
  /** Human tasks that the code withdrew, by operation. */
  readonly #withdrawn = new Map<number, number>()
  #lastOp = 0
  #endSeq = 0

  /** `history`: what is being replayed. */
  constructor(history: readonly SequencedEvent[]) {
    for (const { seq, event } of history) this.#note(seq, event)
  }

  /** The answer given before: it holds for the whole run. */
  answerOf(id: string): boolean | undefined {
    return this.#answers.get(id)
  }

  isMarked(id: string): boolean {
    return this.#markers.has(id)
  }

  /** The first answer for this id: whether new code runs. */
  decide(id: string, place: Place): boolean {
    const isNew = this.#markers.has(id) || !this.#isPassed(place)
    this.#answers.set(id, isNew)
    return isNew
  }

  #note(seq: number, event: Event): void {
    if (event.type === 'patch-marked') this.#markers.set(event.id, seq)
    else if (event.type === 'update-completed') this.#updateAnswers.set(event.updateId, seq)
    else if (event.type === 'human-task-closed' && event.outcome === 'cancelled')
      this.#withdrawn.set(event.op, seq)
    else if (isTerminal(event)) {
      if (isEndOfCode(event)) this.#endSeq = seq
    } else if ('op' in event && event.op !== undefined) this.#lastOp = Math.max(this.#lastOp, event.op)
  }

  /** The history has something that the code made in this turn or later, and has not made again so far. */
  #isPassed({ positionSeq, nextOp, commands }: Place): boolean {
    if (this.#lastOp >= nextOp) return true
    for (const [id, seq] of this.#markers) if (seq > positionSeq && !this.#answers.has(id)) return true
    for (const [updateId, seq] of this.#updateAnswers) {
      if (seq <= positionSeq) continue
      if (!commands.some((made) => made.kind === 'update-result' && made.updateId === updateId)) return true
    }
    for (const [op, seq] of this.#withdrawn)
      if (seq > positionSeq && !commands.some((made) => made.kind === 'drop' && made.op === op)) return true
    return this.#endSeq > positionSeq && !commands.some(isEnding)
  }
}
