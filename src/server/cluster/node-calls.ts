/** Calls about nodes, in a cluster. */
import type { ClusterView, SessionView } from '../../core/cluster/cluster-view.ts'
import type { ClusterNode } from '../../engine/cluster/cluster-node.ts'
import type { Engine } from '../../engine/engine.ts'
import { PerdureError } from '../../protocol/errors.ts'
import type { NodesPort } from '../../protocol/nodes-port.ts'
import type { NodeLinks } from './node-link.ts'

export interface NodeCallsOptions {
  readonly engine: Engine
  readonly node: ClusterNode
  readonly links: Pick<NodeLinks, 'call'>
  readonly look: () => Promise<ClusterView>
}

export function nodeCalls({ engine, node, links, look }: NodeCallsOptions): NodesPort {
  const looked = async (): Promise<{ view: ClusterView; living: SessionView[] }> => {
    engine.assertOpen()
    const view = await look()
    return { view, living: view.sessions.filter(({ isFenced }) => !isFenced) }
  }
  return {
    list: async () => {
      const { view, living } = await looked()
      const owned = new Map<number | null, number>()
      for (const { owner } of view.shards) owned.set(owner, (owned.get(owner) ?? 0) + 1)
      return living
        .map(({ id, node: name, address, isDraining, weight }) => ({
          node: name,
          session: id,
          ...(address === null ? {} : { address }),
          isLeader: view.leader?.session === id,
          isDraining,
          shards: owned.get(id) ?? 0,
          weight,
          isHere: engine.session.id === id,
        }))
        .sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : a.session - b.session))
    },
    shards: async () => {
      const { view, living } = await looked()
      const names = new Map(living.map(({ id, node: name }) => [id, name]))
      return view.shards.map(({ id: shard, owner, epoch }) => {
        const name = owner === null ? undefined : names.get(owner)
        return name === undefined || owner === null
          ? { shard, epoch }
          : { shard, node: name, session: owner, epoch }
      })
    },
    drain: async (name) => {
      const { living } = await looked()
      const found = living.filter((each) => each.node === name)
      if (found.length === 0) {
        const names = living.map((each) => each.node).sort()
        throw new PerdureError('NODE_NOT_FOUND', `there is no node ${name}; there are ${names.join(', ')}`)
      }
      if (living.every((each) => each.node === name || each.isDraining))
        throw new PerdureError('ARGUMENT_INVALID', `no other node is there to take what ${name} has`)
      await Promise.all(
        found.map(async (each) => {
          if (each.id === engine.session.id) node.beginDraining()
          else await links.call(each, 'nodes.drain', [name])
        }),
      )
    },
  }
}
