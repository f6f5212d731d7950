/**
 * The shards that this engine owns: all of them when it is alone, and in a cluster those that its session was given.
 *
 * 1. What belongs to a shard is in memory, and is changed, only while the shard is owned.
 * 2. A shard that is closed is owned still, and lets what runs end; it takes no calls and begins nothing.
 */

import { PerdureError } from '../../protocol/errors.ts'
import {
  type QueueAddress,
  queueShardOf,
  scheduleShardOf,
  shardOf,
  type WorkflowKey,
} from '../../protocol/ids.ts'

export interface OwnedShard {
  readonly id: number
  /** Rises with each owner of the shard. */
  readonly epoch: number
}

export class Ownership {
  /** Shards of the store. */
  readonly shards: number
  /** All shards, always. */
  readonly isWhole: boolean
  readonly #epochs = new Map<number, number>()
  readonly #closed = new Set<number>()
  #losses = 0
  /** Shards that were taken in, and given up or lost, since the start. */
  readonly counts = { takenIn: 0, left: 0 }

  constructor(shards: number, isWhole: boolean) {
    this.shards = shards
    this.isWhole = isWhole
  }

  /** Rises when shards are given up: what was read of the store before may be another owner's past. */
  get losses(): number {
    return this.#losses
  }

  owns(shard: number): boolean {
    return this.isWhole || this.#epochs.has(shard)
  }

  ownsRunsOf(key: WorkflowKey): boolean {
    return this.isWhole || this.#epochs.has(shardOf(key, this.shards))
  }

  ownsQueue(queue: QueueAddress): boolean {
    return this.isWhole || this.#epochs.has(queueShardOf(queue, this.shards))
  }

  isOpen(shard: number): boolean {
    return this.isWhole || (this.#epochs.has(shard) && !this.#closed.has(shard))
  }

  isQueueOpen(queue: QueueAddress): boolean {
    return this.isWhole || this.isOpen(queueShardOf(queue, this.shards))
  }

  /** Throws `SHARD_MOVED` unless calls about runs of this id are taken here. */
  assertRunsOf(key: WorkflowKey): void {
    if (!this.isWhole && !this.isOpen(shardOf(key, this.shards))) throw moved(`execution ${key.workflowId}`)
  }

  /** Throws `SHARD_MOVED` if shards were given up since: what was read then may be the past. */
  assertSince(losses: number): void {
    if (losses !== this.#losses) throw moved('a shard')
  }

  /** Throws `SHARD_MOVED` unless calls about this queue are taken here. */
  assertQueue(queue: QueueAddress): void {
    if (!this.isQueueOpen(queue)) throw moved(`queue ${queue.queue}`)
  }

  isScheduleOpen(schedule: { readonly namespace: string; readonly id: string }): boolean {
    return this.isWhole || this.isOpen(scheduleShardOf(schedule, this.shards))
  }

  /** Of a shard that is owned. */
  epochOf(shard: number): number {
    const epoch = this.#epochs.get(shard)
    if (epoch === undefined) throw new Error(`invariant: shard ${shard} is not owned`)
    return epoch
  }

  list(): number[] {
    return [...this.#epochs.keys()]
  }

  get size(): number {
    return this.#epochs.size
  }

  /** Alone: one epoch for all of them. */
  ownAll(epoch: number): void {
    for (let shard = 0; shard < this.shards; shard++) this.#epochs.set(shard, epoch)
  }

  add(shards: readonly OwnedShard[]): void {
    this.counts.takenIn += shards.length
    for (const { id, epoch } of shards) {
      this.#epochs.set(id, epoch)
      this.#closed.delete(id)
    }
  }

  /** No calls, and nothing new. */
  close(shards: readonly number[]): void {
    for (const shard of shards) if (this.#epochs.has(shard)) this.#closed.add(shard)
  }

  remove(shards: readonly number[]): void {
    this.#losses += 1
    this.counts.left += shards.length
    for (const shard of shards) {
      this.#epochs.delete(shard)
      this.#closed.delete(shard)
    }
  }

  /** Another session owns nothing yet. */
  clear(): void {
    this.remove(this.list())
  }
}

export function moved(what: string): PerdureError {
  return new PerdureError('SHARD_MOVED', `${what} belongs to another node`)
}
