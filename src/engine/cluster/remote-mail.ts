/**
 * Messages on their way to shards of other nodes. Each is a row of the outbox, and stays one until the other node has said that
 * it has committed what the message does.
 *
 * 1. Those of one pair of shards are sent in order: the next ones after the answer to those before.
 *    If they are too large together for a frame that the other node takes, fewer are sent at once.
 * 2. They are sent again and again, to whoever owns the shard by then. The receiver knows by its number what comes again.
 * 3. One that is too large for the other node by itself holds up its own pair, since what follows must not pass it, and no other
 *    one. It is not given up: that it arrives is promised. It goes when that node, or the next owner, takes more; each attempt ends
 *    the connection, so there is one a minute.
 */
import type { SessionView } from '../../core/cluster/cluster-view.ts'
import type { Logger } from '../../platform/logger.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/message.ts'
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
  /** Of a clock that only counts on. */
  readonly nowMs: () => number
}

/** A message that was too large for the node that owned the shard then. */
interface Held {
  readonly seq: number
  readonly incarnation: string
  readonly untilMs: number
}

/** How the messages to one shard are sent. */
interface Course {
  pauseMs: number
  /** At once. */
  most: number
  /** The first message of each pair that waits, by the shard that it is from. */
  readonly held: Map<number, Held>
}

/** Messages that are sent to a shard at once. */
const MESSAGES = 500
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1000
const HELD_MS = 60_000

export class RemoteMail implements OutgoingMail {
  readonly #options: RemoteMailOptions
  /** By the shard that they go to. */
  readonly #queues = new Map<number, OutboxRow[]>()
  /** Those of which all that is there waits: what comes is looked at. */
  readonly #idle = new Map<number, () => void>()

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
        this.#idle.get(row.toShard)?.()
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
    for (const wake of this.#idle.values()) wake()
  }

  clear(): void {
    this.#queues.clear()
  }

  async #work(shard: number, queue: OutboxRow[]): Promise<void> {
    const { ownerOf, changed, logger } = this.#options
    const course: Course = { pauseMs: FIRST_PAUSE_MS, most: MESSAGES, held: new Map() }
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
      const rows = this.#next(queue, owner, course)
      if (rows.length === 0) {
        await this.#changedOrAdded(shard)
        continue
      }
      try {
        await this.#send(owner, shard, rows)
        course.pauseMs = FIRST_PAUSE_MS
        course.most = Math.min(2 * course.most, MESSAGES)
        for (const { fromShard } of rows) course.held.delete(fromShard)
      } catch (error) {
        if (isTooLarge(error)) {
          this.#tooLarge(rows, owner, course)
          continue
        }
        logger.debug('messages to another node were not taken: they are sent again', {
          otherNode: owner.node,
          error,
        })
        await changed(course.pauseMs)
        course.pauseMs = Math.min(2 * course.pauseMs, LONGEST_PAUSE_MS)
      }
    }
  }

  async #changedOrAdded(shard: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle.set(shard, resolve)
    try {
      await Promise.race([this.#options.changed(LONGEST_PAUSE_MS), promise])
    } finally {
      this.#idle.delete(shard)
    }
  }

  /** What is sent now; none: all of it waits. */
  #next(queue: readonly OutboxRow[], { incarnation }: SessionView, { most, held }: Course): OutboxRow[] {
    const nowMs = this.#options.nowMs()
    for (const [fromShard, { seq, incarnation: before, untilMs }] of held) {
      const first = queue.find((row) => row.fromShard === fromShard)
      // Its shard was given up, and may be back.
      if (first?.seq !== seq) {
        held.delete(fromShard)
        continue
      }
      if (incarnation === before && nowMs < untilMs) continue
      // Whatever comes of it, others are next. Alone: else others would be refused with it.
      held.set(fromShard, { seq, incarnation, untilMs: nowMs + HELD_MS })
      return [first]
    }
    const rows: OutboxRow[] = []
    for (const row of queue) {
      if (rows.length === most) break
      if (!held.has(row.fromShard)) rows.push(row)
    }
    return rows
  }

  #tooLarge(rows: readonly OutboxRow[], owner: SessionView, course: Course): void {
    const [row] = rows
    if (row === undefined) return
    if (rows.length > 1) {
      course.most = Math.ceil(rows.length / 2)
      return
    }
    const { fromShard, toShard, seq, message } = row
    const before = course.held.get(fromShard)
    const { incarnation } = owner
    course.held.set(fromShard, { seq, incarnation, untilMs: this.#options.nowMs() + HELD_MS })
    if (before?.seq === seq) return
    this.#options.logger.error(
      'a message is too large for the node that it goes to, and holds up those behind it: give all nodes the same limits',
      {
        ...{ otherNode: owner.node, fromShard, shard: toShard, messageBytes: Buffer.byteLength(message) },
        ...receiverOf(message),
      },
    )
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

/** Whom the log names. */
function receiverOf(message: string): { readonly namespace: string; readonly workflowId: string } {
  const { namespace, workflowId } = (JSON.parse(message) as Message).to
  return { namespace, workflowId }
}
