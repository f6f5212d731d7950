// Tasks: results, retries, time limits, checkpoints, order, and what they survive.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEngine, type PerdureError, silentLogger, type TaskFailedError, task } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { double, FAULT_KINDS, faultAt, gate, until } from './task-fixtures.ts'

describe('a task', () => {
  test('gives its result to whoever has its id', async () => {
    await using engine = await createTestEngine({ tasks: [double] })
    const handle = await engine.enqueue(double, 21)
    assert.equal(await handle.result(), 42)
    assert.equal(await engine.task(double, handle.id).result(), 42)
    const { status, attempts, startedAt, closedAt, queue } = await handle.describe()
    assert.deepEqual([status, attempts, queue], ['completed', 1, 'default'])
    assert.ok(startedAt !== undefined && closedAt !== undefined && closedAt >= startedAt)
  })

  test('is enqueued once per id, also when the calls meet, and over a restart', async () => {
    let runs = 0
    const counted = task({ name: 'counted', run: () => ++runs })
    await using engine = await createTestEngine({ tasks: [counted] })
    const handles = await Promise.all([1, 2, 3].map(() => engine.enqueue(counted, undefined, { id: 'one' })))
    await engine.enqueueMany(counted, [1, 2], () => ({ id: 'one' }))
    assert.deepEqual(new Set(handles.map(({ id }) => id)), new Set(['one']))
    assert.equal(await handles[0]?.result(), 1)
    await engine.restart()
    assert.equal(await (await engine.enqueue(counted, undefined, { id: 'one' })).result(), 1)
    assert.equal(runs, 1)
  })

  test('is tried again after its pause, and keeps its idempotency key', async () => {
    const seen: [attempt: number, key: string][] = []
    const flaky = task({
      name: 'flaky',
      retry: { maxAttempts: 4, initialInterval: '10s' },
      run: (context) => {
        seen.push([context.attempt, context.idempotencyKey])
        if (context.attempt < 4) throw new Error('503')
        return 'done'
      },
    })
    await using engine = await createTestEngine({ tasks: [flaky] })
    assert.equal(await (await engine.enqueue(flaky, undefined, { id: 'f' })).result(), 'done')
    assert.deepEqual(
      seen.map(([attempt]) => attempt),
      [1, 2, 3, 4],
    )
    assert.deepEqual(new Set(seen.map(([, key]) => key)), new Set(['default/task/f']))
  })

  test('is a dead letter when its attempts are used up or its error is not to be retried; retry begins it anew', async () => {
    let isMended = false
    const letter = task({
      name: 'letter',
      retry: { maxAttempts: 2, initialInterval: 1, nonRetryable: ['RangeError'] },
      run: (_, kind: string) => {
        if (isMended) return 'sent'
        throw kind === 'range' ? new RangeError('no such street') : new Error('no post today')
      },
    })
    await using engine = await createTestEngine({ tasks: [letter] })
    const [range, plain] = await engine.enqueueMany(letter, ['range', 'plain'])
    assert.ok(range !== undefined && plain !== undefined)
    await assert.rejects(range.result(), (error: TaskFailedError) => {
      assert.deepEqual(
        [error.code, error.status, (error.cause as Error).name],
        ['TASK_FAILED', 'failed', 'RangeError'],
      )
      return true
    })
    await assert.rejects(plain.result(), /no post today/)
    assert.deepEqual([(await range.describe()).attempts, (await plain.describe()).attempts], [1, 2])
    assert.equal((await engine.listTasks({ status: ['failed'] })).tasks.length, 2)
    isMended = true
    await range.retry()
    assert.equal(await range.result(), 'sent')
    await assert.rejects(range.retry(), { code: 'TASK_CLOSED' })
  })

  test('begins to wait after its delay', async () => {
    await using engine = await createTestEngine({ tasks: [double] })
    const handle = await engine.enqueue(double, 1, { delay: '1d' })
    const { status, delayedUntil } = await handle.describe()
    assert.equal(status, 'delayed')
    assert.equal(delayedUntil?.getTime(), engine.now() + 86_400_000)
    const before = engine.now()
    assert.equal(await handle.result(), 2)
    assert.ok(engine.now() - before >= 86_400_000)
  })

  test('that nobody starts or ends in time expires', async () => {
    const { task: slow } = gate()
    await using engine = await createEngine({
      store: 'memory',
      tasks: [slow],
      taskConcurrency: 1,
      shutdownGrace: 0,
    })
    const first = await engine.enqueue(slow, 'a', { timeouts: { scheduleToClose: 60 } })
    const second = await engine.enqueue(slow, 'b', { timeouts: { scheduleToStart: 30 } })
    await assert.rejects(second.result(), (error: TaskFailedError) => {
      assert.deepEqual([error.code, error.status], ['TASK_EXPIRED', 'expired'])
      return true
    })
    await assert.rejects(first.result(), /did not end in its time/)
  })

  test('whose attempt takes too long, or shows no life, is aborted and tried again', async () => {
    const aborted: unknown[] = []
    const stuck = task({
      name: 'stuck',
      retry: { maxAttempts: 2, initialInterval: 1 },
      run: (context, kind: string) => {
        if (context.attempt === 2) return kind
        if (kind === 'lively') setTimeout(() => context.heartbeat(), 10)
        return new Promise<never>((_, reject) => {
          context.abortSignal.addEventListener('abort', () => {
            aborted.push((context.abortSignal.reason as PerdureError).code)
            reject(new Error('aborted'))
          })
        })
      },
    })
    await using engine = await createEngine({ store: 'memory', tasks: [stuck] })
    const long = await engine.enqueue(stuck, 'long', { timeouts: { startToClose: 30 } })
    const silent = await engine.enqueue(stuck, 'lively', { timeouts: { heartbeat: 30 } })
    assert.deepEqual([await long.result(), await silent.result()], ['long', 'lively'])
    assert.deepEqual(aborted, ['TASK_TIMEOUT', 'TASK_TIMEOUT'])
  })

  test('goes on from its checkpoint after a failure, and after a restart', async () => {
    const begun: unknown[] = []
    const steps = task({
      name: 'steps',
      retry: { maxAttempts: 5, initialInterval: 1 },
      run: async (context) => {
        const from = (context.checkpoint as number | undefined) ?? 0
        begun.push(from)
        for (let n = from; n < 30; n++) {
          context.heartbeat(n + 1)
          if (n === 9 && from === 0) throw new Error('at ten')
          if (n === 19) await new Promise((resolve) => setTimeout(resolve, 20))
        }
        return 'all'
      },
    })
    await using engine = await createTestEngine({ tasks: [steps] })
    const handle = await engine.enqueue(steps, undefined)
    await until(() => begun.includes(10))
    await until(async () => (await handle.describe()).status === 'running')
    await new Promise((resolve) => setTimeout(resolve, 5))
    await engine.restart()
    assert.equal(await handle.result(), 'all')
    assert.deepEqual(begun.slice(0, 3), [0, 10, 20])
  })

  test('shows its progress', async () => {
    const { task: slow, open } = gate('other')
    const shown = task({
      name: 'shown',
      run: async (context) => {
        context.progress(0.25, 'a quarter')
        await new Promise<void>((resolve) => open.push(resolve))
      },
    })
    await using engine = await createTestEngine({ tasks: [shown, slow] })
    const handle = await engine.enqueue(shown, undefined)
    await until(() => open.length === 1)
    assert.deepEqual((await handle.describe()).progress, { fraction: 0.25, note: 'a quarter' })
    open[0]?.()
    await handle.result()
  })

  test('can be cancelled while it waits and while it runs', async () => {
    const { task: slow, open } = gate()
    await using engine = await createTestEngine({ tasks: [slow], taskConcurrency: 1 })
    const running = await engine.enqueue(slow, 'a')
    const waiting = await engine.enqueue(slow, 'b')
    const last = await engine.enqueue(slow, 'c')
    await until(() => open.length === 1)
    await waiting.cancel('not needed')
    await running.cancel()
    await assert.rejects(waiting.result(), (error: TaskFailedError) => {
      assert.deepEqual([error.code, error.status], ['CANCELLED', 'cancelled'])
      assert.match(error.message, /not needed/)
      return true
    })
    await assert.rejects(running.result(), { code: 'CANCELLED' })
    await assert.rejects(running.cancel(), { code: 'TASK_CLOSED' })
    // Its function has not ended: it keeps its place until it has.
    assert.equal((await last.describe()).status, 'waiting')
    open[0]?.()
    await until(() => open.length === 2)
    open[1]?.()
    assert.equal(await last.result(), 'c')
    assert.equal((await running.describe()).status, 'cancelled')
  })

  test('without its code waits until there is some', async () => {
    using file = temporaryFile('tasks.db')
    const store = `sqlite:${file.path}`
    const other = task({ name: 'other', run: () => 0 })
    const first = await createEngine({ store, tasks: [other] })
    const handle = await first.enqueue(double, 4, { id: 'd' })
    assert.equal(await (await first.enqueue(other, undefined)).result(), 0)
    assert.equal((await handle.describe()).status, 'waiting')
    await first.close()
    await using second = await createEngine({ store, tasks: [double] })
    assert.equal(await second.task(double, 'd').result(), 8)
  })
})

