/**
 * Messages between two shards of this node that an owner before has sent, perhaps to somebody else too: a frame of it may
 * still arrive. So they are applied in the order of their numbers, which are noted, as those of other nodes.
 *
 * Whoever has to wait for its turn waits for one that was queued earlier: nobody waits for ever.
 */
import type { OutboxKey } from '../../store/contract/rows.ts'

export class AdoptedMail {
  /** Numbers of those that wait, ascending, by pair of shards. */
  readonly #pairs = new Map<string, number[]>()
  #waiters: (() => void)[] = []

  add(row: OutboxKey): void {
    const text = textOf(row)
    const known = this.#pairs.get(text)
    if (known === undefined) this.#pairs.set(text, [row.seq])
    else known.push(row.seq)
  }

  isNext(row: OutboxKey): boolean {
    return this.#pairs.get(textOf(row))?.[0] === row.seq
  }

  /** It was applied, or is not applied here any more. */
  remove(row: OutboxKey): void {
    const text = textOf(row)
    const left = this.#pairs.get(text)?.filter((seq) => seq !== row.seq) ?? []
    if (left.length > 0) this.#pairs.set(text, left)
    else this.#pairs.delete(text)
    this.#tell()
  }

  clear(): void {
    this.#pairs.clear()
    this.#tell()
  }

  /** Resolves when it may be the turn of another one. */
  changed(): Promise<void> {
    return new Promise((resolve) => void this.#waiters.push(resolve))
  }

  #tell(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}

function textOf({ fromShard, toShard }: OutboxKey): string {
  return `${fromShard} ${toShard}`
}
