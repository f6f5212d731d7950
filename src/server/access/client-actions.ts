/**
 * What each call of a client asks for. A call that is not in this table does not compile.
 *
 * Whoever may not know of what a call is about is answered `missing`: the very words of the engine for what is not there.
 */
import type { ClientMethod } from '../../protocol/client-messages.ts'
import type { ClientPort, ExecutionTarget } from '../../protocol/client-port.ts'
import type { PerdureError } from '../../protocol/errors.ts'
import { noExecution, noHumanTask, noNamespace, noSchedule, noTask } from '../../protocol/missing.ts'
import type { ScheduledStart } from '../../protocol/schedule-port.ts'
import type { Action } from './actions.ts'
import type { ResourceFacts } from './resource.ts'
import * as resources from './resources.ts'

type Groups = 'tasks' | 'schedules' | 'queues' | 'people' | 'workers' | 'nodes'
type Method<F> = F extends (...args: infer A) => unknown ? A : never

/** Of a method of the port, by its name on the wire. */
export type ArgsOf<M extends ClientMethod> = M extends `${infer G extends Groups}.${infer N}`
  ? N extends keyof ClientPort[G]
    ? Method<ClientPort[G][N]>
    : never
  : M extends keyof ClientPort
    ? Method<ClientPort[M]>
    : never

/** One of these actions has to be permitted. */
export interface Check {
  readonly actions: readonly Action[]
  readonly resource: ResourceFacts
  /** How to read what the call does not say of it. Absent: it says all there is. */
  readonly target?: DetailTarget
  /** It need not be there: then it is decided by this, or not at all. */
  readonly orElse?: ResourceFacts | 'allowed'
}

export type DetailTarget =
  | { readonly kind: 'execution'; readonly target: ExecutionTarget }
  | { readonly kind: 'task' | 'schedule' | 'human-task'; readonly namespace: string; readonly id: string }
  /** What the schedule will start when it is so changed. */
  | { readonly kind: 'scheduled-start'; readonly schedule: Target; readonly changes: Partial<ScheduledStart> }

export interface ClientAction<M extends ClientMethod> {
  readonly checks: (args: ArgsOf<M>, self: Self) => readonly Check[]
  readonly missing: (args: ArgsOf<M>) => PerdureError | undefined
}

/** Who calls, as far as the checks of a call depend on it. */
export interface Self {
  readonly user?: string
  readonly groups: readonly string[]
}

type ExecutionArgs = readonly [target: ExecutionTarget, ...unknown[]]
interface Target {
  readonly namespace: string
  readonly id: string
}
type TargetArgs = readonly [target: Target, ...unknown[]]
interface Spaced {
  readonly namespace: string
}

const one = (action: Action, resource: ResourceFacts): readonly Check[] => [{ actions: [action], resource }]

const onExecution = (action: Action) => ({
  checks: ([target]: ExecutionArgs): readonly Check[] => [
    { actions: [action], resource: resources.execution(target.key), target: { kind: 'execution', target } },
  ],
  missing: ([{ key }]: ExecutionArgs) => noExecution(key),
})

const onTask = (action: Action) => ({
  checks: ([target]: TargetArgs): readonly Check[] => [
    { actions: [action], resource: resources.task(target), target: { kind: 'task', ...target } },
  ],
  missing: ([target]: TargetArgs) => noTask(target),
})

const onSchedule = (action: Action) => ({
  checks: ([target]: TargetArgs): readonly Check[] => [
    { actions: [action], resource: resources.schedule(target), target: { kind: 'schedule', ...target } },
  ],
  missing: ([target]: TargetArgs) => noSchedule(target),
})

/** What has it start something needs permission for that, too. */
const onScheduledStart = (action: Action) => ({
  checks: ([target]: TargetArgs): readonly Check[] => [
    { actions: [action], resource: resources.schedule(target), target: { kind: 'schedule', ...target } },
    scheduledStart(target, {}),
  ],
  missing: ([target]: TargetArgs) => noSchedule(target),
})

const onHumanTask = (action: Action) => ({
  checks: ([target]: TargetArgs): readonly Check[] => [
    { actions: [action], resource: resources.humanTask(target), target: { kind: 'human-task', ...target } },
  ],
  missing: ([target]: TargetArgs) => noHumanTask(target),
})

