/** Queues: what is in them, and their settings. */

import { PerdureError } from '../../../protocol/errors.ts'
import { failureOf } from '../../../protocol/failure.ts'
import type { QueueChangeOptions, QueueChangeReply } from '../../../protocol/queue-port.ts'
import { RequestError } from '../problem.ts'
import { type Answer, type RouteRequest, route } from '../route.ts'
import { reason } from '../schemas/executions.ts'
import {
  queueChanged,
  queueChanges,
  queueDetails,
  queueExplanation,
  queueParam,
  queues,
  settingNames,
} from '../schemas/queues.ts'
import { asked } from '../schemas/values.ts'

const TAG = 'Queues'
const ETAG = { ETag: 'The revision of the settings, such as `"3"`.' }
const HEADERS = {
  'If-Match': 'Changes the settings only if their revision is this one, such as `"3"`; else 412.',
}
const CHANGED = { 200: { description: 'Durable, and in force.', body: queueChanged, headers: ETAG } }
const REPEATS =
  'Harmless: a change that changes nothing writes nothing. A key is not looked at; use `If-Match`.'

/** @throws RequestError `ARGUMENT_INVALID` */
function optionsOf({ headers }: RouteRequest): QueueChangeOptions {
  const given = headers['if-match']
  if (given === undefined || given === '*') return {}
  const [, revision] = (typeof given === 'string' ? /^"(\d{1,15})"$/.exec(given) : null) ?? []
  if (revision !== undefined) return { ifRevision: Number(revision) }
  const detail = 'must be a revision in quotes, such as "3", or *'
  throw new RequestError('ARGUMENT_INVALID', `the header If-Match ${detail}`, {
    faults: [{ in: 'header', pointer: '/If-Match', detail }],
  })
}

async function change(
  request: RouteRequest,
  call: (options: QueueChangeOptions) => Promise<QueueChangeReply>,
): Promise<Answer> {
  try {
    const reply = await call(optionsOf(request))
    return { headers: { etag: `"${reply.revision}"` }, body: reply }
  } catch (error) {
    if (!(error instanceof PerdureError && error.code === 'REVISION_CONFLICT')) throw error
    // What the caller has said of it is not so: RFC 9110, 13.1.1.
    throw new RequestError(error.code, failureOf(error).message, { status: 412 })
  }
}

export const queueRoutes = [
  route({
    method: 'GET',
    path: '/queues',
    operationId: 'listQueues',
    tag: TAG,
    summary: 'List queues',
    description: 'Those that code names, that were changed at run time, and that are in use.',
    answers: { 200: { description: 'All of them.', body: queues } },
    needs: ['queues.list'],
    run: async ({ namespace, port }) => ({ body: { queues: await port.queues.list(namespace) } }),
  }),
  route({
    method: 'GET',
    path: '/queues/{queue}',
    operationId: 'getQueue',
    tag: TAG,
    summary: 'Describe a queue and its settings',
    params: queueParam,
    answers: { 200: { description: 'What is in force, and why.', body: queueDetails, headers: ETAG } },
    needs: ['queues.get'],
    run: async ({ namespace, params, port }) => {
      const details = await port.queues.get({ namespace, ...params })
      return { headers: { etag: `"${details.revision}"` }, body: details }
    },
  }),
  route({
    method: 'GET',
    path: '/queues/{queue}/explain',
    operationId: 'explainQueue',
    tag: TAG,
    summary: 'Say why the tasks of a queue wait',
    params: queueParam,
    answers: { 200: { description: 'In a sentence, and as data.', body: queueExplanation } },
    needs: ['tasks.explainQueue'],
    run: async ({ namespace, params, port }) => ({
      body: await port.tasks.explainQueue({ namespace, ...params }),
    }),
  }),
  route({
    method: 'PATCH',
    path: '/queues/{queue}',
    operationId: 'setQueue',
    tag: TAG,
    summary: 'Change settings of a queue',
    params: queueParam,
    headers: HEADERS,
    body: queueChanges,
    answers: CHANGED,
    errors: ['REVISION_CONFLICT'],
    needs: ['queues.set'],
    repeats: REPEATS,
    run: (request) =>
      change(request, (options) =>
        request.port.queues.set({ namespace: request.namespace, ...request.params }, request.body, options),
      ),
  }),
  route({
    method: 'POST',
    path: '/queues/{queue}/pause',
    operationId: 'pauseQueue',
    tag: TAG,
    summary: 'Start no more tasks of a queue',
    description: 'Those that run go on.',
    params: queueParam,
    headers: HEADERS,
    body: asked(reason),
    answers: CHANGED,
    errors: ['REVISION_CONFLICT'],
    needs: ['queues.pause'],
    repeats: REPEATS,
    run: (request) =>
      change(request, (options) =>
        request.port.queues.pause(
          { namespace: request.namespace, ...request.params },
          request.body.reason ?? 'paused by a client',
          options,
        ),
      ),
  }),
  route({
    method: 'POST',
    path: '/queues/{queue}/resume',
    operationId: 'resumeQueue',
    tag: TAG,
    summary: 'Let a queue go on',
    params: queueParam,
    headers: HEADERS,
    answers: CHANGED,
    errors: ['REVISION_CONFLICT'],
    needs: ['queues.resume'],
    repeats: REPEATS,
    run: (request) =>
      change(request, (options) =>
        request.port.queues.resume({ namespace: request.namespace, ...request.params }, options),
      ),
  }),
  route({
    method: 'POST',
    path: '/queues/{queue}/reset',
    operationId: 'resetQueue',
    tag: TAG,
    summary: 'Let the settings count that code says',
    params: queueParam,
    headers: HEADERS,
    body: asked({ names: settingNames }),
    answers: CHANGED,
    errors: ['REVISION_CONFLICT'],
    needs: ['queues.reset'],
    repeats: REPEATS,
    run: (request) =>
      change(request, (options) =>
        request.port.queues.reset(
          { namespace: request.namespace, ...request.params },
          request.body.names,
          options,
        ),
      ),
  }),
]
