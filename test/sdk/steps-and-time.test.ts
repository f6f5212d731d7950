// ctx.step, ctx.sleep, ctx.sleepUntil, ctx.now, ctx.random, ctx.uuid, ctx.log, ctx.setAttributes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { recordedLog } from './recorded-log.ts'

const DAY_MS = 86_400_000

describe('ctx.step', () => {
  test('records its result once, also over a restart', async () => {
    let calls = 0
    const once = workflow({
      name: 'once',
      run: async (ctx) => {
        const first = await ctx.step('first', () => ++calls)
        await ctx.sleep('1h')
        const second = await ctx.step('second', async () => ++calls)
        return [first, second]
      },
    })
    await using engine = await createTestEngine({ workflows: [once] })
    const execution = await engine.start(once)
    await engine.advance('30m')
    await engine.restart()
    assert.deepEqual(await execution.result(), [1, 2])
    assert.equal(calls, 2)
  })

  test('tells its function about itself', async () => {
    const about = workflow({
      name: 'about',
      run: async (ctx) => {
        const seen = []
        for (let i = 0; i < 2; i++)
          seen.push(
            await ctx.step('look', ({ name, attempt, workflowId, runId, idempotencyKey }) => ({
              name,
              attempt,
              workflowId,
              runId,
              idempotencyKey,
            })),
          )
        return seen
      },
    })
    await using engine = await createTestEngine({ workflows: [about], namespace: 'a b' })
    const execution = await engine.start(about, undefined, { id: 'x/y' })
    const { runId } = execution
    const [first, second] = await execution.result()
    assert.deepEqual(first, {
      name: 'look',
      attempt: 1,
      workflowId: 'x/y',
      runId,
      idempotencyKey: `a%20b/x%2Fy/${runId}/1`,
    })
    assert.equal(second?.idempotencyKey, `a%20b/x%2Fy/${runId}/2`)
  })

  test('gives a copy: neither the function nor the code can change what was recorded', async () => {
    const shared = { list: [1] }
    const copying = workflow({
      name: 'copying',
      run: async (ctx) => {
        const result = await ctx.step('make', () => shared)
        shared.list.push(2)
        result.list.push(3)
        await ctx.sleep('1s')
        return result.list
      },
    })
    await using engine = await createTestEngine({ workflows: [copying], replayOnClose: false })
    assert.deepEqual(await (await engine.start(copying)).result(), [1, 3])
  })

  test('refuses a missing name, a missing function and impossible options', async () => {
    const wrong = workflow({
      name: 'wrong',
      run: async (ctx) => {
        const step = ctx.step as (...args: unknown[]) => Promise<unknown>
        const codes: unknown[] = []
        const calls = [
          () => step.call(ctx, ''),
          () => step.call(ctx, 5, () => 1),
          () => step.call(ctx, 'x'),
          () => step.call(ctx, 'x', () => 1, { retry: { maxAttempts: 0 } }),
          () => step.call(ctx, 'x', () => 1, { retry: { backoff: 'linear' } }),
          () => step.call(ctx, 'x', () => 1, { retry: { nonRetryable: 'TypeError' } }),
          () => step.call(ctx, 'x', () => 1, { timeout: 'soon' }),
          () => step.call(ctx, 'x'.repeat(600), () => 1),
          () => step.call(ctx, 'x\0', () => 1),
        ]
        for (const call of calls) {
          try {
            await call()
            codes.push('accepted')
          } catch (error) {
            codes.push((error as { code?: unknown }).code)
          }
        }
        return codes
      },
    })
    await using engine = await createTestEngine({ workflows: [wrong] })
    assert.deepEqual(await (await engine.start(wrong)).result(), [
      'ARGUMENT_INVALID',
      'ARGUMENT_INVALID',
      'ARGUMENT_INVALID',
      'ARGUMENT_INVALID',
      'ARGUMENT_INVALID',
      'ARGUMENT_INVALID',
      'DURATION_INVALID',
      'ID_INVALID',
      'ID_INVALID',
    ])
  })
})

