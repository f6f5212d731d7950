// Retry policies of steps, their timeouts, and what becomes of errors.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ApplicationError,
  ExecutionFailedError,
  NonRetryableError,
  PerdureError,
  type RetryOptions,
  workflow,
} from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { backoffMs } from '../../src/protocol/backoff.ts'
import { DEFAULT_RETRY } from '../../src/protocol/retry-policy.ts'
import { createTestEngine } from '../../src/testing.ts'

const failing = (retry: RetryOptions | undefined, fail: (attempt: number) => unknown) =>
  workflow({
    name: 'failing',
    run: async (ctx) =>
      ctx.step('fail', ({ attempt }) => fail(attempt), retry === undefined ? {} : { retry }),
  })

describe('backoff', () => {
  const policy = { ...DEFAULT_RETRY, initialMs: 100, maxMs: 1e9 }

  test('full jitter is uniform in [0, min(max, initial * 2^n)]', () => {
    for (const [failures, upper] of [
      [1, 100],
      [2, 200],
      [3, 400],
      [10, 51_200],
    ] as const) {
      assert.equal(backoffMs(policy, failures, 0, 0), 0)
      assert.equal(backoffMs(policy, failures, 0, 0.5), upper / 2)
      assert.equal(backoffMs(policy, failures, 0, 1 - Number.EPSILON), upper)
      assert.equal(
        backoffMs({ ...policy, maxMs: 150 }, failures, 0, 1 - Number.EPSILON),
        Math.min(150, upper),
      )
    }
    assert.equal(backoffMs({ ...policy, maxMs: 30_000 }, 5000, 0, 0.5), 15_000, 'no overflow')
  })

  test('decorrelated is uniform in [initial, 3 * previous]; its means are 200, 350, 575, 912.5', () => {
    const decorrelated = { ...policy, backoff: 'decorrelated' as const }
    const random = seededRandomness(1)
    const runs = 40_000
    const sums = [0, 0, 0, 0]
    for (let run = 0; run < runs; run++) {
      let previous = 0
      for (let n = 0; n < sums.length; n++) {
        previous = backoffMs(decorrelated, n + 1, previous, random())
        assert.ok(previous >= 100)
        sums[n] = (sums[n] ?? 0) + previous
      }
    }
    for (const [n, mean] of [200, 350, 575, 912.5].entries()) {
      const measured = (sums[n] ?? 0) / runs
      assert.ok(Math.abs(measured / mean - 1) < 0.03, `mean ${n + 1} is ${measured}, not ${mean}`)
    }
    assert.equal(backoffMs({ ...decorrelated, maxMs: 120 }, 3, 100, 0.9), 120)
  })
})

