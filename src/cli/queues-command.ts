/** `perdure queues`: the queues of a store or of an engine that runs, and changes of their settings. */
import type { Static } from 'typebox'
import type { QueueSetting } from '../engine/tasks/queue-settings-desk.ts'
import { PerdureError } from '../protocol/errors.ts'
import { DEFAULT_NAMESPACE } from '../protocol/ids.ts'
import type { QueueChangeReply, QueueDescription } from '../protocol/queue-port.ts'
import {
  QUEUE_SETTING_NAMES,
  type QueueOverrides,
  type QueueSettingName,
  type RateLimit,
} from '../protocol/queue-settings.ts'
import type { QueueChanges, QueueClient, QueueDetails } from '../sdk/queues/queue-client.ts'
import type { queueExplanation } from '../server/http/schemas/queues.ts'
import type { QueueSettingRow } from '../store/contract/queue-setting-rows.ts'
import { COMMON_OPTIONS, type Command, type CommandCall, STORE_OPTIONS } from './command.ts'
import { printable } from './display-width.ts'
import { ENGINE_OPTIONS, engineInsteadOfStore } from './engine-choice.ts'
import { withEngine } from './engine-connection.ts'
import { printDone } from './printed-rows.ts'
import { Rest } from './rest/rest.ts'
import { openStoreReader, requireRows } from './store-option.ts'
import { type Cell, type Column, Table } from './table.ts'
import { isoTime, timeText } from './time-text.ts'
import { UsageError } from './usage-error.ts'
import { WATCH_OPTION } from './watching.ts'

const ACTIONS = ['list', 'show', 'explain', 'set', 'pause', 'resume', 'reset'] as const
/** Which options an action takes beside those of all: another one would change nothing, unnoticed. */
const TAKEN: Readonly<Record<string, readonly string[]>> = {
  pause: ['reason', 'if-revision'],
  resume: ['if-revision'],
  reset: ['setting', 'if-revision'],
  set: ['policy', 'balancer', 'concurrency', 'key-concurrency', 'rate', 'key-rate', 'if-revision'],
}
const OF_ACTIONS = new Set(Object.values(TAKEN).flat())
const PAGE_ROWS = 1000
const URL_REMEDY = 'Name the engine that runs: --url ws://127.0.0.1:7233, PERDURE_URL, or a profile.'

export const queuesCommand: Command = {
  name: 'queues',
  summary: 'Lists and shows queues; pauses, resumes and changes those of an engine that runs and listens.',
  operands: ['[ACTION]', '[QUEUE]'],
  words: ACTIONS,
  options: {
    ...STORE_OPTIONS,
    ...ENGINE_OPTIONS,
    namespace: { value: 'NAME', says: 'only this namespace; default: all of a file, `default` of an engine' },
    reason: { value: 'TEXT', says: 'pause: why' },
    policy: { value: 'POLICY', says: 'set: a name, or JSON such as {"name":"sjf","aging":0.2}' },
    balancer: { value: 'BALANCER', says: 'set: a name, or JSON' },
    concurrency: { value: 'N', says: 'set: tasks that run at once, or none' },
    'key-concurrency': { value: 'N', says: 'set: tasks of a key that run at once, or none' },
    rate: { value: 'RATE', says: 'set: starts per second, 5 or with a burst 5/20, or none' },
    'key-rate': { value: 'RATE', says: 'set: the same per key, or none' },
    setting: { value: 'NAME', says: 'reset: this one only', multiple: true },
    'if-revision': { value: 'N', says: 'pause, resume, set, reset: only if this is its revision' },
    ...WATCH_OPTION,
    ...COMMON_OPTIONS,
  },
  examples: [
    { line: 'perdure queues --store sqlite:./orders.db', says: 'what waits, and what was changed' },
    {
      line: 'perdure queues pause mail --reason "the provider is down" --url ws://127.0.0.1:7233',
      says: 'nothing of it starts until it is resumed',
    },
    {
      line: 'perdure queues set mail --policy sjf --concurrency 5 --url ws://127.0.0.1:7233',
      says: 'what waits is moved, what runs goes on',
    },
  ],
  run: runQueues,
}

