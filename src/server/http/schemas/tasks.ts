/** Shapes of what the API says of tasks, and takes. */
import Type from 'typebox'
import { TASK_PRIORITY } from '../../../protocol/task-port.ts'
import { TASK_STATUSES, type TaskStatus } from '../../../protocol/task-status.ts'
import {
  answered,
  asked,
  count,
  cursor,
  durationMs,
  failure,
  flag,
  list,
  name,
  optional,
  payload,
  text,
  timeMs,
  words,
} from './values.ts'

export const taskIdParam = { id: name('Of the task.') }
export const taskStatus = words(
  TASK_STATUSES as readonly TaskStatus[],
  '`failed` is the dead letter: it can be retried, as those that are `cancelled` and `expired`.',
)
export const priority = Type.Integer({
  minimum: TASK_PRIORITY.least,
  maximum: TASK_PRIORITY.most,
  description: `0 to 9, 9 is the most urgent. Default ${TASK_PRIORITY.default}.`,
})

const requires = asked(
  {
    cpu: optional(Type.Number({ minimum: 0, description: 'Cores.' })),
    memoryMb: optional(Type.Number({ minimum: 0, description: 'MiB.' })),
    labels: optional(
      Type.Record(Type.String(), Type.String({ format: 'name' }), {
        maxProperties: 100,
        description: 'That the worker has, with these values.',
      }),
    ),
  },
  'What a worker must have to run it.',
)
const retry = asked(
  {
    maxAttempts: optional(
      Type.Integer({ minimum: 1, description: 'In all, the first included. Default 5.' }),
    ),
    initialMs: optional(durationMs('Upper bound of the first delay. Default 200.')),
    maxMs: optional(durationMs('Upper bound of any delay. Default 30,000.')),
    backoff: optional(words(['full-jitter', 'decorrelated'], 'Default `full-jitter`.')),
    nonRetryable: optional(
      list(Type.String({ maxLength: 1024 }), 'Names of errors that are never retried.', 1000),
    ),
  },
  'How failed attempts are tried again.',
)
const timeouts = asked(
  {
    scheduleToStartMs: optional(
      durationMs('From when it begins to wait to its first start; then it is `expired`.'),
    ),
    startToCloseMs: optional(durationMs('Of one attempt, which then fails with `TASK_TIMEOUT`.')),
    scheduleToCloseMs: optional(
      durationMs('Of all attempts together, waiting included; then it is `expired`.'),
    ),
    heartbeatMs: optional(
      durationMs('Between two signs of life of an attempt, which then fails with `TASK_TIMEOUT`.'),
    ),
  },
  'Limits of time. Default: none.',
)

export const enqueueFields = {
  name: name('Of the task.'),
  queue: optional(name('Where it waits. Default `default`.')),
  input: optional(payload('Given to the task.')),
  id: optional(name('Unique in the namespace; a task that has it is the answer. Default: a new one.')),
  key: optional(name('Groups tasks for round robin and for limits per key, such as a tenant.')),
  priority: optional(priority),
  estimateMs: optional(
    Type.Number({
      minimum: 0,
      description: 'How long it is expected to run, milliseconds. Default: learned.',
    }),
  ),
  requires: optional(requires),
  affinity: optional(name('Tasks with the same affinity go to the same worker while it lives and has room.')),
  delayMs: optional(durationMs('It begins to wait after this time.')),
  retry: optional(retry),
  timeouts: optional(timeouts),
  dedupe: optional(
    asked(
      {
        key: name('While a task of this name with this key is open, that one is the answer.'),
        forMs: optional(durationMs('And for so long from its enqueueing on.')),
      },
      'Instead of an `id`.',
    ),
  ),
  debounce: optional(
    asked(
      {
        key: name('Of the task of this name that is still delayed: it gets this input, and is delayed anew.'),
        waitMs: durationMs('The delay.'),
        maxWaitMs: optional(durationMs('From the first one on, no longer than this.')),
      },
      'Instead of `delayMs`.',
    ),
  ),
}
export const enqueued = answered('Enqueued', {
  id: Type.String(),
  enqueued: flag('False: a task with this id, or one that holds this key, existed.'),
})

const owner = answered('TaskOwner', {
  workflowId: Type.String(),
  runId: Type.String(),
  op: count('Operation of the execution.'),
})
const progress = Type.Object({
  fraction: Type.Number({ minimum: 0, maximum: 1 }),
  note: optional(Type.String()),
})
export const task = answered('Task', {
  id: Type.String(),
  name: Type.String(),
  queue: Type.String(),
  key: Type.String({ description: 'Empty: it has none.' }),
  owner: optional(owner),
  priority,
  status: taskStatus,
  attempts: count('That ended or run.'),
  enqueuedAt: timeMs('When it was enqueued.'),
  startedAt: optional(timeMs('When its first attempt began.')),
  closedAt: optional(timeMs('When it ended.')),
  delayedUntil: optional(timeMs('When it begins to wait (again).')),
  worker: optional(
    Type.String({ description: 'That runs it, or ran it last. Absent: the engine’s process.' }),
  ),
  servedMs: Type.Number({ description: 'How long its attempts ran that have ended, milliseconds.' }),
  progress: optional(progress),
  failure: optional(failure),
})
export const taskPage = answered('TaskPage', { tasks: list(task, 'The newest first.'), cursor })
export const taskExplanation = answered('TaskExplanation', {
  reason: Type.String({ description: 'Such as `in-line`, `paused`, `no-code`, `queue-limit`.' }),
  sentence: Type.String({ description: 'For people.' }),
  limit: optional(Type.Number()),
  attempts: optional(count('So far.')),
  untilMs: optional(timeMs('When it goes on.')),
  others: optional(count('Other tasks that wait in its queue.')),
  ahead: optional(count('Those of them that start before it, as things are now.')),
})
export const taskOutcome = answered('TaskOutcome', {
  status: words(['completed', 'failed', 'cancelled', 'expired']),
  result: optional(payload('What the task returned.')),
  failure: optional(failure),
})
export const taskFilter = {
  queue: optional(name('Where it waits.')),
  name: optional(name('Of the task.')),
  status: optional(list(taskStatus, 'Default: all.', 20)),
  key: optional(name('That groups tasks.')),
  owner: optional(name('Workflow id of the execution that asked for it.')),
  errorCode: optional(text('Code of its last failure.')),
  enqueuedFrom: optional(timeMs('Enqueued then or later.')),
  enqueuedTo: optional(timeMs('Enqueued before then.')),
  idPrefix: optional(name('With which its id begins.')),
}
export const retried = answered('Retried', { retried: count('Tasks that begin anew.'), cursor })
