// connect(url): the engine's interface over a real socket.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import {
  connect,
  createEngine,
  createWorker,
  query,
  signal,
  silentLogger,
  task,
  update,
  workflow,
} from '../../src/index.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { double, until } from '../tasks/task-fixtures.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const
const add = signal<number>('add')
const total = query<number>('total')
const raise = update<number, number>('raise')

const summing = workflow({
  name: 'summing',
  run: async (ctx, first: number) => {
    let sum = first
    ctx.onQuery(total, () => sum)
    ctx.onUpdate(raise, (by) => {
      sum += by
      return sum
    })
    while (sum < 100) {
      const more = await ctx.waitFor(add)
      sum += more
    }
    return { sum, at: new Date(0) }
  },
})
const failing = workflow({
  name: 'failing',
  run: () => {
    throw new RangeError('out of range')
  },
})

async function started(store = 'memory') {
  const engine = await createEngine({ store, workflows: [summing, failing], ...quiet })
  const { url, port } = await engine.listen({ heartbeat: 1000 })
  const client = await connect(url, { logger: silentLogger })
  const close = async (): Promise<void> => {
    await client.close()
    await engine.close()
  }
  return { engine, url, port, client, [Symbol.asyncDispose]: close }
}

test('a client starts, signals, queries, updates, awaits and lists as the embedded one does', async () => {
  await using on = await started()
  const { client } = on
  const execution = await client.start(summing, 1, { id: 'sum', attributes: { team: 'a' } })
  await execution.signal(add, 9)
  await until(async () => (await execution.query(total)) === 10)
  assert.equal(await execution.update(raise, 20), 30)
  assert.match((await execution.explain()).sentence, /signal add/)
  await execution.signal(add, 70)
  assert.deepEqual(await execution.result(), { sum: 100, at: new Date(0) })
  const [only] = (await client.list({ attributes: { team: 'a' } })).executions
  assert.deepEqual([only?.id, only?.status, only?.startedAt instanceof Date], ['sum', 'completed', true])
  const types: string[] = []
  for await (const { event } of execution.watch()) types.push(event.type)
  assert.deepEqual(
    types,
    (await on.engine.execution(summing, 'sum').history()).map(({ event }) => event.type),
  )
})

test('the URL of the REST API is as good, another one is refused', async () => {
  await using on = await started()
  await using client = await connect(on.url.replace('ws:', 'http:'), { logger: silentLogger })
  assert.deepEqual((await client.list()).executions, [])
  await assert.rejects(connect('ftp://127.0.0.1'), {
    code: 'ARGUMENT_INVALID',
    message: /"ftp:\/\/127\.0\.0\.1", not a URL like ws:/,
  })
})

test('errors come back as they are', async () => {
  await using on = await started()
  const failed = await on.client.start(failing)
  await assert.rejects(failed.result(), (error: Error) => (error.cause as Error).message === 'out of range')
  await assert.rejects(on.client.execution(summing, 'none').describe(), { code: 'EXECUTION_NOT_FOUND' })
  const unknown = workflow({ name: 'unknown', run: () => 1 })
  await assert.rejects(on.client.start(unknown), { code: 'WORKFLOW_UNKNOWN' })
})

test('tasks: enqueued by a client, run by a worker elsewhere, more than one frame holds', async () => {
  await using on = await started()
  const long = task({ name: 'long', run: (_, text: string) => text.length })
  await using _worker = await createWorker({ url: on.url, tasks: [double, long], ...quiet })
  const text = 'x'.repeat(600_000)
  const handles = await on.client.enqueueMany(
    long,
    Array.from({ length: 20 }, () => text),
  )
  assert.deepEqual(
    await Promise.all(handles.map((each) => each.result())),
    handles.map(() => text.length),
  )
  const first = await on.client.enqueue(double, 4, { id: 'four' })
  const again = await on.client.enqueue(double, 5, { id: 'four' })
  assert.deepEqual([first.enqueued, again.enqueued, await again.result()], [true, false, 8])
  assert.equal((await on.client.listTasks({ name: 'double' })).tasks.length, 1)
  assert.equal((await on.client.explainQueue('default')).reason, 'empty')
})

