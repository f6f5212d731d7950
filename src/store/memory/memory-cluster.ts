/** The rows of a cluster in memory, as the contract has them: for simulation. Each call takes effect at once, in the call. */
import type { ClusterView, LeaderView, SessionView, ShardView } from '../../core/cluster/cluster-view.ts'
import type { Taking } from '../../core/cluster/shard-assignment.ts'
import type { ClusterNode, ClusterStore } from '../contract/cluster-store.ts'
import type { Session } from '../contract/rows.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export class MemoryCluster implements ClusterStore {
  readonly #nowMs: () => number
  readonly #sessions = new Map<number, Mutable<SessionView>>()
  readonly #shards: Mutable<ShardView>[]
  #leader: LeaderView | undefined

  /** @param nowMs the clock of the database */
  constructor(shards: number, nowMs: () => number) {
    this.#nowMs = nowMs
    this.#shards = Array.from({ length: shards }, (_, id) => ({ id, owner: null, epoch: 0 }))
  }

  async join(node: ClusterNode): Promise<{ session: Session; clockFloorMs: number }> {
    const { incarnation, address, weight } = node
    const id = this.#sessions.size + 1
    const heartbeatAt = this.#nowMs()
    const row = { id, incarnation, address, node: node.node, weight, heartbeatAt }
    this.#sessions.set(id, { ...row, isDraining: false, isFenced: false })
    return { session: { id, incarnation }, clockFloorMs: 0 }
  }

  async beat(session: Session, isDraining: boolean): Promise<boolean> {
    const row = this.#living(session)
    if (row === undefined) return false
    row.heartbeatAt = Math.max(row.heartbeatAt + 1, this.#nowMs())
    row.isDraining = isDraining
    return true
  }

  async fence({ id, incarnation }: Session): Promise<void> {
    const row = this.#sessions.get(id)
    if (row?.incarnation === incarnation) row.isFenced = true
  }

  async look(): Promise<ClusterView> {
    const owners = new Set(this.#shards.map(({ owner }) => owner))
    const sessions = [...this.#sessions.values()].filter(({ id, isFenced }) => !isFenced || owners.has(id))
    return {
      databaseMs: this.#nowMs(),
      sessions: sessions.map((session) => ({ ...session })),
      shards: this.#shards.map((shard) => ({ ...shard })),
      leader: this.#leader,
    }
  }

  async lead(session: Session, from: LeaderView | undefined): Promise<boolean> {
    if (this.#living(session) === undefined) return false
    if (from?.session !== this.#leader?.session || from?.term !== this.#leader?.term) return false
    this.#leader = { session: session.id, term: (from?.term ?? 0) + 1 }
    return true
  }

  async take(takings: readonly Taking[]): Promise<readonly number[]> {
    const taken: number[] = []
    for (const { shard, to } of takings) {
      const row = this.#shards[shard.id]
      const receiver = this.#sessions.get(to)
      if (row === undefined || receiver === undefined || receiver.isFenced) continue
      if (row.owner !== shard.owner || row.epoch !== shard.epoch) continue
      if (row.owner !== null && this.#sessions.get(row.owner)?.isFenced === false) continue
      row.owner = to
      row.epoch += 1
      taken.push(shard.id)
    }
    return taken.sort((a, b) => a - b)
  }

  #living({ id, incarnation }: Session): Mutable<SessionView> | undefined {
    const row = this.#sessions.get(id)
    return row?.incarnation === incarnation && !row.isFenced ? row : undefined
  }
}