describe('retry', () => {
  test('the default is 5 attempts with full jitter from 200 ms', async () => {
    const flaky = failing(undefined, (attempt) => {
      if (attempt < 5) throw new Error(`attempt ${attempt}`)
      return attempt
    })
    await using engine = await createTestEngine({ workflows: [flaky] })
    const execution = await engine.start(flaky)
    assert.equal(await execution.result(), 5)
    const delays = (await execution.history()).flatMap(({ event }) =>
      event.type === 'step-attempt-failed' ? [event.delayMs] : [],
    )
    assert.equal(delays.length, 4)
    for (const [i, delay] of delays.entries()) assert.ok(delay >= 0 && delay <= 200 * 2 ** i, `${delays}`)
  })

  test('waits for the delay, also over a restart', async () => {
    const flaky = failing(
      { maxAttempts: 3, initialInterval: '1h', maxInterval: '1h', backoff: 'decorrelated' },
      (attempt) => {
        if (attempt < 3) throw new Error('again')
        return attempt
      },
    )
    await using engine = await createTestEngine({ workflows: [flaky] })
    const from = engine.now()
    const execution = await engine.start(flaky)
    await engine.advance('30m')
    await engine.restart()
    assert.equal((await execution.describe()).pending[0]?.attempt, 1)
    assert.equal(await execution.result(), 3)
    assert.equal(engine.now() - from, 2 * 3_600_000)
  })

  test('maxAttempts holds over restarts in the middle of an attempt and of a backoff', async () => {
    const begun: number[] = []
    const flaky = failing({ maxAttempts: 3, initialInterval: '1m' }, (attempt) => {
      begun.push(attempt)
      throw new Error('always')
    })
    for (let commit = 1; commit <= 8; commit++) {
      for (const applied of [false, true]) {
        begun.length = 0
        await using engine = await createTestEngine({
          workflows: [flaky],
          faults: [{ kind: 'crash', commit, applied }],
        })
        const execution = await engine.start(flaky)
        await assert.rejects(execution.result(), { status: 'failed' })
        const attempts = (await execution.history()).flatMap(({ event }) =>
          event.type === 'step-attempt-failed' || event.type === 'step-failed' ? [event.attempt] : [],
        )
        assert.deepEqual(attempts, [1, 2, 3])
        assert.ok(begun.length <= 4, `at most one attempt is lost with the crash: ${begun}`)
      }
    }
  })

  test('stops at errors that are not to be retried: by name, by class, by property', async () => {
    class CardDeclined extends Error {
      override readonly name = 'CardDeclined'
    }
    const errors = [
      new CardDeclined('no'),
      new NonRetryableError('no'),
      Object.assign(new Error('no'), { nonRetryable: true }),
      new TypeError('no'),
    ]
    for (const error of errors) {
      let attempts = 0
      const flaky = failing({ nonRetryable: ['CardDeclined', 'TypeError'] }, () => {
        attempts += 1
        throw error
      })
      await using engine = await createTestEngine({ workflows: [flaky] })
      await assert.rejects((await engine.start(flaky)).result(), (failed: ExecutionFailedError) => {
        assert.equal((failed.cause as Error).name, error.name)
        return true
      })
      assert.equal(attempts, 1)
    }
  })

  test('the idempotency key is the same for all attempts, also after a crash', async () => {
    const keys = new Set<string>()
    const keyed = workflow({
      name: 'keyed',
      run: async (ctx) =>
        ctx.step('x', ({ idempotencyKey, attempt }) => {
          keys.add(idempotencyKey)
          if (attempt < 3) throw new Error('again')
        }),
    })
    await using engine = await createTestEngine({
      workflows: [keyed],
      faults: [{ kind: 'crash', commit: 3 }],
    })
    await (await engine.start(keyed)).result()
    assert.equal(engine.crashes, 1)
    assert.equal(keys.size, 1)
  })

  test('the same seed gives the same jitter and ids, another seed others', async () => {
    const flaky = failing({ maxAttempts: 4 }, () => {
      throw new Error('always')
    })
    const trace = async (seed: number): Promise<unknown> => {
      await using engine = await createTestEngine({ workflows: [flaky], seed })
      const execution = await engine.start(flaky)
      await execution.result().catch(() => {})
      const times = (await execution.history()).map(({ event }) => [event.type, event.at])
      return [execution.id, execution.runId, times]
    }
    assert.deepEqual(await trace(7), await trace(7))
    assert.notDeepEqual(await trace(7), await trace(8))
  })
})

describe('timeout of a step', () => {
  test('fails the attempt with STEP_TIMEOUT and aborts its signal; the next attempt may do better', async () => {
    const reasons: unknown[] = []
    const slow = workflow({
      name: 'slow',
      run: async (ctx) =>
        ctx.step(
          'slow',
          ({ attempt, abortSignal }) => {
            if (attempt === 2) return 'second'
            return new Promise<string>((_, reject) => {
              abortSignal.addEventListener('abort', () => {
                reasons.push((abortSignal.reason as PerdureError).code)
                reject(new Error('aborted'))
              })
            })
          },
          { timeout: '10s', retry: { initialInterval: 0 } },
        ),
    })
    await using engine = await createTestEngine({ workflows: [slow], stepPatience: 10 })
    const execution = await engine.start(slow)
    await engine.advance('11s')
    assert.equal(await execution.result(), 'second')
    assert.deepEqual(reasons, ['STEP_TIMEOUT'])
    const failed = (await execution.history()).find(
      ({ event }) => event.type === 'step-attempt-failed',
    )?.event
    assert.ok(failed?.type === 'step-attempt-failed')
    assert.equal(failed.failure.code, 'STEP_TIMEOUT')
    assert.equal(failed.failure.kind, 'platform')
  })

  test('a function that ignores its signal holds up nothing; its late result is ignored', async () => {
    let finish: (value: string) => void = () => {}
    const stuck = workflow({
      name: 'stuck',
      run: async (ctx) => {
        const result = await ctx
          .step('stuck', () => new Promise<string>((resolve) => (finish = resolve)), {
            timeout: 20,
            retry: { maxAttempts: 1 },
          })
          .catch((error: PerdureError) => error.code)
        await ctx.sleep('30d')
        return result
      },
    })
    await using engine = await createTestEngine({ workflows: [stuck], shutdownGrace: 20 })
    const execution = await engine.start(stuck)
    assert.equal(await execution.result(), 'STEP_TIMEOUT')
    finish('late')
    assert.equal((await execution.history()).filter(({ event }) => event.type === 'step-completed').length, 0)
  })

  test('real steps are given the time they need: nothing else becomes due meanwhile', async () => {
    const honest = workflow({
      name: 'honest',
      run: async (ctx) => {
        const step = ctx.step(
          'real',
          async () => {
            await new Promise((resolve) => setTimeout(resolve, 30))
            return 'step'
          },
          { timeout: '10s' },
        )
        return Promise.race([step, ctx.sleep('1h').then(() => 'sleep')])
      },
    })
    await using engine = await createTestEngine({ workflows: [honest] })
    assert.equal(await (await engine.start(honest)).result(), 'step')
  })
})

