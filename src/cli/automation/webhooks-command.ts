/** `perdure webhooks`: who is told by HTTP of executions, and what could not be delivered. */
import type { Static } from 'typebox'
import { present } from '../../server/http/present.ts'
import type { webhookShown, webhookTest, webhookWithSecret } from '../../server/http/schemas/automation.ts'
import type { task } from '../../server/http/schemas/tasks.ts'
import { WEBHOOK_QUEUE } from '../../server/own-queues.ts'
import { WEBHOOK_EVENTS } from '../../server/webhooks/webhook.ts'
import { type Action, type Actions, actionCommand } from '../action-command.ts'
import type { CommandCall } from '../command.ts'
import { printable } from '../display-width.ts'
import { ENGINE_OPTIONS } from '../engine-choice.ts'
import { IF_REVISION, LIST_OPTIONS, wordsOf } from '../given-values.ts'
import { type Field, printDone, printPages, printThing } from '../printed-rows.ts'
import { allOf } from '../rest/counted.ts'
import { deletion } from '../rest/deletion.ts'
import { overRest, type Rest } from '../rest/rest.ts'
import { statusCell } from '../status-style.ts'
import { timeText } from '../time-text.ts'
import { UsageError } from '../usage-error.ts'

type Webhook = Static<typeof webhookShown>
type Delivery = Static<typeof task>

const FIELDS: readonly Field<Webhook>[] = [
  { title: 'ID', leastWidth: 8, of: ({ id }) => id },
  { title: 'URL', leastWidth: 16, of: ({ url }) => url },
  { title: 'EVENTS', leastWidth: 8, of: ({ events }) => events?.join(', ') ?? 'all' },
  { title: 'WORKFLOWS', leastWidth: 8, optional: 2, of: ({ workflows }) => workflows?.join(', ') },
  { title: 'STATE', optional: 1, of: ({ paused }) => (paused ? { text: 'paused', style: 'yellow' } : '') },
  { title: 'REVISION', align: 'right', optional: 3, of: ({ revision }) => revision },
]
const DELIVERY_FIELDS: readonly Field<Delivery>[] = [
  { title: 'ID', leastWidth: 10, of: ({ id }) => id },
  { title: 'WEBHOOK', leastWidth: 8, of: ({ key }) => key },
  { title: 'STATUS', of: ({ status }) => statusCell(status) },
  { title: 'SINCE', optional: 1, of: ({ enqueuedAt }) => timeText(enqueuedAt) },
  { title: 'TRIES', align: 'right', optional: 3, of: ({ attempts }) => attempts },
  { title: 'ERROR', leastWidth: 16, optional: 2, of: ({ failure }) => failure?.message },
]
const SETTINGS = {
  event: {
    value: 'EVENT',
    says: `${WEBHOOK_EVENTS.join(', ')}, or all; several with commas; default all`,
    multiple: true,
  },
  workflow: { value: 'NAME', says: 'only of executions of this workflow, or all', multiple: true },
  description: { value: 'TEXT', says: 'for people' },
  paused: { says: 'it is told nothing' },
} as const

/** What is given of its settings; null: it shall have none. */
function settingsOf({ options }: CommandCall): Readonly<Record<string, unknown>> {
  const listOf = (name: string): readonly string[] | null | undefined => {
    const words = wordsOf(options, name)
    if (words?.includes('all') !== true) return words
    if (words.length > 1) throw new UsageError(`--${name} has all, and others beside it`)
    return null
  }
  return present({
    events: listOf('event'),
    workflows: listOf('workflow'),
    description: options.text('description'),
    ...(options.flag('paused') ? { paused: true } : {}),
  })
}

/** So that `> FILE` has the secret and nothing else. */
function printSecret(
  { options, output }: CommandCall,
  made: Static<typeof webhookWithSecret>,
  what: string,
): void {
  output.line(options.flag('json') ? JSON.stringify(made) : made.secret)
  output.note(printable(`webhook ${made.id} ${what}; its secret is shown this once`))
}

async function change(
  call: CommandCall,
  rest: Rest,
  changes: Readonly<Record<string, unknown>>,
): Promise<number> {
  const [id = ''] = call.operands
  const path = ['webhooks', id]
  const known = await rest.ask<Webhook>({ path })
  const { id: _, revision, changedMs: __, ...settings } = known
  const body = Object.fromEntries(
    Object.entries({ ...settings, ...changes }).filter(([, value]) => value !== null),
  )
  // What somebody else has set meanwhile is not undone.
  const ifRevision = call.options.count('if-revision', 0) ?? revision
  const put = await rest.ask<Webhook>({ method: 'PUT', path, body, ifRevision })
  printDone(call, put, `webhook ${id}: revision ${put.revision}`)
  return 0
}

/** So that a script sees it, too: exit code 1 if it was not delivered. */
const test: Action = {
  operands: ['ID'],
  says: 'sends it one test event at once, and says what came of it',
  run: overRest(async (call, rest) => {
    const { options, operands, output } = call
    const [id = ''] = operands
    const result = await rest.ask<Static<typeof webhookTest>>({
      method: 'POST',
      path: ['webhooks', id, 'test'],
    })
    const { delivered, status, durationMs, error, eventId } = result
    if (options.flag('json')) output.line(JSON.stringify(result))
    else if (delivered)
      output.line(printable(`webhook ${id} has answered ${status} in ${durationMs} ms (event ${eventId})`))
    else output.line(printable(`webhook ${id} was not told: ${error} (${durationMs} ms, event ${eventId})`))
    return delivered ? 0 : 1
  }),
}

