/** `perdure bulk`: one operation on all executions that a filter selects; counted first, done with `--yes`. */
import type { Static } from 'typebox'
import { EXECUTION_STATUSES, type ExecutionStatus } from '../../protocol/execution-status.ts'
import { present } from '../../server/http/present.ts'
import { CLOSED_STATUSES, OPEN_STATUSES, RETRIED_STATUSES } from '../../server/http/routes/bulk-statuses.ts'
import type { bulkDone } from '../../server/http/schemas/executions.ts'
import { type Action, actionCommand } from '../action-command.ts'
import type { CommandCall, OptionSpec } from '../command.ts'
import { printable } from '../display-width.ts'
import { ENGINE_OPTIONS } from '../engine-choice.ts'
import { attributesOf, wordsOf } from '../given-values.ts'
import { INPUT_OPTION, inputOf } from '../input-value.ts'
import { knownWord } from '../nearest-word.ts'
import { printDone } from '../printed-rows.ts'
import { allOf, isMeant, MANY_OPTIONS } from '../rest/counted.ts'
import { overRest } from '../rest/rest.ts'
import { parsedTime } from '../time-text.ts'

const FILTER = {
  status: { value: 'STATUS', says: 'only of these; default: those in which it can be done', multiple: true },
  workflow: { value: 'NAME', says: 'only of this workflow' },
  since: { value: 'TIME', says: 'started at or after TIME: 2h or 30d ago, 2026-08-02' },
  until: { value: 'TIME', says: 'started before TIME' },
  attribute: {
    value: 'NAME=VALUE',
    says: 'with this search attribute: 12 is the number, "12" the text',
    multiple: true,
  },
  ...MANY_OPTIONS,
} as const satisfies Record<string, OptionSpec>
const REASON = { reason: { value: 'TEXT', says: 'why, for their histories' } } as const
/** Of one request. */
const PAGE = 500
const FAILURES_SHOWN = 20

interface Operation {
  /** What the executions would be, or are. */
  readonly done: string
  readonly says: string
  readonly statuses: readonly ExecutionStatus[]
  readonly options?: Readonly<Record<string, OptionSpec>>
  readonly operands?: readonly string[]
  readonly bodyOf?: (call: CommandCall) => Promise<object>
}

function filterOf({ options, nowMs }: CommandCall): Readonly<Record<string, unknown>> {
  const [since, until] = ['since', 'until'].map((name) => options.text(name))
  return present({
    status: wordsOf(options, 'status')?.map((word) => knownWord(word, EXECUTION_STATUSES, 'a status')),
    workflow: options.text('workflow'),
    startedFrom: since === undefined ? undefined : parsedTime(since, 'since', nowMs),
    startedTo: until === undefined ? undefined : parsedTime(until, 'until', nowMs),
    attributes: attributesOf(options),
  })
}

function bulkAction(kind: string, operation: Operation): Action {
  const { done, says, statuses, options = {}, operands = [], bodyOf = async () => ({}) } = operation
  return {
    operands,
    says,
    options: { ...FILTER, ...options },
    run: overRest(async (call, rest) => {
      const { output } = call
      const filter = filterOf(call)
      const own = await bodyOf(call)
      const { attributes, status = statuses, ...fields } = filter
      const query = present({
        ...(fields as Readonly<Record<string, string | number>>),
        status: String(status),
        attributes: attributes === undefined ? undefined : JSON.stringify(attributes),
      })
      const isToBeDone = await isMeant(call, rest, {
        request: { path: ['executions'], query },
        field: 'executions',
        wouldBe: `executions would be ${done}`,
        isFiltered: Object.keys(filter).length > 0,
      })
      if (!isToBeDone) return 0
      const body = { filter, limit: PAGE, ...own }
      let count = 0
      let failedCount = 0
      const failed: Static<typeof bulkDone>['failed'] = []
      for await (const page of allOf<Static<typeof bulkDone>>(rest, {
        path: ['bulk', 'executions', kind],
        body,
      })) {
        count += page.done
        failedCount += page.failed.length
        failed.push(...page.failed.slice(0, FAILURES_SHOWN - failed.length))
      }
      printDone(call, { count, isDone: true, failedCount, failed }, `${count} executions are ${done}`)
      for (const { id, code, detail } of failed) output.note(printable(`not ${id}: ${detail} (${code})`))
      if (failedCount > failed.length) output.note(`and ${failedCount - failed.length} more`)
      return failedCount === 0 ? 0 : 1
    }),
  }
}

const reasonOf = async ({ options }: CommandCall): Promise<object> =>
  present({ reason: options.text('reason') })

export const bulkCommand = actionCommand({
  name: 'bulk',
  summary: 'One operation on all executions that a filter selects: counted, and with --yes done.',
  shared: {
    ...ENGINE_OPTIONS,
    namespace: { value: 'NAME', says: 'where; default $PERDURE_NAMESPACE, or `default`' },
  },
  actions: {
    cancel: bulkAction('cancel', {
      done: 'asked to stop',
      says: 'asks those that are open to stop: their code may clean up',
      statuses: OPEN_STATUSES,
      options: REASON,
      bodyOf: reasonOf,
    }),
    terminate: bulkAction('terminate', {
      done: 'terminated',
      says: 'ends those that are open at once',
      statuses: OPEN_STATUSES,
      options: REASON,
      bodyOf: reasonOf,
    }),
    retry: bulkAction('retry', {
      done: 'continued',
      says: 'continues those that have failed or are parked from where they stopped',
      statuses: RETRIED_STATUSES,
    }),
    delete: bulkAction('delete', {
      done: 'deleted',
      says: 'deletes those that have ended, with their histories',
      statuses: CLOSED_STATUSES,
    }),
    signal: bulkAction('signal', {
      done: 'signalled',
      says: 'sends a signal to those that are open',
      statuses: OPEN_STATUSES,
      operands: ['SIGNAL'],
      options: {
        ...INPUT_OPTION,
        'request-id': { value: 'ID', says: 'each run records it once; default: a new one' },
      },
      bodyOf: async (call) => ({
        signal: present({
          name: call.operands[0],
          payload: await inputOf(call),
          requestId: call.options.text('request-id') ?? crypto.randomUUID(),
        }),
      }),
    }),
  },
  examples: [
    { line: 'perdure bulk retry --workflow fulfil-order --since 1d', says: 'to how many it would be done' },
    { line: 'perdure bulk retry --workflow fulfil-order --since 1d --yes', says: 'it is done' },
    { line: 'perdure bulk delete --status completed --until 30d --yes', says: 'what started long ago' },
  ],
})