describe('the order of a queue', () => {
  test('by priority, changed while they wait', async () => {
    const { task: slow, open } = gate()
    const order: number[] = []
    const noted = task({ name: 'noted', run: (_, n: number) => void order.push(n) })
    await using engine = await createTestEngine({
      tasks: [slow, noted],
      queues: [{ name: 'default', policy: 'priority' }],
      taskConcurrency: 1,
    })
    await engine.enqueue(slow, 'first', { priority: 9 })
    await until(() => open.length === 1)
    const handles = await engine.enqueueMany(noted, [1, 5, 3, 9], (priority) => ({ priority }))
    await handles[0]?.reprioritise(8)
    open[0]?.()
    await Promise.all(handles.map((handle) => handle.result()))
    assert.deepEqual(order, [9, 1, 5, 3])
  })

  test('holds over a restart with another policy: what waits is moved', async () => {
    using file = temporaryFile('policies.db')
    const store = `sqlite:${file.path}`
    const order: number[] = []
    const noted = task({ name: 'noted', run: (_, n: number) => void order.push(n) })
    const first = await createEngine({ store, workflows: [] })
    await first.enqueueMany(
      noted,
      Array.from({ length: 2500 }, (_, i) => i),
      (n) => ({ estimateMs: 10_000 - n }),
    )
    await first.close()
    await using second = await createEngine({
      store,
      tasks: [noted],
      queues: [{ name: 'default', policy: { name: 'sjf', aging: 0 } }],
      taskConcurrency: 1,
    })
    await until(() => order.length === 2500)
    assert.deepEqual(
      order,
      Array.from({ length: 2500 }, (_, i) => 2499 - i),
    )
    assert.equal((await second.queues.list())[0]?.policy, 'sjf')
  })

  test('round robin with time slices: a short task is not behind a long one', async () => {
    const ends: string[] = []
    const spin = task({
      name: 'spin',
      run: async (context, { label, ms }: { label: string; ms: number }) => {
        let left = (context.checkpoint as number | undefined) ?? ms
        while (left > 0) {
          await new Promise((resolve) => setTimeout(resolve, 5))
          left -= 5
          if (context.shouldYield) context.yield(left)
        }
        ends.push(label)
      },
    })
    await using engine = await createEngine({
      store: 'memory',
      tasks: [spin],
      queues: [{ name: 'default', policy: { name: 'round-robin', quantumMs: 20 } }],
      taskConcurrency: 1,
    })
    const long = await engine.enqueue(spin, { label: 'long', ms: 200 }, { key: 'a' })
    const short = await engine.enqueue(spin, { label: 'short', ms: 10 }, { key: 'b' })
    await Promise.all([long.result(), short.result()])
    assert.deepEqual(ends, ['short', 'long'])
    const { attempts, servedMs } = await long.describe()
    assert.equal(attempts, 1, 'slices are one attempt')
    assert.ok(servedMs >= 190, String(servedMs))
  })

  test('limits: at most so many at once, in all and per key; a paused queue gives nothing', async () => {
    let running = 0
    let most = 0
    const byKey = new Map<string, number>()
    const busy = task({
      name: 'busy',
      run: async (_, key: string) => {
        running += 1
        byKey.set(key, (byKey.get(key) ?? 0) + 1)
        most = Math.max(most, running)
        assert.ok((byKey.get(key) ?? 0) <= 1)
        await new Promise((resolve) => setTimeout(resolve, 2))
        byKey.set(key, (byKey.get(key) ?? 0) - 1)
        running -= 1
      },
    })
    await using engine = await createEngine({
      store: 'memory',
      tasks: [busy, double],
      queues: [
        { name: 'default', concurrency: 3, keyConcurrency: 1 },
        { name: 'closed', paused: true },
      ],
    })
    const inputs = Array.from({ length: 60 }, (_, i) => `k${i % 6}`)
    const handles = await engine.enqueueMany(busy, inputs, (key) => ({ key }))
    const paused = await engine.enqueue(double, 1, { queue: 'closed' })
    await Promise.all(handles.map((handle) => handle.result()))
    assert.equal(most, 3)
    assert.equal((await paused.describe()).status, 'waiting')
    assert.deepEqual(
      (await engine.queues.list()).map(({ queue, waiting, isPaused }) => [queue, waiting, isPaused]),
      [
        ['closed', 1, true],
        ['default', 0, false],
      ],
    )
  })
})

