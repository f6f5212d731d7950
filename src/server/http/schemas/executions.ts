/** Shapes of what the API says of executions, and takes. */
import Type from 'typebox'
import { EXECUTION_STATUSES } from '../../../protocol/execution-status.ts'
import {
  answered,
  asked,
  attributes,
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

export const idParam = { id: name('Workflow id of the execution.') }
export const runIdQuery = {
  runId: optional(Type.String({ maxLength: 26, description: 'Of one run. Default: the newest.' })),
}
export const status = words(EXECUTION_STATUSES, '`parked` waits for the right code; all after it are closed.')
export const conflict = words(
  ['use-existing', 'fail', 'terminate-existing'],
  'If an execution has this id. `use-existing` (default): it is the answer, open or closed. `fail`: `EXECUTION_EXISTS`. `terminate-existing`: it is terminated if it is open, and a new run starts.',
)

export const startFields = {
  workflow: name('Its name.'),
  version: optional(name('Of the workflow. Default `1`, as in `workflow()`.')),
  input: optional(payload('Given to the workflow.')),
  onConflict: optional(conflict),
  delayMs: optional(durationMs('Workflow code runs after this time.')),
  timeoutMs: optional(durationMs('The execution ends as `timed-out` after this time. Default: none.')),
  attributes: optional(attributes),
}
export const started = answered('Start', {
  namespace: Type.String(),
  id: Type.String(),
  runId: Type.String({ description: 'ULID of the run.' }),
  started: flag('False: an execution with this id existed.'),
})

export const signalFields = {
  payload: optional(payload('Given to the workflow.')),
  requestId: optional(
    name('Signals with the same id are recorded once per run. Default: the Idempotency-Key, else a new one.'),
  ),
}
export const reason = { reason: optional(text('Why; for people, in the history.')) }

const summaryFields = {
  namespace: Type.String(),
  id: Type.String({ description: 'Workflow id.' }),
  runId: Type.String(),
  workflow: Type.String(),
  version: Type.String(),
  status,
  startedAt: timeMs('When it started.'),
  closedAt: optional(timeMs('When it ended.')),
  attributes,
}
export const summary = answered('Execution', summaryFields)

const pending = answered('PendingOperation', {
  op: count('Its number in the execution.'),
  kind: words(['step', 'sleep', 'wait', 'child', 'task', 'human']),
  name: Type.String(),
  taskId: optional(Type.String()),
  humanTaskId: optional(Type.String()),
  attempt: optional(count('The one that runs, or is next.')),
  dueAt: optional(timeMs('When the timer fires, or the next attempt starts.')),
  lastFailure: optional(failure),
})
export const description = answered('ExecutionDescription', {
  ...summaryFields,
  events: count('In its history.'),
  pending: list(pending, 'What it waits for.'),
  failure: optional(failure),
})
export const page = answered('ExecutionPage', { executions: list(summary, 'The newest first.'), cursor })

export const explanation = answered('ExecutionExplanation', {
  reason: Type.String({ description: 'What it waits for first, or how it ended.' }),
  sentence: Type.String({ description: 'For people.' }),
  waits: list(
    Type.Object({ kind: Type.String(), sentence: Type.String() }),
    'In the order of the operations, at most 100.',
  ),
  more: optional(count('Operations beyond those.')),
  untilMs: optional(timeMs('If its start was delayed.')),
  failure: optional(failure),
})

export const event = answered('Event', {
  seq: Type.Integer({ minimum: 1, description: 'Place in the history: 1, 2, 3, …' }),
  event: Type.Object(
    { type: Type.String({ description: 'Such as `step-completed`.' }), at: timeMs('When it happened.') },
    { description: 'And the fields of its type.' },
  ),
})
export const history = answered('History', {
  events: list(event),
  nextSeq: optional(count('`afterSeq` of the next page, if there may be one.')),
})

export const outcome = answered('Outcome', {
  status: words(['completed', 'failed', 'cancelled', 'terminated', 'timed-out']),
  result: optional(payload('What the workflow returned.')),
  failure: optional(failure),
})
export const open = answered('Open', { status: Type.String({ description: 'It has not ended.' }) })

export const filter = asked(
  {
    status: optional(list(status, 'Default: those in which it can be done.', 20)),
    workflow: optional(name('Its name.')),
    startedFrom: optional(timeMs('Started then or later.')),
    startedTo: optional(timeMs('Started before then.')),
    attributes: optional(attributes),
  },
  'Which executions: those for which all of it holds.',
)
export const bulkFields = {
  filter,
  limit: optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Of one call. Default 100.' })),
  cursor: optional(
    Type.String({ maxLength: 4096, description: 'Of the call before: the rest of the same.' }),
  ),
}
export const bulkDone = answered('BulkAnswer', {
  done: count('Executions to which it was done.'),
  failed: list(
    Type.Object({
      id: Type.String(),
      runId: Type.String(),
      code: Type.String(),
      detail: Type.String(),
    }),
    'Those to which it could not be done, such as one that has ended meanwhile.',
  ),
  cursor,
})
