// ctx.waitFor, ctx.child, ctx.map, and native promise combinators over operations.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Child, type ParentClosePolicy, PerdureError, signal, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'

const HOUR_MS = 3_600_000
const note = signal<number>('note')
const stop = signal('stop')

describe('ctx.waitFor', () => {
  const collector = workflow({
    name: 'collector',
    run: async (ctx, count: number) => {
      await ctx.sleep('1m')
      const got: number[] = []
      while (got.length < count) got.push(await ctx.waitFor(note))
      return got
    },
  })

  test('gets signals in order, early ones too, also over restarts', async () => {
    await using engine = await createTestEngine({ workflows: [collector] })
    const execution = await engine.start(collector, 5)
    await execution.signal(note, 1)
    await execution.signal(note, 2)
    await engine.restart()
    await execution.signal(note, 3)
    await engine.advance('2m')
    await execution.signal(note, 4)
    await engine.restart()
    await execution.signal(note, 5)
    assert.deepEqual(await execution.result(), [1, 2, 3, 4, 5])
  })

  test('gives undefined when the time is up, and leaves a later signal for the next wait', async () => {
    const patient = workflow({
      name: 'patient',
      run: async (ctx) => {
        const from = ctx.now()
        const first = await ctx.waitFor(note, { timeout: '1h' })
        const waited = ctx.now() - from
        const second = await ctx.waitFor(note, { timeout: '1h' })
        return { first, waited, second }
      },
    })
    await using engine = await createTestEngine({ workflows: [patient] })
    const execution = await engine.start(patient)
    await engine.advance('61m')
    await execution.signal(note, 7)
    assert.deepEqual(await execution.result(), { first: undefined, waited: HOUR_MS, second: 7 })
    assert.ok(engine.now() < (await execution.describe()).startedAt.getTime() + 2 * HOUR_MS)
  })

  test('a signal before the time is up answers the wait; its timer does nothing later', async () => {
    const patient = workflow({
      name: 'patient',
      run: async (ctx) => {
        const first = await ctx.waitFor(note, { timeout: '1h' })
        await ctx.sleep('3h')
        return first
      },
    })
    await using engine = await createTestEngine({ workflows: [patient] })
    const execution = await engine.start(patient)
    await execution.signal(note, 7)
    await engine.advance('30m')
    await engine.restart()
    assert.equal(await execution.result(), 7)
    const types = (await execution.history()).map(({ event }) => event.type)
    assert.equal(types.filter((type) => type === 'timer-fired').length, 1)
  })

  test('several waits on one signal are served in the order in which they began', async () => {
    const many = workflow({
      name: 'many',
      run: async (ctx) => {
        const waits = [ctx.waitFor(note), ctx.waitFor(note, { timeout: '1d' }), ctx.waitFor(note)]
        return Promise.all(waits)
      },
    })
    await using engine = await createTestEngine({ workflows: [many] })
    const execution = await engine.start(many)
    for (const n of [1, 2, 3]) await execution.signal(note, n)
    assert.deepEqual(await execution.result(), [1, 2, 3])
  })

  test('a signal without payload gives undefined', async () => {
    const waiting = workflow({ name: 'waiting', run: async (ctx) => ({ got: await ctx.waitFor(stop) }) })
    await using engine = await createTestEngine({ workflows: [waiting] })
    const execution = await engine.start(waiting)
    await execution.signal(stop)
    assert.deepEqual(await execution.result(), { got: undefined })
  })
})

