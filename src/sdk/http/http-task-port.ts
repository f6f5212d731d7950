/** Tasks, over the REST API. */
import type { QueueExplanation } from '../../protocol/queue-explanation.ts'
import type {
  TaskDescription,
  TaskExplanation,
  TaskOutcome,
  TaskPort,
  TaskReply,
  TaskRequest,
  TaskRetryPage,
  TaskTarget,
} from '../../protocol/task-port.ts'
import type { HttpAnswer, HttpCalls, HttpRequest } from './http-calls.ts'
import { newRequestId } from './http-request-id.ts'
import { LONG_POLL, untilEnded } from './long-poll.ts'
import { pageLimit } from './page-limit.ts'

type Call = Omit<HttpRequest, 'path' | 'query'> & { readonly query?: NonNullable<HttpRequest['query']> }

/** Of one request. */
const ENQUEUE_CHARACTERS = 1024 * 1024
const ENQUEUE_MOST = 1000

/** JSON leaves out what a description has as undefined. */
const NOTHING = {
  owner: undefined,
  startedAt: undefined,
  closedAt: undefined,
  delayedUntil: undefined,
  progress: undefined,
  failure: undefined,
}

export function httpTasks(calls: HttpCalls): TaskPort {
  const on = <T>(target: TaskTarget, path: readonly string[], call: Call): Promise<HttpAnswer<T>> => {
    const query = { namespace: target.namespace, ...call.query }
    return calls.ask<T>({ ...call, path: ['tasks', target.id, ...path], query })
  }
  const change = async (target: TaskTarget, path: string, body?: object): Promise<void> => {
    await on(target, [path], { method: 'POST', isRepeatable: false, ...(body === undefined ? {} : { body }) })
  }
  const read = async <T>(target: TaskTarget, path: readonly string[]): Promise<T> =>
    (await on<T>(target, path, { method: 'GET', isRepeatable: true })).body
  return {
    enqueue: async (requests) => {
      const parts = await Promise.all(partsOf(requests).map((part) => enqueue(calls, part)))
      return parts.flat()
    },
    outcome: (target, { signal } = {}) =>
      untilEnded(() =>
        on<TaskOutcome>(target, ['result'], { ...LONG_POLL, signal, method: 'GET', isRepeatable: true }),
      ),
    describe: async (target) => ({ ...NOTHING, ...(await read<TaskDescription>(target, [])) }),
    explain: (target) => read<TaskExplanation>(target, ['explain']),
    list: async ({ status, limit, ...query }) => {
      const { body } = await calls.ask<{
        readonly tasks: readonly TaskDescription[]
        readonly cursor?: string
      }>({
        method: 'GET',
        path: ['tasks'],
        query: { ...query, status: status?.join(','), limit: pageLimit(limit) },
        isRepeatable: true,
      })
      return { ...body, tasks: body.tasks.map((each) => ({ ...NOTHING, ...each })) }
    },
    cancel: (target, reason) => change(target, 'cancel', { reason }),
    retry: (target) => change(target, 'retry'),
    retryMany: async ({ namespace, limit, cursor, ...filter }) => {
      const { body } = await calls.ask<TaskRetryPage>({
        method: 'POST',
        path: ['bulk', 'tasks', 'retry'],
        query: { namespace },
        body: { filter, limit, cursor },
        isRepeatable: false,
      })
      return body
    },
    reprioritise: (target, priority) => change(target, 'reprioritise', { priority }),
    delete: async (target) => {
      await on(target, [], { method: 'DELETE', isRepeatable: false })
    },
    explainQueue: async ({ namespace, queue }) => {
      const path = ['queues', queue, 'explain']
      const how = { method: 'GET', query: { namespace }, isRepeatable: true } as const
      return (await calls.ask<QueueExplanation>({ ...how, path })).body
    },
  }
}

async function enqueue(calls: HttpCalls, requests: readonly TaskRequest[]): Promise<readonly TaskReply[]> {
  const [first] = requests
  if (first === undefined) return []
  const { body } = await calls.ask<{ readonly tasks: readonly TaskReply[] }>({
    method: 'POST',
    path: ['bulk', 'tasks'],
    query: { namespace: first.namespace },
    body: { tasks: requests.map(({ namespace: _, ...rest }) => rest) },
    headers: { 'idempotency-key': newRequestId() },
    isRepeatable: requests.every(isRepeatable),
  })
  return body.tasks
}

/** The key of the request counts for those with an id, and makes one for those that need none. */
function isRepeatable({ id, dedupe, debounce }: TaskRequest): boolean {
  return debounce === undefined && (dedupe === undefined || id !== undefined)
}

/** So large as one request may be, each for one namespace. */
function partsOf(requests: readonly TaskRequest[]): readonly (readonly TaskRequest[])[] {
  const parts: TaskRequest[][] = []
  let part: TaskRequest[] = []
  let characters = 0
  for (const request of requests) {
    const size = JSON.stringify(request).length
    const isFull = part.length >= ENQUEUE_MOST || characters + size > ENQUEUE_CHARACTERS
    if (part.length === 0 || isFull || part[0]?.namespace !== request.namespace) {
      part = []
      parts.push(part)
      characters = 0
    }
    part.push(request)
    characters += size
  }
  return parts
}
