/** All that carries payloads, done once through a client; each payload holds the marker, which must be found nowhere else. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  ExecutionFailedError,
  query,
  signal,
  TaskFailedError,
  task,
  update,
  workflow,
} from '../../src/index.ts'
import type { Client } from '../../src/sdk/client.ts'

export const MARKER = 'X9-MARKER-Q7'
/** A payload is longer than a line, and not only text. */
const secret = (what: string) => ({ what, text: `${MARKER} ${what}`, list: [1n, new Date(0)] })
export type Secret = ReturnType<typeof secret>

const go = signal<Secret>('go')
const ask = query<Secret, Secret>('ask')
const change = update<string, Secret>('change')

const work = task({ name: 'work', run: (_, given: Secret) => ({ ...given, done: true }) })
/** Tells a checkpoint, yields with another one, and reads it in its next slice. */
const sliced = task({
  name: 'sliced',
  run: (self, given: Secret) => {
    const before = self.checkpoint as Secret | undefined
    if (before !== undefined) return { ...given, before: before.text }
    self.heartbeat(secret('heartbeat'))
    return self.yield(secret('checkpoint'))
  },
})
const broken = task({
  name: 'broken',
  run: (_, given: Secret) => {
    throw new Error(`${given.text} in a task`)
  },
  retry: { maxAttempts: 1 },
})

const child = workflow({
  name: 'child',
  run: async (ctx, given: Secret) => {
    const got = await ctx.waitFor(go)
    if (given.what === 'child that fails') throw new RangeError(`${got.text} in a child`)
    return { given: given.text, got: got.text }
  },
})

/** The message of the cause; that of the error says it too. */
function repeatedCause({ message, cause }: Error): string {
  const said = (cause as Error).message
  return message.includes(said) ? said : `not in: ${message}`
}

const parent = workflow({
  name: 'parent',
  run: async (ctx, given: Secret) => {
    let changes = ''
    ctx.onQuery(ask, (about) => secret(`answer to ${about.what}`))
    ctx.onUpdate(
      change,
      (to): string => {
        changes += to.what
        return `${to.text} taken`
      },
      {
        validate: (to) => {
          if (to.what === 'bad') throw new Error(`${to.text} is bad`)
        },
      },
    )
    const step = await ctx.step('step', () => secret(`step of ${given.what}`))
    const good = ctx.child(child, secret('child'))
    await good.signal(go, secret('signal to a child'))
    const bad = ctx.child(child, secret('child that fails'), { id: `${ctx.info.workflowId}-bad` })
    await bad.signal(go, secret('signal to a child that fails'))
    const children = [await good, await bad.catch(repeatedCause)]
    const tasks = [
      await ctx.task(work, secret('task')),
      await ctx.task(sliced, secret('sliced task')),
      await ctx.task(broken, secret('broken task')).catch((error: Error) => (error.cause as Error).message),
    ]
    let attempts = 0
    const retried = await ctx.step(
      'retried',
      () => {
        attempts += 1
        if (attempts < 2) throw new Error(`${MARKER} in an attempt`)
        return attempts
      },
      { retry: { maxAttempts: 3, initialInterval: 1 } },
    )
    const form = { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] } as const
    const human = await ctx.humanTask({ title: 'Look', candidateUsers: ['ann'], form, data: secret('shown') })
    const approval = await ctx.approval({ title: 'Approve', approvers: ['ann'], data: secret('to approve') })
    const last = await ctx.waitFor(go)
    return {
      ...{ step: step.text, children, tasks, retried, changes, human: human.data, last: last.text },
      approved: approval.decisions.map(({ data }) => data),
    }
  },
})

const failing = workflow({
  name: 'failing',
  run: async (ctx, given: Secret) => {
    await ctx.step('s', () => given)
    throw new TypeError(`${given.text} in a workflow`, { cause: new Error(`${MARKER} cause`) })
  },
})

const rounds = workflow({
  name: 'rounds',
  run: async (ctx, { round, given }: { readonly round: number; readonly given: Secret }): Promise<string> => {
    if (round < 2) return ctx.continueAsNew({ round: round + 1, given })
    return given.text
  },
})

export const WORKFLOWS = [parent, child, failing, rounds]
export const TASKS = [work, sliced, broken]

