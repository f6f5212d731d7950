/** Starts and reads of executions. */
import Type from 'typebox'
import type { ExecutionTarget, StartRequest } from '../../../protocol/client-port.ts'
import type { SequencedEvent } from '../../../protocol/event.ts'
import { isClosed } from '../../../protocol/execution-status.ts'
import { checkedAttributes } from '../../../sdk/checked-attributes.ts'
import { Cursors } from '../cursors.ts'
import { idOfMark, requestIdOf } from '../idempotency.ts'
import { type Answer, type RouteRequest, route } from '../route.ts'
import {
  description,
  event,
  explanation,
  filter,
  history,
  idParam,
  open,
  outcome,
  page,
  runIdQuery,
  signalFields,
  started,
  startFields,
  status,
} from '../schemas/executions.ts'
import { asked, count, historyWaitMs, list, name, optional, paging, waitMs } from '../schemas/values.ts'
import {
  clientOf,
  executionTarget,
  shownDescription,
  shownExecution,
  TRACE_HEADERS,
  traceOf,
  within,
} from '../targets.ts'
import { watchExecution } from './watch.ts'

const TAG = 'Executions'
const HISTORY_DEFAULT = 100
const HISTORY_MOST = 1000
const START_REPEATS =
  'Without a key the `id` alone makes a repeat harmless. With a key: the same request gets the same run and the same answer, also after a restart, at another node, and when the execution has ended; another request with the key gets `IDEMPOTENCY_CONFLICT`. The key is kept with the execution, under its id: it counts as long as that is kept and no other start has replaced it. Without an `id` the key makes one; a key that comes with another `id` is a request of its own.'

interface StartBody {
  readonly workflow: string
  readonly version?: string
  readonly input?: unknown
  readonly onConflict?: StartRequest['onConflict']
  readonly delayMs?: number
  readonly timeoutMs?: number
  readonly attributes?: NonNullable<StartRequest['attributes']>
}

/** @param all of what is asked for: what a repeat must be the same in */
function startRequest(
  request: RouteRequest,
  id: string | undefined,
  { body, all }: { readonly body: StartBody; readonly all: object },
): StartRequest {
  const { namespace, payloads, port } = request
  const { workflow, version = '1', input, onConflict = 'use-existing', delayMs, timeoutMs, attributes } = body
  const mark = request.mark({ start: id ?? null, ...all })
  const workflowId = id ?? (mark === undefined ? port.newRequestId() : idOfMark(mark))
  return {
    key: { namespace, workflowId },
    workflow,
    version,
    input: payloads.taken(input, '/input'),
    onConflict,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(attributes === undefined ? {} : { attributes: checkedAttributes(attributes) }),
    ...(mark === undefined ? {} : { mark }),
    ...clientOf(request),
    ...traceOf(request),
  }
}

async function start(request: RouteRequest, asked: StartRequest): Promise<Answer> {
  const { namespace, workflowId: id } = asked.key
  const { runId, started: isNew } = await request.port.start(asked)
  return {
    status: isNew ? 201 : 200,
    headers: { location: `/v1/executions/${encodeURIComponent(id)}?runId=${runId}` },
    body: { namespace, id, runId, started: isNew },
  }
}

/** @returns undefined: none has come in this time, and more may come */
async function eventsOf(
  { port, signal }: RouteRequest,
  target: ExecutionTarget,
  { afterSeq, limit, waited }: { readonly afterSeq: number; readonly limit: number; readonly waited: number },
): Promise<readonly SequencedEvent[] | undefined> {
  if (waited === 0) return port.history(target, afterSeq, { limit, wait: false })
  return within(waited, signal, async (until) => {
    const events = await port.history(target, afterSeq, { limit, wait: true, signal: until })
    return events.length === 0 && until.aborted ? undefined : events
  })
}

const STARTED = {
  201: { description: 'A run was started, and is durable.', body: started },
  200: { description: 'An execution with this id existed.', body: started },
}
const START_ERRORS = [
  'WORKFLOW_UNKNOWN',
  'EXECUTION_EXISTS',
  'IDEMPOTENCY_CONFLICT',
  'PAYLOAD_TOO_LARGE',
  'OVERLOADED',
] as const

