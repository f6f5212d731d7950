/** `perdure people`: open human tasks of a store or of an engine that runs, and what people do with them. */
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import type { HumanTaskSummary } from '../protocol/people-port.ts'
import type { HumanTask, HumanTaskDetails, PeopleClient, Person } from '../sdk/people/people-client.ts'
import { present } from '../server/http/present.ts'
import type { HumanTaskRow } from '../store/contract/human-task-rows.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, STORE_OPTIONS } from './command.ts'
import { printable } from './display-width.ts'
import { ENGINE_OPTIONS, engineInsteadOfStore } from './engine-choice.ts'
import { withEngine } from './engine-connection.ts'
import { eventDetails } from './event-text.ts'
import { openStoreReader, requireRows } from './store-option.ts'
import { type Cell, type Column, Table } from './table.ts'
import { timeText } from './time-text.ts'
import { UsageError } from './usage-error.ts'
import { WATCH_OPTION } from './watching.ts'

const PAGE_ROWS = 1000
const DEFAULT_LIMIT = 100
const URL_REMEDY = 'Name the engine that runs: --url ws://127.0.0.1:7233, PERDURE_URL, or a profile.'

type Act = (people: PeopleClient, id: string, by: Person, call: CommandCall) => Promise<void>

const ACTS: Readonly<Record<string, Act>> = {
  claim: (people, id, by) => people.claim(id, by),
  release: (people, id, by) => people.release(id, by),
  delegate: (people, id, by, { options }) =>
    people.delegate(id, by, needed(options.text('to'), 'to'), { returns: options.flag('returns') }),
  transfer: (people, id, by, { options }) => people.transfer(id, by, needed(options.text('to'), 'to')),
  reassign: (people, id, by, { options }) => {
    const seat = options.count('seat', 1)
    return people.reassign(id, by, needed(options.text('to'), 'to'), seat === undefined ? {} : { seat })
  },
  comment: (people, id, by, { options }) =>
    people.comment(id, by, needed(options.text('comment'), 'comment')),
  complete: (people, id, by, call) => people.complete(id, by, decisionOf(call)),
  approve: (people, id, by, call) => people.approve(id, by, decisionOf(call)),
  reject: (people, id, by, call) => people.reject(id, by, decisionOf(call)),
  'send-back': (people, id, by, call) =>
    people.sendBack(id, by, needed(call.options.text('to'), 'to'), reasonOf(call)),
  'take-back': (people, id, by) => people.takeBack(id, by),
  withdraw: (people, id, by, call) => people.withdraw(id, by, reasonOf(call)),
}
const ACTIONS = ['list', 'inbox', 'show', ...Object.keys(ACTS)]

export const peopleCommand: Command = {
  name: 'people',
  summary: 'Lists and shows human tasks; acts on those of an engine that runs and listens.',
  operands: ['[ACTION]', '[ID]'],
  words: ACTIONS,
  options: {
    ...STORE_OPTIONS,
    ...ENGINE_OPTIONS,
    namespace: { value: 'NAME', says: 'default `default`' },
    as: { value: 'USER', says: 'who acts, or whose inbox it is' },
    group: { value: 'NAME', says: 'a group of this user', multiple: true },
    admin: { says: 'act with the rights of a manager' },
    execution: { value: 'ID', says: 'list: only those of this execution' },
    to: { value: 'USER', says: 'delegate, transfer, reassign, send-back: to whom' },
    returns: { says: 'delegate: it comes back to be decided' },
    seat: { value: 'N', says: 'reassign: which seat' },
    data: { value: 'JSON', says: 'complete, approve, reject: what is filled in' },
    comment: { value: 'TEXT', says: 'comment, complete, approve, reject' },
    reason: { value: 'TEXT', says: 'withdraw, send-back: why' },
    limit: { value: 'N', says: `list, inbox: at most so many; default ${DEFAULT_LIMIT}` },
    ...WATCH_OPTION,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure people --store sqlite:./orders.db', says: 'all that waits for people' },
    {
      line: 'perdure people inbox --as ann --group finance --url ws://127.0.0.1:7233',
      says: 'what ann has, and what she may claim',
    },
    {
      line: `perdure people complete ID --as ann --data '{"amount":3}' --url ws://127.0.0.1:7233`,
      says: 'she has done it',
    },
  ],
  run: runPeople,
}

