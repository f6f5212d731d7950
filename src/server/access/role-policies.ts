/** What the built-in roles may do, as Cedar policies. A policy of one's own can forbid any of it, and permit more. */
import type { Role } from './roles.ts'

const actions = (...names: readonly string[]): string =>
  `[${names.map((name) => `Perdure::Action::"${name}"`).join(', ')}]`

const RUN = [
  ...['StartExecution', 'SignalExecution', 'UpdateExecution', 'CancelExecution', 'TerminateExecution'],
  ...['RetryExecution', 'EnqueueTask', 'CancelTask', 'RetryTask', 'RetryTasks', 'ReprioritiseTask'],
  ...[
    'CompleteTask',
    'CreateSchedule',
    'ChangeSchedule',
    'TriggerSchedule',
    'DeleteSchedule',
    'PublishEvent',
  ],
]
const READ = [
  ...['ReadNamespace', 'ReadExecution', 'ListExecutions', 'QueryExecution', 'ReadTask', 'ListTasks'],
  ...['ReadQueue', 'ListQueues', 'ReadSchedule', 'ListSchedules', 'ListOwnHumanTasks', 'ListHumanTasks'],
  ...['ReadHumanTask', 'ListWorkers', 'ListNodes', 'ReadEventRule', 'ReadWebhook'],
]
const OPERATE = [
  ...['DeleteExecution', 'DeleteTask', 'PauseQueue', 'ChangeQueue', 'ActOnHumanTask', 'ActForOthers'],
  ...['DrainNode', 'ChangeEventRule', 'ChangeWebhook'],
]

const permits = (role: Role, ...names: readonly string[]): string =>
  `permit (principal in Perdure::Role::"${role}", action in ${actions(...names)}, resource);`

export const ROLE_POLICIES: Readonly<Record<string, string>> = {
  'role:admin': 'permit (principal in Perdure::Role::"admin", action, resource);',
  'role:operator': permits('operator', ...READ, ...RUN, ...OPERATE, 'ReadMetrics'),
  'role:developer': permits('developer', ...READ, ...RUN),
  'role:viewer': permits('viewer', ...READ, 'ReadMetrics'),
  'role:worker': permits('worker', 'ReadNamespace', 'ServeNamespace', 'ServeQueue', 'RunTask', 'RunWorkflow'),
  'role:participant': permits('participant', 'ReadNamespace', 'ListOwnHumanTasks'),
  'role:participant:own': `permit (principal in Perdure::Role::"participant", action in ${actions('ReadHumanTask', 'ActOnHumanTask')}, resource is Perdure::HumanTask)
when {
  principal has user &&
  (resource.users.contains(principal.user) || resource.groups.containsAny(principal.groups) ||
    (resource has requester && resource.requester == principal.user))
};`,
  'role:auditor': permits(
    'auditor',
    ...['ReadNamespace', 'ReadAudit', 'ExportAudit', 'ReadApiKey', 'ReadRoleBinding', 'ReadPolicy'],
    ...['ExplainAccess', 'ListNodes', 'ReadMetrics'],
  ),
}
