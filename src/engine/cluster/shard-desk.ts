/**
 * Shards that come to this engine, and leave it, while it works.
 *
 * 1. A shard is taken in when its rows were read, which was after this session had become its owner: nobody else writes them.
 * 2. A shard is given up in one turn: what is in memory of it is forgotten, and the open batch says who owns it next. All that
 *    this engine has written of it is in that batch or an earlier one; nothing of it is in a later one.
 * 3. Before that it is closed: it takes no calls and begins nothing, and what runs may end, for a while. What still runs then
 *    is aborted, and runs again at the next owner, as after a crash.
 */

import type { Clock } from '../../platform/clock.ts'
import { type QueueAddress, queueShardOf, registryShardOf } from '../../protocol/ids.ts'
import type { ShardRelease } from '../../store/contract/rows.ts'
import type { Store } from '../../store/contract/store.ts'
import type { Committer } from '../committer.ts'
import type { LiveTable } from '../live-table.ts'
import type { Mailbox } from '../mailbox.ts'
import { NO_PART } from '../no-run.ts'
import { recover } from '../recovery.ts'
import type { TaskDesk } from '../tasks/task-desk.ts'
import type { Transitions } from '../transitions.ts'
import type { UpdateDesk } from '../update-desk.ts'
import type { ClusterParts } from './cluster-parts.ts'
import { moved, type OwnedShard, type Ownership } from './ownership.ts'

export interface ShardedEngine {
  readonly options: { readonly store: Store; readonly clock: Clock; readonly cluster?: ClusterParts }
  readonly ownership: Ownership
  readonly clock: Clock
  readonly committer: Committer
  readonly table: LiveTable
  readonly transitions: Transitions
  readonly updates: UpdateDesk
  readonly tasks: TaskDesk
  readonly mailbox: Mailbox
  readonly schedules: { adopt(): void }
  readonly registry: { refresh(): Promise<void> }
  readonly generation: number
  isCurrent(generation: number): boolean
  beginAt(clockFloorMs: number): void
  includeTimers(shards: readonly number[]): Promise<void>
  tellWaiters(): void
  fail(cause: unknown): void
}

const POLL_MS = 2

export class ShardDesk {
  readonly #engine: ShardedEngine
  readonly #parkGuilty: () => Promise<void>
  /** Of shards that were taken in: what has to go on is being read. */
  readonly #recoveries = new Set<Promise<void>>()

  /** @param parkGuilty parks runs whose batches the store has refused, as far as they are here */
  constructor(engine: ShardedEngine, parkGuilty: () => Promise<void>) {
    this.#engine = engine
    this.#parkGuilty = parkGuilty
  }

  /** These belong to the session of this engine. Resolves when they are taken in. */
  async adopt(shards: readonly OwnedShard[]): Promise<void> {
    const engine = this.#engine
    const { generation } = engine
    const { store, cluster } = engine.options
    if (cluster === undefined || shards.length === 0) return
    const ids = shards.map(({ id }) => id)
    await engine.tasks.ready()
    const [mail, lanes, settings] = await Promise.all([
      cluster.reads.shardMail(ids),
      store.lanes(),
      engine.tasks.settings.read(),
      ids.includes(registryShardOf(engine.ownership.shards)) ? engine.registry.refresh() : undefined,
    ])
    if (!engine.isCurrent(generation)) return
    engine.ownership.add(shards)
    engine.beginAt(mail.clockFloorMs)
    engine.tasks.shards.adopt(lanes, settings, this.#isQueueOf(new Set(ids)))
    engine.mailbox.adopt(ids, mail)
    engine.schedules.adopt()
    const isWanted = (): boolean => engine.isCurrent(generation)
    const goOn = async (): Promise<void> => {
      await this.#parkGuilty()
      if (!isWanted()) return
      await Promise.all([recover(engine, isWanted, ids), engine.includeTimers(ids)])
    }
    const recovery = goOn().catch((error) => {
      if (engine.isCurrent(generation)) engine.fail(error)
    })
    this.#recoveries.add(recovery)
    void recovery.then(() => this.#recoveries.delete(recovery))
  }

  /** Resolves when what has to go on in the shards that are here now is in memory, or was dropped. */
  async recovered(): Promise<void> {
    await Promise.all(this.#recoveries)
  }

  /**
   * Gives up shards that are owned. Resolves with true when that is durable; false: everything was dropped meanwhile, and
   * who owns what is to be looked up.
   */
  async release(
    moves: readonly { readonly shard: number; readonly to: number | null }[],
    graceMs: number,
  ): Promise<boolean> {
    const engine = this.#engine
    const { generation, ownership, committer } = engine
    const shards = new Set(moves.map(({ shard }) => shard))
    const isLeft = this.#isQueueOf(shards)
    ownership.close([...shards])
    engine.tasks.shards.close(isLeft)
    await this.#quiet(shards, graceMs)
    if (!engine.isCurrent(generation)) return false
    const releases = moves.map(({ shard, to }) => ({ shard, epoch: ownership.epochOf(shard), to }))
    committer.together(() => this.#forget(shards, releases))
    const durable = new Promise<boolean>((resolve) => {
      committer.releaseAfterOpen(NO_PART, (dropped) => resolve(dropped === undefined))
    })
    committer.touch()
    engine.tellWaiters()
    return durable
  }

  #forget(shards: ReadonlySet<number>, releases: readonly ShardRelease[]): void {
    const { table, transitions, updates, tasks, mailbox, ownership, committer } = this.#engine
    for (const execution of table.release(shards)) {
      transitions.deactivate(execution)
      updates.dropped(execution, moved(`execution ${execution.state.key.workflowId}`))
    }
    tasks.shards.release(this.#isQueueOf(shards))
    mailbox.release(shards)
    for (const release of releases) committer.open.builder.release(release)
    ownership.remove([...shards])
  }

  /** Until nothing of these shards runs. */
  async #quiet(shards: ReadonlySet<number>, graceMs: number): Promise<void> {
    const engine = this.#engine
    const { generation } = engine
    const { clock } = engine.options
    const endMs = engine.clock.nowMs() + graceMs
    while (engine.isCurrent(generation) && this.#isRunning(shards) && engine.clock.nowMs() < endMs)
      await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve))
  }

  #isRunning(shards: ReadonlySet<number>): boolean {
    const { table, tasks } = this.#engine
    if (tasks.shards.isRunning(this.#isQueueOf(shards))) return true
    for (const { shard, run } of table.all())
      if (shards.has(shard) && run !== undefined && run.runningSteps > 0) return true
    return false
  }

  #isQueueOf(shards: ReadonlySet<number>): (queue: QueueAddress) => boolean {
    const count = this.#engine.ownership.shards
    return (queue) => shards.has(queueShardOf(queue, count))
  }
}