describe('ctx.child', () => {
  const double = workflow({
    name: 'double',
    run: async (ctx, n: number) => {
      await ctx.sleep('1h')
      if (n < 0) throw new RangeError(`${n} is negative`)
      return ctx.step('double', () => n * 2)
    },
  })

  test('gives the result of the child, also over restarts', async () => {
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        const both = [ctx.child(double, 2), ctx.child(double, 3, { id: 'named' })]
        return { ids: both.map(({ id }) => id), sum: await Promise.all(both) }
      },
    })
    await using engine = await createTestEngine({ workflows: [double, parent] })
    const execution = await engine.start(parent, undefined, { id: 'p' })
    await engine.advance('30m')
    await engine.restart()
    assert.deepEqual(await execution.result(), { ids: ['p/1', 'named'], sum: [4, 6] })
    assert.equal(await engine.execution(double, 'named').result(), 6)
  })

  test('fails with CHILD_FAILED and the error of the child as its cause', async () => {
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        try {
          return await ctx.child(double, -1)
        } catch (error) {
          assert.ok(error instanceof PerdureError)
          const cause = error.cause as Error
          return { code: error.code, name: cause.name, message: cause.message }
        }
      },
    })
    await using engine = await createTestEngine({ workflows: [double, parent] })
    assert.deepEqual(await (await engine.start(parent)).result(), {
      code: 'CHILD_FAILED',
      name: 'RangeError',
      message: '-1 is negative',
    })
  })

  test('can be signalled and cancelled by its parent', async () => {
    const child = workflow({
      name: 'child',
      run: async (ctx) => {
        const got = [await ctx.waitFor(note), await ctx.waitFor(note)]
        try {
          await ctx.sleep('1d')
        } catch {
          return ctx.uncancellable((safe) => safe.step('clean up', () => [...got, 'cleaned up']))
        }
        return got
      },
    })
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        const started = ctx.child(child)
        await started.signal(note, 1)
        await started.signal(note, 2)
        await ctx.sleep('1h')
        started.cancel('enough')
        return started
      },
    })
    await using engine = await createTestEngine({ workflows: [child, parent] })
    const execution = await engine.start(parent)
    await engine.advance('30m')
    await engine.restart()
    assert.deepEqual(await execution.result(), [1, 2, 'cleaned up'])
    assert.ok(engine.now() < (await execution.describe()).startedAt.getTime() + 2 * HOUR_MS)
  })

  test('a child that is kept may outlive the parent, be cancelled or terminated: the close policy', async () => {
    const child = workflow({
      name: 'child',
      run: async (ctx) => {
        try {
          await ctx.sleep('10d')
          return 'slept'
        } catch (error) {
          await ctx.uncancellable((safe) => safe.step('clean up', () => {}))
          throw error
        }
      },
    })
    const parent = workflow({
      name: 'parent',
      run: async (ctx, parentClosePolicy: ParentClosePolicy) => {
        const kept: Child<string> = ctx.child(child, undefined, {
          id: `child-${parentClosePolicy}`,
          parentClosePolicy,
        })
        await ctx.sleep('1s')
        return kept.id
      },
    })
    await using engine = await createTestEngine({ workflows: [child, parent] })
    const statuses: Record<string, string> = {}
    for (const policy of ['terminate', 'cancel', 'abandon'] as const) {
      const id = await (await engine.start(parent, policy)).result()
      await engine.advance('1m')
      statuses[policy] = (await engine.execution(child, id).describe()).status
    }
    assert.deepEqual(statuses, { terminate: 'terminated', cancel: 'cancelled', abandon: 'running' })
    assert.equal(await engine.execution(child, 'child-abandon').result(), 'slept')
  })

  test('cancelling the parent lets the child clean up', async () => {
    let cleaned = false
    const child = workflow({
      name: 'child',
      run: async (ctx) => {
        try {
          await ctx.sleep('10d')
        } finally {
          await ctx.uncancellable((safe) =>
            safe.step('clean up', () => {
              cleaned = true
            }),
          )
        }
      },
    })
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => ctx.child(child, undefined, { id: 'c', parentClosePolicy: 'cancel' }),
    })
    await using engine = await createTestEngine({ workflows: [child, parent] })
    const execution = await engine.start(parent)
    await engine.advance('1m')
    await execution.cancel('no longer needed')
    await assert.rejects(execution.result(), { status: 'cancelled' })
    await assert.rejects(engine.execution(child, 'c').result(), { status: 'cancelled' })
    assert.ok(cleaned)
  })

  test('fails where the id is taken, and where its code is missing it parks', async () => {
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => ctx.child(double, 1, { id: 'taken' }),
    })
    const missing = workflow({ name: 'missing', run: async () => 1 })
    const lost = workflow({ name: 'lost', run: async (ctx) => ctx.child(missing) })
    await using engine = await createTestEngine({ workflows: [double, parent, lost] })
    await engine.start(double, 5, { id: 'taken' })
    const execution = await engine.start(parent)
    await assert.rejects(execution.result(), (error: PerdureError) => {
      const child = error.cause as PerdureError
      return child.code === 'CHILD_FAILED' && (child.cause as PerdureError).code === 'EXECUTION_EXISTS'
    })
    const waiting = await engine.start(lost)
    await assert.rejects(waiting.result(), /no code is registered for workflow missing/)
    await engine.restart({ workflows: [double, parent, lost, missing] })
    assert.equal(await waiting.result(), 1)
  })

  test('an execution timeout ends the child', async () => {
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        try {
          await ctx.child(double, 1, { executionTimeout: '10m' })
        } catch (error) {
          return ((error as Error).cause as PerdureError).code
        }
        return 'completed'
      },
    })
    await using engine = await createTestEngine({ workflows: [double, parent] })
    assert.equal(await (await engine.start(parent)).result(), 'EXECUTION_TIMED_OUT')
  })

  test('a child that continues as new reports the result of its last run', async () => {
    const relay = workflow({
      name: 'relay',
      run: async (ctx, n: number): Promise<number> => {
        await ctx.sleep('1h')
        return n < 3 ? ctx.continueAsNew(n + 1) : n
      },
    })
    const parent = workflow({ name: 'parent', run: async (ctx) => ctx.child(relay, 0) })
    await using engine = await createTestEngine({ workflows: [relay, parent] })
    const execution = await engine.start(parent)
    await engine.advance('90m')
    await engine.restart()
    assert.equal(await execution.result(), 3)
  })

  test('can be cancelled and signalled by its handle after it continued as new', async () => {
    const relay = workflow({
      name: 'relay',
      run: async (ctx, n: number): Promise<number> => {
        if (n === 0) ctx.continueAsNew(1)
        return (await ctx.waitFor(note)) + n
      },
    })
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        const child = ctx.child(relay, 0)
        await ctx.sleep('1h')
        await child.signal(note, 41)
        return child
      },
    })
    await using engine = await createTestEngine({ workflows: [relay, parent] })
    assert.equal(await (await engine.start(parent)).result(), 42)
  })
})

