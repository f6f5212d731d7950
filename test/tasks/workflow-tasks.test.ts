// Tasks that workflow code asks for: results, errors, cancellation, retries of the execution, and what they survive.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEngine, type PerdureError, signal, silentLogger, task, workflow } from '../../src/index.ts'
import { assembleEngine } from '../../src/server/embedded-engine.ts'
import { createTestEngine } from '../../src/testing.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { double, FAULT_KINDS, faultAt, gate, until } from './task-fixtures.ts'

const POKE = signal('poke')

describe('ctx.task', () => {
  test('gives the result of the task, in sequence and in parallel', async () => {
    const sum = workflow({
      name: 'sum',
      run: async (ctx, n: number) => {
        const one = await ctx.task(double, n)
        const two = await Promise.all([ctx.task(double, one), ctx.step('three', () => 3)])
        return one + two[0] + two[1]
      },
    })
    await using engine = await createTestEngine({ workflows: [sum], tasks: [double] })
    const execution = await engine.start(sum, 5, { id: 's' })
    assert.equal(await execution.result(), 10 + 20 + 3)
    const types = (await execution.history()).map(({ event }) => event.type)
    assert.equal(types.filter((type) => type === 'task-scheduled').length, 2)
    assert.equal(types.filter((type) => type === 'task-completed').length, 2)
    // Their rows are gone: the history has what they did.
    assert.deepEqual((await engine.listTasks()).tasks, [])
  })

  test('has the options of a task, and one idempotency key for all attempts', async () => {
    const seen: unknown[][] = []
    const flaky = task({
      name: 'flaky',
      retry: { maxAttempts: 3, initialInterval: 1 },
      run: (context) => {
        seen.push([context.attempt, context.idempotencyKey])
        if (context.attempt < 3) throw new Error('503')
        return 'done'
      },
    })
    const { task: blocker, open } = gate()
    const main = workflow({
      name: 'main',
      run: (ctx) =>
        Promise.all([ctx.task(blocker, 'b'), ctx.task(flaky, undefined, { priority: 9, queue: 'q' })]),
    })
    await using engine = await createEngine({ store: 'memory', workflows: [main], tasks: [flaky, blocker] })
    const execution = await engine.start(main, undefined, { id: 'm/1' })
    await until(async () => (await engine.listTasks({ queue: 'q' })).tasks.length === 0)
    const [info] = (await engine.listTasks()).tasks
    assert.deepEqual([info?.owner?.workflowId, info?.owner?.op, info?.status], ['m/1', 1, 'running'])
    const pending = (await execution.describe()).pending
    assert.deepEqual(
      pending.map(({ kind, name, taskId }) => [kind, name, taskId]),
      [['task', 'gate', info?.id]],
    )
    for (const each of open) each()
    assert.deepEqual(await execution.result(), ['b', 'done'])
    const key = `default/m%2F1/${execution.runId}/2`
    assert.deepEqual(
      seen,
      [1, 2, 3].map((attempt) => [attempt, key]),
    )
  })

  test('throws when the task fails, expires or is cancelled; the cause is the error of the last attempt', async () => {
    const failing = task({
      name: 'failing',
      retry: { maxAttempts: 1 },
      run: () => {
        throw new RangeError('too much')
      },
    })
    const { task: never } = gate('never')
    const main = workflow({
      name: 'main',
      run: async (ctx) => {
        const ends = await Promise.allSettled([
          ctx.task(failing, undefined),
          ctx.task(never, 'x', { timeouts: { scheduleToClose: 50 } }),
          ctx.task(never, 'y', { queue: 'other' }),
        ])
        return ends.map((end) => {
          if (end.status === 'fulfilled') return 'none'
          const { code, cause } = end.reason as PerdureError
          return [code, (cause as Error).name, (cause as PerdureError).code]
        })
      },
    })
    await using engine = await createTestEngine({ workflows: [main], tasks: [failing, never] })
    const execution = await engine.start(main, undefined)
    const [info] = (await engine.listTasks({ queue: 'other' })).tasks
    assert.ok(info !== undefined)
    await engine.task(never, info.id).cancel('not wanted')
    assert.deepEqual(await execution.result(), [
      ['TASK_FAILED', 'RangeError', undefined],
      ['TASK_EXPIRED', 'PerdureError', 'TASK_EXPIRED'],
      ['TASK_FAILED', 'PerdureError', 'CANCELLED'],
    ])
  })

  test('is withdrawn when its scope is cancelled, or the execution ends; waiting and running', async () => {
    const aborted: string[] = []
    const long = task({
      name: 'long',
      run: (context, label: string) =>
        new Promise((_, reject) => {
          context.abortSignal.addEventListener('abort', () => {
            aborted.push(label)
            reject(new Error('aborted'))
          })
        }),
    })
    const main = workflow({
      name: 'main',
      run: async (ctx) => {
        const scope = ctx.scope((inner) => Promise.all([inner.task(long, 'a'), inner.task(long, 'b')]))
        const rest = ctx.task(long, 'c')
        rest.catch(() => {})
        await ctx.waitFor(POKE)
        scope.cancel()
        await scope.catch(() => {})
        await ctx.waitFor(POKE)
        return 'ended'
      },
    })
    const queues = [{ name: 'default', concurrency: 2 }]
    await using engine = await createEngine({ store: 'memory', workflows: [main], tasks: [long], queues })
    const execution = await engine.start(main, undefined)
    await until(async () => (await engine.listTasks({ status: ['running'] })).tasks.length === 2)
    await execution.signal(POKE)
    await until(() => aborted.length === 2)
    await until(async () => (await engine.listTasks({ status: ['running'] })).tasks.length === 1)
    assert.deepEqual(aborted.toSorted(), ['a', 'b'])
    await execution.signal(POKE)
    assert.equal(await execution.result(), 'ended')
    await until(() => aborted.length === 3)
    assert.deepEqual((await engine.listTasks()).tasks, [])
    assert.deepEqual(
      (await engine.queues.list()).map(({ waiting, running }) => [waiting, running]),
      [[0, 0]],
    )
  })

  test('waits and runs over restarts; the result is delivered to an execution that is not in memory', async () => {
    let isOpen = false
    let runs = 0
    const slow = task({
      name: 'slow',
      retry: { maxAttempts: 50, initialInterval: '1h' },
      run: (_, n: number) => {
        runs += 1
        if (!isOpen) throw new Error('not yet')
        return n + 1
      },
    })
    const main = workflow({
      name: 'main',
      run: async (ctx, n: number) => (await ctx.task(slow, n)) + (await ctx.task(slow, n + 10)),
    })
    await using engine = await createTestEngine({ workflows: [main], tasks: [slow] })
    const executions = await Promise.all([1, 2, 3].map((n) => engine.start(main, n)))
    await until(() => runs >= 3)
    await engine.restart()
    isOpen = true
    await engine.advance('4h')
    for (const [i, execution] of executions.entries())
      assert.equal(await engine.execution(main, execution.id).result(), 2 * (i + 1) + 12)
  })

  test('a retried execution asks again for the task that failed it, and for those that its failure withdrew', async () => {
    let isMended = false
    const calls: string[] = []
    const work = task({
      name: 'work',
      retry: { maxAttempts: 1 },
      run: (_, label: string) => {
        calls.push(label)
        if (label === 'bad' && !isMended) throw new Error('broken')
        return label.toUpperCase()
      },
    })
    const { task: blocker, open } = gate()
    const main = workflow({
      name: 'main',
      run: async (ctx) => {
        const first = await ctx.task(work, 'first')
        const [a, b] = await Promise.all([ctx.task(blocker, 'open'), ctx.task(work, 'bad')])
        return [first, a, b]
      },
    })
    await using engine = await createTestEngine({ workflows: [main], tasks: [work, blocker] })
    const execution = await engine.start(main, undefined)
    await assert.rejects(execution.result(), /broken/)
    await until(async () => (await engine.listTasks()).tasks.length === 0)
    isMended = true
    await execution.retry()
    await until(() => open.length === 2)
    for (const each of open) each()
    assert.deepEqual(await execution.result(), ['FIRST', 'open', 'BAD'])
    assert.deepEqual(calls, ['first', 'bad', 'bad'])
  })

  test('refuses what is no task, and wrong options', async () => {
    const wrong = workflow({
      name: 'wrong',
      run: async (ctx, how: number) => {
        if (how === 0) return ctx.task({} as typeof double, 1)
        if (how === 1) return ctx.task(double, 1, { priority: 11 })
        return ctx.task(double, 1, { queue: '' })
      },
    })
    await using engine = await createTestEngine({ workflows: [wrong], tasks: [double] })
    await assert.rejects((await engine.start(wrong, 0)).result(), /not a task/)
    await assert.rejects((await engine.start(wrong, 1)).result(), /priority is 11/)
    await assert.rejects((await engine.start(wrong, 2)).result(), /queue/)
  })
})