/** Queues are there when they are named: only their namespace may be missing. */
const onQueue = (action: Action) => ({
  checks: ([{ namespace, queue }]: readonly [
    target: Spaced & { readonly queue: string },
    ...unknown[],
  ]): readonly Check[] => one(action, resources.queue(namespace, queue)),
  missing: ([{ namespace }]: readonly [target: Spaced, ...unknown[]]) => noNamespace(namespace),
})

const onNamespaceOf = (action: Action) => ({
  checks: ([{ namespace }]: readonly [query: Spaced, ...unknown[]]): readonly Check[] =>
    one(action, resources.namespace(namespace)),
  missing: ([{ namespace }]: readonly [query: Spaced, ...unknown[]]) => noNamespace(namespace),
})

const onNamespace = (action: Action) => ({
  checks: ([namespace]: readonly [namespace: string]): readonly Check[] =>
    one(action, resources.namespace(namespace)),
  missing: ([namespace]: readonly [namespace: string]) => noNamespace(namespace),
})

const onNode = (action: Action) => ({
  checks: ([name]: readonly [name?: string]): readonly Check[] => one(action, resources.node(name)),
  missing: () => undefined,
})

export const CLIENT_ACTIONS: { readonly [M in ClientMethod]: ClientAction<M> } = {
  start: { checks: startChecks, missing: ([{ key }]) => noNamespace(key.namespace) },
  signal: onExecution('SignalExecution'),
  query: onExecution('QueryExecution'),
  update: onExecution('UpdateExecution'),
  outcome: onExecution('ReadExecution'),
  cancel: onExecution('CancelExecution'),
  terminate: onExecution('TerminateExecution'),
  retry: onExecution('RetryExecution'),
  describe: onExecution('ReadExecution'),
  explain: onExecution('ReadExecution'),
  history: onExecution('ReadExecution'),
  list: onNamespaceOf('ListExecutions'),
  delete: onExecution('DeleteExecution'),
  'tasks.enqueue': {
    checks: enqueueChecks,
    missing: ([requests]) => noNamespace(requests[0]?.namespace ?? ''),
  },
  'tasks.outcome': onTask('ReadTask'),
  'tasks.describe': onTask('ReadTask'),
  'tasks.explain': onTask('ReadTask'),
  'tasks.list': onNamespaceOf('ListTasks'),
  'tasks.cancel': onTask('CancelTask'),
  'tasks.retry': onTask('RetryTask'),
  'tasks.retryMany': onNamespaceOf('RetryTasks'),
  'tasks.reprioritise': onTask('ReprioritiseTask'),
  'tasks.delete': onTask('DeleteTask'),
  'tasks.explainQueue': onQueue('ReadQueue'),
  'schedules.create': {
    checks: createScheduleChecks,
    missing: ([{ namespace }]) => noNamespace(namespace),
  },
  'schedules.update': { ...onSchedule('ChangeSchedule'), checks: updateScheduleChecks },
  'schedules.pause': onSchedule('ChangeSchedule'),
  'schedules.resume': onScheduledStart('ChangeSchedule'),
  'schedules.trigger': onScheduledStart('TriggerSchedule'),
  'schedules.backfill': onScheduledStart('TriggerSchedule'),
  'schedules.describe': onSchedule('ReadSchedule'),
  'schedules.list': onNamespaceOf('ListSchedules'),
  'schedules.delete': onSchedule('DeleteSchedule'),
  'people.inbox': { ...onNamespaceOf('ListHumanTasks'), checks: inboxChecks },
  'people.describe': onHumanTask('ReadHumanTask'),
  'people.history': onHumanTask('ReadHumanTask'),
  'people.act': { ...onHumanTask('ActOnHumanTask'), checks: actChecks },
  'workers.list': onNamespace('ListWorkers'),
  'nodes.list': onNode('ListNodes'),
  'nodes.shards': onNode('ListNodes'),
  'nodes.drain': onNode('DrainNode'),
  'queues.list': onNamespace('ListQueues'),
  'queues.get': onQueue('ReadQueue'),
  'queues.set': onQueue('ChangeQueue'),
  'queues.pause': onQueue('PauseQueue'),
  'queues.resume': onQueue('PauseQueue'),
  'queues.reset': onQueue('ChangeQueue'),
}

