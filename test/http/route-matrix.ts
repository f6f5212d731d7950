/**
 * Who may ask what of which route, written by hand: what is expected of the API, not derived from its routes or its policies.
 *
 * Of each operation: whom it answers, how; and what everybody else is told. Roles are given in one namespace, those of what belongs
 * to no namespace everywhere.
 */
import type { ErrorCode } from '../../src/protocol/errors.ts'

/** Initials: admin, operator, developer, worker, participant, auditor (u), viewer; n has no role. */
export const MATRIX_ROLES = {
  a: 'admin',
  o: 'operator',
  d: 'developer',
  w: 'worker',
  p: 'participant',
  u: 'auditor',
  v: 'viewer',
  n: undefined,
} as const

/** What is made for a request, which names it. */
export type Thing =
  /** It creates, or lists. */
  | 'nothing'
  | 'open execution'
  | 'ended execution'
  | 'failed execution'
  | 'waiting task'
  | 'ended task'
  | 'failed task'
  | 'schedule'
  | 'event rule'
  | 'webhook'
  | 'human task'
  | 'queue'
  /** Of the caller, if it may claim; else of another one. */
  | 'claim'
  | 'node'
  /** Of the whole engine. */
  | 'API key'
  | 'revoked API key'
  | 'policy'
  | 'namespace'

export interface Line {
  readonly of: Thing
  /** Initials of those who may. */
  readonly may: string
  /** What those are answered. */
  readonly status: number
  /** What those are told who have a role here that may not. */
  readonly refused: ErrorCode
  /** What all are told of what is not there, or is in a namespace that they have nothing to do with. */
  readonly unseen: ErrorCode
  /** Initials of those who are told in their own namespace too that it is not there. */
  readonly blind?: string
  /** What those are told who may, in their own namespace, of what is not there. Default: `unseen`. `OK`: it can be asked for. */
  readonly missing?: ErrorCode | 'OK'
  /** The same of those who may not. Default: `refused`. */
  readonly refusedMissing?: ErrorCode
  /** What those are told whose role is in one namespace, of what is in none. Default: `refused`. `OK`: what there is for them. */
  readonly narrow?: ErrorCode | 'OK'
  readonly body?: object
  readonly query?: string
}

type More = Partial<Line>

const execution = (of: Thing, may: string, status: number, more: More = {}): Line => ({
  ...{ of, may, status, refused: 'FORBIDDEN', unseen: 'EXECUTION_NOT_FOUND' },
  ...more,
})
const task = (of: Thing, may: string, status: number, more: More = {}): Line => ({
  ...{ of, may, status, refused: 'FORBIDDEN', unseen: 'TASK_NOT_FOUND' },
  ...more,
})
const schedule = (may: string, status: number, more: More = {}): Line => ({
  ...{ of: 'schedule', may, status, refused: 'FORBIDDEN', unseen: 'SCHEDULE_NOT_FOUND' },
  ...more,
})
const human = (may: string, status: number, more: More = {}): Line => ({
  ...{ of: 'human task', may, status, refused: 'FORBIDDEN', unseen: 'HUMAN_TASK_NOT_FOUND', blind: 'w u' },
  // They may see which of them there are.
  refusedMissing: 'HUMAN_TASK_NOT_FOUND',
  ...more,
})
/** In a namespace, about nothing that has an id, or whose id may be any. */
const within = (may: string, status: number, more: More = {}): Line => ({
  ...{ of: 'nothing', may, status, refused: 'FORBIDDEN', unseen: 'NAMESPACE_NOT_FOUND' },
  ...more,
})
const queue = (may: string, status: number, more: More = {}): Line =>
  within(may, status, { of: 'queue', missing: 'OK', ...more })
/** A claim is the claimant's: the token opens it, and nobody else learns that it is there. */
const claim = (status: number, more: More = {}): Line => ({
  ...{ of: 'claim', may: 'a w', status, refused: 'CLAIM_LOST', unseen: 'CLAIM_LOST' },
  ...more,
})
/** What administrators keep in a namespace. */
const kept = (of: 'event rule' | 'webhook', may: string, status: number, more: More = {}): Line =>
  within(may, status, { of, missing: 'RECORD_NOT_FOUND', ...more })
/** Of no namespace. */
const engine = (may: string, status: number, more: More = {}): Line => ({
  ...{ of: 'node', may, status, refused: 'FORBIDDEN', unseen: 'FORBIDDEN' },
  ...more,
})

const key = (may: string, status: number, more: More = {}): Line =>
  engine(may, status, { of: 'API key', narrow: 'RECORD_NOT_FOUND', ...more })
/** Who may not read it does not learn that it is there. */
const keyChange = (status: number, more: More = {}): Line =>
  key('a', status, { unseen: 'RECORD_NOT_FOUND', blind: 'o d w p v', ...more })

