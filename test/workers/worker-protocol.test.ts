// Workers in other processes, over real sockets: the product's own worker, and one that is written by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import {
  type BalancedWorker,
  type Candidates,
  createEngine,
  createWorker,
  type EngineSettings,
  silentLogger,
  task,
  type WorkerLoad,
} from '../../src/index.ts'
import type { EngineMessage, WorkerMessage } from '../../src/protocol/worker-messages.ts'
import { double, gate, until } from '../tasks/task-fixtures.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const

async function listening(settings: Partial<EngineSettings> = {}) {
  const engine = await createEngine({ store: 'memory', ...quiet, ...settings })
  const { url } = await engine.listen({ heartbeat: 50 })
  return { engine, url, [Symbol.asyncDispose]: () => engine.close() }
}

/** A worker of raw messages. */
async function rawWorker(url: string, hello: Partial<WorkerMessage> = {}) {
  const socket = new WebSocket(url, ['perdure.worker.v1'])
  const got: EngineMessage[] = []
  socket.on('message', (data) => got.push(...JSON.parse(String(data))))
  let closedWith: number | undefined
  socket.on('close', (code) => {
    closedWith = code
  })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  const send = (...messages: unknown[]): void => socket.send(JSON.stringify(messages))
  send({ type: 'hello', namespace: 'default', tasks: ['double'], credits: 2, ...hello })
  const tasks = () => got.filter((message) => message.type === 'task')
  return { socket, send, got, tasks, closedWith: () => closedWith }
}

const done = (token: string, n: number) => ({ type: 'completed', token, result: [1, 'json', null, n] })

test('a worker elsewhere runs tasks, and tells checkpoints, progress, results and errors', async () => {
  await using on = await listening()
  const { engine, url } = on
  const count = task({
    name: 'count',
    retry: { maxAttempts: 2, initialInterval: 1 },
    run: (context, n: number) => {
      context.progress(0.5, 'half')
      context.heartbeat({ at: n })
      if (context.attempt === 1) throw new RangeError('not at first')
      return { checkpoint: context.checkpoint, key: context.idempotencyKey }
    },
  })
  await using worker = await createWorker({ url, tasks: [count, double], id: 'w1', ...quiet })
  assert.equal(worker.id, 'w1')
  const handle = await engine.enqueue(count, 7, { id: 'seven' })
  assert.deepEqual(await handle.result(), { checkpoint: { at: 7 }, key: 'default/task/seven' })
  const { worker: ranOn, progress, attempts } = await handle.describe()
  assert.deepEqual([ranOn, progress, attempts], ['w1', { fraction: 0.5, note: 'half' }, 2])
  const many = await engine.enqueueMany(
    double,
    Array.from({ length: 500 }, (_, i) => i),
  )
  assert.deepEqual(
    await Promise.all(many.map((each) => each.result())),
    many.map((_, i) => 2 * i),
  )
})

test('a cancelled task is aborted at its worker, and its place is free when its function has ended', async () => {
  await using on = await listening()
  let stop = (): void => {}
  const stubborn = task({
    name: 'stubborn',
    run: ({ abortSignal }) =>
      new Promise<string>((resolve) => {
        abortSignal.addEventListener('abort', () => {
          stop = () => resolve('late')
        })
      }),
  })
  await using worker = await createWorker({
    url: on.url,
    tasks: [stubborn, double],
    concurrency: 1,
    ...quiet,
  })
  const first = await on.engine.enqueue(stubborn, undefined)
  await until(() => worker.running === 1)
  const second = await on.engine.enqueue(double, 4)
  await first.cancel()
  await until(() => worker.running === 0)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal((await second.describe()).status, 'waiting')
  stop()
  assert.equal(await second.result(), 8)
})

