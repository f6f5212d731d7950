/**
 * What the nodes of a cluster do in their database beside batches: come and go, find the dead, lead, take shards.
 *
 * 1. A shard changes its owner in two ways only: its owner gives it up, or anyone takes it whose owner is fenced. Both are
 *    compare-and-set of owner and epoch, which rises by one, and the new owner is not fenced when that commits.
 * 2. The leader's row changes by compare-and-set too. A leader of the past harms nobody.
 */
import type { ClusterView, LeaderView } from '../../core/cluster/cluster-view.ts'
import type { Taking } from '../../core/cluster/shard-assignment.ts'
import type { RunId } from '../../protocol/ids.ts'
import type {
  ExecutionRow,
  InboxRow,
  JournalEntry,
  NodeIdentity,
  OutboxRow,
  Session,
  TimerRow,
} from './rows.ts'
import type { TimerPage } from './store.ts'

export interface ClusterNode extends NodeIdentity {
  /** Where other nodes reach it. */
  readonly address: string
  /** Share of the shards, compared with those of others; above 0. */
  readonly weight: number
}

/** Living sessions of a cluster at most: each has a number of its own below it. */
export const SESSION_SLOTS = 64

export interface JoinedSession {
  readonly session: Session
  /** The highest time of any commit so far, ms. */
  readonly clockFloorMs: number
  /** 0 to `SESSION_SLOTS` - 1: no other session that is not fenced has it. */
  readonly slot: number
}

/** What the owner of shards has to know of them, beside their executions and queues. */
export interface ShardMail {
  /** Messages that they have sent, and that are not known to be applied, in order of (from, to, seq). */
  readonly outbox: readonly OutboxRow[]
  /** Of messages to them. */
  readonly inbox: readonly InboxRow[]
  /** The highest time of any commit so far, ms: what their owners before have written is not later. */
  readonly clockFloorMs: number
}

/** The rows of some shards: what a session that owns them goes on with. */
export interface ShardReads {
  shardMail(shards: readonly number[]): Promise<ShardMail>
  /** As those of `Store`, of these shards. */
  recoverableOf(
    shards: readonly number[],
    after: RunId | undefined,
    limit: number,
  ): Promise<readonly ExecutionRow[]>
  timersOf(shards: readonly number[], page: TimerPage): Promise<readonly TimerRow[]>
  /** The first entries of each of these runs, at most `limit`, in the order asked: many short journals at once. */
  firstEntries(runIds: readonly RunId[], limit: number): Promise<readonly (readonly JournalEntry[])[]>
}

export interface ClusterStore extends ShardReads {
  /**
   * Registers a session beside those of other nodes. It owns nothing yet.
   *
   * @throws PerdureError `STORE_LOCKED`: `SESSION_SLOTS` sessions are there
   */
  join(node: ClusterNode): Promise<JoinedSession>
  /** Whether the session was not fenced at some moment after the call: what it has in memory was the newest then. */
  isAlive(session: Session): Promise<boolean>
  /** Says that the node lives, and whether it is about to leave. False: the session is fenced. */
  beat(session: Session, isDraining: boolean): Promise<boolean>
  /** All of the cluster, at one moment. */
  look(): Promise<ClusterView>
  /** Sets the leader's row to this session and the next term, if it is `from` and the session is not fenced. */
  lead(session: Session, from: LeaderView | undefined): Promise<boolean>
  /** Takes shards whose owners are fenced, or that have none, for sessions that are not. Answers the shards that it took. */
  take(takings: readonly Taking[]): Promise<readonly number[]>
}
