/** Events from outside, and the rules that say what they do: `perdure events …`. */
import { randomUUID } from 'node:crypto'
import type { Static } from 'typebox'
import { PerdureError } from '../../protocol/errors.ts'
import { BATCH_TYPE } from '../../server/events/cloud-event.ts'
import { present } from '../../server/http/present.ts'
import type { published, ruleShown } from '../../server/http/schemas/automation.ts'
import { type Actions, actionCommand } from '../action-command.ts'
import type { CommandCall } from '../command.ts'
import { ENGINE_OPTIONS } from '../engine-choice.ts'
import { fileJson, fileObject, IF_REVISION, neededText } from '../given-values.ts'
import { INPUT_OPTION, inputOf } from '../input-value.ts'
import { type Field, printDone, printPages, printThing, rowsPrinter } from '../printed-rows.ts'
import { deletion } from '../rest/deletion.ts'
import { overRest, type Rest } from '../rest/rest.ts'
import { UsageError } from '../usage-error.ts'

type Rule = Static<typeof ruleShown>
type Published = Static<typeof published>['events'][number]

const RULE_FIELDS: readonly Field<Rule>[] = [
  { title: 'ID', leastWidth: 10, of: ({ id }) => id },
  { title: 'MATCH', leastWidth: 12, of: ({ match }) => JSON.stringify(match) },
  { title: 'DOES', leastWidth: 12, of: doesOf },
  { title: 'STATE', optional: 1, of: stateOf },
]

function stateOf({
  paused,
  rests,
}: Rule): string | { readonly text: string; readonly style: 'yellow' | 'red' } {
  if (paused === true) return { text: 'paused', style: 'yellow' }
  return rests === undefined ? '' : { text: 'rests', style: 'red' }
}

function doesOf({ start, signal }: Rule): string {
  const started = start === undefined ? [] : [`starts ${start.workflow} ${start.id}`]
  const signalled = signal === undefined ? [] : [`signals ${signal.id} ${signal.name}`]
  return [...started, ...signalled].join(', ')
}

async function eventsOf(call: CommandCall): Promise<{ readonly body: object; readonly isMany: boolean }> {
  const { options, operands } = call
  const [file] = operands
  const isGiven = ['type', 'source', 'id', 'subject', 'input'].some(
    (name) => options.text(name) !== undefined,
  )
  if (file !== undefined) {
    if (isGiven)
      throw new UsageError('the event is given by a file, and by options', 'Leave one of them out.')
    const body = await fileJson(call, file)
    if (typeof body !== 'object' || body === null)
      throw new UsageError(`${file} holds no event`, 'A CloudEvent as JSON, or a list of them.')
    return { body, isMany: Array.isArray(body) }
  }
  if (!isGiven) throw new UsageError('no event is given', 'Name a file, -, or --type and --source.')
  const body = present({
    specversion: '1.0',
    id: options.text('id') ?? randomUUID(),
    source: neededText(options, 'source'),
    type: neededText(options, 'type'),
    subject: options.text('subject'),
    data: await inputOf(call),
  })
  return { body, isMany: false }
}

async function putRule(
  call: CommandCall,
  rest: Rest,
  id: string,
  rule: Readonly<Record<string, unknown>>,
): Promise<Rule> {
  const ifRevision = call.options.count('if-revision', 0)
  try {
    return await rest.ask<Rule>({ method: 'PUT', path: ['event-rules', id], body: rule, ifRevision })
  } catch (error) {
    const isNew = error instanceof PerdureError && error.code === 'RECORD_NOT_FOUND'
    // Of a revision that is not there nothing is made.
    if (!isNew || ifRevision !== undefined) throw error
    return await rest.ask<Rule>({ method: 'POST', path: ['event-rules'], body: { ...rule, id } })
  }
}

/** Its settings, without what the engine says of it. */
function settingsOf<R extends object>(rule: R): Omit<R, keyof Said> {
  const { id: _, revision: __, changedMs: ___, maker: ____, rests: _____, ...settings } = rule as R & Said
  return settings as Omit<R, keyof Said>
}

type Said = Partial<Pick<Rule, 'id' | 'revision' | 'changedMs' | 'maker' | 'rests'>>

