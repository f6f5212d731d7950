/** A real store file with executions in every state, and the program run on it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { runProgram } from '../../src/cli/program.ts'
import { createEngine, silentLogger, workflow } from '../../src/index.ts'
import { approved, fulfilOrder, retired, sendLetter, upload, workflows } from './order-workflows.ts'

export const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')

/** A directory that is removed when the test file ends. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'perdure-cli-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) }
}

/** Makes `orders.db` in the directory, and closes it. */
export async function makeOrders(directory: string): Promise<string> {
  const file = join(directory, 'orders.db')
  await fillWithOrders(`sqlite:${file}`)
  return file
}

/** Executions in every state; the engine is closed afterwards. */
export async function fillWithOrders(store: string): Promise<void> {
  const settings = { store, logger: silentLogger, shutdownGrace: 0 }
  const before = await createEngine({ ...settings, workflows: [retired] })
  await before.start(retired, undefined, { id: 'order-parked' })
  await until(async () => before.isQuiet)
  await before.close()
  const engine = await createEngine({ ...settings, workflows })
  for (const [i, customer] of ['ada', 'bob', 'ada'].entries()) {
    await (await engine.start(fulfilOrder, { customer, total: i * 10 }, { id: `order-${i}` })).result()
  }
  const failing = await engine.start(
    fulfilOrder,
    { customer: 'eve', total: 7, fate: 'fail' },
    { id: 'order-fail' },
  )
  await failing.result().catch(() => {})
  await engine.start(fulfilOrder, { customer: 'ada', total: 8, fate: 'wait' }, { id: 'order-wait' })
  const signalled = { customer: 'ada', total: 8, fate: 'wait' } as const
  const handle = await engine.start(fulfilOrder, signalled, { id: 'order-signalled' })
  await handle.signal(approved, { by: 'bob' })
  await engine.start(
    fulfilOrder,
    { customer: 'ada', total: 8, fate: 'ship' },
    { id: 'order-ship', executionTimeout: '3d' },
  )
  await engine.start(fulfilOrder, { customer: 'ada', total: 8, fate: 'flaky' }, { id: 'order-flaky' })
  await engine.start(fulfilOrder, { customer: 'ada', total: 9 }, { id: 'order-later', delay: '3h' })
  await engine.execution(retired, 'order-parked').signal(approved, { by: 'bob' })
  await until(async () => engine.isQuiet)
  await until(async () => (await engine.execution(fulfilOrder, 'order-flaky').history()).length >= 4)
  await engine.close()
}

/** Makes `tasks.db` in the directory, with tasks in every state that a file can hold, and closes it. */
export async function makeTasks(directory: string): Promise<string> {
  const file = join(directory, 'tasks.db')
  const settings = { store: `sqlite:${file}`, logger: silentLogger, shutdownGrace: 0 }
  const engine = await createEngine({
    ...settings,
    workflows: [upload],
    tasks: [sendLetter],
    queues: [{ name: 'closed', paused: true }],
  })
  const to = (name: string): { id: string; key: string } => ({ id: `letter-${name}`, key: name })
  await (await engine.enqueue(sendLetter, 'ada', to('ada'))).result()
  await (await engine.enqueue(sendLetter, 'nobody', to('nobody'))).result().catch(() => {})
  await engine.enqueue(sendLetter, 'bob', { ...to('bob'), delay: '2h' })
  await engine.enqueue(sendLetter, 'eve', { ...to('eve'), queue: 'closed', dedupeKey: 'eve' })
  await (await engine.enqueue(sendLetter, 'kim', { ...to('kim'), queue: 'closed' })).cancel()
  await engine.start(upload, undefined, { id: 'upload-1' })
  await until(async () => (await engine.listTasks({ owner: 'upload-1' })).tasks.length === 1)
  await engine.close()
  return file
}

/** Makes `schedules.db` in the directory, and closes it. */
export async function makeSchedules(directory: string): Promise<string> {
  const file = join(directory, 'schedules.db')
  const settings = { store: `sqlite:${file}`, logger: silentLogger, shutdownGrace: 0 }
  const engine = await createEngine({ ...settings, workflows })
  const { schedules } = engine
  const order = { workflow: fulfilOrder, input: { customer: 'ada', total: 1 } }
  const nightly = { cron: '0 30 2 * * *', timezone: 'Europe/Berlin' }
  await schedules.create('sync', { every: '15m', offset: '2m' }, order)
  await schedules.create('nightly', nightly, { ...order, overlap: 'buffer-one' })
  await schedules.create('audit', { cron: '@daily' }, { ...order, paused: 'until the audit is over' })
  await schedules.create('old', { cron: '0 0 0 1 1 * 2020' }, order)
  const { workflowId } = await schedules.trigger('nightly')
  await engine.execution(fulfilOrder, workflowId).result()
  await engine.close()
  return file
}