async function runPeople(call: CommandCall): Promise<number> {
  const [action = 'list', id] = call.operands
  if (!ACTIONS.includes(action))
    throw new UsageError(`'${action}' is nothing to do with human tasks`, `There are ${ACTIONS.join(', ')}.`)
  const engine = engineInsteadOfStore(call, { overEnvironment: true })
  if (action === 'list' || action === 'inbox') {
    if (id !== undefined) throw new UsageError(`${action} takes no ID`, `perdure people show ${id}`)
    const person = action === 'inbox' ? personOf(call) : undefined
    const tasks =
      engine !== undefined
        ? await withEngine(call, engine, ({ people }) => listed(call, people, person))
        : await readFile(call, person)
    const limit = limitOf(call.options)
    printTasks(call, tasks.slice(0, limit))
    if (tasks.length > limit) call.output.note(`There are more than ${limit}: --limit N shows more.`)
    return 0
  }
  if (id === undefined) throw new UsageError('ID is missing', 'perdure people lists the ids.')
  const act = ACTS[action]
  const by = act === undefined ? undefined : personOf(call)
  if (engine === undefined) throw new UsageError(`${action} asks an engine, and none was named`, URL_REMEDY)
  await withEngine(call, engine, async ({ people }) => {
    if (act !== undefined && by !== undefined) await act(people, id, by, call)
    else await show(call, people, id)
  })
  if (act === undefined) return 0
  if (call.options.flag('json')) call.output.line(JSON.stringify({ id, action }))
  else call.output.line(printable(`human task ${id}: ${action} is recorded`))
  return 0
}

function needed(text: string | undefined, name: string): string {
  if (text === undefined) throw new UsageError(`--${name} is missing`)
  return text
}

function personOf({ options }: CommandCall): Exclude<Person, string> {
  const user = needed(options.text('as'), 'as')
  return { user, groups: options.texts('group'), ...(options.flag('admin') ? { admin: true } : {}) }
}

function decisionOf({ options }: CommandCall): { readonly data?: unknown; readonly comment?: string } {
  const text = options.text('data')
  const comment = options.text('comment')
  const said = comment === undefined ? {} : { comment }
  if (text === undefined) return said
  try {
    return { data: JSON.parse(text), ...said }
  } catch {
    throw new UsageError(`--data ${text} is no JSON`, `Such as --data '{"amount":3}'.`)
  }
}

function reasonOf({ options }: CommandCall): { readonly reason?: string } {
  const reason = options.text('reason')
  return reason === undefined ? {} : { reason }
}

async function listed(
  { options }: CommandCall,
  people: PeopleClient,
  person: Person | undefined,
): Promise<readonly HumanTask[]> {
  // One more shows that there are more.
  const wanted = limitOf(options) + 1
  const workflowId = options.text('execution')
  const found: HumanTask[] = []
  for (let cursor: string | undefined; ; ) {
    const page = present({ limit: Math.min(PAGE_ROWS, wanted - found.length), cursor })
    const { tasks, ...next } =
      person === undefined
        ? await people.list(present({ ...page, workflowId }))
        : await people.inbox(person, page)
    found.push(...tasks)
    cursor = next.cursor
    if (cursor === undefined || found.length >= wanted) return found
  }
}

function limitOf(options: CommandCall['options']): number {
  return options.count('limit', 1) ?? DEFAULT_LIMIT
}

