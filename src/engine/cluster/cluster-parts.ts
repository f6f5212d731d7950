/** What an engine has to have of its cluster. */

import type { JoinedSession, ShardReads } from '../../store/contract/cluster-store.ts'
import type { OutboxRow } from '../../store/contract/rows.ts'

export interface ClusterParts {
  readonly reads: ShardReads
  /** Registers a session beside those of other nodes. */
  join(): Promise<JoinedSession>
  /** The engine has a session, and owns nothing: from now on it can be given shards. */
  started(): void
  /** Whether the session was not fenced at some moment after this call: what was read before is its own, and nobody else's. */
  isAlive(): Promise<boolean>
  /** The engine has ended: the session is kept alive no more. */
  stop(): Promise<void>
  /** Messages to shards of other nodes; the caller has committed them. */
  readonly mail: OutgoingMail
}

/** Messages on their way to other nodes. Implemented by `RemoteMail`. */
export interface OutgoingMail {
  /** Messages that are not known to be applied. */
  readonly size: number
  /** In the order of their numbers within a pair of shards. */
  add(rows: readonly OutboxRow[]): void
  /** Those to these shards, which are sent no more: in order. */
  takeTo(shards: ReadonlySet<number>): readonly OutboxRow[]
  /** Those from these shards are another node's to send. */
  dropFrom(shards: ReadonlySet<number>): void
  clear(): void
}