describe('several operations at a time', () => {
  test('ctx.map keeps the order of the items and never runs more than its concurrency', async () => {
    let running = 0
    let most = 0
    const mapping = workflow({
      name: 'mapping',
      run: async (ctx) =>
        ctx.map(
          [5, 4, 3, 2, 1, 0],
          (n, index) =>
            ctx.step('work', async () => {
              running += 1
              most = Math.max(most, running)
              await new Promise((resolve) => setTimeout(resolve, n))
              running -= 1
              return `${index}:${n}`
            }),
          { concurrency: 2 },
        ),
    })
    await using engine = await createTestEngine({ workflows: [mapping] })
    assert.deepEqual(await (await engine.start(mapping)).result(), ['0:5', '1:4', '2:3', '3:2', '4:1', '5:0'])
    assert.equal(most, 2)
  })

  test('ctx.map of nothing is empty; its first failure is thrown and no further item begins', async () => {
    const begun: number[] = []
    const mapping = workflow({
      name: 'mapping',
      run: async (ctx) => {
        assert.deepEqual(await ctx.map([], async () => 1), [])
        try {
          await ctx.map(
            [1, 2, 3, 4],
            (n) =>
              ctx.step(
                'work',
                () => {
                  begun.push(n)
                  if (n === 2) throw new Error('two')
                },
                { retry: { maxAttempts: 1 } },
              ),
            { concurrency: 1 },
          )
        } catch (error) {
          return (error as Error).message
        }
        return 'no failure'
      },
    })
    await using engine = await createTestEngine({ workflows: [mapping] })
    assert.equal(await (await engine.start(mapping)).result(), 'two')
    assert.deepEqual(begun, [1, 2])
  })

  test('ctx.map refuses an impossible concurrency', async () => {
    const mapping = workflow({
      name: 'mapping',
      run: async (ctx, concurrency: number) => ctx.map([1, 2], async (n) => n, { concurrency }),
    })
    await using engine = await createTestEngine({ workflows: [mapping] })
    for (const concurrency of [0, -1, 1.5, '2' as unknown as number]) {
      const execution = await engine.start(mapping, concurrency)
      await assert.rejects(execution.result(), (error: PerdureError) => {
        return (error.cause as PerdureError).code === 'ARGUMENT_INVALID'
      })
    }
  })

  test('Promise.race, any, all and allSettled end the same way after a restart', async () => {
    const seen: unknown[] = []
    const combining = workflow({
      name: 'combining',
      run: async (ctx) => {
        const slow = async (n: number, ms: number) => {
          await ctx.sleep(ms)
          if (n < 0) throw new Error(`${n}`)
          return n
        }
        const settled = await Promise.allSettled([slow(1, 30), slow(-2, 20), slow(3, 10)])
        const ended = [
          await Promise.race([slow(1, 30), slow(2, 10), slow(3, 20)]),
          await Promise.any([slow(-1, 5), slow(2, 30), slow(3, 20)]),
          await Promise.all([slow(1, 30), slow(2, 10)]),
          settled.map(({ status }) => status),
        ]
        const failed = await Promise.all([slow(-5, 20), slow(-4, 10)]).catch((error: Error) => error.message)
        seen.push([...ended, failed])
        await ctx.sleep('1h')
        return [...ended, failed]
      },
    })
    await using engine = await createTestEngine({ workflows: [combining] })
    const execution = await engine.start(combining)
    await engine.advance('30m')
    await engine.restart()
    const expected = [2, 3, [1, 2], ['fulfilled', 'rejected', 'fulfilled'], '-4']
    assert.deepEqual(await execution.result(), expected)
    assert.deepEqual(seen, [expected, expected])
  })

  test('a race of steps is decided by the order of their completion, live and in replay', async () => {
    const winners: string[] = []
    const racing = workflow({
      name: 'racing',
      run: async (ctx) => {
        const after = (name: string, ms: number) =>
          ctx.step(name, async () => {
            await new Promise((resolve) => setTimeout(resolve, ms))
            return name
          })
        const winner = await Promise.race([after('slow', 30), after('fast', 1)])
        winners.push(winner)
        await ctx.sleep('1h')
        return winner
      },
    })
    await using engine = await createTestEngine({ workflows: [racing] })
    const execution = await engine.start(racing)
    await engine.advance('30m')
    await engine.restart()
    assert.equal(await execution.result(), 'fast')
    assert.deepEqual(winners, ['fast', 'fast'])
  })
})
