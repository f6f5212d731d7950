/**
 * All that can be permitted: each action with the type of what it is done to.
 *
 * The schema that policies are checked against is made of this table; the calls that each action covers are in
 * `client-actions.ts` and `worker-actions.ts`, those of administration ask for it by name.
 */

export const RESOURCE_TYPES = [
  'Namespace',
  'Workflow',
  'Execution',
  'Queue',
  'Task',
  'Schedule',
  'HumanTask',
  'Worker',
  'Node',
  'ApiKey',
  'RoleBinding',
  'Policy',
  'Audit',
  'Webhook',
  'EventRule',
] as const

export type ResourceType = (typeof RESOURCE_TYPES)[number]

interface ActionEntry {
  readonly resource: ResourceType
  /** It changes nothing. */
  readonly reads?: true
  /** Roles in the namespace itself do not count: what it is about binds those who have them. */
  readonly everywhere?: true
}

export const ACTIONS = {
  // Executions.
  StartExecution: { resource: 'Execution' },
  ReadExecution: { resource: 'Execution', reads: true },
  ListExecutions: { resource: 'Namespace', reads: true },
  QueryExecution: { resource: 'Execution', reads: true },
  SignalExecution: { resource: 'Execution' },
  UpdateExecution: { resource: 'Execution' },
  CancelExecution: { resource: 'Execution' },
  TerminateExecution: { resource: 'Execution' },
  RetryExecution: { resource: 'Execution' },
  DeleteExecution: { resource: 'Execution' },
  // Tasks.
  EnqueueTask: { resource: 'Task' },
  ReadTask: { resource: 'Task', reads: true },
  ListTasks: { resource: 'Namespace', reads: true },
  CancelTask: { resource: 'Task' },
  RetryTask: { resource: 'Task' },
  RetryTasks: { resource: 'Namespace' },
  ReprioritiseTask: { resource: 'Task' },
  CompleteTask: { resource: 'Task' },
  DeleteTask: { resource: 'Task' },
  // Queues.
  ReadQueue: { resource: 'Queue', reads: true },
  ListQueues: { resource: 'Namespace', reads: true },
  PauseQueue: { resource: 'Queue' },
  ChangeQueue: { resource: 'Queue' },
  // Schedules.
  CreateSchedule: { resource: 'Schedule' },
  ReadSchedule: { resource: 'Schedule', reads: true },
  ListSchedules: { resource: 'Namespace', reads: true },
  ChangeSchedule: { resource: 'Schedule' },
  TriggerSchedule: { resource: 'Schedule' },
  DeleteSchedule: { resource: 'Schedule' },
  // Human tasks. Own: of the caller itself, as its credential says.
  ListOwnHumanTasks: { resource: 'Namespace', reads: true },
  ListHumanTasks: { resource: 'Namespace', reads: true },
  ReadHumanTask: { resource: 'HumanTask', reads: true },
  ActOnHumanTask: { resource: 'HumanTask' },
  ActForOthers: { resource: 'HumanTask' },
  // Workers: what one may serve when it connects.
  ServeNamespace: { resource: 'Namespace' },
  ServeQueue: { resource: 'Queue' },
  RunTask: { resource: 'Task' },
  RunWorkflow: { resource: 'Workflow' },
  ListWorkers: { resource: 'Namespace', reads: true },
  // Nodes.
  ListNodes: { resource: 'Node', reads: true },
  DrainNode: { resource: 'Node' },
  // Numbers of all namespaces.
  ReadMetrics: { resource: 'Node', reads: true },
  // Namespaces.
  ReadNamespace: { resource: 'Namespace', reads: true },
  CreateNamespace: { resource: 'Namespace', everywhere: true },
  ChangeNamespace: { resource: 'Namespace', everywhere: true },
  DeleteNamespace: { resource: 'Namespace', everywhere: true },
  // Who may do what.
  CreateApiKey: { resource: 'ApiKey' },
  ReadApiKey: { resource: 'ApiKey', reads: true },
  RotateApiKey: { resource: 'ApiKey' },
  RevokeApiKey: { resource: 'ApiKey' },
  ReadRoleBinding: { resource: 'RoleBinding', reads: true },
  ChangeRoleBinding: { resource: 'RoleBinding' },
  ReadPolicy: { resource: 'Policy', reads: true },
  ChangePolicy: { resource: 'Policy' },
  ExplainAccess: { resource: 'Policy', reads: true },
  // Audit, and what comes in and goes out.
  ReadAudit: { resource: 'Audit', reads: true },
  ExportAudit: { resource: 'Audit', reads: true },
  EraseAuditPerson: { resource: 'Audit' },
  PublishEvent: { resource: 'Namespace' },
  ReadEventRule: { resource: 'EventRule', reads: true },
  ChangeEventRule: { resource: 'EventRule' },
  ReadWebhook: { resource: 'Webhook', reads: true },
  ChangeWebhook: { resource: 'Webhook' },
} as const satisfies Readonly<Record<string, ActionEntry>>

export type Action = keyof typeof ACTIONS

export function isAction(name: string): name is Action {
  return Object.hasOwn(ACTIONS, name)
}

export function resourceTypeOf(action: Action): ResourceType {
  return ACTIONS[action].resource
}

/** All that change nothing: policies name them as one, `Perdure::Action::"Read"`. */
export function isReading(action: Action): boolean {
  const entry: ActionEntry = ACTIONS[action]
  return entry.reads === true
}

/** Whether only roles that are given everywhere count. */
export function isOfEngine(action: Action): boolean {
  const entry: ActionEntry = ACTIONS[action]
  return entry.everywhere === true
}
