/**
 * How far the messages of other nodes' shards to those of this one have been applied.
 *
 * 1. Messages of one pair of shards are applied one after the other, in the order of their numbers.
 * 2. The number is noted in the batch that applies the message: both are durable, or neither. Runs that took messages of one
 *    pair in one batch stay together if the batch has to be split.
 * 3. If such a batch is refused, nobody knows by whose fault. It is dropped, and the messages, which are sent again, are
 *    applied one at a time, each in a batch after that of the one before: then the guilty one is alone.
 */
import type { RunId } from '../../protocol/ids.ts'
import type { InboxRow, OutboxKey, OutboxRow } from '../../store/contract/rows.ts'
import type { Committer } from '../committer.ts'
import { moved } from './ownership.ts'

interface Pair {
  lastSeq: number
  /** What took the last one, in which batch. */
  last: { readonly batch: Committer['open']; readonly run: RunId } | undefined
  /** The last group of messages that is worked on. */
  tail: Promise<void>
}

/** So many messages of a pair are applied one at a time after a batch with several of them was refused. */
const SEPARATE_MESSAGES = 1000

export class Inbox {
  readonly #committer: Committer
  readonly #pairs = new Map<string, Pair>()
  /** How many messages of a pair are still to be applied one at a time. */
  readonly #separate = new Map<string, number>()

  constructor(committer: Committer) {
    this.#committer = committer
  }

  clear(): void {
    this.#pairs.clear()
  }

  restore(rows: readonly InboxRow[]): void {
    for (const row of rows) this.#pairOf(row).lastSeq = row.lastSeq
  }

  release(shards: ReadonlySet<number>): void {
    for (const text of [...this.#pairs.keys()])
      if (shards.has(Number(text.split(' ')[1]))) this.#pairs.delete(text)
    for (const text of [...this.#separate.keys()])
      if (shards.has(Number(text.split(' ')[1]))) this.#separate.delete(text)
  }

  /** A batch was refused in which messages of these pairs tied runs to each other that have nothing else in common. */
  separate(pairs: readonly string[]): void {
    for (const pair of pairs) this.#separate.set(pair, SEPARATE_MESSAGES)
  }

  /** The message was applied before. */
  has(row: OutboxKey): boolean {
    return row.seq <= (this.#pairs.get(textOf(row))?.lastSeq ?? -1)
  }

  /**
   * Undefined: the message may be applied. Else it is to be applied alone: resolves when the one before it is durable, rejects if
   * that never will be.
   */
  apart(row: OutboxKey): Promise<void> | undefined {
    if (this.#separate.size === 0) return undefined
    const text = textOf(row)
    const pair = this.#separate.has(text) ? this.#pairs.get(text) : undefined
    return pair === undefined ? undefined : this.#settled(pair)
  }

  /** In the open batch, as a change of `run`. */
  applied({ fromShard, toShard, seq }: OutboxKey, run: RunId): void {
    const pair = this.#pairOf({ fromShard, toShard })
    const batch = this.#committer.open
    this.#committer.writesFor(run).putInbox({ fromShard, toShard, lastSeq: seq })
    pair.lastSeq = seq
    if (pair.last?.batch === batch && pair.last.run !== run)
      batch.pairLinks.push({ pair: textOf({ fromShard, toShard }), runs: [pair.last.run, run] })
    pair.last = { batch, run }
    this.#countSeparate(textOf({ fromShard, toShard }))
  }

  #countSeparate(text: string): void {
    const left = this.#separate.get(text)
    if (left === undefined) return
    if (left === 1) this.#separate.delete(text)
    else this.#separate.set(text, left - 1)
  }

  /**
   * Resolves when all of them are applied, in memory.
   *
   * @param apply false: the shard is not here any more
   */
  async receive(rows: readonly OutboxRow[], apply: (row: OutboxRow) => Promise<boolean>): Promise<void> {
    const groups = new Map<string, OutboxRow[]>()
    for (const row of rows) {
      const text = textOf(row)
      const group = groups.get(text)
      if (group === undefined) groups.set(text, [row])
      else group.push(row)
    }
    await Promise.all(
      [...groups.values()].map((group) => {
        const [first] = group
        if (first === undefined) return undefined
        const pair = this.#pairOf(first)
        const done = pair.tail.then(() => this.#receiveGroup(group, apply))
        pair.tail = done.catch(() => {
          // Told to whoever sent them.
        })
        return done
      }),
    )
  }

  /**
   * Resolves when all that was applied of the pairs of these messages is durable. In a batch that is split they share the fate
   * of what took them.
   *
   * Errors: `SHARD_MOVED`, and those of a batch that was dropped.
   */
  async durable(rows: readonly OutboxRow[]): Promise<void> {
    const pairs = new Map(rows.map((row) => [textOf(row), row.toShard]))
    await Promise.all(
      [...pairs].map(([text, toShard]) => {
        const pair = this.#pairs.get(text)
        if (pair === undefined) throw moved(`shard ${toShard}`)
        return this.#settled(pair)
      }),
    )
  }

  /** Resolves when the last message that was applied is durable. */
  #settled(pair: Pair): Promise<void> | undefined {
    const { last } = pair
    // As it was read.
    if (last === undefined) return undefined
    return new Promise<void>((resolve, reject) => {
      const release = (dropped: Error | undefined): void => {
        if (dropped !== undefined) {
          reject(dropped)
          return
        }
        // The batch is not kept for as long as the pair.
        if (pair.last === last) pair.last = undefined
        resolve()
      }
      this.#committer.wait(last, { runId: last.run, isStep: false, release })
    })
  }

  async #receiveGroup(
    group: readonly OutboxRow[],
    apply: (row: OutboxRow) => Promise<boolean>,
  ): Promise<void> {
    for (const row of group) {
      if (this.has(row)) continue
      const apart = this.apart(row)
      if (apart !== undefined) await apart
      if (!(await apply(row))) throw moved(`shard ${row.toShard}`)
    }
  }

  #pairOf(of: Omit<OutboxKey, 'seq'>): Pair {
    const text = textOf(of)
    const known = this.#pairs.get(text)
    if (known !== undefined) return known
    const pair: Pair = { lastSeq: -1, last: undefined, tail: Promise.resolve() }
    this.#pairs.set(text, pair)
    return pair
  }
}

function textOf({ fromShard, toShard }: Omit<OutboxKey, 'seq'>): string {
  return `${fromShard} ${toShard}`
}
