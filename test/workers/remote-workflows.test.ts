// Workflow code in workers, over real sockets; the workers are in this process.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import {
  createWorker,
  type Duration,
  type EngineSettings,
  type PerdureError,
  query,
  signal,
  silentLogger,
  task,
  update,
  workflow,
} from '../../src/index.ts'
import type { LogFields } from '../../src/platform/logger.ts'
import { assembleEngine } from '../../src/server/embedded-engine.ts'
import type { EngineSeams } from '../../src/server/engine-settings.ts'
import { double, until } from '../tasks/task-fixtures.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const

async function listening(settings: Partial<EngineSettings> = {}, seams: EngineSeams = {}) {
  const engine = await assembleEngine({ store: 'memory', ...quiet, ...settings }, seams)
  const { url } = await engine.listen({ heartbeat: 50 })
  return { engine, url, [Symbol.asyncDispose]: () => engine.close() }
}

const sum = workflow({
  name: 'sum',
  run: async (ctx, n: number) => {
    let total = 0
    for (let i = 1; i <= n; i++) total += await ctx.step('add', async () => i)
    return total
  },
})

const add = signal<number>('add')
const total = query<number>('total')
const raise = update<number, number>('raise')

const counter = workflow({
  name: 'counter',
  run: async (ctx) => {
    let sumSoFar = 0
    ctx.onQuery(total, () => sumSoFar)
    ctx.onUpdate(
      raise,
      (by) => {
        sumSoFar += by
        return sumSoFar
      },
      {
        validate: (by) => {
          if (by < 0) throw new RangeError('only upwards')
        },
      },
    )
    for (;;) {
      const by = await ctx.waitFor(add)
      if (by === 0) return sumSoFar
      sumSoFar += by
    }
  },
})

test('workflow code and its steps run in a worker', async () => {
  await using on = await listening()
  const { engine, url } = on
  await using worker = await createWorker({ url, workflows: [sum], build: 'b1', ...quiet })
  const handles = await Promise.all(Array.from({ length: 50 }, (_, n) => engine.start(sum, n)))
  assert.deepEqual(
    await Promise.all(handles.map((each) => each.result())),
    handles.map((_, n) => (n * (n + 1)) / 2),
  )
  await until(() => worker.executions === 0)
  const [first] = (await handles[3]?.history()) ?? []
  assert.equal(first?.event.type === 'execution-started' && first.event.buildId, 'b1')
})

test('signals, queries, updates, children, tasks, timers, logs, cancelling and continuing', async () => {
  const rounds: unknown[] = []
  const log = (_: string, { round }: LogFields & { round?: unknown } = {}) =>
    void (round === undefined || rounds.push(round))
  const logger = { ...silentLogger, info: log }
  const rich = workflow({
    name: 'rich',
    run: async (ctx, round: number): Promise<unknown> => {
      ctx.log.info('round', { round, at: new RangeError('no error') })
      if (round === 1) return ctx.continueAsNew(2)
      await ctx.sleep(1)
      const child = await ctx.child(sum, 4)
      const doubled = await ctx.task(double, 21)
      await ctx.setAttributes({ round })
      try {
        await ctx.step('fails', () => Promise.reject(new RangeError('as it should')), {
          retry: { maxAttempts: 2, initialInterval: 1 },
        })
      } catch (error) {
        return { child, doubled, error: (error as Error).message, now: ctx.now() > 0 }
      }
      return undefined
    },
  })
  await using on = await listening({ logger })
  const { engine, url } = on
  await using _worker = await createWorker({
    url,
    workflows: [rich, sum, counter],
    tasks: [double],
    ...quiet,
  })
  const result = await (await engine.start(rich, 1)).result()
  assert.deepEqual(result, { child: 10, doubled: 42, error: 'as it should', now: true })
  assert.deepEqual(rounds, [1, 2])

  const handle = await engine.start(counter, undefined, { id: 'c' })
  await handle.signal(add, 5)
  assert.equal(await handle.query(total), 5)
  assert.equal(await handle.update(raise, 3), 8)
  await assert.rejects(handle.update(raise, -1), { code: 'UPDATE_REJECTED', message: /only upwards/ })
  await assert.rejects(handle.query(query<number>('other')), { code: 'QUERY_UNKNOWN', message: /total/ })
  const { sentence } = await handle.explain()
  assert.match(sentence, /waits for signal add/)
  await handle.signal(add, 0)
  assert.equal(await handle.result(), 8)

  const cancelled = await engine.start(counter)
  await cancelled.cancel('enough')
  await assert.rejects(cancelled.result(), { code: 'CANCELLED' })
})

