/** A node of a cluster: who leads, who is there, what it has taken over. */
import type { ClusterNode } from '../../engine/cluster/cluster-node.ts'
import type { MetricsRegistry } from '../../platform/metrics.ts'

export function clusterMetrics(registry: MetricsRegistry, node: ClusterNode): void {
  const leader = registry.gauge({
    name: 'perdure_node_leader',
    help: '1: this node leads the cluster. In a cluster only.',
  })
  const nodes = registry.gauge({
    name: 'perdure_cluster_nodes',
    help: 'Nodes of the cluster as this one sees them: `living`, and of these those that are `draining`.',
    labels: ['state'],
  })
  const failovers = registry.counter({
    name: 'perdure_failovers_total',
    help: 'Nodes that this one has found dead, and fenced.',
  })
  registry.onCollect(() => {
    leader.of().set(Number(node.isLeader))
    const living = (node.view?.sessions ?? []).filter(({ isFenced }) => !isFenced)
    nodes.of('living').set(living.length)
    nodes.of('draining').set(living.filter(({ isDraining }) => isDraining).length)
    failovers.of().value = node.failovers
  })
}