/** Makes `queues.db` in the directory, with queues whose settings were changed at run time, and closes it. */
export async function makeQueues(directory: string): Promise<string> {
  const file = join(directory, 'queues.db')
  const engine = await createEngine({
    store: `sqlite:${file}`,
    logger: silentLogger,
    queues: [{ name: 'letters', paused: true }],
  })
  await engine.queues.set('letters', {
    policy: { name: 'sjf', aging: 0.2 },
    rate: { perSecond: 5, burst: 20 },
  })
  await engine.queues.set('mail', { concurrency: null })
  await engine.queues.pause('mail', 'the provider is down')
  await engine.enqueueMany(sendLetter, ['ada', 'bob'], { queue: 'letters' })
  await engine.enqueue(sendLetter, 'eve', { queue: 'mail' })
  await engine.enqueue(sendLetter, 'kim', { queue: 'parcels' })
  await engine.close()
  return file
}

/** Makes `audited.db`, and `audit-key.pem` with its public key. */
export async function makeAudited(directory: string): Promise<string> {
  const file = join(directory, 'audited.db')
  const engine = await createEngine({
    store: `sqlite:${file}`,
    workflows,
    logger: silentLogger,
    shutdownGrace: 0,
    audit: { signingKeyFile: join(directory, 'audit-key.pem') },
  })
  const order = { customer: 'ada', total: 8, fate: 'wait' } as const
  const execution = await engine.start(fulfilOrder, order, { id: 'order-7' })
  await execution.cancel('ordered twice')
  await engine.queues.pause('mail', 'the provider is down')
  await engine
    .execution(fulfilOrder, 'order-8')
    .terminate('nobody knows it')
    .catch(() => {})
  await engine.audit?.sign()
  await until(async () => (await engine.audit?.rows())?.length === 5)
  await engine.close()
  return file
}

export async function makePeople(directory: string): Promise<string> {
  const file = join(directory, 'people.db')
  const engine = await createEngine({
    store: `sqlite:${file}`,
    logger: silentLogger,
    workflows: [payInvoice],
  })
  const { people } = engine
  for (const no of [7, 8]) {
    await engine.start(payInvoice, no, { id: `invoice-${no}` })
    while ((await people.list({ workflowId: `invoice-${no}` })).tasks.length === 0) await pause(5)
  }
  const [check] = (await people.list({ workflowId: 'invoice-7' })).tasks
  await people.complete(check?.id ?? '', { user: 'ann', groups: ['finance'] })
  while ((await people.list({ workflowId: 'invoice-7' })).tasks.length === 0) await pause(5)
  await engine.close()
  return file
}

const payInvoice = workflow({
  name: 'pay-invoice',
  run: async (ctx, no: number) => {
    await ctx.humanTask({ title: `Check invoice ${no}`, candidateGroups: ['finance'], dueIn: '2d' })
    const approvers = ['mia', { groups: ['managers'] }]
    await ctx.approval({ title: 'Release the payment', approvers, priority: 9 })
  },
})

/** A copy of a closed store file, for one test to damage. */
export function copyOf(file: string, name: string): string {
  const copy = join(file, '..', `${name}.db`)
  copyFileSync(file, copy)
  return copy
}

/** Changes rows behind the back of the engine. */
export function damage(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}

/** SQL of the run id of an execution. */
export function runOf(workflowId: string): string {
  return `(select run_id from current where workflow_id = '${workflowId}')`
}

/** Appends an event to the journal of a run, behind its last one. */
export function appendEvent(workflowId: string, event: string): string {
  return `insert into journal select day, run_id, max(seq + count), max(epoch), 1, 1,
    '[' || json_set('${event}', '$.at', (select max(at) from "commit")) || ']'
    from journal where run_id = ${runOf(workflowId)} group by run_id`
}

export interface ProgramResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ProgramSettings {
  readonly directory?: string
  readonly env?: Readonly<Record<string, string>>
  readonly columns?: number
  readonly isTTY?: boolean
  readonly nowMs?: number
}

/** Runs a command line in this process. */
export async function perdure(
  args: readonly string[],
  { directory = tmpdir(), env = {}, columns, isTTY, nowMs = Date.now() }: ProgramSettings = {},
): Promise<ProgramResult> {
  const stdout = Object.assign(new PassThrough(), { columns, isTTY })
  const stderr = new PassThrough()
  const written = Promise.all([text(stdout), text(stderr)])
  const code = await runProgram(args, { stdout, stderr, env, directory, nowMs })
  stdout.end()
  stderr.end()
  const [out, error] = await written
  return { code, stdout: out, stderr: error }
}

/** Runs a command line in a process of its own. */
export async function perdureProcess(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ProgramResult> {
  const env = { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR, ...options.env }
  const child = spawn(process.execPath, [MAIN, ...args], {
    ...options,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  await exit
  return { code: child.exitCode, stdout, stderr }
}

export async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5))
}