test('calls wait for the next connection, or say that it was lost', async () => {
  const first = await createEngine({ store: 'memory', ...quiet })
  const { url, port } = await first.listen()
  await using client = await connect(url, { logger: silentLogger })
  const parked = await client.enqueue(double, 1, { id: 'one' })
  const waiting = parked.result()
  await first.close()
  await using second = await createEngine({ store: 'memory', tasks: [double], ...quiet })
  await second.listen({ port })
  // Of the other engine: it knows no such task.
  await assert.rejects(waiting, { code: 'TASK_NOT_FOUND' })
  assert.equal(await (await client.enqueue(double, 2)).result(), 4)
  const open = (await client.enqueue(task({ name: 'nobody', run: () => 1 }), undefined)).result()
  await client.close()
  await assert.rejects(open, { code: 'CONNECTION_LOST' })
  await assert.rejects(client.list(), { code: 'CONNECTION_LOST' })
})

test('arguments that do not fit are refused by the engine, whatever the client has checked', async () => {
  await using on = await started()
  const socket = new WebSocket(on.url, ['perdure.client.v1'])
  const replies = new Map<number, { failure?: { code: string; message: string } }>()
  socket.on('message', (data) => {
    for (const reply of JSON.parse(String(data))) replies.set(reply.id, reply)
  })
  await new Promise((resolve) => socket.once('open', resolve))
  const key = { namespace: 'default', workflowId: 'x' }
  const cases: [method: string, args: unknown[], message: RegExp][] = [
    ['start', [{ key }], /start\(\)\[0\]\.workflow: not a string/],
    ['signal', [{ key: { ...key, workflowId: '' } }, 'add', [1, 'json', null, 1]], /workflowId: not a name/],
    ['signal', [{ key }, 'add', { a: 1 }], /not a payload/],
    ['tasks.reprioritise', [{ namespace: 'default', id: 'a' }, 77], /whole number from 0 to 9/],
    [
      'tasks.enqueue',
      [[{ namespace: 'default', name: 'a', queue: 'q', input: [1, 'json', null, 1], retry: {} }]],
      /retry/,
    ],
    ['list', [{ namespace: 'default' }, 1, 2], /more than 1 arguments/],
  ]
  for (const [id, [method, args]] of cases.entries()) socket.send(JSON.stringify([{ id, method, args }]))
  await until(() => replies.size === cases.length)
  for (const [id, [, , message]] of cases.entries()) {
    assert.equal(replies.get(id)?.failure?.code, 'PROTOCOL_INVALID')
    assert.match(replies.get(id)?.failure?.message ?? '', message)
  }
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.send(JSON.stringify([{ id: 9, method: 'constructor', args: [] }]))
  assert.equal(await closed, 1008)
})

test('what can be asked again is asked of another engine when the one that was asked closes', async () => {
  using file = temporaryFile('one.db')
  using next = temporaryFile('two.db')
  await using one = await started(`sqlite:${file.path}`)
  await using two = await started(`sqlite:${next.path}`)
  const client = await connect([one.url, two.url], { logger: silentLogger })
  try {
    await client.start(summing, 1, { id: 'sum' })
    // Which one it is connected to is drawn.
    const [asked, other] = (await one.engine.list()).executions.length > 0 ? [one, two] : [two, one]
    await other.engine.start(summing, 1, { id: 'sum' })
    const result = client.execution(summing, 'sum').result()
    // It comes after the question.
    await client.execution(summing, 'sum').query(total)
    await asked.engine.close()
    await other.engine.execution(summing, 'sum').signal(add, 199)
    assert.deepEqual(await result, { sum: 200, at: new Date(0) })
  } finally {
    await client.close()
  }
})