/** A start may also end, or be told to, what has its id already. */
function startChecks([request]: ArgsOf<'start'>): readonly Check[] {
  const { key, workflow, attributes, onConflict, signal } = request
  const resource = resources.execution(key, { workflow, attributes })
  const target = { kind: 'execution', target: { key } } as const
  return [
    { actions: ['StartExecution'], resource },
    ...(onConflict !== 'terminate-existing'
      ? []
      : [
          {
            actions: ['TerminateExecution'],
            resource: resources.execution(key),
            target,
            orElse: 'allowed',
          } as const,
        ]),
    ...(signal === undefined
      ? []
      : [
          {
            actions: ['SignalExecution'],
            resource: resources.execution(key),
            target,
            orElse: resource,
          } as const,
        ]),
  ]
}

function enqueueChecks([requests]: ArgsOf<'tasks.enqueue'>): readonly Check[] {
  const checks = new Map<string, Check>()
  for (const { namespace, queue, name, id } of requests) {
    // All that policies can look at.
    const place = JSON.stringify([namespace, queue, name, id])
    if (checks.has(place)) continue
    const resource = resources.task({ namespace, id }, { queue, name })
    checks.set(place, { actions: ['EnqueueTask'], resource })
  }
  return [...checks.values()]
}

/** What it starts is started in the name of whoever made it. */
function createScheduleChecks([target, spec, { onConflict }]: ArgsOf<'schedules.create'>): readonly Check[] {
  const { workflow, attributes, idPrefix } = spec.start
  const { namespace } = target
  const resource = resources.schedule(target, { workflow })
  const detail = { kind: 'schedule', ...target } as const
  return [
    { actions: ['CreateSchedule'], resource },
    ...(onConflict !== 'update'
      ? []
      : [
          {
            actions: ['ChangeSchedule'],
            resource: resources.schedule(target),
            target: detail,
            orElse: resource,
          } as const,
        ]),
    {
      actions: ['StartExecution'],
      resource: resources.execution({ namespace, workflowId: idPrefix }, { workflow, attributes }),
    },
  ]
}

function updateScheduleChecks([target, changes]: ArgsOf<'schedules.update'>): readonly Check[] {
  const change: Check = {
    actions: ['ChangeSchedule'],
    resource: resources.schedule(target),
    target: { kind: 'schedule', ...target },
  }
  return [change, scheduledStart(target, changes.start ?? {})]
}

/** What the schedule will start when it is so changed. */
function scheduledStart(target: Target, changes: Partial<ScheduledStart>): Check {
  const { namespace, id } = target
  return {
    actions: ['StartExecution'],
    resource: resources.execution({ namespace, workflowId: changes.idPrefix ?? id }, changes),
    target: { kind: 'scheduled-start', schedule: target, changes },
  }
}

function inboxChecks([query]: ArgsOf<'people.inbox'>, self: Self): readonly Check[] {
  const { namespace, person, requester } = query
  const isOwn =
    person === undefined
      ? requester !== undefined && requester === self.user
      : isSelf({ ...person, requester }, self)
  const actions: readonly Action[] = isOwn ? ['ListOwnHumanTasks', 'ListHumanTasks'] : ['ListHumanTasks']
  return [{ actions, resource: resources.namespace(namespace) }]
}

function actChecks(args: ArgsOf<'people.act'>, self: Self): readonly Check[] {
  const [target, actor] = args
  const check = (action: Action): Check => ({
    actions: [action],
    resource: resources.humanTask(target),
    target: { kind: 'human-task', ...target },
  })
  const isOwn = isSelf(actor, self) && actor.isAdmin !== true
  return [check('ActOnHumanTask'), ...(isOwn ? [] : [check('ActForOthers')])]
}

function isSelf(
  person: {
    readonly user: string
    readonly groups: readonly string[]
    readonly requester?: string | undefined
  },
  { user, groups }: Self,
): boolean {
  if (user === undefined || person.user !== user) return false
  if (person.requester !== undefined && person.requester !== user) return false
  return person.groups.every((group) => groups.includes(group))
}