describe('ctx.sleep', () => {
  test('takes the time it says, skipped', async () => {
    const sleeper = workflow({
      name: 'sleeper',
      run: async (ctx) => {
        const times = [ctx.now()]
        await ctx.sleep('30d')
        times.push(ctx.now())
        await ctx.sleep(1)
        times.push(ctx.now())
        await ctx.sleep(0)
        times.push(ctx.now())
        return times.map((time) => time - (times[0] ?? 0))
      },
    })
    await using engine = await createTestEngine({ workflows: [sleeper] })
    assert.deepEqual(await (await engine.start(sleeper)).result(), [
      0,
      30 * DAY_MS,
      30 * DAY_MS + 1,
      30 * DAY_MS + 1,
    ])
  })

  test('goes on over restarts and is never early', async () => {
    const sleeper = workflow({
      name: 'sleeper',
      run: async (ctx) => {
        const from = ctx.now()
        await ctx.sleep('10d')
        return ctx.now() - from
      },
    })
    await using engine = await createTestEngine({ workflows: [sleeper] })
    const execution = await engine.start(sleeper)
    for (let day = 1; day < 10; day++) {
      await engine.advance('1d')
      await engine.restart()
      assert.equal((await execution.describe()).status, 'running')
    }
    await engine.advance('1d')
    assert.equal((await execution.describe()).status, 'completed')
    assert.equal(await execution.result(), 10 * DAY_MS)
  })

  test('sleepUntil takes a Date or ms since 1970; the past is now', async () => {
    const until = workflow({
      name: 'until',
      run: async (ctx) => {
        const from = ctx.now()
        await ctx.sleepUntil(new Date(from + 5000))
        await ctx.sleepUntil(from + 7000)
        await ctx.sleepUntil(new Date(0))
        return ctx.now() - from
      },
    })
    await using engine = await createTestEngine({ workflows: [until] })
    assert.equal(await (await engine.start(until)).result(), 7000)
  })

  test('refuses what is no time', async () => {
    const wrong = workflow({
      name: 'wrong',
      run: async (ctx, which: number) => {
        if (which === 0) await ctx.sleep(-1)
        if (which === 1) await ctx.sleep('1 hour' as '1h')
        if (which === 2) await ctx.sleepUntil(new Date(Number.NaN))
        if (which === 3) await ctx.sleepUntil('tomorrow' as unknown as Date)
      },
    })
    await using engine = await createTestEngine({ workflows: [wrong] })
    for (const [which, code] of [
      [0, 'DURATION_INVALID'],
      [1, 'DURATION_INVALID'],
      [2, 'ARGUMENT_INVALID'],
      [3, 'ARGUMENT_INVALID'],
    ] as const) {
      const execution = await engine.start(wrong, which)
      await assert.rejects(
        execution.result(),
        (error: Error) => (error.cause as { code?: string }).code === code,
      )
    }
  })
})

describe('values that replay repeats', () => {
  test('now, random and uuid are the same after a restart', async () => {
    const seen: unknown[][] = []
    const values = workflow({
      name: 'values',
      run: async (ctx) => {
        const drawn: unknown[] = [ctx.now(), ctx.random(), ctx.uuid()]
        await ctx.sleep('1h')
        drawn.push(ctx.now(), ctx.random(), ctx.uuid())
        await ctx.scope(async (inner) => void drawn.push(inner.random(), inner.now()))
        seen.push(drawn)
        await ctx.sleep('1h')
        return drawn
      },
    })
    await using engine = await createTestEngine({ workflows: [values] })
    const execution = await engine.start(values)
    await engine.advance('90m')
    await engine.restart()
    const result = await execution.result()
    assert.equal(seen.length, 2)
    assert.deepEqual(seen[1], seen[0])
    assert.deepEqual(result, seen[0])
    assert.match(String(result[2]), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.equal(new Set(result).size, result.length - 1, 'only the second now() repeats')
  })

  test('differ between executions', async () => {
    const values = workflow({ name: 'values', run: async (ctx) => ctx.uuid() })
    await using engine = await createTestEngine({ workflows: [values] })
    const all = await Promise.all(
      Array.from({ length: 50 }, async () => (await engine.start(values)).result()),
    )
    assert.equal(new Set(all).size, 50)
  })
})

test('ctx.log writes each line once: it is silent in replay', async () => {
  const logger = recordedLog()
  const logging = workflow({
    name: 'logging',
    run: async (ctx) => {
      ctx.log.info('before', { n: 1 })
      await ctx.sleep('1h')
      ctx.log.warn('after')
      await ctx.sleep('1h')
    },
  })
  await using engine = await createTestEngine({ workflows: [logging], logger })
  const execution = await engine.start(logging, undefined, { id: 'a' })
  await engine.advance('90m')
  await engine.restart()
  await execution.result()
  const own = logger.entries.filter(({ message }) => message === 'before' || message === 'after')
  assert.deepEqual(
    own.map(({ level, message }) => [level, message]),
    [
      ['info', 'before'],
      ['warn', 'after'],
    ],
  )
  assert.equal(own[0]?.fields.workflowId, 'a')
  assert.equal(own[0]?.fields.n, 1)
})

test('ctx.setAttributes adds to what is there, and list finds it', async () => {
  const labelled = workflow({
    name: 'labelled',
    run: async (ctx) => {
      ctx.setAttributes({ stage: 'one', amount: 5 })
      await ctx.sleep('1h')
      ctx.setAttributes({ stage: 'two', done: true })
    },
  })
  await using engine = await createTestEngine({ workflows: [labelled] })
  const execution = await engine.start(labelled, undefined, {
    id: 'a',
    attributes: { owner: 'eva', stage: 'none' },
  })
  await engine.advance('1m')
  assert.deepEqual((await execution.describe()).attributes, { owner: 'eva', stage: 'one', amount: 5 })
  assert.equal((await engine.list({ attributes: { stage: 'one' } })).executions.length, 1)
  await engine.restart()
  await execution.result()
  assert.deepEqual((await execution.describe()).attributes, {
    owner: 'eva',
    stage: 'two',
    amount: 5,
    done: true,
  })
  assert.equal((await engine.list({ attributes: { stage: 'one' } })).executions.length, 0)
  assert.equal((await engine.list({ attributes: { stage: 'two', owner: 'eva' } })).executions.length, 1)
})
