/** Workers and nodes, over the REST API. */
import type { NodeDescription, NodesPort, ShardDescription } from '../../protocol/nodes-port.ts'
import type { WorkerDescription, WorkersPort } from '../../protocol/workers-port.ts'
import type { HttpCalls } from './http-calls.ts'

const READ = { method: 'GET', isRepeatable: true } as const

export function httpWorkers(calls: HttpCalls): WorkersPort {
  return {
    list: async (namespace) => {
      const path = ['workers']
      const { body } = await calls.ask<{ readonly workers: readonly WorkerDescription[] }>({
        ...READ,
        path,
        query: { namespace },
      })
      return body.workers
    },
  }
}

export function httpNodes(calls: HttpCalls): NodesPort {
  return {
    list: async () => {
      const { body } = await calls.ask<{ readonly nodes: readonly NodeDescription[] }>({
        ...READ,
        path: ['nodes'],
      })
      return body.nodes
    },
    shards: async () => {
      const { body } = await calls.ask<{ readonly shards: readonly ShardDescription[] }>({
        ...READ,
        path: ['shards'],
      })
      return body.shards
    },
    drain: async (node) => {
      await calls.ask({ method: 'POST', path: ['nodes', node, 'drain'], isRepeatable: true })
    },
  }
}
