/**
 * Which role may do what, written by hand: what is expected of the policies, not derived from them.
 *
 * A role that is given in one namespace counts there alone. Of what belongs to no namespace (nodes, policies, keys of the whole
 * engine) the roles that are given everywhere count.
 */
import type { Action } from '../../src/server/access/actions.ts'

/** Initials: admin, operator, developer, worker, participant, auditor (u), viewer. */
const NAMES = {
  a: 'admin',
  o: 'operator',
  d: 'developer',
  w: 'worker',
  p: 'participant',
  u: 'auditor',
  v: 'viewer',
} as const

export type MatrixRole = (typeof NAMES)[keyof typeof NAMES]

const of = (initials: string): readonly MatrixRole[] =>
  [...initials].filter((each) => each !== ' ').map((each) => NAMES[each as keyof typeof NAMES])

/** `p` for human tasks: the participant may take a seat of the task. */
export const ACTION_MATRIX: Readonly<Record<Action, readonly MatrixRole[]>> = {
  StartExecution: of('a o d'),
  ReadExecution: of('a o d v'),
  ListExecutions: of('a o d v'),
  QueryExecution: of('a o d v'),
  SignalExecution: of('a o d'),
  UpdateExecution: of('a o d'),
  CancelExecution: of('a o d'),
  TerminateExecution: of('a o d'),
  RetryExecution: of('a o d'),
  DeleteExecution: of('a o'),
  EnqueueTask: of('a o d'),
  ReadTask: of('a o d v'),
  ListTasks: of('a o d v'),
  CancelTask: of('a o d'),
  RetryTask: of('a o d'),
  RetryTasks: of('a o d'),
  ReprioritiseTask: of('a o d'),
  CompleteTask: of('a o d'),
  DeleteTask: of('a o'),
  ReadQueue: of('a o d v'),
  ListQueues: of('a o d v'),
  PauseQueue: of('a o'),
  ChangeQueue: of('a o'),
  CreateSchedule: of('a o d'),
  ReadSchedule: of('a o d v'),
  ListSchedules: of('a o d v'),
  ChangeSchedule: of('a o d'),
  TriggerSchedule: of('a o d'),
  DeleteSchedule: of('a o d'),
  ListOwnHumanTasks: of('a o d p v'),
  ListHumanTasks: of('a o d v'),
  ReadHumanTask: of('a o d p v'),
  ActOnHumanTask: of('a o p'),
  ActForOthers: of('a o'),
  ServeNamespace: of('a w'),
  ServeQueue: of('a w'),
  RunTask: of('a w'),
  RunWorkflow: of('a w'),
  ListWorkers: of('a o d v'),
  ListNodes: of('a o d u v'),
  DrainNode: of('a o'),
  ReadMetrics: of('a o u v'),
  ReadNamespace: of('a o d w p u v'),
  CreateNamespace: of('a'),
  ChangeNamespace: of('a'),
  DeleteNamespace: of('a'),
  CreateApiKey: of('a'),
  ReadApiKey: of('a u'),
  RotateApiKey: of('a'),
  RevokeApiKey: of('a'),
  ReadRoleBinding: of('a u'),
  ChangeRoleBinding: of('a'),
  ReadPolicy: of('a u'),
  ChangePolicy: of('a'),
  ExplainAccess: of('a u'),
  ReadAudit: of('a u'),
  ExportAudit: of('a u'),
  EraseAuditPerson: of('a'),
  PublishEvent: of('a o d'),
  ReadEventRule: of('a o d v'),
  ChangeEventRule: of('a o'),
  ReadWebhook: of('a o d v'),
  ChangeWebhook: of('a o'),
}

/** What is said of a call about something in a namespace that the caller has nothing to do with. */
export type Unseen =
  | 'EXECUTION_NOT_FOUND'
  | 'TASK_NOT_FOUND'
  | 'SCHEDULE_NOT_FOUND'
  | 'HUMAN_TASK_NOT_FOUND'
  | 'NAMESPACE_NOT_FOUND'
  /** It is in no namespace. */
  | 'FORBIDDEN'

interface Row {
  readonly roles: readonly MatrixRole[]
  readonly unseen: Unseen
  /** For whom it is not there either in their own namespace: they might be told apart which of them exist. */
  readonly blind?: readonly MatrixRole[]
}

const execution = (initials: string): Row => ({ roles: of(initials), unseen: 'EXECUTION_NOT_FOUND' })
const task = (initials: string): Row => ({ roles: of(initials), unseen: 'TASK_NOT_FOUND' })
const schedule = (initials: string): Row => ({ roles: of(initials), unseen: 'SCHEDULE_NOT_FOUND' })
const human = (initials: string): Row => ({
  roles: of(initials),
  unseen: 'HUMAN_TASK_NOT_FOUND',
  blind: of('w u'),
})
const space = (initials: string): Row => ({ roles: of(initials), unseen: 'NAMESPACE_NOT_FOUND' })
const nowhere = (initials: string): Row => ({ roles: of(initials), unseen: 'FORBIDDEN' })

/** Every call of a client. */
export const CALL_MATRIX: Readonly<Record<string, Row>> = {
  start: space('a o d'),
  signal: execution('a o d'),
  query: execution('a o d v'),
  update: execution('a o d'),
  outcome: execution('a o d v'),
  cancel: execution('a o d'),
  terminate: execution('a o d'),
  retry: execution('a o d'),
  describe: execution('a o d v'),
  explain: execution('a o d v'),
  history: execution('a o d v'),
  list: space('a o d v'),
  delete: execution('a o'),
  'tasks.enqueue': space('a o d'),
  'tasks.outcome': task('a o d v'),
  'tasks.describe': task('a o d v'),
  'tasks.explain': task('a o d v'),
  'tasks.list': space('a o d v'),
  'tasks.cancel': task('a o d'),
  'tasks.retry': task('a o d'),
  'tasks.retryMany': space('a o d'),
  'tasks.reprioritise': task('a o d'),
  'tasks.delete': task('a o'),
  'tasks.explainQueue': space('a o d v'),
  'schedules.create': space('a o d'),
  'schedules.update': schedule('a o d'),
  'schedules.pause': schedule('a o d'),
  'schedules.resume': schedule('a o d'),
  'schedules.trigger': schedule('a o d'),
  'schedules.backfill': schedule('a o d'),
  'schedules.describe': schedule('a o d v'),
  'schedules.list': space('a o d v'),
  'schedules.delete': schedule('a o d'),
  // Here: all open ones. One's own are tested apart.
  'people.inbox': space('a o d v'),
  'people.describe': human('a o d p v'),
  'people.history': human('a o d p v'),
  // Here: as oneself.
  'people.act': human('a o p'),
  'workers.list': space('a o d v'),
  'nodes.list': nowhere('a o d u v'),
  'nodes.shards': nowhere('a o d u v'),
  'nodes.drain': nowhere('a o'),
  'queues.list': space('a o d v'),
  'queues.get': space('a o d v'),
  'queues.set': space('a o'),
  'queues.pause': space('a o'),
  'queues.resume': space('a o'),
  'queues.reset': space('a o'),
}

export const MATRIX_ROLES: readonly MatrixRole[] = Object.values(NAMES)