async function openHumanTask(client: Client, workflowId: string, title: string): Promise<string> {
  for (;;) {
    const { tasks } = await client.people.list({ workflowId })
    const found = tasks.find((each) => each.title === title)
    if (found !== undefined) return found.id
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function parentOperations(client: Client, id: string): Promise<void> {
  const execution = await client.start(parent, secret('input'), { id, attributes: { kind: 'shown' } })
  assert.equal((await execution.query(ask, secret('question'))).text, `${MARKER} answer to question`)
  assert.equal(await execution.update(change, secret('good')), `${MARKER} good taken`)
  await assert.rejects(execution.update(change, secret('bad')), (error: Error) => {
    assert.match(error.message, /UPDATE_REJECTED/)
    return (error.cause as Error).message === `${MARKER} bad is bad`
  })
  const look = await openHumanTask(client, id, 'Look')
  assert.equal(((await client.people.describe(look)).data as Secret).text, `${MARKER} shown`)
  await assert.rejects(client.people.complete(look, 'ann', { data: { answer: 1 } }), {
    code: 'HUMAN_TASK_DATA_INVALID',
  })
  await client.people.complete(look, 'ann', { data: { answer: `${MARKER} filled in` } })
  const approve = await openHumanTask(client, id, 'Approve')
  await client.people.approve(approve, 'ann', { data: { why: `${MARKER} approved` } })
  await execution.signal(go, secret('last'))
  assert.deepEqual(await execution.result(), {
    step: `${MARKER} step of input`,
    children: [
      { given: `${MARKER} child`, got: `${MARKER} signal to a child` },
      `${MARKER} signal to a child that fails in a child`,
    ],
    tasks: [
      { ...secret('task'), done: true },
      { ...secret('sliced task'), before: `${MARKER} checkpoint` },
      `${MARKER} broken task in a task`,
    ],
    retried: 2,
    changes: 'good',
    human: { answer: `${MARKER} filled in` },
    last: `${MARKER} last`,
    approved: [{ why: `${MARKER} approved` }],
  })
  const [details] = (await client.people.describe(look)).decisions
  assert.deepEqual(details?.data, { answer: `${MARKER} filled in` })
  const texts = [JSON.stringify(await execution.history())]
  for await (const event of execution.watch({ afterSeq: 5 })) texts.push(JSON.stringify(event))
  assert.ok(texts.every((text) => !text.includes('aes-256-gcm')))
  assert.ok(texts.some((text) => text.includes(MARKER)))
}

async function otherExecutions(client: Client, id: string): Promise<void> {
  const failed = await client.start(failing, secret('input'), { id: `${id}-failing` })
  await assert.rejects(failed.result(), (error: Error) => {
    assert.ok(error instanceof ExecutionFailedError)
    const cause = error.cause as Error
    assert.equal(cause.message, `${MARKER} input in a workflow`)
    assert.match(cause.stack ?? '', new RegExp(MARKER))
    assert.equal((cause.cause as Error).message, `${MARKER} cause`)
    return true
  })
  assert.equal((await failed.describe()).error?.message, `${MARKER} input in a workflow`)
  assert.match((await failed.explain()).failure?.message ?? '', /input in a workflow/)
  const continued = await client.start(rounds, { round: 1, given: secret('round') }, { id: `${id}-rounds` })
  assert.equal(await continued.result(), `${MARKER} round`)
  const started = await client.signalWithStart(child, secret('child'), go, secret('with start'), {
    id: `${id}-with`,
  })
  assert.deepEqual(await started.result(), { given: `${MARKER} child`, got: `${MARKER} with start` })
}

const isOfSchedule = (error: Error) => (error.cause as Error).message === `${MARKER} schedule in a workflow`

async function scheduled(client: Client, id: string): Promise<void> {
  await client.schedules.create(
    id,
    { every: '1h' },
    { workflow: failing, input: secret('schedule'), paused: true },
  )
  assert.equal(((await client.schedules.describe(id)).input as Secret).what, 'schedule')
  const { workflowId } = await client.schedules.trigger(id)
  await assert.rejects(client.execution(failing, workflowId).result(), isOfSchedule)
  await client.schedules.update(id, { workflowIdPrefix: `${id}-other` })
  assert.equal(((await client.schedules.describe(id)).input as Secret).what, 'schedule')
  const again = await client.schedules.trigger(id)
  assert.match(again.workflowId, /-other-/)
  await assert.rejects(client.execution(failing, again.workflowId).result(), isOfSchedule)
}

async function taskOperations(client: Client, id: string): Promise<void> {
  const own = await client.enqueue(work, secret('own task'), { id: `${id}-task` })
  assert.equal((await own.result()).text, `${MARKER} own task`)
  const many = await client.enqueueMany(work, [secret('one'), secret('two')])
  assert.deepEqual(await Promise.all(many.map(async (each) => (await each.result()).what)), ['one', 'two'])
  const slices = await client.enqueue(sliced, secret('own sliced task'))
  assert.equal((await slices.result()).before, `${MARKER} checkpoint`)
  const failed = await client.enqueue(broken, secret('own broken task'))
  await assert.rejects(failed.result(), (error: Error) => {
    assert.ok(error instanceof TaskFailedError)
    return (error.cause as Error).message === `${MARKER} own broken task in a task`
  })
  assert.equal((await failed.describe()).error?.message, `${MARKER} own broken task in a task`)
  const { tasks } = await client.listTasks({ name: 'broken', status: ['failed'] })
  assert.ok(tasks.length >= 1)
  assert.ok(tasks.every(({ error }) => error?.message.includes(MARKER)))
  const debounce = { key: `${id}-debounced`, wait: '1s' } as const
  const first = await client.enqueue(work, secret('debounced first'), { debounce })
  const second = await client.enqueue(work, secret('debounced second'), { debounce })
  assert.equal(second.id, first.id)
  assert.equal((await first.result()).what, 'debounced second')
}

/** @param id what the ids of all begin with */
export async function everyOperation(client: Client, id: string): Promise<void> {
  await Promise.all([
    parentOperations(client, id),
    otherExecutions(client, id),
    scheduled(client, `${id}-schedule`),
    taskOperations(client, id),
  ])
}

/** Files below a folder that hold the marker, as it is or in base64. */
export function filesWithMarker(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(folder, name)
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true && hasMarker(readFileSync(path))
  })
}

export function hasMarker(bytes: Buffer | string): boolean {
  return [MARKER, MARKER.slice(1), MARKER.slice(2)].some(
    (text) => bytes.includes(MARKER) || bytes.includes(Buffer.from(text).toString('base64').slice(0, 12)),
  )
}