describe('errors', () => {
  class PaymentError extends Error {
    override readonly name = 'PaymentError'
    readonly code = 'NO_FUNDS'
  }

  test('of a step reach the workflow and the caller with name, message, stack, code and cause', async () => {
    const seen: unknown[] = []
    const paying = workflow({
      name: 'paying',
      run: async (ctx) => {
        try {
          await ctx.step(
            'pay',
            () => {
              throw new PaymentError('declined', { cause: new RangeError('limit') })
            },
            { retry: { maxAttempts: 1 } },
          )
        } catch (error) {
          seen.push(error)
          throw error
        }
      },
    })
    await using engine = await createTestEngine({ workflows: [paying] })
    const execution = await engine.start(paying, undefined, { id: 'p' })
    await assert.rejects(execution.result(), (error: ExecutionFailedError) => {
      assert.ok(error instanceof ExecutionFailedError)
      assert.deepEqual([error.code, error.status, error.executionId], ['EXECUTION_FAILED', 'failed', 'p'])
      for (const found of [seen[0], error.cause]) {
        assert.ok(found instanceof ApplicationError)
        assert.deepEqual([found.name, found.message, found.code], ['PaymentError', 'declined', 'NO_FUNDS'])
        assert.match(found.stack ?? '', /retries-and-errors\.test\.ts/)
        assert.equal((found.cause as Error).name, 'RangeError')
      }
      return true
    })
    assert.equal((await execution.describe()).error?.name, 'PaymentError')
    await engine.restart()
    await assert.rejects(execution.result(), (error: Error) => (error.cause as Error).name === 'PaymentError')
  })

  test('anything may be thrown: the execution fails, the engine goes on', async () => {
    const throwing = workflow({
      name: 'throwing',
      run: async (ctx, where: string) => {
        const odd = Object.assign(new Error('odd'), { name: 42, message: { a: 1 } })
        if (where === 'step') await ctx.step('x', () => Promise.reject(odd), { retry: { maxAttempts: 1 } })
        if (where === 'code') throw odd
        if (where === 'text') throw 'plain text'
        if (where === 'undefined') throw undefined
        return 'fine'
      },
    })
    await using engine = await createTestEngine({ workflows: [throwing] })
    for (const where of ['step', 'code', 'text', 'undefined'])
      await assert.rejects((await engine.start(throwing, where)).result(), { status: 'failed' }, where)
    assert.equal(await (await engine.start(throwing, 'nowhere')).result(), 'fine')
  })

  test('of the platform have their own type, and are not retried where that is useless', async () => {
    let attempts = 0
    const returning = workflow({
      name: 'returning',
      run: async (ctx) =>
        ctx.step('x', () => {
          attempts += 1
          return (() => 1) as unknown as string
        }),
    })
    await using engine = await createTestEngine({ workflows: [returning] })
    await assert.rejects((await engine.start(returning)).result(), (error: ExecutionFailedError) => {
      assert.ok(error.cause instanceof PerdureError)
      assert.equal(error.cause.code, 'PAYLOAD_UNSUPPORTED')
      return true
    })
    assert.equal(attempts, 1)
  })

  test('a result that cannot be recorded fails the execution clearly', async () => {
    const odd = workflow({ name: 'odd', run: async () => ({ nested: [new WeakMap()] }) })
    await using engine = await createTestEngine({ workflows: [odd] })
    await assert.rejects((await engine.start(odd)).result(), /at nested\[0\] is an instance of WeakMap/)
  })
})
