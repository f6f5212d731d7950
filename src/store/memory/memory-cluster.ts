/** The rows of a cluster in memory, as the contract has them: for simulation. Each call takes effect at once, in the call. */
import type { ClusterView, LeaderView, SessionView } from '../../core/cluster/cluster-view.ts'
import type { Taking } from '../../core/cluster/shard-assignment.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { RunId } from '../../protocol/ids.ts'
import {
  type ClusterNode,
  type ClusterStore,
  type JoinedSession,
  SESSION_SLOTS,
  type ShardMail,
} from '../contract/cluster-store.ts'
import type { ExecutionRow, JournalEntry, OutboxRow, Session, TimerRow } from '../contract/rows.ts'
import type { TimerPage } from '../contract/store.ts'
import { copyRow, type MemorySession, MemoryState } from './memory-state.ts'

export class MemoryCluster implements ClusterStore {
  readonly #nowMs: () => number
  readonly #state: MemoryState
  #leader: LeaderView | undefined

  /** @param nowMs the clock of the database */
  constructor(shards: number, nowMs: () => number, state = new MemoryState()) {
    this.#nowMs = nowMs
    this.#state = state
    for (let id = state.shards.length; id < shards; id++) state.shards.push({ id, owner: null, epoch: 0 })
  }

  async join({ incarnation, address, weight, node: name }: ClusterNode): Promise<JoinedSession> {
    const { sessions, clockFloorMs } = this.#state
    const taken = new Set([...sessions.values()].map(({ fenced, node }) => (fenced ? -1 : node?.slot)))
    const slot = Array.from({ length: SESSION_SLOTS }, (_, i) => i).find((each) => !taken.has(each))
    if (slot === undefined) throw new PerdureError('STORE_LOCKED', `${SESSION_SLOTS} nodes are there`)
    const id = sessions.size + 1
    const node = { name, address, weight, slot, isDraining: false, heartbeatAt: this.#nowMs() }
    sessions.set(id, { incarnation, fenced: false, commits: new Set(), node })
    return { session: { id, incarnation }, clockFloorMs, slot }
  }

  async isAlive(session: Session): Promise<boolean> {
    return this.#living(session) !== undefined
  }

  async beat(session: Session, isDraining: boolean): Promise<boolean> {
    const node = this.#living(session)?.node
    if (node === undefined) return false
    node.heartbeatAt = Math.max(node.heartbeatAt + 1, this.#nowMs())
    node.isDraining = isDraining
    return true
  }

  async fence({ id, incarnation }: Session): Promise<void> {
    const row = this.#state.sessions.get(id)
    if (row?.incarnation === incarnation) row.fenced = true
  }

  async look(): Promise<ClusterView> {
    const { shards } = this.#state
    const owners = new Set(shards.map(({ owner }) => owner))
    const sessions: SessionView[] = []
    for (const [id, { incarnation, fenced: isFenced, node }] of this.#state.sessions) {
      if (isFenced && !owners.has(id)) continue
      const { name = 'alone', address = null, weight = 1, isDraining = false, heartbeatAt = 0 } = node ?? {}
      sessions.push({ id, incarnation, address, node: name, weight, isDraining, heartbeatAt, isFenced })
    }
    const copies = shards.map((shard) => ({ ...shard }))
    return { databaseMs: this.#nowMs(), sessions, shards: copies, leader: this.#leader }
  }

  async lead(session: Session, from: LeaderView | undefined): Promise<boolean> {
    if (this.#living(session) === undefined) return false
    if (from?.session !== this.#leader?.session || from?.term !== this.#leader?.term) return false
    this.#leader = { session: session.id, term: (from?.term ?? 0) + 1 }
    return true
  }

  async take(takings: readonly Taking[]): Promise<readonly number[]> {
    const { sessions, shards } = this.#state
    const taken: number[] = []
    for (const { shard, to } of takings) {
      const row = shards[shard.id]
      const receiver = sessions.get(to)
      if (row === undefined || receiver === undefined || receiver.fenced) continue
      if (row.owner !== shard.owner || row.epoch !== shard.epoch) continue
      if (row.owner !== null && sessions.get(row.owner)?.fenced === false) continue
      row.owner = to
      row.epoch += 1
      taken.push(shard.id)
    }
    return taken.sort((a, b) => a - b)
  }

  async shardMail(shards: readonly number[]): Promise<ShardMail> {
    const wanted = new Set(shards)
    const outbox: OutboxRow[] = []
    this.#state.outbox.ascend(undefined, (row) => {
      if (wanted.has(row.fromShard)) outbox.push({ ...row })
      return true
    })
    const inbox = [...this.#state.inbox.values()].filter(({ toShard }) => wanted.has(toShard))
    return { outbox, inbox: inbox.map((row) => ({ ...row })), clockFloorMs: this.#state.clockFloorMs }
  }

  async recoverableOf(
    shards: readonly number[],
    after: RunId | undefined,
    limit: number,
  ): Promise<readonly ExecutionRow[]> {
    const wanted = new Set(shards)
    const rows: ExecutionRow[] = []
    if (limit <= 0) return rows
    this.#state.recoverable.ascend(after === undefined ? undefined : { runId: after }, ({ row }) => {
      if (row !== undefined && wanted.has(row.shard)) rows.push(copyRow(row))
      return rows.length < limit
    })
    return rows
  }

  async timersOf(shards: readonly number[], page: TimerPage): Promise<readonly TimerRow[]> {
    const wanted = new Set(shards)
    const rows: TimerRow[] = []
    if (page.limit <= 0) return rows
    this.#state.timers.ascend(page.after, (row) => {
      if (row.dueAt > page.upToMs) return false
      if (wanted.has(row.shard)) rows.push({ ...row })
      return rows.length < page.limit
    })
    return rows
  }

  async firstEntries(runIds: readonly RunId[], limit: number): Promise<readonly (readonly JournalEntry[])[]> {
    return runIds.map((runId) => {
      const entries = this.#state.runs.get(runId)?.entries ?? []
      return entries.slice(0, limit).map((entry) => ({ ...entry }))
    })
  }

  #living({ id, incarnation }: Session): MemorySession | undefined {
    const row = this.#state.sessions.get(id)
    return row?.incarnation === incarnation && !row.fenced ? row : undefined
  }
}
