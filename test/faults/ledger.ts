/** What really ran: a line per execution of a step, appended before the step returns, beside the engine's file. */
import { readFileSync } from 'node:fs'

export interface LedgerEntry {
  readonly key: string
  readonly attempt: number
  /** The life of the process in which it ran. */
  readonly round: number
  readonly atMs: number
  readonly name: string
}

export function readLedger(directory: string): LedgerEntry[] {
  const entries: LedgerEntry[] = []
  for (const line of readFileSync(`${directory}/ledger`, 'utf8').split('\n')) {
    if (line === '') continue
    const [key = '', attempt, round, atMs, name = ''] = line.split('\t')
    entries.push({ key, attempt: Number(attempt), round: Number(round), atMs: Number(atMs), name })
  }
  return entries
}

/** When each life of the process began: tells in which life an event was recorded. */
export class Lives {
  readonly #startedAtMs: number[] = []

  begin(atMs: number): number {
    return this.#startedAtMs.push(atMs) - 1
  }

  of(atMs: number): number {
    let life = this.#startedAtMs.length - 1
    while (life > 0 && (this.#startedAtMs[life] ?? 0) > atMs) life -= 1
    return life
  }
}
