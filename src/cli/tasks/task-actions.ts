/** Tasks of an engine: enqueued, looked at, and changed. */
import type { Static } from 'typebox'
import { PerdureError } from '../../protocol/errors.ts'
import { RETRYABLE_TASK_STATUSES } from '../../protocol/task-port.ts'
import { isTaskClosed, TASK_STATUSES, type TaskStatus } from '../../protocol/task-status.ts'
import { present } from '../../server/http/present.ts'
import type { enqueued, task, taskExplanation, taskOutcome } from '../../server/http/schemas/tasks.ts'
import type { Actions } from '../action-command.ts'
import type { CommandCall } from '../command.ts'
import { printable } from '../display-width.ts'
import { printValue } from '../executions/execution-option.ts'
import { failureGlance } from '../failure-text.ts'
import { durationOf } from '../given-values.ts'
import { INPUT_OPTION, inputOf } from '../input-value.ts'
import { knownWord } from '../nearest-word.ts'
import { printDone, printThing } from '../printed-rows.ts'
import { allOf, isMeant, MANY_OPTIONS } from '../rest/counted.ts'
import { overRest, type Rest, WAIT_MOST_MS } from '../rest/rest.ts'
import { UsageError } from '../usage-error.ts'
import { TASK_FILTER_OPTIONS, taskFilterOf } from './task-list.ts'

type Outcome = Static<typeof taskOutcome> | { readonly status: TaskStatus }

async function enqueue(call: CommandCall, rest: Rest): Promise<number> {
  const { options, operands, output } = call
  const priority = options.count('priority', 0)
  const maxAttempts = options.count('attempts', 1)
  const startToCloseMs = durationOf(options, 'timeout')
  const dedupe = options.text('dedupe')
  const body = present({
    name: operands[0],
    queue: options.text('queue'),
    input: await inputOf(call),
    id: options.text('id'),
    key: options.text('key'),
    priority,
    delayMs: durationOf(options, 'delay'),
    retry: maxAttempts === undefined ? undefined : { maxAttempts },
    timeouts: startToCloseMs === undefined ? undefined : { startToCloseMs },
    dedupe: dedupe === undefined ? undefined : { key: dedupe },
  })
  const made = await rest.ask<Static<typeof enqueued>>({ method: 'POST', path: ['tasks'], body })
  output.line(options.flag('json') ? JSON.stringify(made) : printable(made.id))
  if (!made.enqueued) output.note('A task with this id, or one that holds this key, existed.')
  return 0
}

async function result(call: CommandCall, rest: Rest): Promise<number> {
  const { options, operands, output } = call
  const [id = ''] = operands
  const path = ['tasks', id, 'result']
  let outcome: Outcome
  do {
    const query = { waitMs: WAIT_MOST_MS }
    outcome = await rest.ask<Outcome>({ path, query, waitMs: WAIT_MOST_MS })
    // Whatever else answered, it would be asked for ever.
    if (!TASK_STATUSES.includes(outcome.status))
      throw new PerdureError('PROTOCOL_INVALID', `the answer to GET /v1/${path.join('/')} has no status`)
  } while (!isTaskClosed(outcome.status))
  const isFine = outcome.status === 'completed'
  if (options.flag('json')) output.line(JSON.stringify({ id, ...outcome }))
  else if (isFine) printValue(call, 'result' in outcome ? outcome.result : undefined)
  else {
    const failure = 'failure' in outcome ? outcome.failure : undefined
    output.note(printable(`task ${id} is ${outcome.status}`))
    if (failure !== undefined) output.note(failureGlance(failure))
  }
  return isFine ? 0 : 1
}

/** Of a task: `path` after it, and what has become of it. */
function change(path: readonly string[], what: string, bodyOf?: (call: CommandCall) => object) {
  return overRest(async (call, rest) => {
    const [id = ''] = call.operands
    const body = bodyOf === undefined ? {} : { body: bodyOf(call) }
    await rest.ask({ method: 'POST', path: ['tasks', id, ...path], ...body })
    printDone(call, { id }, `task ${id} ${what}`)
    return 0
  })
}

