/**
 * Messages on their way to shards of other nodes. Each is a row of the outbox, and stays one until the other node has said that
 * it has committed what the message does.
 *
 * 1. Those of one pair of shards are sent in order: the next ones after the answer to those before.
 *    If they are too large together for a frame that the other node takes, fewer are sent at once.
 * 2. They are sent again and again, to whoever owns the shard by then. The receiver knows by its number what comes again.
 */
import type { SessionView } from '../../core/cluster/cluster-view.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { OutboxKey, OutboxRow } from '../../store/contract/rows.ts'
import type { OutgoingMail } from './cluster-parts.ts'

export interface RemoteMailOptions {
  readonly ownerOf: (shard: number) => 'here' | SessionView | undefined
  /** Resolves when the other node has committed what they do. */
  readonly deliver: (to: SessionView, rows: readonly OutboxRow[]) => Promise<void>
  readonly acknowledged: (rows: readonly OutboxKey[]) => void
  /** Resolves when who owns what may have changed, or after so many ms. */
  readonly changed: (mostMs: number) => Promise<void>
  readonly logger: Logger
}

/** Messages that are sent to a shard at once. */
const MESSAGES = 500
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1000

export class RemoteMail implements OutgoingMail {
  readonly #options: RemoteMailOptions
  /** By the shard that they go to. */
  readonly #queues = new Map<number, OutboxRow[]>()

  constructor(options: RemoteMailOptions) {
    this.#options = options
  }

  /** Messages that are not known to be applied. */
  get size(): number {
    let size = 0
    for (const queue of this.#queues.values()) size += queue.length
    return size
  }

  add(rows: readonly OutboxRow[]): void {
    for (const row of rows) {
      const known = this.#queues.get(row.toShard)
      if (known !== undefined) {
        known.push(row)
        continue
      }
      const queue = [row]
      this.#queues.set(row.toShard, queue)
      void this.#work(row.toShard, queue)
    }
  }

  takeTo(shards: ReadonlySet<number>): readonly OutboxRow[] {
    const taken: OutboxRow[] = []
    for (const [shard, queue] of [...this.#queues]) {
      if (!shards.has(shard)) continue
      taken.push(...queue)
      this.#queues.delete(shard)
    }
    return taken
  }

  dropFrom(shards: ReadonlySet<number>): void {
    for (const queue of this.#queues.values()) {
      const kept = queue.filter(({ fromShard }) => !shards.has(fromShard))
      if (kept.length < queue.length) queue.splice(0, queue.length, ...kept)
    }
  }

  clear(): void {
    this.#queues.clear()
  }

  async #work(shard: number, queue: OutboxRow[]): Promise<void> {
    const { ownerOf, changed, logger } = this.#options
    let pauseMs = FIRST_PAUSE_MS
    let most = MESSAGES
    let isTold = false
    // All that is sent in this turn goes together.
    await Promise.resolve()
    while (this.#queues.get(shard) === queue) {
      if (queue.length === 0) {
        this.#queues.delete(shard)
        return
      }
      const owner = ownerOf(shard)
      if (owner === undefined || owner === 'here') {
        await changed(LONGEST_PAUSE_MS)
        continue
      }
      try {
        await this.#send(owner, shard, queue.slice(0, most))
        pauseMs = FIRST_PAUSE_MS
        most = Math.min(2 * most, MESSAGES)
      } catch (error) {
        if (isTooLarge(error) && most > 1) {
          most = Math.ceil(Math.min(most, queue.length) / 2)
          continue
        }
        if (isTooLarge(error) && !isTold) {
          isTold = true
          logger.error(
            'a message is too large for the node that it goes to: give all nodes the same limits',
            {
              otherNode: owner.node,
              shard,
            },
          )
        }
        logger.debug('messages to another node were not taken: they are sent again', {
          otherNode: owner.node,
          error,
        })
        await changed(pauseMs)
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
      }
    }
  }

  async #send(owner: SessionView, shard: number, rows: readonly OutboxRow[]): Promise<void> {
    const queue = this.#queues.get(shard)
    await this.#options.deliver(owner, rows)
    if (queue === undefined || this.#queues.get(shard) !== queue) return
    const sent = new Set(rows)
    // Some may have left it: their shard was given up.
    const done = queue.filter((row) => sent.has(row))
    queue.splice(0, queue.length, ...queue.filter((row) => !sent.has(row)))
    this.#options.acknowledged(done)
  }
}

/** Fewer at once may be taken. */
function isTooLarge(error: unknown): boolean {
  return error instanceof PerdureError && error.code === 'PAYLOAD_TOO_LARGE'
}