export const executionRoutes = [
  route({
    method: 'POST',
    path: '/executions',
    operationId: 'startExecution',
    tag: TAG,
    summary: 'Start an execution',
    headers: TRACE_HEADERS,
    body: asked({
      id: optional(name('Workflow id: unique in the namespace. Default: a new one.')),
      ...startFields,
    }),
    answers: STARTED,
    errors: START_ERRORS,
    needs: ['start'],
    repeats: START_REPEATS,
    run: async (request) => {
      const { id, ...rest } = request.body
      return start(request, startRequest(request, id, { body: rest, all: rest }))
    },
  }),
  route({
    method: 'POST',
    path: '/executions/{id}/signal-with-start',
    operationId: 'signalWithStart',
    tag: TAG,
    summary: 'Send a signal to an execution, and start it unless it is open',
    description: 'Both in one commit.',
    headers: TRACE_HEADERS,
    params: idParam,
    body: asked({ ...startFields, signal: asked({ name: name('Of the signal.'), ...signalFields }) }),
    answers: STARTED,
    errors: [...START_ERRORS, 'TOO_MANY_SIGNALS'],
    needs: ['start'],
    repeats:
      'The key, or `requestId`, is that of the signal: it is recorded once for the run. The start counts once as with `startExecution`.',
    run: async (request) => {
      const { signal, ...rest } = request.body
      const { idempotencyKey, payloads, port } = request
      const asked = startRequest(request, request.params.id, { body: rest, all: request.body })
      const requestId =
        requestIdOf(idempotencyKey, signal.requestId, 'signal/requestId') ?? port.newRequestId()
      const payload = payloads.taken(signal.payload, '/signal/payload')
      return start(request, { ...asked, signal: { name: signal.name, payload, requestId } })
    },
  }),
  route({
    method: 'GET',
    path: '/executions',
    operationId: 'listExecutions',
    tag: TAG,
    summary: 'List executions, the newest first',
    query: { ...filter.properties, status: optional(list(status, 'Default: all.', 20)), ...paging },
    answers: { 200: { description: 'A page.', body: page } },
    needs: ['list'],
    run: async ({ namespace, query, port }) => {
      const { cursor, limit = 100, ...rest } = query
      const cursors = new Cursors('executions', { namespace, ...rest })
      const found = await port.list({ namespace, ...rest, limit, ...cursors.taken(cursor) })
      return { body: { executions: found.executions.map(shownExecution), ...cursors.field(found.cursor) } }
    },
  }),
  route({
    method: 'GET',
    path: '/executions/{id}',
    operationId: 'getExecution',
    tag: TAG,
    summary: 'Describe an execution',
    params: idParam,
    query: runIdQuery,
    answers: { 200: { description: 'What it is, and what it waits for.', body: description } },
    errors: ['EXECUTION_NOT_FOUND'],
    needs: ['describe'],
    run: async (request) => {
      const { params, query, port } = request
      return { body: shownDescription(await port.describe(executionTarget(request, params.id, query.runId))) }
    },
  }),
  route({
    method: 'GET',
    path: '/executions/{id}/explain',
    operationId: 'explainExecution',
    tag: TAG,
    summary: 'Say why an execution waits',
    params: idParam,
    query: runIdQuery,
    answers: { 200: { description: 'In a sentence, and as data.', body: explanation } },
    errors: ['EXECUTION_NOT_FOUND'],
    needs: ['explain'],
    run: async (request) => {
      const { params, query, port } = request
      return { body: await port.explain(executionTarget(request, params.id, query.runId)) }
    },
  }),
  route({
    method: 'GET',
    path: '/executions/{id}/history',
    operationId: 'getHistory',
    tag: TAG,
    summary: 'Read the history of an execution',
    params: idParam,
    query: {
      ...runIdQuery,
      afterSeq: optional(count('Events after this one. Default 0: from the first.')),
      limit: optional(
        Type.Integer({
          minimum: 1,
          maximum: HISTORY_MOST,
          description: `Events of one page. Default ${HISTORY_DEFAULT}.`,
        }),
      ),
      waitMs: historyWaitMs,
    },
    answers: {
      200: {
        description: 'Events that are durable, in order. With `waitMs`, none: the run has ended.',
        body: history,
      },
      202: { description: 'Nothing has come in this time, and the run goes on.', body: history },
    },
    errors: ['EXECUTION_NOT_FOUND'],
    needs: ['history'],
    run: async (request) => {
      const { params, query, payloads } = request
      const { runId, afterSeq = 0, limit = HISTORY_DEFAULT, waitMs: waited = 0 } = query
      const events = await eventsOf(request, executionTarget(request, params.id, runId), {
        afterSeq,
        limit,
        waited,
      })
      if (events === undefined) return { status: 202, body: { events: [] } }
      const last = events.length === limit ? events.at(-1) : undefined
      return {
        body: {
          events: events.map((each) => payloads.event(each)),
          ...(last === undefined ? {} : { nextSeq: last.seq }),
        },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/executions/{id}/watch',
    operationId: 'watchExecution',
    tag: TAG,
    summary: 'Follow the history of a run as it grows',
    description:
      'Server-sent events: each is an event of the history, as JSON, with the id `RUN:SEQ`. After the last event of the run comes one named `end`, and the stream ends. Whoever comes again with `Last-Event-ID` goes on after that event, of the same run; if nothing can come any more, the answer is 204. Without news a comment comes every 15 seconds.',
    params: idParam,
    query: { ...runIdQuery, afterSeq: optional(count('Events after this one. Default 0: from the first.')) },
    headers: {
      'Last-Event-ID': 'The id of the last event that came. It goes before `runId` and `afterSeq`.',
    },
    answers: {
      200: { description: 'The stream.', body: event, mediaType: 'text/event-stream' },
      204: { description: 'The run has ended, and all of it was read.' },
    },
    errors: ['EXECUTION_NOT_FOUND', 'OVERLOADED'],
    needs: ['describe', 'history'],
    run: (request) => watchExecution(request, request.params.id, request.query),
  }),
  route({
    method: 'GET',
    path: '/executions/{id}/result',
    operationId: 'getResult',
    tag: TAG,
    summary: 'Get the result of an execution, or wait for it',
    description: 'Of a run that goes on in another one (continue-as-new), the end is that of the last.',
    params: idParam,
    query: { ...runIdQuery, waitMs },
    answers: {
      200: { description: 'It has ended.', body: outcome },
      202: { description: 'It has not ended in this time.', body: open },
    },
    errors: ['EXECUTION_NOT_FOUND'],
    needs: ['outcome', 'describe'],
    run: async (request) => {
      const { params, query, port, payloads, signal } = request
      const target = executionTarget(request, params.id, query.runId)
      const waited = query.waitMs ?? 0
      if (waited === 0) {
        const { status } = await port.describe(target)
        if (!isClosed(status) || status === 'continued') return { status: 202, body: { status } }
      }
      const ended = await within(waited === 0 ? 60_000 : waited, signal, (until) =>
        port.outcome(target, { signal: until }),
      )
      if (ended === undefined) return { status: 202, body: { status: (await port.describe(target)).status } }
      if (ended.status !== 'completed') return { body: ended }
      return { body: { status: ended.status, ...payloads.field('result', ended.result) } }
    },
  }),
]
