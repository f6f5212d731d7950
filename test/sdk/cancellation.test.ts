// Cancellation: of executions, of scopes, clean-up that it does not reach, and ctx.abortSignal.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PerdureError, signal, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'

const codeOf = (error: unknown): string => (error instanceof PerdureError ? error.code : String(error))

describe('execution.cancel', () => {
  test('rejects what the code waits for with CANCELLED; the execution ends as cancelled', async () => {
    const seen: string[] = []
    const waiting = workflow({
      name: 'waiting',
      run: async (ctx) => {
        try {
          await Promise.all([ctx.sleep('1d'), ctx.waitFor(signal('never'))])
        } catch (error) {
          seen.push(codeOf(error))
          throw error
        }
      },
    })
    await using engine = await createTestEngine({ workflows: [waiting] })
    const execution = await engine.start(waiting)
    await engine.advance('1h')
    await execution.cancel('changed my mind')
    await assert.rejects(execution.result(), {
      name: 'ExecutionFailedError',
      status: 'cancelled',
      code: 'CANCELLED',
    })
    assert.equal((await execution.describe()).status, 'cancelled')
    assert.match((await execution.describe()).error?.message ?? '', /changed my mind/)
    assert.deepEqual(seen, ['CANCELLED'])
  })

  test('code that catches it and returns completes', async () => {
    const stubborn = workflow({
      name: 'stubborn',
      run: async (ctx) => {
        await ctx.sleep('1d').catch(() => {})
        return 'done anyway'
      },
    })
    await using engine = await createTestEngine({ workflows: [stubborn] })
    const execution = await engine.start(stubborn)
    await execution.cancel()
    assert.equal(await execution.result(), 'done anyway')
  })

  test('another error thrown while cleaning up is a failure', async () => {
    const clumsy = workflow({
      name: 'clumsy',
      run: async (ctx) => {
        await ctx.sleep('1d').catch(() => {
          throw new TypeError('slipped')
        })
      },
    })
    await using engine = await createTestEngine({ workflows: [clumsy] })
    const execution = await engine.start(clumsy)
    await execution.cancel()
    await assert.rejects(execution.result(), { status: 'failed' })
  })

  test('aborts a running step; its late result is ignored', async () => {
    let aborted = false
    const stepping = workflow({
      name: 'stepping',
      run: async (ctx) =>
        ctx.step('long', async ({ abortSignal }) => {
          await new Promise((resolve) => abortSignal.addEventListener('abort', resolve))
          aborted = true
          return 'too late'
        }),
    })
    await using engine = await createTestEngine({ workflows: [stepping] })
    const execution = await engine.start(stepping)
    await engine.advance(0)
    await execution.cancel()
    await assert.rejects(execution.result(), { status: 'cancelled' })
    await engine.advance(0)
    assert.ok(aborted)
  })

  test('operations made after it reject at once, except in ctx.uncancellable', async () => {
    const cleaning = workflow({
      name: 'cleaning',
      run: async (ctx) => {
        const log: string[] = []
        try {
          await ctx.sleep('1d')
        } catch {
          for (const operation of [
            () => ctx.sleep('1s'),
            () => ctx.step('x', () => 'ran'),
            () => ctx.waitFor(signal('s')),
          ])
            await operation().catch((error: unknown) => log.push(codeOf(error)))
          await ctx.uncancellable(async (safe) => {
            await safe.sleep('1h')
            log.push(await safe.step('undo', () => 'undone'))
            await safe.scope(async (inner) => void log.push(await inner.step('nested', () => 'nested')))
          })
        }
        return log
      },
    })
    await using engine = await createTestEngine({ workflows: [cleaning] })
    const execution = await engine.start(cleaning)
    await execution.cancel()
    await engine.advance('10m')
    await engine.restart()
    assert.deepEqual(await execution.result(), ['CANCELLED', 'CANCELLED', 'CANCELLED', 'undone', 'nested'])
  })

  test('a part that is uncancellable from the start is not reached', async () => {
    const safe = workflow({
      name: 'safe',
      run: async (ctx) => {
        const kept = await ctx.uncancellable(async (inner) => {
          await inner.sleep('2h')
          return 'kept'
        })
        return [kept, ctx.abortSignal.aborted]
      },
    })
    await using engine = await createTestEngine({ workflows: [safe] })
    const execution = await engine.start(safe)
    await engine.advance('1h')
    await execution.cancel()
    await engine.restart()
    assert.deepEqual(await execution.result(), ['kept', true])
  })

  test('survives a crash right after it, and comes once', async () => {
    const counting = workflow({
      name: 'counting',
      run: async (ctx) => {
        let times = 0
        for (let i = 0; i < 3; i++)
          await ctx
            .uncancellable((safe) => safe.sleep('1h'))
            .then(() => ctx.sleep(0))
            .catch(() => times++)
        return times
      },
    })
    await using engine = await createTestEngine({ workflows: [counting] })
    const execution = await engine.start(counting)
    await execution.cancel('once')
    await engine.restart()
    await execution.cancel('twice')
    assert.equal(await execution.result(), 3)
    const requests = (await execution.history()).filter(({ event }) => event.type === 'cancel-requested')
    assert.equal(requests.length, 1)
  })

  test('before a delayed start it ends the execution at once', async () => {
    const never = workflow({ name: 'never', run: async () => assert.fail('its code ran') })
    await using engine = await createTestEngine({ workflows: [never] })
    const execution = await engine.start(never, undefined, { delay: '1d' })
    await execution.cancel('too early')
    await assert.rejects(execution.result(), { status: 'cancelled' })
  })

  test('closed executions refuse it', async () => {
    const quick = workflow({ name: 'quick', run: async () => 1 })
    await using engine = await createTestEngine({ workflows: [quick] })
    const execution = await engine.start(quick)
    await execution.result()
    await assert.rejects(execution.cancel(), { code: 'EXECUTION_CLOSED' })
    await assert.rejects(execution.terminate(), { code: 'EXECUTION_CLOSED' })
  })
})