test('updates that come while the code is at work are validated against what is before them', async () => {
  await using on = await listening()
  const { engine, url } = on
  const limited = workflow({
    name: 'limited',
    run: async (ctx) => {
      let left = 10
      ctx.onUpdate(
        raise,
        async (by) => {
          left -= by
          const now = left
          await ctx.step('take', async () => by)
          return now
        },
        {
          validate: (by) => {
            if (by > left) throw new RangeError(`only ${left} are left`)
          },
        },
      )
      await ctx.waitFor(add)
    },
  })
  await using _worker = await createWorker({ url, workflows: [limited], ...quiet })
  const handle = await engine.start(limited)
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => handle.update(raise, 1)))
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 10)
  assert.deepEqual(
    answers
      .flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      .toSorted((a, b) => b - a),
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
  )
})

test('a worker is lost: its executions go on elsewhere, by replay', async () => {
  await using on = await listening()
  const { engine, url } = on
  const holds = Promise.withResolvers<void>()
  const ran: string[] = []
  const at = (where: string) =>
    workflow({
      name: 'moves',
      run: async (ctx) => {
        const first = await ctx.step('first', async () => {
          ran.push(`first at ${where}`)
          return where
        })
        const second = await ctx.step('second', async () => {
          ran.push(`second at ${where}`)
          if (where === 'a') await holds.promise
          return where
        })
        const by = await ctx.waitFor(add)
        return `${first} ${second} ${by}`
      },
    })
  const a = await createWorker({ url, workflows: [at('a'), counter], ...quiet })
  const handle = await engine.start(at('a'))
  const waiting = await engine.start(counter)
  await waiting.signal(add, 5)
  assert.equal(await waiting.query(total), 5)
  await until(() => ran.length === 2)
  await using b = await createWorker({ url, workflows: [at('b'), counter], ...quiet })
  assert.equal(b.executions, 0)
  await a.close()
  await until(() => ran.length === 3)
  assert.equal(await waiting.query(total), 5)
  await handle.signal(add, 1)
  assert.equal(await handle.result(), 'a b 1')
  assert.deepEqual(ran, ['first at a', 'second at a', 'second at b'])
  holds.resolve()
})

test('a worker that closes lets its steps end, and no step runs twice', async () => {
  await using on = await listening()
  const { engine, url } = on
  const ran: string[] = []
  const holds = Promise.withResolvers<void>()
  const at = (where: string) =>
    workflow({
      name: 'moves',
      run: async (ctx) => {
        for (const n of [1, 2, 3])
          await ctx.step(`step ${n}`, async () => {
            ran.push(`${n} at ${where}`)
            if (n === 1) await holds.promise
          })
      },
    })
  const a = await createWorker({ url, workflows: [at('a')], ...quiet, shutdownGrace: '20s' as Duration })
  const handle = await engine.start(at('a'))
  await until(() => ran.length === 1)
  await using _b = await createWorker({ url, workflows: [at('b')], ...quiet })
  const closed = a.close()
  // Nothing new begins there.
  const other = await engine.start(at('b'))
  await until(() => ran.includes('1 at b'))
  holds.resolve()
  await closed
  await Promise.all([handle.result(), other.result()])
  assert.deepEqual(ran, ['1 at a', '1 at b', ...ran.slice(2)])
  assert.deepEqual(ran.slice(2).toSorted(), ['2 at b', '2 at b', '3 at b', '3 at b'])
})

test('executions wait for code, are parked without it, and go on when it comes', async () => {
  await using on = await listening({}, { codeGraceMs: 300 })
  const { engine, url } = on
  // Nobody has connected yet: it waits.
  const early = await engine.start(sum, 3)
  const first = await createWorker({ url, workflows: [sum], ...quiet })
  assert.equal(await early.result(), 6)
  await first.close()
  const late = await engine.start(sum, 4)
  // Until its end is known it may still get the execution.
  await until(async () => (await late.explain()).reason === 'no-worker')
  assert.equal((await late.explain()).sentence, 'no worker has code for workflow sum version 1')
  assert.equal((await late.describe()).status, 'running')
  assert.equal((await engine.list({ status: ['parked'] })).executions.length, 0)
  await until(async () => (await engine.list({ status: ['parked'] })).executions.length === 1)
  assert.match((await late.explain()).sentence, /no code is registered for workflow sum/)
  const later = await engine.start(sum, 5)
  await until(async () => (await engine.list({ status: ['parked'] })).executions.length === 2)
  await using _second = await createWorker({ url, workflows: [sum], ...quiet })
  assert.deepEqual([await late.result(), await later.result()], [10, 15])
})

