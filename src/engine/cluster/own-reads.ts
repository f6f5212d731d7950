/**
 * What the store says of tasks has to agree with what is in memory: so it must not be what another owner has written since.
 * What was read before the session is found to count has not.
 */
import type { Session } from '../../store/contract/rows.ts'
import type { ClusterParts } from './cluster-parts.ts'

/** Undefined: another owner may have written what was read, and everything is about to be dropped. */
export type ReadOwn = <T>(read: () => Promise<T>) => Promise<T | undefined>

export interface ReadingEngine {
  readonly options: { readonly cluster?: ClusterParts }
  readonly session: Session
}

export function ownReads(engine: ReadingEngine): ReadOwn {
  const { cluster } = engine.options
  if (cluster === undefined) return (read) => read()
  return async (read) => {
    const { session } = engine
    const rows = await read()
    return (await cluster.isAlive()) && session === engine.session ? rows : undefined
  }
}