test('a worker that vanishes: its tasks run elsewhere at once', async () => {
  await using on = await listening()
  const raw = await rawWorker(on.url)
  const handles = await on.engine.enqueueMany(double, [1, 2])
  await until(() => raw.tasks().length === 2)
  await using _worker = await createWorker({ url: on.url, tasks: [double], ...quiet })
  raw.socket.terminate()
  assert.deepEqual(await Promise.all(handles.map((each) => each.result())), [2, 4])
})

test('a worker that is silent is lost after three heartbeats', async () => {
  await using on = await listening()
  const raw = await rawWorker(on.url)
  const handle = await on.engine.enqueue(double, 5)
  await until(() => raw.tasks().length === 1)
  raw.socket.pause()
  await using _worker = await createWorker({ url: on.url, tasks: [double], ...quiet })
  assert.equal(await handle.result(), 10)
  raw.socket.terminate()
})

test('a worker connects again when the engine was away, and goes on', async () => {
  const first = await createEngine({ store: 'memory', ...quiet })
  const { port, url } = await first.listen()
  const { task: slow, open } = gate()
  await using worker = await createWorker({ url, tasks: [slow, double], ...quiet, id: 'w' })
  await first.enqueue(slow, 'a')
  await until(() => open.length === 1)
  await first.close()
  await until(() => worker.id === undefined && worker.running === 0)
  await using second = await createEngine({ store: 'memory', ...quiet })
  await second.listen({ port })
  assert.equal(await (await second.enqueue(double, 3)).result(), 6)
})

test('close lets running tasks end, and gives back what does not', async () => {
  await using on = await listening()
  const { task: slow, open } = gate()
  const worker = await createWorker({ url: on.url, tasks: [slow], logger: silentLogger })
  const handle = await on.engine.enqueue(slow, 'a')
  await until(() => open.length === 1)
  const closing = worker.close()
  const next = await on.engine.enqueue(slow, 'b')
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(open.length, 1)
  open[0]?.()
  await closing
  assert.equal(await handle.result(), 'a')
  const other = await createWorker({ url: on.url, tasks: [slow], ...quiet })
  await until(() => open.length === 2)
  await other.close()
  // Given back: no worker was lost.
  await until(async () => (await next.describe()).status === 'waiting')
  assert.equal((await next.describe()).attempts, 0)
})

test('void tokens are rejected and change nothing', async () => {
  await using on = await listening()
  const [one, two] = [await rawWorker(on.url), await rawWorker(on.url)]
  const handles = await on.engine.enqueueMany(double, [1, 2, 3, 4])
  await until(() => one.tasks().length + two.tasks().length === 4)
  const [a, b] = one.tasks().map(({ token }) => token)
  assert.ok(a !== undefined && b !== undefined)
  // Forged, foreign, and not aborted.
  two.send(done('0'.repeat(32), 666), done(a, 666), { type: 'released', token: two.tasks()[0]?.token })
  await until(() => two.got.filter(({ type }) => type === 'rejected').length === 3)
  // Twice.
  one.send(done(a, 1), done(a, 666), {
    type: 'failed',
    token: a,
    failure: { kind: 'application', name: 'E', message: '' },
  })
  await until(() => one.got.filter(({ type }) => type === 'rejected').length === 2)
  one.send(done(b, 2))
  for (const { token } of two.tasks()) two.send(done(token, 3))
  const results = await Promise.all(handles.map((each) => each.result()))
  assert.equal(results.includes(666), false)
})

test('a report that crosses an abort frees the place and is rejected', async () => {
  await using on = await listening()
  const raw = await rawWorker(on.url, { credits: 1 })
  const first = await on.engine.enqueue(double, 1)
  await until(() => raw.tasks().length === 1)
  await first.cancel()
  const second = await on.engine.enqueue(double, 2)
  raw.send(done(raw.tasks()[0]?.token ?? '', 1))
  await until(() => raw.tasks().length === 2)
  assert.equal(raw.got.filter(({ type }) => type === 'rejected').length, 1)
  assert.equal((await first.describe()).status, 'cancelled')
  raw.send(done(raw.tasks()[1]?.token ?? '', 4))
  assert.equal(await second.result(), 4)
})