test('executions stay with the build that can replay them', async () => {
  await using on = await listening({ idleExecutions: 0 }, { codeGraceMs: 50 })
  const { engine, url } = on
  const built = (build: string, name: string) => ({
    url,
    build,
    workflows: [
      workflow({
        name: 'built',
        run: async (ctx) => {
          const before = await ctx.step(name, async () => build)
          await ctx.waitFor(add)
          return `${before} ${await ctx.step('where', async () => build)}`
        },
      }),
    ],
    ...quiet,
  })
  const { workflows } = built('', '')
  const [definition] = workflows
  assert.ok(definition !== undefined)
  const old = await createWorker(built('1', 'old name'))
  const started = await Promise.all(Array.from({ length: 6 }, () => engine.start(definition)))
  for (const each of started) await until(async () => /signal/.test((await each.explain()).sentence))
  await using _fresh = await createWorker(built('2', 'new name'))
  // They were evicted: each is activated again, where its build is.
  await started[0]?.signal(add, 1)
  assert.equal(await started[0]?.result(), '1 1')
  // New ones may begin on either.
  const mixed = await Promise.all(Array.from({ length: 6 }, () => engine.start(definition)))
  await Promise.all(mixed.map((each) => each.signal(add, 1)))
  for (const each of mixed) {
    const [first, second] = (await each.result()).split(' ')
    assert.equal(first, second)
  }
  await old.close()
  await started[1]?.signal(add, 1)
  await until(async () => (await started[1]?.describe())?.status === 'parked')
  assert.match((await started[1]?.describe())?.error?.message ?? '', /old name/)
  await using _again = await createWorker(built('1', 'old name'))
  assert.equal(await started[1]?.result(), '1 1')
  await started[2]?.signal(add, 1)
  assert.equal(await started[2]?.result(), '1 1')
})

test('a turn that asks for much is told in pieces', async () => {
  await using on = await listening({ limits: { payloadBytes: 64 * 1024 } })
  const { engine, url } = on
  const text = 'ä'.repeat(25_000)
  const busy = workflow({
    name: 'busy',
    run: async (ctx) => {
      for (let i = 0; i < 100; i++) ctx.log.info('ä'.repeat(30_000), { text })
      const lengths = await ctx.map(Array.from({ length: 200 }), () => ctx.task(measure, text), {
        concurrency: 200,
      })
      return lengths.length
    },
  })
  const measure = task({ name: 'measure', run: (_, given: string) => given.length })
  await using worker = await createWorker({ url, workflows: [busy], tasks: [measure], id: 'w', ...quiet })
  const handle = await engine.start(busy)
  assert.equal(await handle.result(), 200)
  const tasks = (await handle.history()).filter(({ event }) => event.type === 'task-scheduled')
  assert.equal(tasks.length, 200)
  assert.equal(worker.id, 'w')
})

test('what is no command parks its execution, and no other', async () => {
  await using on = await listening()
  const { engine, url } = on
  const socket = new WebSocket(url, ['perdure.worker.v1'])
  await once(socket, 'open')
  const runs = new Map<string, number>()
  const send = (...messages: object[]): void => socket.send(JSON.stringify(messages))
  socket.on('message', (data) => {
    for (const message of JSON.parse(String(data)))
      if (message.type === 'activate') runs.set(message.workflowId, message.run)
  })
  send({
    type: 'hello',
    namespace: 'default',
    tasks: [],
    workflows: [{ name: 'sum', version: '1' }],
    credits: 0,
  })
  const [bad, good] = [await engine.start(sum, 1, { id: 'bad' }), await engine.start(sum, 1, { id: 'good' })]
  await until(() => runs.size === 2)
  const turn = { type: 'turn', seen: 1, idle: true }
  send(
    { ...turn, run: runs.get('bad'), commands: [{ kind: 'sleep', op: 'one' }] },
    { ...turn, run: runs.get('good'), commands: [{ kind: 'complete', result: [1, 'json', null, 7] }] },
  )
  assert.equal(await good.result(), 7)
  await until(async () => (await bad.describe()).status === 'parked')
  assert.match((await bad.describe()).error?.message ?? '', /turn\.commands\[0\]\.op: not a whole number/)
  assert.equal(socket.readyState, WebSocket.OPEN)
  // What was never activated is a lie about the connection itself.
  send({ ...turn, run: 99 })
  await once(socket, 'close')
})

test('a query that comes while an execution is read again, whose code is gone, is answered', async () => {
  await using on = await listening({}, { codeGraceMs: 10 })
  const { engine, url } = on
  const failing = workflow({
    name: 'failing',
    run: (ctx) => ctx.step('once', () => Promise.reject(new RangeError('no')), { retry: { maxAttempts: 1 } }),
  })
  const worker = await createWorker({ url, workflows: [failing], ...quiet })
  const handles = await Promise.all(Array.from({ length: 20 }, () => engine.start(failing)))
  for (const handle of handles) await assert.rejects(handle.result(), /no/)
  await worker.close()
  await pause(50)
  for (const handle of handles) {
    const retried = handle.retry()
    const queries: Promise<string>[] = []
    for (let turn = 0; turn < 10; turn++) {
      const answer = handle.query(total)
      queries.push(
        answer.then(
          () => 'answered',
          ({ code }: PerdureError) => code,
        ),
      )
      await new Promise((resolve) => setImmediate(resolve))
    }
    await retried
    for (const code of await Promise.all(queries)) assert.match(code, /^EXECUTION_(CLOSED|PARKED)$/)
  }
})
