/** What callers do to executions, and ask of their code. */
import Type from 'typebox'
import { requestIdOf } from '../idempotency.ts'
import { route } from '../route.ts'
import { idParam, reason, runIdQuery, signalFields } from '../schemas/executions.ts'
import { answered, asked, name, nothing, optional, payload } from '../schemas/values.ts'
import { answeredWithin, executionTarget } from '../targets.ts'

const TAG = 'Executions'
const UPDATE_WAIT_MS = 60_000
const unanswered = answered('UnansweredUpdate', {
  status: Type.String({ description: '`open`.' }),
  updateId: Type.String({ description: 'To ask again with.' }),
})
const result = answered('Result', { result: optional(payload('What the handler returned.')) })

export const executionCallRoutes = [
  route({
    method: 'POST',
    path: '/executions/{id}/signals/{signal}',
    operationId: 'signalExecution',
    tag: TAG,
    summary: 'Send a signal to an execution',
    params: { ...idParam, signal: name('Of the signal.') },
    query: runIdQuery,
    body: asked(signalFields),
    answers: { 204: { description: 'Recorded, and durable.' } },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_CLOSED', 'TOO_MANY_SIGNALS', 'PAYLOAD_TOO_LARGE'],
    needs: ['signal'],
    repeats:
      'The key, or `requestId`, is that of the signal: of several with one id the first is recorded, once for the run. What a repeat carries is not compared.',
    run: async (request) => {
      const { params, query, body, payloads, port, idempotencyKey } = request
      const requestId = requestIdOf(idempotencyKey, body.requestId, 'requestId') ?? port.newRequestId()
      const target = executionTarget(request, params.id, query.runId)
      await port.signal(target, params.signal, payloads.taken(body.payload, '/payload'), requestId)
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/executions/{id}/queries/{query}',
    operationId: 'queryExecution',
    tag: TAG,
    summary: 'Ask the code of an execution something',
    description: 'It changes nothing.',
    params: { ...idParam, query: name('Of the query.') },
    query: runIdQuery,
    body: asked({ payload: optional(payload('Given to the handler.')) }),
    answers: { 200: { description: 'What it answers.', body: result } },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_CLOSED', 'EXECUTION_PARKED', 'QUERY_UNKNOWN', 'QUERY_FAILED'],
    needs: ['query'],
    run: async (request) => {
      const { params, query, body, payloads, port } = request
      const target = executionTarget(request, params.id, query.runId)
      const answer = await port.query(target, params.query, payloads.taken(body.payload, '/payload'))
      return { body: payloads.field('result', answer) }
    },
  }),
  route({
    method: 'POST',
    path: '/executions/{id}/updates/{update}',
    operationId: 'updateExecution',
    tag: TAG,
    summary: 'Have the code of an execution change something, and answer',
    description:
      'One whose handler the code has not registered yet waits for it. Whoever asks again with the same `updateId` waits for the same update.',
    params: { ...idParam, update: name('Of the update.') },
    query: {
      ...runIdQuery,
      waitMs: optional(
        Type.Integer({
          minimum: 0,
          maximum: UPDATE_WAIT_MS,
          description: 'How long to wait for the answer, milliseconds. Default 60,000.',
        }),
      ),
    },
    body: asked({
      payload: optional(payload('Given to the handler.')),
      updateId: optional(
        name('Updates with the same id run once per run. Default: the Idempotency-Key, else a new one.'),
      ),
    }),
    answers: {
      200: { description: 'What the handler returned, durable.', body: result },
      202: {
        description:
          'It was not answered in this time, and may still be: what no handler has taken after another minute is withdrawn.',
        body: unanswered,
      },
    },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_CLOSED', 'UPDATE_UNKNOWN', 'UPDATE_REJECTED', 'UPDATE_FAILED'],
    needs: ['update'],
    repeats:
      'The key, or `updateId`, is that of the update: it runs once for the run, and a repeat gets the same result. An update that was rejected is not recorded: a repeat is looked at anew.',
    run: async (request) => {
      const { params, query, body, payloads, port, idempotencyKey, signal } = request
      const updateId = requestIdOf(idempotencyKey, body.updateId, 'updateId') ?? port.newRequestId()
      const target = executionTarget(request, params.id, query.runId)
      const payload = payloads.taken(body.payload, '/payload')
      const found = await answeredWithin(query.waitMs ?? UPDATE_WAIT_MS, signal, (awaited) =>
        port.update(target, params.update, payload, updateId, { signal: awaited }),
      )
      if (found === undefined) return { status: 202, body: { status: 'open', updateId } }
      return { body: payloads.field('result', found.answer) }
    },
  }),
  route({
    method: 'POST',
    path: '/executions/{id}/cancel',
    operationId: 'cancelExecution',
    tag: TAG,
    summary: 'Ask an execution to stop',
    description: 'Its operations reject with `CANCELLED`, and it may clean up.',
    params: idParam,
    query: runIdQuery,
    body: asked(reason),
    answers: { 204: nothing },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_CLOSED'],
    needs: ['cancel'],
    repeats:
      'Harmless: it is asked once. When it has ended, a repeat gets `EXECUTION_CLOSED`. A key is not looked at.',
    run: async (request) => {
      const { params, query, body, port } = request
      await port.cancel(
        executionTarget(request, params.id, query.runId),
        body.reason ?? 'cancelled by a client',
      )
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/executions/{id}/terminate',
    operationId: 'terminateExecution',
    tag: TAG,
    summary: 'End an execution at once',
    description: 'Its code gets no say.',
    params: idParam,
    query: runIdQuery,
    body: asked(reason),
    answers: { 204: nothing },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_CLOSED'],
    needs: ['terminate'],
    repeats: 'Harmless: a repeat gets `EXECUTION_CLOSED`. A key is not looked at.',
    run: async (request) => {
      const { params, query, body, port } = request
      await port.terminate(
        executionTarget(request, params.id, query.runId),
        body.reason ?? 'terminated by a client',
      )
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/executions/{id}/retry',
    operationId: 'retryExecution',
    tag: TAG,
    summary: 'Continue a failed or parked execution from where it stopped',
    params: idParam,
    query: runIdQuery,
    answers: { 204: nothing },
    errors: ['EXECUTION_NOT_FOUND', 'RETRY_IMPOSSIBLE', 'EXECUTION_OPEN'],
    needs: ['retry'],
    repeats:
      'A repeat while it goes on gets an error, and changes nothing. One that comes after it has failed anew retries it again: a key is not remembered.',
    run: async (request) => {
      const { params, query, port } = request
      await port.retry(executionTarget(request, params.id, query.runId))
      return { status: 204 }
    },
  }),
  route({
    method: 'DELETE',
    path: '/executions/{id}',
    operationId: 'deleteExecution',
    tag: TAG,
    summary: 'Delete an execution that has ended, with its history',
    params: idParam,
    query: runIdQuery,
    answers: { 204: nothing },
    errors: ['EXECUTION_NOT_FOUND', 'EXECUTION_OPEN'],
    needs: ['delete'],
    repeats: 'Harmless: a repeat gets `EXECUTION_NOT_FOUND`.',
    run: async (request) => {
      const { params, query, port } = request
      await port.delete(executionTarget(request, params.id, query.runId))
      return { status: 204 }
    },
  }),
]