async function runQueues(call: CommandCall): Promise<number> {
  const [action = 'list', name] = call.operands
  if (!ACTIONS.some((each) => each === action))
    throw new UsageError(`'${action}' is nothing to do with queues`, `There are ${ACTIONS.join(', ')}.`)
  const taken = TAKEN[action] ?? []
  const surplus = call.options.names().find((each) => OF_ACTIONS.has(each) && !taken.includes(each))
  if (surplus !== undefined) throw new UsageError(`--${surplus} is not for perdure queues ${action}`)
  const engine = engineInsteadOfStore(call, { overEnvironment: true })
  if (action === 'list') {
    if (name !== undefined) throw new UsageError('list takes no queue', `perdure queues show ${name}`)
    if (engine !== undefined)
      await withEngine(call, engine, async ({ queues }) => printDescriptions(call, await queues.list()))
    else await listFile(call)
    return 0
  }
  if (name === undefined) throw new UsageError('QUEUE is missing')
  if (action === 'show') {
    if (engine !== undefined)
      await withEngine(call, engine, async ({ queues }) => printDetails(call, await queues.get(name)))
    else await showFile(call, name)
    return 0
  }
  const change = action === 'explain' ? undefined : changeOf(call, action, name)
  if (engine === undefined) throw new UsageError(`${action} asks an engine, and none was named`, URL_REMEDY)
  if (change === undefined) {
    const answer = await new Rest(call, engine).ask<Explanation>({ path: ['queues', name, 'explain'] })
    printDone(call, answer, answer.sentence)
    return 0
  }
  const { revision } = await withEngine(call, engine, ({ queues }) => change(queues))
  if (call.options.flag('json')) call.output.line(JSON.stringify({ queue: name, revision }))
  else call.output.line(printable(`queue ${name}: revision ${revision}`))
  return 0
}

type Explanation = Static<typeof queueExplanation>
type Change = (queues: QueueClient) => Promise<QueueChangeReply>

function changeOf({ options }: CommandCall, action: string, name: string): Change {
  const ifRevision = options.count('if-revision', 0)
  const how = ifRevision === undefined ? {} : { ifRevision }
  if (action === 'pause') {
    const reason = options.text('reason')
    return (queues) => queues.pause(name, reason, how)
  }
  if (action === 'resume') return (queues) => queues.resume(name, how)
  if (action === 'reset') {
    const names = options.texts('setting') as readonly QueueSettingName[]
    const unknown = names.find((each) => !QUEUE_SETTING_NAMES.includes(each))
    if (unknown !== undefined)
      throw new UsageError(`there is no setting '${unknown}'`, `There are ${QUEUE_SETTING_NAMES.join(', ')}.`)
    return (queues) => queues.reset(name, names.length === 0 ? undefined : names, how)
  }
  const changes = changesOf(options)
  if (Object.keys(changes).length === 0)
    throw new UsageError('nothing is to be set', 'Such as --policy sjf, --concurrency 5 or --rate none.')
  return (queues) => queues.set(name, changes, how)
}

function changesOf(options: CommandCall['options']): QueueChanges {
  const given: Record<string, unknown> = {
    policy: strategyOf(options.text('policy')),
    balancer: strategyOf(options.text('balancer')),
    concurrency: countOf(options, 'concurrency'),
    keyConcurrency: countOf(options, 'key-concurrency'),
    rate: rateOf(options.text('rate'), 'rate'),
    keyRate: rateOf(options.text('key-rate'), 'key-rate'),
  }
  // The one cast: the engine looks at what they are.
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as QueueChanges
}

