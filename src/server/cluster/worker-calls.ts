/** Workers, in a cluster: each is connected to all nodes, and listed once. */
import type { WorkerDescription, WorkersPort } from '../../protocol/workers-port.ts'
import type { Router } from './router.ts'

export function workerCalls(router: Router): WorkersPort {
  return {
    list: async (namespace) => {
      const answers = await router.ofEach('workers.list', [namespace])
      return oneOfEach(
        answers.flatMap(({ node, answer }) =>
          // The cast: what a method answers is what the port says of it.
          (answer as readonly WorkerDescription[]).map((worker) => ({ ...worker, nodes: [node] })),
        ),
      )
    },
  }
}

type OnNodes = WorkerDescription & { readonly nodes: readonly string[] }

/** What the nodes say of one worker becomes one description. Each node's own process stays for itself. */
export function oneOfEach(listed: readonly OnNodes[]): readonly WorkerDescription[] {
  const locals: OnNodes[] = []
  const workers = new Map<string, OnNodes>()
  for (const each of listed) {
    if (each.isLocal) locals.push(each)
    else {
      const { instance, ...rest } = each
      const id = instance ?? each.id
      const known = workers.get(id)
      workers.set(id, known === undefined ? { ...rest, id } : together(known, each))
    }
  }
  const byId = (a: OnNodes, b: OnNodes): number =>
    compare(a.id, b.id) || compare(a.nodes.join(), b.nodes.join())
  return [...locals, ...workers.values()].sort(byId)
}

function together(a: OnNodes, b: OnNodes): OnNodes {
  const running = a.running + b.running
  const givenUp = a.givenUp + b.givenUp
  return {
    ...a,
    nodes: [...new Set([...a.nodes, ...b.nodes])].sort(compare),
    running,
    givenUp,
    // Its free places are offered to all nodes, and the first one that fills them has them.
    credits: running + givenUp + Math.max(freeOf(a), freeOf(b)),
    executions: a.executions + b.executions,
    isLeaving: a.isLeaving || b.isLeaving,
    ejectedFrom: [...new Set([...a.ejectedFrom, ...b.ejectedFrom])].sort(compare),
    ...(a.load === undefined && b.load !== undefined ? { load: b.load } : {}),
  }
}

function freeOf({ credits, running, givenUp }: WorkerDescription): number {
  return Math.max(0, credits - running - givenUp)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
