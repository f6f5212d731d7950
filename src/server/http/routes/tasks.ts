/** Tasks: enqueued, looked at, and changed. */
import Type from 'typebox'
import { PerdureError } from '../../../protocol/errors.ts'
import { DEFAULT_RETRY, type RetryPolicy } from '../../../protocol/retry-policy.ts'
import { OWN_TASK_ID, type TaskRequest } from '../../../protocol/task-port.ts'
import { isTaskClosed } from '../../../protocol/task-status.ts'
import { Cursors } from '../cursors.ts'
import { idOfMark } from '../idempotency.ts'
import { type RouteRequest, route } from '../route.ts'
import { open, reason } from '../schemas/executions.ts'
import {
  enqueued,
  enqueueFields,
  priority,
  retried,
  task,
  taskExplanation,
  taskFilter,
  taskIdParam,
  taskOutcome,
  taskPage,
} from '../schemas/tasks.ts'
import { asked, list, nothing, paging, waitMs } from '../schemas/values.ts'
import { clientOf, TRACE_HEADERS, traceOf, within } from '../targets.ts'

const TAG = 'Tasks'
const BATCH_MOST = 1000
const RETRY_MOST = 500
const REPEATS =
  'Without a key an `id` makes a repeat harmless: the task that has it is the answer, with `enqueued: false`. With a key: the same request gets the same task and the same answer, as long as the task is kept; another request with the key, of the same `id`, gets `IDEMPOTENCY_CONFLICT`. Without an `id` the key makes one. With `dedupe` or `debounce` the key is not looked at, unless there is an `id`.'

interface EnqueueBody
  extends Omit<TaskRequest, 'namespace' | 'queue' | 'input' | 'retry' | 'seq' | 'client' | 'mark' | 'trace'> {
  readonly queue?: string
  readonly input?: unknown
  readonly retry?: Partial<RetryPolicy>
}

/** @param place in a list of several; undefined: it is the only one */
function taskRequest(request: RouteRequest, body: EnqueueBody, place?: number): TaskRequest {
  const { queue = 'default', input, retry, id, ...rest } = body
  const at = place === undefined ? '' : `/tasks/${place}`
  if (id?.startsWith(OWN_TASK_ID) === true)
    throw new PerdureError(
      'ID_INVALID',
      `the id of a task begins with '${OWN_TASK_ID}', which perdure's own ids do`,
    )
  const isKeyed = rest.dedupe !== undefined || rest.debounce !== undefined
  const mark = isKeyed && id === undefined ? undefined : request.mark({ enqueue: place ?? null, ...body })
  const made =
    mark === undefined ? undefined : place === undefined ? idOfMark(mark) : `${idOfMark(mark)}-${place}`
  const named = id ?? made
  return {
    namespace: request.namespace,
    queue,
    input: request.payloads.taken(input, `${at}/input`),
    ...rest,
    ...(named === undefined ? {} : { id: named }),
    ...(mark === undefined ? {} : { mark }),
    ...(retry === undefined ? {} : { retry: { ...DEFAULT_RETRY, ...retry } }),
    ...clientOf(request),
    ...traceOf(request),
  }
}

