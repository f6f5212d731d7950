/** Queues and their settings, over the REST API. */
import type {
  QueueChangeOptions,
  QueueChangeReply,
  QueueDescription,
  QueueDetails,
  QueuePort,
  QueueTarget,
} from '../../protocol/queue-port.ts'
import type { HttpCalls, HttpRequest } from './http-calls.ts'

type Change = Pick<HttpRequest, 'method' | 'body'> & { readonly path?: readonly string[] }

export function httpQueues(calls: HttpCalls): QueuePort {
  const change = async (
    { namespace, queue }: QueueTarget,
    { ifRevision }: QueueChangeOptions,
    { path = [], ...how }: Change,
  ): Promise<QueueChangeReply> => {
    const { body } = await calls.ask<QueueChangeReply>({
      ...how,
      path: ['queues', queue, ...path],
      query: { namespace },
      // With a revision a repeat would meet its own change.
      isRepeatable: ifRevision === undefined,
      ...(ifRevision === undefined ? {} : { headers: { 'if-match': `"${ifRevision}"` } }),
    })
    return body
  }
  const read = async <T>(namespace: string, path: readonly string[]): Promise<T> =>
    (await calls.ask<T>({ method: 'GET', path, query: { namespace }, isRepeatable: true })).body
  return {
    list: async (namespace) =>
      (await read<{ readonly queues: readonly QueueDescription[] }>(namespace, ['queues'])).queues,
    get: ({ namespace, queue }) => read<QueueDetails>(namespace, ['queues', queue]),
    set: (target, changes, options) => change(target, options, { method: 'PATCH', body: changes }),
    pause: (target, reason, options) =>
      change(target, options, { method: 'POST', path: ['pause'], body: { reason } }),
    resume: (target, options) => change(target, options, { method: 'POST', path: ['resume'] }),
    reset: (target, names, options) =>
      change(target, options, { method: 'POST', path: ['reset'], body: { names } }),
  }
}