async function retryMany(call: CommandCall, rest: Rest): Promise<number> {
  const given = taskFilterOf(call)
  const filter = { status: ['failed'], ...given }
  // Before any are counted.
  for (const status of filter.status) knownWord(status, RETRYABLE_TASK_STATUSES, 'what can be retried')
  const isToBeDone = await isMeant(call, rest, {
    request: { path: ['tasks'], query: { ...filter, status: String(filter.status) } },
    field: 'tasks',
    wouldBe: 'tasks would begin anew',
    isFiltered: Object.keys(given).length > 0,
  })
  if (!isToBeDone) return 0
  let retried = 0
  const request = { path: ['bulk', 'tasks', 'retry'], body: { filter } }
  for await (const page of allOf<{ retried: number; cursor?: string }>(rest, request)) retried += page.retried
  printDone(call, { retried }, `${retried} tasks begin anew`)
  return 0
}

export const taskActions: Actions = {
  show: {
    operands: ['ID'],
    says: 'one, at an engine',
    looks: true,
    run: overRest(async (call, rest) => {
      printThing(call, await rest.ask<Static<typeof task>>({ path: ['tasks', call.operands[0] ?? ''] }))
      return 0
    }),
  },
  explain: {
    operands: ['ID'],
    says: 'why it waits',
    looks: true,
    run: overRest(async (call, rest) => {
      const path = ['tasks', call.operands[0] ?? '', 'explain']
      const answer = await rest.ask<Static<typeof taskExplanation>>({ path })
      printDone(call, answer, answer.sentence)
      return 0
    }),
  },
  result: {
    operands: ['ID'],
    says: 'waits until it has ended, and prints its result; exit code 1 if it has not completed',
    run: overRest(result),
  },
  enqueue: {
    operands: ['NAME'],
    says: 'puts a task into its queue, and prints its id',
    options: {
      ...INPUT_OPTION,
      queue: { value: 'NAME', says: 'where it waits; default `default`' },
      id: { value: 'ID', says: 'of the task, so that a repeat is no second one; default: a new one' },
      key: { value: 'KEY', says: 'groups tasks, such as a tenant' },
      priority: { value: 'N', says: '0 to 9, 9 is the most urgent; default 5' },
      delay: { value: 'TIME', says: 'it begins to wait after this time' },
      attempts: { value: 'N', says: 'in all; default 5' },
      timeout: { value: 'TIME', says: 'of one attempt; default: none' },
      dedupe: { value: 'KEY', says: 'while one of this name with this key is open, that is the answer' },
    },
    run: overRest(enqueue),
  },
  cancel: {
    operands: ['ID'],
    says: 'takes it from its queue, or aborts it',
    options: { reason: { value: 'TEXT', says: 'why' } },
    run: change(['cancel'], 'is cancelled', ({ options }) => present({ reason: options.text('reason') })),
  },
  retry: {
    operands: ['ID'],
    says: 'lets a failed, cancelled or expired one begin anew',
    run: change(['retry'], 'begins anew'),
  },
  'retry-all': {
    operands: [],
    says: 'the same for all that a filter selects, by default of those that have failed',
    options: { ...TASK_FILTER_OPTIONS, ...MANY_OPTIONS },
    run: overRest(retryMany),
  },
  prioritise: {
    operands: ['ID', 'PRIORITY'],
    says: 'gives it another priority, 0 to 9',
    run: change(['reprioritise'], 'has another priority', ({ operands }) => {
      const [, text = ''] = operands
      if (!/^\d$/.test(text)) throw new UsageError(`PRIORITY ${text} is not a number from 0 to 9`)
      return { priority: Number(text) }
    }),
  },
  delete: {
    operands: ['ID'],
    says: 'deletes one that has ended',
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      await rest.ask({ method: 'DELETE', path: ['tasks', id] })
      printDone(call, { id }, `task ${id} is deleted`)
      return 0
    }),
  },
}
