/**
 * What a node has read of its cluster, in one look at the database: who is there, who leads, who owns which shard. Pure data;
 * times are those of the database's clock, ms since 1970.
 */

/** A node's registered lifetime. */
export interface SessionView {
  /** Rises with each registration: the fencing token. */
  readonly id: number
  /** Random text that goes with the id. */
  readonly incarnation: string
  /** Where other nodes reach it; null: nowhere. */
  readonly address: string | null
  /** Name of the node, the same over restarts. */
  readonly node: string
  /** Share of the shards that it should have, compared with others; above 0. */
  readonly weight: number
  /** It is about to leave: it gets nothing, and what it has is handed over. */
  readonly isDraining: boolean
  /** Changes at least twice a second while the node lives. What it says is not compared with any clock. */
  readonly heartbeatAt: number
  /** Nothing that it writes counts any more, ever. */
  readonly isFenced: boolean
}

export interface ShardView {
  readonly id: number
  /** Its session; null: nobody has had it yet, or it was given up. */
  readonly owner: number | null
  /** Rises with each change of the owner. */
  readonly epoch: number
}

export interface LeaderView {
  readonly session: number
  /** Rises with each leader. */
  readonly term: number
}

export interface ClusterView {
  readonly databaseMs: number
  /** All that are not fenced, and those fenced ones that still own something. */
  readonly sessions: readonly SessionView[]
  /** In order of their ids. */
  readonly shards: readonly ShardView[]
  readonly leader: LeaderView | undefined
}

/** Sessions whose writes count, by their ids. */
export function livingSessions({ sessions }: Pick<ClusterView, 'sessions'>): Map<number, SessionView> {
  return new Map(sessions.filter(({ isFenced }) => !isFenced).map((session) => [session.id, session]))
}