describe('ctx.scope', () => {
  test('cancels its own operations only, and those of scopes within', async () => {
    const scoped = workflow({
      name: 'scoped',
      run: async (ctx) => {
        const outer = ctx.scope(async (a) => {
          const inner = a.scope(async (b) => b.sleep('1d'))
          const results = await Promise.allSettled([
            a.sleep('1d'),
            inner,
            a.uncancellable((c) => c.sleep('2h')),
          ])
          return results.map(({ status }) => status)
        })
        await ctx.sleep('1h')
        outer.cancel('enough')
        const statuses = await outer
        return { statuses, own: ctx.abortSignal.aborted }
      },
    })
    await using engine = await createTestEngine({ workflows: [scoped] })
    const execution = await engine.start(scoped)
    await engine.advance('90m')
    await engine.restart()
    assert.deepEqual(await execution.result(), {
      statuses: ['rejected', 'rejected', 'fulfilled'],
      own: false,
    })
    assert.ok(engine.now() < (await execution.describe()).startedAt.getTime() + 3 * 3_600_000)
  })

  test('a time limit: race with a sleep, then cancel', async () => {
    let aborted = false
    const limited = workflow({
      name: 'limited',
      run: async (ctx) => {
        const work = ctx.scope((inner) =>
          inner.step(
            'work',
            ({ abortSignal }) =>
              new Promise<string>((resolve) => {
                abortSignal.addEventListener('abort', () => {
                  aborted = true
                  resolve('aborted')
                })
              }),
          ),
        )
        const winner = await Promise.race([work, ctx.sleep('5s').then(() => 'time is up')])
        work.cancel()
        return winner
      },
    })
    await using engine = await createTestEngine({ workflows: [limited], stepPatience: 20 })
    const execution = await engine.start(limited)
    await engine.advance('6s')
    assert.equal(await execution.result(), 'time is up')
    assert.ok(aborted)
  })

  test('a failing scope that is never awaited does not end the process or the execution', async () => {
    const careless = workflow({
      name: 'careless',
      run: async (ctx) => {
        void ctx.scope(async () => {
          throw new Error('nobody looks')
        })
        await ctx.sleep('1s')
        return 'fine'
      },
    })
    await using engine = await createTestEngine({ workflows: [careless] })
    assert.equal(await (await engine.start(careless)).result(), 'fine')
  })
})

describe('ctx.abortSignal', () => {
  test('aborts when the execution is cancelled: code may wait for nothing else', async () => {
    const listening = workflow({
      name: 'listening',
      run: async (ctx) => {
        await new Promise((resolve) => ctx.abortSignal.addEventListener('abort', resolve))
        return 'heard'
      },
    })
    await using engine = await createTestEngine({ workflows: [listening] })
    const execution = await engine.start(listening)
    await engine.advance('1d')
    await engine.restart()
    await execution.cancel()
    assert.equal(await execution.result(), 'heard')
  })

  test('of a scope aborts with the scope', async () => {
    const listening = workflow({
      name: 'listening',
      run: async (ctx) => {
        const log: string[] = []
        const scope = ctx.scope(async (inner) => {
          inner.abortSignal.addEventListener('abort', () => log.push(`aborted: ${inner.abortSignal.reason}`))
          await inner.sleep('1d').catch(() => log.push('rejected'))
        })
        await ctx.sleep('1s')
        scope.cancel('why')
        await scope
        return log
      },
    })
    await using engine = await createTestEngine({ workflows: [listening] })
    assert.deepEqual(await (await engine.start(listening)).result(), ['aborted: why', 'rejected'])
  })
})

describe('a child of a cancelled parent', () => {
  test('cleans up, also with the default close policy', async () => {
    const undone: string[] = []
    const child = workflow({
      name: 'child-with-clean-up',
      run: async (ctx) => {
        try {
          await ctx.sleep('1h')
        } finally {
          await ctx.uncancellable((inner) => inner.step('undo', () => undone.push('undone')))
        }
      },
    })
    const parent = workflow({
      name: 'parent-of-it',
      run: async (ctx) => ctx.child(child, undefined, { id: 'the-child' }),
    })
    await using engine = await createTestEngine({ workflows: [child, parent] })
    const execution = await engine.start(parent)
    await engine.advance('1s')
    await execution.cancel()
    await assert.rejects(execution.result(), { code: 'CANCELLED' })
    await assert.rejects(engine.execution(child, 'the-child').result(), { code: 'CANCELLED' })
    assert.deepEqual(undone, ['undone'])
  })
})
