/** The calls of the client's port that change something: what they are called in the trail, and what they are about. */
import type { CallContext } from '../../protocol/call-context.ts'
import type { ClientMethod } from '../../protocol/client-messages.ts'
import type { ExecutionTarget, StartRequest } from '../../protocol/client-port.ts'
import type { Actor } from '../../protocol/human-task.ts'
import type { NodeMethod } from '../../protocol/node-messages.ts'
import type { QueueTarget } from '../../protocol/queue-port.ts'
import type { TaskQuery, TaskRequest, TaskTarget } from '../../protocol/task-port.ts'

export interface AuditedMethod {
  readonly action: string
  readonly about: (args: readonly unknown[]) => Pick<CallContext, 'namespace' | 'resource' | 'actor'>
  /** What it does is in no batch: its row comes after it. */
  readonly isOutside?: true
}

/** Ids that a row names, of calls about several things. */
const NAMED_MOST = 5

const onExecution = (action: string): AuditedMethod => ({
  action,
  about: ([target]) => {
    const { key } = target as ExecutionTarget
    return { namespace: key.namespace, resource: { type: 'Execution', id: key.workflowId } }
  },
})

const onTarget = (action: string, type: 'Task' | 'Schedule'): AuditedMethod => ({
  action,
  about: ([target]) => {
    const { namespace, id } = target as TaskTarget
    return { namespace, resource: { type, id } }
  },
})

const onQueue = (action: string): AuditedMethod => ({
  action,
  about: ([target]) => {
    const { namespace, queue } = target as QueueTarget
    return { namespace, resource: { type: 'Queue', id: queue } }
  },
})

/** All others change nothing. */
export const AUDITED_METHODS = {
  start: {
    action: 'StartExecution',
    about: ([request]) => {
      const { key } = request as StartRequest
      return { namespace: key.namespace, resource: { type: 'Execution', id: key.workflowId } }
    },
  },
  signal: onExecution('SignalExecution'),
  update: onExecution('UpdateExecution'),
  cancel: onExecution('CancelExecution'),
  terminate: onExecution('TerminateExecution'),
  retry: onExecution('RetryExecution'),
  delete: onExecution('DeleteExecution'),
  'tasks.enqueue': {
    action: 'EnqueueTask',
    about: ([requests]) => {
      const all = requests as readonly TaskRequest[]
      const queues = [...new Set(all.map(({ queue }) => queue))]
      const id = queues.slice(0, NAMED_MOST).join(', ') + (queues.length > NAMED_MOST ? ', …' : '')
      return { namespace: all[0]?.namespace ?? '', resource: { type: 'Queue', id } }
    },
  },
  'tasks.cancel': onTarget('CancelTask', 'Task'),
  'tasks.retry': onTarget('RetryTask', 'Task'),
  'tasks.retryMany': {
    action: 'RetryTasks',
    about: ([query]) => {
      const { namespace, queue } = query as TaskQuery
      const resource =
        queue === undefined ? { type: 'Namespace', id: namespace } : { type: 'Queue', id: queue }
      return { namespace, resource }
    },
  },
  'tasks.reprioritise': onTarget('ReprioritiseTask', 'Task'),
  'tasks.delete': onTarget('DeleteTask', 'Task'),
  'schedules.create': onTarget('CreateSchedule', 'Schedule'),
  'schedules.update': onTarget('ChangeSchedule', 'Schedule'),
  'schedules.pause': onTarget('ChangeSchedule', 'Schedule'),
  'schedules.resume': onTarget('ChangeSchedule', 'Schedule'),
  'schedules.trigger': onTarget('TriggerSchedule', 'Schedule'),
  'schedules.backfill': onTarget('TriggerSchedule', 'Schedule'),
  'schedules.delete': onTarget('DeleteSchedule', 'Schedule'),
  'queues.set': onQueue('ChangeQueue'),
  'queues.pause': onQueue('PauseQueue'),
  'queues.resume': onQueue('PauseQueue'),
  'queues.reset': onQueue('ChangeQueue'),
  'people.act': {
    action: 'ActOnHumanTask',
    about: ([target, actor]) => {
      const { namespace, id } = target as TaskTarget
      return { namespace, resource: { type: 'HumanTask', id }, actor: (actor as Actor).user }
    },
  },
  'nodes.drain': {
    action: 'DrainNode',
    about: ([name]) => ({ namespace: '', resource: { type: 'Node', id: String(name) } }),
    isOutside: true,
  },
} as const satisfies Partial<Readonly<Record<ClientMethod, AuditedMethod>>>

/** What a call between nodes is recorded as, if whoever handed it on has said whose it is. */
export function auditedNodeMethod(method: NodeMethod): Pick<AuditedMethod, 'isOutside'> | undefined {
  // Whoever changes the registry says what that is.
  if (method === 'registry.put') return {}
  // Whoever tells the end of a task says which it is.
  if (method === 'claims.tell') return {}
  return method === 'claims.take' ? undefined : auditedMethod(method)
}

export function auditedMethod(method: ClientMethod): AuditedMethod | undefined {
  const methods: Partial<Readonly<Record<ClientMethod, AuditedMethod>>> = AUDITED_METHODS
  return methods[method]
}
