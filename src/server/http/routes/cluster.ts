/** Workers, nodes and shards. */
import { route } from '../route.ts'
import { nodes, shards, workers } from '../schemas/cluster.ts'
import { name } from '../schemas/values.ts'

const TAG = 'Cluster'

export const clusterRoutes = [
  route({
    method: 'GET',
    path: '/workers',
    operationId: 'listWorkers',
    tag: TAG,
    summary: 'List the workers that are connected now',
    answers: {
      200: { description: 'Those that serve the namespace, and the engine’s own process.', body: workers },
    },
    needs: ['workers.list'],
    run: async ({ namespace, port }) => ({ body: { workers: await port.workers.list(namespace) } }),
  }),
  route({
    method: 'GET',
    path: '/nodes',
    operationId: 'listNodes',
    tag: TAG,
    summary: 'List the nodes of the cluster',
    answers: { 200: { description: 'An engine that is alone is one node.', body: nodes } },
    needs: ['nodes.list'],
    isInNamespace: false,
    run: async ({ port }) => ({ body: { nodes: await port.nodes.list() } }),
  }),
  route({
    method: 'GET',
    path: '/shards',
    operationId: 'listShards',
    tag: TAG,
    summary: 'List the shards, and which node has them',
    answers: { 200: { description: 'All of them.', body: shards } },
    needs: ['nodes.shards'],
    isInNamespace: false,
    run: async ({ port }) => ({ body: { shards: await port.nodes.shards() } }),
  }),
  route({
    method: 'POST',
    path: '/nodes/{node}/drain',
    operationId: 'drainNode',
    tag: TAG,
    summary: 'Have a node hand over what it has',
    description: 'It gets nothing any more, until it is started again.',
    params: { node: name('Its name.') },
    answers: { 202: { description: 'It has begun.' } },
    errors: ['NODE_NOT_FOUND'],
    needs: ['nodes.drain'],
    isInNamespace: false,
    repeats: 'Harmless. A key is not looked at.',
    run: async ({ params, port }) => {
      await port.nodes.drain(params.node)
      return { status: 202 }
    },
  }),
]