function strategyOf(text: string | undefined): unknown {
  if (text?.startsWith('{') !== true) return text
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${text} is no JSON`)
  }
}

function countOf(options: CommandCall['options'], name: string): number | null | undefined {
  return options.text(name) === 'none' ? null : options.count(name, 1)
}

function rateOf(text: string | undefined, name: string): RateLimit | null | undefined {
  if (text === undefined || text === 'none') return text === undefined ? undefined : null
  const [, perSecond, burst] = /^(\d+(?:\.\d+)?)(?:\/(\d+(?:\.\d+)?))?$/.exec(text) ?? []
  if (perSecond === undefined)
    throw new UsageError(`--${name} ${text} is no rate`, 'Such as 5, 0.5 or with a burst 5/20, or none.')
  return { perSecond: Number(perSecond), ...(burst === undefined ? {} : { burst: Number(burst) }) }
}

/** What a file tells of a queue: not what code says. */
interface StoredQueue {
  readonly namespace: string
  readonly queue: string
  waiting: number
  revision: number
  setting: QueueSetting | undefined
}

async function readFile(call: CommandCall): Promise<readonly StoredQueue[]> {
  const wanted = call.options.text('namespace')
  const reader = await openStoreReader(call)
  try {
    requireRows(reader, 'queues')
    const found = new Map<string, StoredQueue>()
    const of = (namespace: string, queue: string): StoredQueue => {
      const text = `${namespace}\0${queue}`
      const known = found.get(text)
      if (known !== undefined) return known
      const fresh = { namespace, queue, waiting: 0, revision: 0, setting: undefined }
      found.set(text, fresh)
      return fresh
    }
    for (const { namespace, queue, waiting } of await reader.lanes()) of(namespace, queue).waiting += waiting
    for (let after: QueueSettingRow | undefined; ; ) {
      const rows = await reader.queueSettings({ limit: PAGE_ROWS, ...(after === undefined ? {} : { after }) })
      for (const row of rows)
        Object.assign(of(row.namespace, row.queue), { revision: row.revision, setting: settingOf(row) })
      after = rows.at(-1)
      if (after === undefined || rows.length < PAGE_ROWS) break
    }
    return [...found.values()]
      .filter(({ namespace }) => wanted === undefined || namespace === wanted)
      .sort((a, b) =>
        a.namespace === b.namespace ? order(a.queue, b.queue) : order(a.namespace, b.namespace),
      )
  } finally {
    await reader.close()
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : 1
}

function settingOf({ queue, setting }: QueueSettingRow): QueueSetting {
  try {
    return JSON.parse(setting) as QueueSetting
  } catch (error) {
    throw new PerdureError('STORE_CORRUPT', `the settings of queue ${queue} are damaged`, { cause: error })
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'QUEUE', leastWidth: 8 },
  { title: 'WAITING', align: 'right' },
  { title: 'REVISION', align: 'right', optional: 2 },
  { title: 'CHANGED', optional: 1 },
  { title: 'AT RUN TIME', leastWidth: 12 },
]
const NAMESPACE: Column = { title: 'NAMESPACE', leastWidth: 8 }

async function listFile(call: CommandCall): Promise<void> {
  const { options, output } = call
  const found = await readFile(call)
  if (options.flag('json')) {
    for (const each of found) output.line(JSON.stringify(storedJson(each)))
    return
  }
  if (found.length === 0) {
    output.note('No queues: nothing waits, and no settings were changed.')
    return
  }
  const withNamespace = found.some(({ namespace }) => namespace !== DEFAULT_NAMESPACE)
  const cells = found.map(({ namespace, queue, waiting, revision, setting }): Cell[] => {
    const own = [
      printable(queue),
      String(waiting),
      revision === 0 ? '' : String(revision),
      setting === undefined ? '' : timeText(setting.changedMs),
      overridesCell(setting),
    ]
    return withNamespace ? [printable(namespace), ...own] : own
  })
  const table = new Table(withNamespace ? [NAMESPACE, ...COLUMNS] : COLUMNS, cells, output)
  output.line(table.header())
  for (const row of cells) output.line(table.row(row))
}

async function showFile(call: CommandCall, name: string): Promise<void> {
  const { options, output } = call
  const wanted = options.text('namespace') ?? DEFAULT_NAMESPACE
  const found = (await readFile(call)).find(({ namespace, queue }) => namespace === wanted && queue === name)
  const shown = found ?? { namespace: wanted, queue: name, waiting: 0, revision: 0, setting: undefined }
  if (options.flag('json')) {
    output.line(JSON.stringify(storedJson(shown)))
    return
  }
  output.line(printable(`queue     ${shown.queue}`))
  output.line(`waiting   ${shown.waiting}, with those that run`)
  output.line(`revision  ${shown.revision}`)
  for (const text of overrideTexts(shown.setting)) output.line(printable(`run time  ${text}`))
  output.note('What code says is known to its engine only: --url URL asks it.')
}

function storedJson({ namespace, queue, waiting, revision, setting }: StoredQueue): object {
  const { overrides = {}, pause, changedMs } = setting ?? {}
  return {
    queue,
    namespace,
    waiting,
    revision,
    overrides,
    pause: pause === undefined ? null : { reason: pause.reason, at: isoTime(pause.atMs) },
    changedAt: changedMs === undefined ? null : isoTime(changedMs),
  }
}

function overridesCell(setting: QueueSetting | undefined): Cell {
  const text = printable(overrideTexts(setting).join(', '))
  return setting?.overrides.paused === true ? { text, style: 'yellow' } : text
}

function overrideTexts(setting: QueueSetting | undefined): readonly string[] {
  const { overrides = {}, pause } = setting ?? {}
  return (Object.keys(overrides) as (keyof QueueOverrides)[]).map((name) =>
    name === 'paused' ? pausedText(overrides.paused, pause?.reason) : `${name} ${valueText(overrides[name])}`,
  )
}

function pausedText(isPaused: boolean | undefined, reason: string | undefined): string {
  if (isPaused !== true) return 'not paused'
  return reason === undefined ? 'paused' : `paused: ${reason}`
}

function valueText(value: unknown): string {
  if (value === null) return 'none'
  if (typeof value !== 'object') return String(value)
  const { name, perSecond, burst, ...rest } = value as Record<string, unknown>
  if (perSecond !== undefined) return burst === undefined ? `${perSecond}/s` : `${perSecond}/s burst ${burst}`
  return Object.keys(rest).length === 0 ? String(name) : `${name} ${JSON.stringify(rest)}`
}

const LIVE_COLUMNS: readonly Column[] = [
  { title: 'QUEUE', leastWidth: 8 },
  { title: 'POLICY' },
  { title: 'STATE' },
  { title: 'WAITING', align: 'right' },
  { title: 'MOVING', align: 'right', optional: 2 },
  { title: 'RUNNING', align: 'right' },
  { title: 'REVISION', align: 'right', optional: 1 },
]

function printDescriptions({ options, output }: CommandCall, queues: readonly QueueDescription[]): void {
  if (options.flag('json')) {
    for (const queue of queues) output.line(JSON.stringify(queue))
    return
  }
  if (queues.length === 0) {
    output.note('No queues: none was declared, changed, or used since the engine started.')
    return
  }
  const cells = queues.map(({ queue, policy, isPaused, waiting, moving, running, revision }): Cell[] => [
    printable(queue),
    printable(policy),
    isPaused ? { text: 'paused', style: 'yellow' } : '',
    String(waiting),
    String(moving),
    String(running),
    String(revision),
  ])
  const table = new Table(LIVE_COLUMNS, cells, output)
  output.line(table.header())
  for (const row of cells) output.line(table.row(row))
}

function printDetails({ options, output }: CommandCall, details: QueueDetails): void {
  if (options.flag('json')) {
    output.line(JSON.stringify(details))
    return
  }
  const { queue, waiting, moving, running, revision, settings, sources, changedAt, pause } = details
  const moved = moving === 0 ? '' : `, of which ${moving} are being moved`
  output.line(printable(`queue     ${queue}`))
  output.line(`tasks     ${waiting} wait${moved}, ${running} run`)
  output.line(`revision  ${revision}${changedAt === undefined ? '' : `, ${timeText(changedAt.getTime())}`}`)
  if (pause !== undefined)
    output.line(printable(`paused    since ${timeText(pause.at.getTime())}: ${pause.reason}`))
  const cells = QUEUE_SETTING_NAMES.map((name) => {
    const value = settings[name]
    return [name, printable(value === undefined ? 'none' : valueText(value)), sources[name]]
  })
  const table = new Table(
    [{ title: 'SETTING' }, { title: 'VALUE', leastWidth: 12 }, { title: 'FROM' }],
    cells,
    output,
  )
  output.line('')
  output.line(table.header())
  for (const row of cells) output.line(table.row(row))
}