/** Deliveries are tasks of the engine's own. */
const deliveries: Action = {
  operands: ['[ID]'],
  says: 'what is told, or was to be told, to one or to all',
  looks: true,
  options: { failed: { says: 'only what was given up: the dead letters' }, ...LIST_OPTIONS },
  run: overRest(async (call, rest) => {
    const [key] = call.operands
    const status = call.options.flag('failed') ? ['failed'] : undefined
    const query = present({ queue: WEBHOOK_QUEUE, key, status: status?.join(',') })
    const pages = rest.pages<Delivery>(call, { path: ['tasks'], query }, 'tasks')
    await printPages(call, pages, { fields: DELIVERY_FIELDS, none: 'No deliveries.' })
    return 0
  }),
}

const actions: Actions = {
  list: {
    operands: [],
    says: 'all, without their secrets',
    looks: true,
    run: overRest(async (call, rest) => {
      const { rows } = await rest.page<Webhook>({ path: ['webhooks'] }, 'webhooks')
      await printPages(call, [rows], { fields: FIELDS, none: 'No webhooks.' })
      return 0
    }),
  },
  show: {
    operands: ['ID'],
    says: 'one, without its secret',
    looks: true,
    run: overRest(async (call, rest) => {
      printThing(call, await rest.ask<Webhook>({ path: ['webhooks', call.operands[0] ?? ''] }))
      return 0
    }),
  },
  create: {
    operands: ['ID', 'URL'],
    says: 'makes one, and prints its secret, to standard output alone',
    options: SETTINGS,
    run: overRest(async (call, rest) => {
      const [id, url] = call.operands
      const settings = Object.entries(settingsOf(call)).filter(([, value]) => value !== null)
      const body = { id, url, ...Object.fromEntries(settings) }
      const made = await rest.ask<Static<typeof webhookWithSecret>>({
        method: 'POST',
        path: ['webhooks'],
        body,
      })
      printSecret(call, made, 'is made')
      return 0
    }),
  },
  set: {
    operands: ['ID', '[URL]'],
    says: 'changes what is given; its secret stays',
    options: { ...SETTINGS, ...IF_REVISION },
    run: overRest(async (call, rest) => {
      const changes = present({ ...settingsOf(call), url: call.operands[1] })
      if (Object.keys(changes).length === 0)
        throw new UsageError('nothing is to be set', 'Such as another URL, or --event execution.failed.')
      return change(call, rest, changes)
    }),
  },
  pause: {
    operands: ['ID'],
    says: 'it is told nothing until it is resumed',
    run: overRest((call, rest) => change(call, rest, { paused: true })),
  },
  resume: {
    operands: ['ID'],
    says: 'lets it be told again',
    run: overRest((call, rest) => change(call, rest, { paused: null })),
  },
  rotate: {
    operands: ['ID'],
    says: 'gives it a new secret, and prints that; events are signed with both until the next time',
    run: overRest(async (call, rest) => {
      const path = ['webhooks', call.operands[0] ?? '', 'rotate-secret']
      const made = await rest.ask<Static<typeof webhookWithSecret>>({ method: 'POST', path })
      printSecret(call, made, 'has a new secret')
      return 0
    }),
  },
  test,
  delete: deletion({
    says: 'deletes one; what was to be told to it is dropped',
    path: 'webhooks',
    thing: 'webhook',
    isOfRevision: true,
  }),
  deliveries,
  redeliver: {
    operands: ['[DELIVERY]'],
    says: 'sends again what was given up: one, or all of a webhook',
    options: { of: { value: 'ID', says: 'all that was given up of this webhook' } },
    run: overRest(redeliver),
  },
}

async function redeliver(call: CommandCall, rest: Rest): Promise<number> {
  const [id] = call.operands
  const key = call.options.text('of')
  if ((id === undefined) === (key === undefined))
    throw new UsageError('name a delivery, or a webhook with --of', 'perdure webhooks deliveries --failed')
  if (id !== undefined) {
    await rest.ask({ method: 'POST', path: ['tasks', id, 'retry'] })
    printDone(call, { id }, `delivery ${id} is sent again`)
    return 0
  }
  const filter = { queue: WEBHOOK_QUEUE, key, status: ['failed'] }
  let retried = 0
  const request = { path: ['bulk', 'tasks', 'retry'], body: { filter } }
  for await (const page of allOf<{ retried: number; cursor?: string }>(rest, request)) retried += page.retried
  printDone(call, { retried }, `${retried} deliveries of webhook ${key} are sent again`)
  return 0
}

export const webhooksCommand = actionCommand({
  name: 'webhooks',
  summary: 'Servers that are told by HTTP of executions that start and end, and what could not be told.',
  usual: 'list',
  shared: {
    ...ENGINE_OPTIONS,
    namespace: { value: 'NAME', says: 'where; default $PERDURE_NAMESPACE, or `default`' },
  },
  actions,
  examples: [
    {
      line: 'perdure webhooks create billing https://billing.example.com/hooks > billing.secret',
      says: 'the file holds the secret, which is shown this once',
    },
    { line: 'perdure webhooks test billing', says: 'whether it is reached, and takes what is signed' },
    { line: 'perdure webhooks deliveries billing --failed', says: 'its dead letters' },
    { line: 'perdure webhooks redeliver --of billing', says: 'all of them again' },
  ],
})
