/** The client's port of a node in a cluster: each call goes to the node that owns what it is about. */
import type { ClientPort, StartRequest } from '../../protocol/client-port.ts'
import type { ExecutionExplanation } from '../../protocol/execution-explanation.ts'
import type { Payload } from '../../protocol/payload.ts'
import { Router, type RouterOptions } from './router.ts'
import { peopleCalls, queueCalls, scheduleCalls, taskCalls, tasksExplained } from './spread-calls.ts'
import { workerCalls } from './worker-calls.ts'

/** The casts: what a method answers is what the port says of it. */
export function clusterCalls(options: RouterOptions): ClientPort {
  const router = new Router(options)
  const { local, engine } = options
  const ofRun =
    <M extends 'query' | 'cancel' | 'terminate' | 'retry' | 'describe' | 'delete'>(method: M) =>
    (...args: Parameters<ClientPort[M]>): ReturnType<ClientPort[M]> =>
      router.ofRun(method, args[0], args) as ReturnType<ClientPort[M]>
  return {
    newRequestId: () => local.newRequestId(),
    list: (query) => local.list(query),
    start: (request) => start(router, request),
    signal: (target, name, payload, requestId = engine.newRunId()) =>
      router.ofRun('signal', target, [target, name, payload, requestId]) as Promise<void>,
    query: ofRun('query'),
    update: (target, name, payload, updateId, options) =>
      router.ofRun('update', target, [target, name, payload, updateId], options?.signal) as Promise<Payload>,
    outcome: (target, options) =>
      router.ofRun('outcome', target, [target], options?.signal) as ReturnType<ClientPort['outcome']>,
    cancel: ofRun('cancel'),
    terminate: ofRun('terminate'),
    retry: ofRun('retry'),
    describe: ofRun('describe'),
    explain: async (target) => {
      const answer = (await router.ofRun('explain', target, [target])) as ExecutionExplanation
      return tasksExplained(router, target.key.namespace, answer)
    },
    delete: ofRun('delete'),
    history: (target, afterSeq, { signal, ...rest }) =>
      router.ofRun('history', target, [target, afterSeq, rest], signal) as ReturnType<ClientPort['history']>,
    tasks: taskCalls(router),
    schedules: scheduleCalls(router),
    queues: queueCalls(router),
    people: peopleCalls(router),
    workers: workerCalls(router),
    // Whoever is asked looks at the database.
    nodes: local.nodes,
  }
}

/** With a run id of its own: asked again, it finds its run. */
function start(router: Router, request: StartRequest): ReturnType<ClientPort['start']> {
  const shard = router.shardOf(request.key)
  const named = { ...request, runId: request.runId ?? router.options.engine.newRunId() }
  return router.call({ shard, method: 'start', args: [named] }) as ReturnType<ClientPort['start']>
}