describe('the worker of the engine', () => {
  test('never runs more than it has room for, also while commits are on their way', async () => {
    let now = 0
    let most = 0
    const work = task({
      name: 'work',
      retry: { maxAttempts: 2, initialInterval: 0 },
      run: async (context) => {
        now += 1
        most = Math.max(most, now)
        await new Promise((resolve) => setTimeout(resolve, 1))
        now -= 1
        if (context.attempt === 1) throw new Error('once')
      },
    })
    using file = temporaryFile('room.db')
    await using engine = await createEngine({
      store: `sqlite:${file.path}`,
      tasks: [work],
      taskConcurrency: 3,
    })
    const handles = await Promise.all(Array.from({ length: 60 }, () => engine.enqueue(work, undefined)))
    await Promise.all(handles.map((handle) => handle.result()))
    assert.equal(most, 3)
  })
})

describe('what tasks survive', () => {
  /** Ten tasks that fail once, need two slices, or are cancelled, under faults at one commit. */
  for (const kind of FAULT_KINDS)
    test(`${kind} at any commit: each recorded once, in its last state`, async () => {
      for (let commit = 1; commit <= 12; commit++) {
        const ledger = new Set<string>()
        const pay = task({
          name: 'pay',
          retry: { maxAttempts: 3, initialInterval: 5 },
          run: (context, n: number) => {
            if (n % 3 === 0 && context.attempt === 1) throw new Error('once')
            if (n % 3 === 1 && context.checkpoint === undefined) context.yield('half')
            ledger.add(context.idempotencyKey)
            return n * 10
          },
        })
        await using engine = await createTestEngine({
          tasks: [pay],
          faults: [faultAt(kind, commit)],
          logger: silentLogger,
        })
        const inputs = Array.from({ length: 9 }, (_, i) => i)
        const handles = await engine.enqueueMany(pay, inputs, (n) => ({ id: `p${n}` }))
        const one = await engine.enqueue(pay, 1, { id: 'one', delay: '1h' })
        const results = await Promise.all(handles.map((handle) => handle.result()))
        assert.deepEqual(
          results,
          inputs.map((n) => n * 10),
        )
        assert.equal(await one.result(), 10)
        assert.deepEqual(ledger.size, 10)
        const { tasks } = await engine.listTasks()
        assert.equal(tasks.length, 10)
        assert.ok(tasks.every(({ status }) => status === 'completed'))
        assert.deepEqual(
          (await engine.queues.list()).map(({ waiting, running }) => [waiting, running]),
          [[0, 0]],
        )
      }
    })

  test('a close while they run: who waits is told, and they run again', async () => {
    using file = temporaryFile('close.db')
    const store = `sqlite:${file.path}`
    const { task: slow, open } = gate()
    const first = await createEngine({ store, tasks: [slow], shutdownGrace: 20 })
    const handle = await first.enqueue(slow, 'x', { id: 'x' })
    await until(() => open.length === 1)
    const told = handle.result().catch(({ code }: PerdureError) => code)
    await first.close()
    assert.equal(await told, 'ENGINE_CLOSED')
    await using second = await createEngine({ store, tasks: [slow] })
    await until(() => open.length === 2)
    open[1]?.()
    assert.equal(await second.task(slow, 'x').result(), 'x')
  })

  test('a backlog that does not fit into memory is taken in order, while more comes', async () => {
    using file = temporaryFile('backlog.db')
    const store = `sqlite:${file.path}`
    let last = -1
    let done = 0
    let isInOrder = true
    const noted = task({
      name: 'noted',
      run: (_, n: number) => {
        isInOrder &&= n === last + 1
        last = n
        done += 1
      },
    })
    const first = await createEngine({ store, workflows: [] })
    await first.enqueueMany(
      noted,
      Array.from({ length: 40_000 }, (_, i) => i),
    )
    await first.close()
    await using second = await createEngine({ store, tasks: [noted], taskConcurrency: 1 })
    await second.enqueueMany(
      noted,
      Array.from({ length: 5_000 }, (_, i) => 40_000 + i),
    )
    await until(() => done === 45_000)
    assert.ok(isInOrder)
  })
})

