/**
 * What the nodes of a cluster do in their database beside batches: come and go, find the dead, lead, take shards.
 *
 * 1. A shard changes its owner in two ways only: its owner gives it up, or anyone takes it whose owner is fenced. Both are
 *    compare-and-set of owner and epoch, which rises by one, and the new owner is not fenced when that commits.
 * 2. The leader's row changes by compare-and-set too. A leader of the past harms nobody.
 */
import type { ClusterView, LeaderView } from '../../core/cluster/cluster-view.ts'
import type { Taking } from '../../core/cluster/shard-assignment.ts'
import type { NodeIdentity, Session } from './rows.ts'

export interface ClusterNode extends NodeIdentity {
  /** Where other nodes reach it. */
  readonly address: string
  /** Share of the shards, compared with those of others; above 0. */
  readonly weight: number
}

export interface ClusterStore {
  /** Registers a session beside those of other nodes. It owns nothing yet. */
  join(node: ClusterNode): Promise<{ readonly session: Session; readonly clockFloorMs: number }>
  /** Says that the node lives, and whether it is about to leave. False: the session is fenced. */
  beat(session: Session, isDraining: boolean): Promise<boolean>
  /** All of the cluster, at one moment. */
  look(): Promise<ClusterView>
  /** Sets the leader's row to this session and the next term, if it is `from` and the session is not fenced. */
  lead(session: Session, from: LeaderView | undefined): Promise<boolean>
  /** Takes shards whose owners are fenced, or that have none, for sessions that are not. Answers the shards that it took. */
  take(takings: readonly Taking[]): Promise<readonly number[]>
}