describe('what tasks of a workflow survive', () => {
  /** Tasks that fail once, need two slices, lose a race, or outlive their execution. */
  for (const kind of FAULT_KINDS)
    test(`${kind} at any commit, twice: each recorded once, none left behind`, async () => {
      let faults = 0
      for (let commit = 1; commit <= 14; commit++)
        for (const second of [1, 3]) {
          const ledger = new Map<string, number>()
          const pay = task({
            name: 'pay',
            retry: { maxAttempts: 3, initialInterval: 5 },
            run: (context, n: number) => {
              if (n % 3 === 0 && context.attempt === 1) throw new Error('once')
              if (n % 3 === 1 && context.checkpoint === undefined) context.yield('half')
              ledger.set(context.idempotencyKey, n)
              return n * 10
            },
          })
          const main = workflow({
            name: 'main',
            run: async (ctx, n: number) => {
              const late = ctx.task(pay, 100, { delay: '5h' })
              late.catch(() => {})
              const scope = ctx.scope((inner) => inner.task(pay, 200, { delay: '3h' }))
              const first = await ctx.task(pay, n)
              const rest = await Promise.all([ctx.task(pay, n + 1), ctx.task(pay, n + 2, { key: 'k' })])
              await Promise.race([scope, ctx.sleep('1h')])
              scope.cancel()
              await scope.catch(() => {})
              await ctx.sleep('3h')
              return [first, ...rest]
            },
          })
          await using engine = await createTestEngine({
            workflows: [main],
            tasks: [pay],
            faults: [faultAt(kind, commit), faultAt(kind, commit + second)],
            logger: silentLogger,
          })
          const inputs = [0, 1, 2, 3]
          const executions = await Promise.all(inputs.map((n) => engine.start(main, n, { id: `m${n}` })))
          const results = await Promise.all(executions.map((execution) => execution.result()))
          assert.deepEqual(
            results,
            inputs.map((n) => [n * 10, n * 10 + 10, n * 10 + 20]),
          )
          await engine.advance('6h')
          // Nothing that was withdrawn has run, and nothing is left.
          assert.ok([...ledger.values()].every((n) => n < 100))
          assert.equal(ledger.size, 12)
          assert.deepEqual((await engine.listTasks()).tasks, [])
          for (const execution of executions) {
            const types = (await execution.history()).map(({ event }) => event.type)
            assert.equal(types.filter((type) => type === 'task-scheduled').length, 5)
            assert.equal(types.filter((type) => type === 'task-completed').length, 3)
          }
          if (engine.commits >= commit + second) faults += 1
        }
      assert.ok(faults >= 20, `${faults} runs met both faults`)
    })

  test('a task far back in its queue is withdrawn without having been read', async () => {
    const { task: blocker, open } = gate()
    const main = workflow({
      name: 'main',
      run: async (ctx, n: number) => {
        const scope = ctx.scope((inner) => ctx.map(Array(n).keys(), (i) => inner.task(blocker, `${i}`)))
        await ctx.waitFor(POKE)
        scope.cancel()
        await scope.catch(() => {})
      },
    })
    using file = temporaryFile('withdrawn.db')
    const options = { store: `sqlite:${file.path}`, workflows: [main], tasks: [blocker], taskConcurrency: 1 }
    const first = await createEngine({ ...options, shutdownGrace: 10 })
    const execution = await first.start(main, 90, { id: 'm' })
    await until(() => open.length === 1)
    await first.close()
    await using second = await assembleEngine(options, { taskWindow: 8 })
    const again = second.execution(main, execution.id)
    await until(() => open.length === 2)
    assert.equal((await second.queues.list())[0]?.waiting, 89)
    await again.signal(POKE)
    await again.result()
    open[1]?.()
    await until(async () => (await second.listTasks()).tasks.length === 0)
    const [queue] = await second.queues.list()
    assert.deepEqual([queue?.waiting, queue?.running], [0, 0])
  })
})