test('the load that workers report reaches the balancers', async () => {
  const reported: unknown[] = []
  const balancer = () => ({
    name: 'listening',
    pick: (workers: Candidates) => workers.at(0),
    reported: (worker: BalancedWorker, load: WorkerLoad) => void reported.push([worker.id, load]),
  })
  await using on = await listening({ queues: [{ name: 'default', balancer }] })
  const raw = await rawWorker(on.url, { worker: 'raw' })
  await on.engine.enqueue(double, 1)
  await until(() => raw.tasks().length === 1)
  const load = { cpu: 1, eventLoopDelayMs: 200, memory: 0.1, diskIo: 0, inFlight: 1 }
  raw.send({ type: 'load', ...load })
  await until(() => reported.length > 0)
  assert.deepEqual(reported, [['raw', load]])
  // The product's own worker reports once a second.
  await using _worker = await createWorker({ url: on.url, tasks: [double], id: 'own', ...quiet })
  await until(() => reported.length > 1)
  assert.equal((reported[1] as [string])[0], 'own')
})

test('what is not the protocol ends the connection, and says what is wrong', async () => {
  await using on = await listening()
  for (const [frame, wrong] of [
    ['nonsense', /not JSON/],
    ['{}', /not a list/],
    ['[{"type":"fly"}]', /no message of type "fly"/],
    ['[{"type":"completed","token":1}]', /completed.token: not a string/],
    ['[{"type":"credits","total":-1}]', /credits.total: not a whole number/],
    ['[{"type":"hello","namespace":"default","tasks":[],"credits":1}]', /hello was said before/],
  ] as const) {
    const raw = await rawWorker(on.url)
    raw.socket.send(frame)
    await until(() => raw.closedWith() !== undefined)
    const [said] = raw.got.filter((message) => message.type === 'error')
    assert.equal(raw.closedWith(), 1008)
    assert.match(said?.message ?? '', wrong)
  }
})

test('web pages, other protocols and other machines are refused', async () => {
  await using on = await listening()
  const refused = (protocols: string[], options: object) =>
    new Promise<string>((resolve) => {
      new WebSocket(on.url, protocols, options).on('error', ({ message }) => resolve(message))
    })
  assert.match(await refused(['perdure.worker.v1'], { origin: 'https://example.com' }), /403/)
  assert.match(await refused(['perdure.worker.v9'], {}), /400/)
  assert.equal((await fetch(on.url.replace('ws:', 'http:'))).status, 426)
  await assert.rejects(on.engine.listen({ host: '0.0.0.0' }), { code: 'ARGUMENT_INVALID' })
})

test('a worker that is refused says why', async () => {
  await using on = await listening()
  for (const [settings, what] of [
    [{ url: 'ftp://127.0.0.1:1', tasks: [double] }, /url is/],
    [{ url: on.url, tasks: [] }, /tasks/],
    [{ url: on.url, tasks: [double], concurency: 1 }, /no option 'concurency'/],
  ] as const)
    await assert.rejects(createWorker(settings as never), what)
})

test('a note that is too long fails in the function; the worker goes on', async () => {
  await using on = await listening()
  const { engine, url } = on
  const talking = task({
    name: 'talking',
    retry: { maxAttempts: 1 },
    run: (context, characters: number) => context.progress(0.5, 'x'.repeat(characters)),
  })
  await using _ = await createWorker({ url, tasks: [talking], id: 'w1', ...quiet })
  const tooLong = await engine.enqueue(talking, 10_001)
  await assert.rejects(tooLong.result(), (error: Error) =>
    /longer than 10000 characters/.test(String((error.cause as Error).message)),
  )
  assert.equal((await engine.workers()).length, 2)
  const long = await engine.enqueue(talking, 10_000)
  await long.result()
})
