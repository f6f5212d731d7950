/** The connections of a store to its database, and its replica. */
import type { MetricsRegistry } from '../../platform/metrics.ts'
import type { ReplicatedStore } from '../../store/contract/shown-reads.ts'
import type { Store } from '../../store/contract/store.ts'
import type { PostgresStore } from '../../store/postgres/postgres-store.ts'

export function storeMetrics(
  registry: MetricsRegistry,
  store: Store & Partial<Pick<ReplicatedStore, 'shownCounts'> & Pick<PostgresStore, 'connections'>>,
): void {
  if (store.shownCounts !== undefined) {
    const reads = registry.counter({
      name: 'perdure_replica_reads_total',
      help: 'Reads of lists and history that a replica (`readStore`) has answered, and those for which the primary was asked in its place. On PostgreSQL only.',
      labels: ['from'],
    })
    registry.onCollect(() => {
      reads.of('replica').value = store.shownCounts?.replica ?? 0
      reads.of('primary').value = store.shownCounts?.primary ?? 0
    })
  }
  if (store.connections === undefined) return
  const connections = registry.gauge({
    name: 'perdure_store_connections',
    help: 'Connections to PostgreSQL that are there, by what they are for. On PostgreSQL only.',
    labels: ['purpose'],
  })
  const queries = registry.gauge({
    name: 'perdure_store_queries_in_flight',
    help: 'Queries that PostgreSQL has not answered yet, those that wait for their connection included. On PostgreSQL only.',
    labels: ['purpose'],
  })
  registry.onCollect(() => {
    connections.clear()
    queries.clear()
    for (const { purpose, isConnected, inFlight } of store.connections ?? []) {
      connections.of(purpose).add(Number(isConnected))
      queries.of(purpose).add(inFlight)
    }
  })
}