/** Nobody is in that group. */
export const POLICY =
  'forbid (principal in Perdure::Group::"nobody", action == Perdure::Action::"StartExecution", resource);'
export const RULE = { match: { type: 'matrix' }, signal: { id: 'x', name: 'other' } }
export const HOOK = { url: 'https://example.com/hooks', events: ['execution.timed-out'] }

/** By operation; after a space: another request of it. */
export const ROUTE_MATRIX: Readonly<Record<string, Line>> = {
  startExecution: within('a o d', 201, { body: { workflow: 'quick' } }),
  signalWithStart: within('a o d', 200, {
    of: 'open execution',
    missing: 'OK',
    body: { workflow: 'waiting', signal: { name: 'other' } },
  }),
  listExecutions: within('a o d v', 200),
  getExecution: execution('open execution', 'a o d v', 200),
  explainExecution: execution('open execution', 'a o d v', 200),
  getHistory: execution('open execution', 'a o d v', 200),
  watchExecution: execution('ended execution', 'a o d v', 200),
  getResult: execution('ended execution', 'a o d v', 200),
  signalExecution: execution('open execution', 'a o d', 204, { body: {} }),
  queryExecution: execution('open execution', 'a o d v', 200, { body: {} }),
  updateExecution: execution('open execution', 'a o d', 200, { body: { payload: 1 } }),
  cancelExecution: execution('open execution', 'a o d', 204, { body: {} }),
  terminateExecution: execution('open execution', 'a o d', 204, { body: {} }),
  retryExecution: execution('failed execution', 'a o d', 204),
  deleteExecution: execution('ended execution', 'a o', 204),

  enqueueTask: within('a o d', 201, { body: { name: 'outside', queue: 'outside' } }),
  enqueueTasks: within('a o d', 200, { body: { tasks: [{ name: 'outside', queue: 'outside' }] } }),
  listTasks: within('a o d v', 200),
  getTask: task('waiting task', 'a o d v', 200),
  explainTask: task('waiting task', 'a o d v', 200),
  getTaskResult: task('ended task', 'a o d v', 200),
  cancelTask: task('waiting task', 'a o d', 204, { body: {} }),
  retryTask: task('failed task', 'a o d', 204),
  retryTasks: within('a o d', 200, { body: { filter: { queue: 'outside' } } }),
  reprioritiseTask: task('waiting task', 'a o d', 204, { body: { priority: 7 } }),
  deleteTask: task('ended task', 'a o', 204),

  listQueues: within('a o d v', 200),
  getQueue: queue('a o d v', 200),
  explainQueue: queue('a o d v', 200),
  setQueue: queue('a o', 200, { body: { concurrency: 5 } }),
  pauseQueue: queue('a o', 200, { body: {} }),
  resumeQueue: queue('a o', 200),
  resetQueue: queue('a o', 200, { body: { names: ['concurrency'] } }),

  claimTasks: queue('a w', 200, { body: { worker: 'matrix', tasks: ['outside'] } }),
  completeClaim: claim(204, { body: { result: 1 } }),
  failClaim: claim(204, { body: { message: 'no' } }),
  heartbeatClaim: claim(200, { body: {} }),
  returnClaim: claim(204),

  listHumanTasks: within('a o d v', 200),
  'listHumanTasks own': within('a o d p v', 200, { query: 'user=ann' }),
  'listHumanTasks of another person': within('a o d v', 200, { query: 'user=bob' }),
  getHumanTask: human('a o d p v', 200),
  getHumanTaskHistory: human('a o d p v', 200),
  actOnHumanTask: human('a o p', 204, { body: { actor: { user: 'ann' }, action: { kind: 'claim' } } }),
  'actOnHumanTask for another person': human('a o', 204, {
    body: { actor: { user: 'bob', isAdmin: true }, action: { kind: 'comment', text: 'hm' } },
  }),

  createSchedule: within('a o d', 201, {
    body: { id: 'MADE', times: { kind: 'interval', everyMs: 3_600_000 }, start: { workflow: 'quick' } },
  }),
  listSchedules: within('a o d v', 200),
  getSchedule: schedule('a o d v', 200),
  updateSchedule: schedule('a o d', 204, { body: { jitterMs: 5 } }),
  deleteSchedule: schedule('a o d', 204),
  pauseSchedule: schedule('a o d', 204, { body: {} }),
  resumeSchedule: schedule('a o d', 204),
  triggerSchedule: schedule('a o d', 200, { body: {} }),
  backfillSchedule: schedule('a o d', 204, { body: { fromMs: 1_700_000_000_000, toMs: 1_700_000_000_000 } }),

  // Each finds something to do.
  cancelExecutions: within('a o d', 200, { of: 'open execution', missing: 'OK', body: { filter: {} } }),
  terminateExecutions: within('a o d', 200, { of: 'open execution', missing: 'OK', body: { filter: {} } }),
  retryExecutions: within('a o d', 200, { of: 'failed execution', missing: 'OK', body: { filter: {} } }),
  deleteExecutions: within('a o', 200, { of: 'ended execution', missing: 'OK', body: { filter: {} } }),
  signalExecutions: within('a o d', 200, {
    of: 'open execution',
    missing: 'OK',
    body: { filter: {}, signal: { name: 'other' } },
  }),

  publishEvents: within('a o d', 202, {
    body: { specversion: '1.0', id: 'e', source: '/matrix', type: 'nothing' },
  }),
  listEventRules: within('a o d v', 200),
  createEventRule: within('a o', 201, { body: { id: 'MADE', ...RULE } }),
  getEventRule: kept('event rule', 'a o d v', 200),
  replaceEventRule: kept('event rule', 'a o', 200, { body: RULE }),
  deleteEventRule: kept('event rule', 'a o', 204),
  listWebhooks: within('a o d v', 200),
  createWebhook: within('a o', 201, { body: { id: 'MADE', ...HOOK } }),
  getWebhook: kept('webhook', 'a o d v', 200),
  replaceWebhook: kept('webhook', 'a o', 200, { body: HOOK }),
  rotateWebhookSecret: kept('webhook', 'a o', 200),
  testWebhook: kept('webhook', 'a o', 200),
  deleteWebhook: kept('webhook', 'a o', 204),

  listWorkers: within('a o d v', 200),
  listNodes: engine('a o d u v', 200),
  listShards: engine('a o d u v', 200),
  // An engine that is alone has no node by that name to give its work to.
  drainNode: engine('a o', 404),

  // Within one namespace: `audit.test.ts`.
  listAudit: engine('a u', 200, { of: 'nothing' }),
  listAuditHeads: engine('a u', 200, { of: 'nothing' }),
  exportAudit: engine('a u', 200, { of: 'nothing' }),
  eraseAudit: engine('a', 200, { of: 'nothing', body: { person: 'nobody' } }),

  createApiKey: engine('a', 201, { of: 'nothing', body: { name: 'matrix' } }),
  'createApiKey with a role': engine('a', 201, {
    of: 'nothing',
    body: { name: 'matrix', roles: ['viewer@*'] },
  }),
  'createApiKey of another namespace': engine('a', 201, {
    of: 'nothing',
    unseen: 'NAMESPACE_NOT_FOUND',
    narrow: 'NAMESPACE_NOT_FOUND',
    body: { name: 'matrix', namespace: 'shipping', roles: ['viewer'] },
  }),
  // Of which there are none for most of them.
  listApiKeys: engine('a o d w p u v n', 200, { of: 'nothing', narrow: 'OK' }),
  getApiKey: key('a u', 200, { unseen: 'RECORD_NOT_FOUND', blind: 'o d w p v' }),
  rotateApiKey: keyChange(200, { body: {} }),
  revokeApiKey: keyChange(204),
  deleteApiKey: keyChange(204, { of: 'revoked API key' }),

  bindRole: engine('a', 204, { of: 'nothing', body: { principal: 'group:matrix', role: 'viewer' } }),
  listRoleBindings: engine('a o d w p u v n', 200, { of: 'nothing', narrow: 'OK' }),
  unbindRole: engine('a', 204, { of: 'nothing', query: 'principal=group:nobody&role=viewer' }),
  listPolicies: engine('a u', 200, { of: 'nothing' }),
  getPolicy: engine('a u', 200, { of: 'policy' }),
  putPolicy: engine('a', 200, { of: 'policy', body: { text: POLICY } }),
  deletePolicy: engine('a', 204, { of: 'policy' }),
  // Of itself, everybody may ask.
  explainAccess: engine('a o d w p u v n', 200, {
    of: 'nothing',
    narrow: 'OK',
    body: { action: 'ReadPolicy' },
  }),
  'explainAccess of others': engine('a u', 200, {
    of: 'nothing',
    body: { action: 'ReadPolicy', principal: 'certificate:bob' },
  }),

  createNamespace: engine('a', 201, { of: 'nothing', body: { name: 'MADE' } }),
  listNamespaces: engine('a o d w p u v n', 200, { of: 'nothing', narrow: 'OK' }),
  getNamespace: engine('a o d w p u v', 200, {
    of: 'namespace',
    unseen: 'NAMESPACE_NOT_FOUND',
    narrow: 'NAMESPACE_NOT_FOUND',
  }),
  setQuotas: engine('a', 200, { of: 'namespace', body: { quotas: {} } }),
  deleteNamespace: engine('a', 204, { of: 'namespace' }),
}