export const taskRoutes = [
  route({
    method: 'POST',
    path: '/tasks',
    operationId: 'enqueueTask',
    tag: TAG,
    summary: 'Put a task into its queue',
    headers: TRACE_HEADERS,
    body: asked(enqueueFields),
    answers: {
      201: { description: 'It waits, and is durable.', body: enqueued },
      200: { description: 'A task with this id, or one that holds this key, existed.', body: enqueued },
    },
    errors: ['TASK_ID_TAKEN', 'IDEMPOTENCY_CONFLICT', 'PAYLOAD_TOO_LARGE', 'OVERLOADED'],
    needs: ['tasks.enqueue'],
    repeats: REPEATS,
    run: async (request) => {
      const [reply] = await request.port.tasks.enqueue([taskRequest(request, request.body)])
      return { status: reply?.enqueued === true ? 201 : 200, body: reply }
    },
  }),
  route({
    method: 'POST',
    path: '/bulk/tasks',
    operationId: 'enqueueTasks',
    tag: 'Bulk operations',
    summary: 'Put many tasks into their queues',
    headers: TRACE_HEADERS,
    description:
      'Far faster than one by one. In a cluster those of one queue partition are added as a whole, or not at all.',
    body: asked({ tasks: list(asked(enqueueFields), `At most ${BATCH_MOST}.`, BATCH_MOST) }),
    answers: {
      200: {
        description: 'All of them are durable. In the order asked.',
        body: Type.Object({ tasks: list(enqueued) }, { title: 'EnqueuedTasks' }),
      },
    },
    errors: ['TASK_ID_TAKEN', 'IDEMPOTENCY_CONFLICT', 'PAYLOAD_TOO_LARGE', 'OVERLOADED'],
    needs: ['tasks.enqueue'],
    repeats: `${REPEATS} Of a list, each task is held against the one at the same place.`,
    run: async (request) => {
      const requests = request.body.tasks.map((each, place) => taskRequest(request, each, place))
      return { body: { tasks: await request.port.tasks.enqueue(requests) } }
    },
  }),
  route({
    method: 'GET',
    path: '/tasks',
    operationId: 'listTasks',
    tag: TAG,
    summary: 'List tasks, the newest first',
    query: { ...taskFilter, ...paging },
    answers: { 200: { description: 'A page.', body: taskPage } },
    needs: ['tasks.list'],
    run: async ({ namespace, query, port }) => {
      const { cursor, limit = 100, ...rest } = query
      const cursors = new Cursors('tasks', { namespace, ...rest })
      const found = await port.tasks.list({ namespace, ...rest, limit, ...cursors.taken(cursor) })
      return { body: { tasks: found.tasks, ...cursors.field(found.cursor) } }
    },
  }),
  route({
    method: 'GET',
    path: '/tasks/{id}',
    operationId: 'getTask',
    tag: TAG,
    summary: 'Describe a task',
    params: taskIdParam,
    answers: { 200: { description: 'What it is, and what has become of it.', body: task } },
    errors: ['TASK_NOT_FOUND'],
    needs: ['tasks.describe'],
    run: async ({ namespace, params, port }) => ({
      body: await port.tasks.describe({ namespace, ...params }),
    }),
  }),
  route({
    method: 'GET',
    path: '/tasks/{id}/explain',
    operationId: 'explainTask',
    tag: TAG,
    summary: 'Say why a task waits',
    params: taskIdParam,
    answers: { 200: { description: 'In a sentence, and as data.', body: taskExplanation } },
    errors: ['TASK_NOT_FOUND'],
    needs: ['tasks.explain'],
    run: async ({ namespace, params, port }) => ({
      body: await port.tasks.explain({ namespace, ...params }),
    }),
  }),
  route({
    method: 'GET',
    path: '/tasks/{id}/result',
    operationId: 'getTaskResult',
    tag: TAG,
    summary: 'Get the result of a task, or wait for it',
    params: taskIdParam,
    query: { waitMs },
    answers: {
      200: { description: 'It has ended.', body: taskOutcome },
      202: { description: 'It has not ended in this time.', body: open },
    },
    errors: ['TASK_NOT_FOUND'],
    needs: ['tasks.outcome', 'tasks.describe'],
    run: async ({ namespace, params, query, port, payloads, signal }) => {
      const target = { namespace, ...params }
      const waited = query.waitMs ?? 0
      if (waited === 0) {
        const { status } = await port.tasks.describe(target)
        if (!isTaskClosed(status)) return { status: 202, body: { status } }
      }
      const ended = await within(waited === 0 ? 60_000 : waited, signal, (until) =>
        port.tasks.outcome(target, { signal: until }),
      )
      if (ended === undefined)
        return { status: 202, body: { status: (await port.tasks.describe(target)).status } }
      if (ended.status !== 'completed') return { body: ended }
      return { body: { status: ended.status, ...payloads.field('result', ended.result) } }
    },
  }),
  route({
    method: 'POST',
    path: '/tasks/{id}/cancel',
    operationId: 'cancelTask',
    tag: TAG,
    summary: 'Cancel a task',
    description: 'One that waits is taken from its queue; one that runs is aborted.',
    params: taskIdParam,
    body: asked(reason),
    answers: { 204: nothing },
    errors: ['TASK_NOT_FOUND', 'TASK_CLOSED'],
    needs: ['tasks.cancel'],
    repeats: 'Harmless: a repeat gets `TASK_CLOSED`. A key is not looked at.',
    run: async ({ namespace, params, body, port }) => {
      await port.tasks.cancel({ namespace, ...params }, body.reason ?? 'cancelled by a client')
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/tasks/{id}/retry',
    operationId: 'retryTask',
    tag: TAG,
    summary: 'Have a failed, cancelled or expired task begin anew',
    description: 'With all its attempts, from its last checkpoint.',
    params: taskIdParam,
    answers: { 204: nothing },
    errors: ['TASK_NOT_FOUND', 'TASK_OPEN', 'TASK_CLOSED'],
    needs: ['tasks.retry'],
    repeats:
      'A repeat while it is open gets `TASK_OPEN`, and changes nothing. One that comes after it has failed anew retries it again: a key is not remembered.',
    run: async ({ namespace, params, port }) => {
      await port.tasks.retry({ namespace, ...params })
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/bulk/tasks/retry',
    operationId: 'retryTasks',
    tag: 'Bulk operations',
    summary: 'Have the tasks that a filter selects begin anew, the oldest first',
    body: asked({
      filter: asked(
        taskFilter,
        'Which tasks: those for which all of it holds. Default: those that have `failed`.',
      ),
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: RETRY_MOST,
          description: `Of one call, in one commit. Default ${RETRY_MOST}.`,
        }),
      ),
      cursor: paging.cursor,
    }),
    answers: { 200: { description: 'They wait, and that is durable.', body: retried } },
    needs: ['tasks.retryMany'],
    repeats: 'A repeat retries those that have failed anew. A key is not looked at.',
    run: async ({ namespace, body, port }) => {
      const { filter, limit, cursor } = body
      const cursors = new Cursors('bulk:tasks', { namespace, ...filter })
      const most = limit === undefined ? {} : { limit }
      const page = await port.tasks.retryMany({ namespace, ...filter, ...most, ...cursors.taken(cursor) })
      return { body: { retried: page.retried, ...cursors.field(page.cursor) } }
    },
  }),
  route({
    method: 'POST',
    path: '/tasks/{id}/reprioritise',
    operationId: 'reprioritiseTask',
    tag: TAG,
    summary: 'Give a task another priority',
    params: taskIdParam,
    body: asked({ priority }),
    answers: { 204: nothing },
    errors: ['TASK_NOT_FOUND', 'TASK_CLOSED'],
    needs: ['tasks.reprioritise'],
    repeats: 'Harmless. A key is not looked at.',
    run: async ({ namespace, params, body, port }) => {
      await port.tasks.reprioritise({ namespace, ...params }, body.priority)
      return { status: 204 }
    },
  }),
  route({
    method: 'DELETE',
    path: '/tasks/{id}',
    operationId: 'deleteTask',
    tag: TAG,
    summary: 'Delete a task that has ended',
    params: taskIdParam,
    answers: { 204: nothing },
    errors: ['TASK_NOT_FOUND', 'TASK_OPEN'],
    needs: ['tasks.delete'],
    repeats: 'Harmless: a repeat gets `TASK_NOT_FOUND`.',
    run: async ({ namespace, params, port }) => {
      await port.tasks.delete({ namespace, ...params })
      return { status: 204 }
    },
  }),
]