describe('what tasks refuse', () => {
  test('arguments that make no sense', async () => {
    await using engine = await createTestEngine({ tasks: [double] })
    const untyped = engine as unknown as { enqueue: (...args: unknown[]) => Promise<unknown> }
    const cases: [args: unknown[], code: string][] = [
      [[{}, 1], 'ARGUMENT_INVALID'],
      [[double, () => 1], 'PAYLOAD_UNSUPPORTED'],
      [[double, 1, { priority: 10 }], 'ARGUMENT_INVALID'],
      [[double, 1, { priority: 1.5 }], 'ARGUMENT_INVALID'],
      [[double, 1, { estimateMs: -1 }], 'ARGUMENT_INVALID'],
      [[double, 1, { delay: 'soon' }], 'DURATION_INVALID'],
      [[double, 1, { id: '' }], 'ID_INVALID'],
      [[double, 1, { id: '~x' }], 'ID_INVALID'],
      [[double, 1, { key: 'a\0b' }], 'ID_INVALID'],
      [[double, 1, { queue: 5 }], 'ID_INVALID'],
      [[double, 1, { timeouts: { heartbeat: -1 } }], 'DURATION_INVALID'],
      [[double, 1, 'now'], 'ARGUMENT_INVALID'],
    ]
    for (const [args, code] of cases)
      await assert.rejects(untyped.enqueue(...args), { code }, JSON.stringify(args.slice(1)))
    await assert.rejects(engine.task(double, 'nobody').result(), { code: 'TASK_NOT_FOUND' })
    await assert.rejects(engine.listTasks({ limit: 0 }), { code: 'ARGUMENT_INVALID' })
    for (const cursor of ['!', 'garbage', 'after-', 'after-1x!', '~1'])
      await assert.rejects(engine.listTasks({ cursor }), { code: 'ARGUMENT_INVALID' })
    assert.equal((await engine.listTasks()).tasks.length, 0)
  })

  test('settings that make no sense', async () => {
    const refused: [settings: object, message: RegExp][] = [
      [{ queues: [{ name: 'a', policy: 'lifo' }] }, /queue a: there is no scheduling policy 'lifo'/],
      [{ queues: [{ name: 'a', concurrency: 0 }] }, /queue a: concurrency is 0/],
      [{ queues: [{ name: 'a' }, { name: 'a' }] }, /queue a is set twice/],
      [{ queues: {} }, /is not a list/],
      [{ tasks: [{}] }, /an item that task\(\) did not make/],
      [{ taskConcurrency: 0 }, /taskConcurrency is 0/],
      [{ tasks: [double, task({ name: 'double', run: () => 1 })] }, /task double is registered twice/],
    ]
    for (const [settings, message] of refused)
      await assert.rejects(createEngine({ store: 'memory', workflows: [], ...settings }), message)
  })
})
