/**
 * Pages of waiting tasks.
 *
 * What the store says of a queue has to agree with what is in memory: so a page must not have what another owner has written
 * since. One that was read before the session is found to count has not.
 */
import type { Session } from '../../store/contract/rows.ts'
import type { TaskReads } from '../../store/contract/task-rows.ts'
import type { ReadWaiting } from '../tasks/task-desk-options.ts'
import type { ClusterParts } from './cluster-parts.ts'

export interface WaitingEngine {
  readonly options: { readonly store: TaskReads; readonly cluster?: ClusterParts }
  readonly session: Session
}

export function ownWaiting(engine: WaitingEngine): ReadWaiting {
  const { store, cluster } = engine.options
  if (cluster === undefined) return (page) => store.waiting(page)
  return async (page) => {
    const { session } = engine
    const rows = await store.waiting(page)
    return (await cluster.isAlive()) && session === engine.session ? rows : undefined
  }
}
