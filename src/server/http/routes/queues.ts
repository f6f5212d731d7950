/** Queues: what is in them, and their settings. */

import type { QueueChangeOptions, QueueChangeReply } from '../../../protocol/queue-port.ts'
import { ETAG, etagOf, IF_MATCH, ifMatch } from '../if-match.ts'
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
const CHANGED = { 200: { description: 'Durable, and in force.', body: queueChanged, headers: ETAG } }
const REPEATS =
  'Harmless: a change that changes nothing writes nothing. A key is not looked at; use `If-Match`.'

function change(
  request: RouteRequest,
  call: (options: QueueChangeOptions) => Promise<QueueChangeReply>,
): Promise<Answer> {
  return ifMatch(request, async (options) => {
    const reply = await call(options)
    return { headers: etagOf(reply), body: reply }
  })
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
      return { headers: etagOf(details), body: details }
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
    headers: IF_MATCH,
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
    headers: IF_MATCH,
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
    headers: IF_MATCH,
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
    headers: IF_MATCH,
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