async function readFile(
  call: CommandCall,
  person: Exclude<Person, string> | undefined,
): Promise<HumanTask[]> {
  const { options } = call
  const reader = await openStoreReader(call)
  try {
    requireRows(reader, 'human tasks')
    const workflowId = options.text('execution')
    const wanted = limitOf(options) + 1
    const found: HumanTaskRow[] = []
    for (let isMore = true; isMore && found.length < wanted; ) {
      const limit = Math.min(PAGE_ROWS, wanted - found.length)
      const rows = await reader.humanTasks({
        namespace: options.text('namespace') ?? DEFAULT_NAMESPACE,
        inboxes:
          person === undefined
            ? [workflowId === undefined ? '*' : `e:${workflowId}`]
            : [`u:${person.user}`, ...(person.groups ?? []).map((group) => `g:${group}`)],
        limit,
        ...present({ after: found.at(-1) }),
      })
      found.push(...rows)
      isMore = rows.length === limit
    }
    return found.map(({ summary }) => {
      const { openedAt, dueAt, ...rest } = JSON.parse(summary) as HumanTaskSummary
      return {
        ...rest,
        openedAt: new Date(openedAt),
        dueAt: dueAt === undefined ? undefined : new Date(dueAt),
      }
    })
  } finally {
    await reader.close()
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'PRIORITY', align: 'right', optional: 2 },
  { title: 'TITLE', leastWidth: 12 },
  { title: 'EXECUTION', leastWidth: 8, optional: 1 },
  { title: 'WITH', leastWidth: 8 },
  { title: 'DUE' },
]

function printTasks({ options, output }: CommandCall, tasks: readonly HumanTask[]): void {
  if (options.flag('json')) {
    for (const task of tasks) output.line(JSON.stringify(task))
    return
  }
  if (tasks.length === 0) {
    output.note('No human tasks are open here.')
    return
  }
  const cells = tasks.map((task): Cell[] => [
    task.id,
    String(task.priority),
    printable(task.title),
    printable(task.workflowId),
    printable(peopleText(task)),
    dueCell(task),
  ])
  const table = new Table(COLUMNS, cells, output)
  output.line(table.header())
  for (const row of cells) output.line(table.row(row))
}

function dueCell({ dueAt, isOverdue }: HumanTask): Cell {
  const text = dueAt === undefined ? '' : timeText(dueAt.getTime())
  return isOverdue ? { text, style: 'red' } : text
}

/** Who has the seats whose turn it is, or could take them. */
function peopleText({ seats }: Pick<HumanTask, 'seats'>): string {
  return seats
    .filter(({ isInTurn }) => isInTurn)
    .map(({ holder, users, groups }) => holder ?? `any of ${[...users, ...groups].join(', ')}`)
    .join('; ')
}

async function show({ options, output }: CommandCall, people: PeopleClient, id: string): Promise<void> {
  const task = await people.describe(id)
  const history = await people.history(id)
  if (options.flag('json')) {
    output.line(JSON.stringify({ ...task, history }))
    return
  }
  for (const [name, text] of detailLines(task)) output.line(printable(`${name.padEnd(10)}${text}`))
  output.line('')
  for (const { event } of history) output.line(printable(`${timeText(event.at)}  ${eventDetails(event)}`))
}

function detailLines(task: HumanTaskDetails): [name: string, text: string][] {
  const { id, title, name, workflowId, status, closedBy, reason, priority, dueAt, data, form } = task
  const ended = [closedBy === undefined ? '' : ` by ${closedBy}`, reason === undefined ? '' : `: ${reason}`]
  return [
    ['task', `${id}, ${name}`],
    ['title', title],
    ['execution', workflowId],
    ['status', `${status}${ended.join('')}`],
    ['priority', String(priority)],
    ...(dueAt === undefined ? [] : [['due', timeText(dueAt.getTime())] as [string, string]]),
    ['with', peopleText(task)],
    ...(data === undefined ? [] : [['data', JSON.stringify(data)] as [string, string]]),
    ...(form === undefined ? [] : [['form', JSON.stringify(form)] as [string, string]]),
  ]
}
