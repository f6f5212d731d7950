/** What clients may ask about the nodes of a cluster. */

/** A node that lives, as far as the node that was asked knows. */
export interface NodeDescription {
  /** Its name. */
  readonly node: string
  /** Its session: another one after each start. */
  readonly session: number
  /** Where it listens; absent: it is alone on its store. */
  readonly address?: string
  /** It assigns the shards. */
  readonly isLeader: boolean
  /** It hands over what it has, and gets nothing. */
  readonly isDraining: boolean
  readonly shards: number
  /** Its share of the shards, relative to others. */
  readonly weight: number
  /** It was the one that was asked. */
  readonly isHere: boolean
}

export interface ShardDescription {
  readonly shard: number
  /** Its owner; absent: it has none now. */
  readonly node?: string
  readonly session?: number
  /** Rises with each owner. */
  readonly epoch: number
}

export interface NodesPort {
  /** In the order of their names. */
  list(): Promise<readonly NodeDescription[]>
  shards(): Promise<readonly ShardDescription[]>
  /**
   * The node begins to hand over what it has, and gets nothing any more, until it is started again. Resolves when it has begun.
   *
   * Errors: `NODE_NOT_FOUND`; `ARGUMENT_INVALID`: nobody else is there to take it.
   */
  drain(node: string): Promise<void>
}
