/**
 * What a worker asks for when it connects. Its later messages are about what it was given, by tokens and runs that only its own
 * connection has: they need no further permission.
 */
import type { WorkerHello, WorkerMessage } from '../../protocol/worker-messages.ts'
import type { Action } from './actions.ts'
import type { Check } from './client-actions.ts'
import * as resources from './resources.ts'

/** All messages: the actions that it takes, or `held`: it is about what the connection holds. */
export const WORKER_ACTIONS: { readonly [T in WorkerMessage['type']]: readonly Action[] | 'held' } = {
  hello: ['ServeNamespace', 'ServeQueue', 'RunTask', 'RunWorkflow'],
  load: 'held',
  credits: 'held',
  leave: 'held',
  completed: 'held',
  failed: 'held',
  yielded: 'held',
  returned: 'held',
  heartbeat: 'held',
  progress: 'held',
  released: 'held',
  turn: 'held',
  'step-completed': 'held',
  'step-failed': 'held',
  answer: 'held',
  verdict: 'held',
  waiting: 'held',
}

export function workerChecks({ namespace, queues, tasks, workflows = [] }: WorkerHello): readonly Check[] {
  const one = (action: Action, resource: Check['resource']): Check => ({ actions: [action], resource })
  return [
    // Without queues it serves all of them, also those that come.
    ...(queues === undefined
      ? [one('ServeNamespace', resources.namespace(namespace))]
      : queues.map((queue) => one('ServeQueue', resources.queue(namespace, queue)))),
    ...tasks.map((name) => one('RunTask', resources.task({ namespace }, { name }))),
    ...[...new Set(workflows.map(({ name }) => name))].map((name) =>
      one('RunWorkflow', resources.workflow(namespace, name)),
    ),
  ]
}