function pauseAction(paused: boolean, says: string): Actions[string] {
  return {
    operands: ['ID'],
    says,
    run: overRest(async (call, rest) => {
      const [id = ''] = call.operands
      const known = await rest.ask<Rule>({ path: ['event-rules', id] })
      const body = { ...settingsOf(known), paused }
      const path = ['event-rules', id]
      const put = await rest.ask<Rule>({ method: 'PUT', path, body, ifRevision: known.revision })
      printDone(call, put, `rule ${id} ${paused ? 'does nothing' : 'counts again'}`)
      return 0
    }),
  }
}

const actions: Actions = {
  send: {
    operands: ['[FILE]'],
    says: 'publishes a CloudEvent as JSON, or a list of them, of a file, standard input (-) or options',
    options: {
      type: { value: 'TYPE', says: 'of the event' },
      source: { value: 'URI', says: 'of the event' },
      id: {
        value: 'ID',
        says: 'of the event: with its source it is known, and counts once; default: a new one',
      },
      subject: { value: 'TEXT', says: 'of the event' },
      input: { ...INPUT_OPTION.input, says: 'its data: JSON, @FILE with JSON, or - for standard input' },
    },
    run: overRest(async (call, rest) => {
      const { body, isMany } = await eventsOf(call)
      const type = isMany ? { contentType: BATCH_TYPE } : {}
      const answer = await rest.ask<{ events: Published[] }>({
        method: 'POST',
        path: ['events'],
        body,
        ...type,
      })
      rowsPrinter<Published>(call, [
        { title: 'SOURCE', leastWidth: 8, of: ({ source }) => source },
        { title: 'ID', leastWidth: 12, of: ({ id }) => id },
        { title: 'EVENT', of: ({ accepted }) => (accepted ? 'recorded' : 'known before') },
      ])(answer.events)
      return 0
    }),
  },
  'rules list': {
    operands: [],
    says: 'which events start or signal which executions',
    looks: true,
    run: overRest(async (call, rest) => {
      const { rows } = await rest.page<Rule>({ path: ['event-rules'] }, 'rules')
      await printPages(call, [rows], { fields: RULE_FIELDS, none: 'No rules.' })
      return 0
    }),
  },
  'rules show': {
    operands: ['ID'],
    says: 'one',
    looks: true,
    run: overRest(async (call, rest) => {
      printThing(call, await rest.ask<Rule>({ path: ['event-rules', call.operands[0] ?? ''] }))
      return 0
    }),
  },
  'rules put': {
    operands: ['ID', 'FILE'],
    says: 'makes or replaces one: JSON of a file, or of standard input with -',
    options: IF_REVISION,
    run: overRest(async (call, rest) => {
      const [id = '', file = ''] = call.operands
      const rule = await fileObject(call, file)
      const { id: named } = rule
      if (named !== undefined && named !== id)
        throw new UsageError(`${file} is of rule ${JSON.stringify(named)}, not ${id}`)
      // What `show` says of a rule is put again as it is.
      const put = await putRule(call, rest, id, settingsOf(rule))
      printDone(call, put, `rule ${id}: revision ${put.revision}`)
      return 0
    }),
  },
  'rules pause': pauseAction(true, 'it does nothing until it is resumed'),
  'rules resume': pauseAction(false, 'lets it count again'),
  'rules delete': deletion({ says: 'deletes one', path: 'event-rules', thing: 'rule', isOfRevision: true }),
}

export const eventsCommand = actionCommand({
  name: 'events',
  summary: 'Publishes events (CloudEvents), and keeps the rules that say what events do.',
  shared: {
    ...ENGINE_OPTIONS,
    namespace: { value: 'NAME', says: 'where; default $PERDURE_NAMESPACE, or `default`' },
  },
  actions,
  examples: [
    {
      line: `perdure events send --type shop.order.placed --source /shop --id a-1 --input '{"order":7}'`,
      says: 'the same source and id again do nothing',
    },
    { line: 'perdure events send events.json', says: 'a list of them: all, or none' },
    { line: 'perdure events rules put orders orders.json', says: 'made, or replaced' },
  ],
})
