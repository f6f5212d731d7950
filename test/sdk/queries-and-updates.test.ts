// ctx.onQuery and ctx.onUpdate, and how callers use them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type PerdureError, query, signal, update, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'

const total = query<number>('total')
const plus = query<number, number>('plus')
const add = update<number, number>('add')
const finish = signal('finish')

const account = workflow({
  name: 'account',
  run: async (ctx, start: number) => {
    let balance = start
    ctx.onQuery(total, () => balance)
    ctx.onQuery(plus, (n) => balance + n)
    ctx.onUpdate(
      add,
      async (n) => {
        balance += await ctx.step('book', () => n)
        return balance
      },
      {
        validate: (n) => {
          if (n < 0) throw new RangeError('only deposits')
        },
      },
    )
    await ctx.waitFor(finish)
    return balance
  },
})

describe('queries', () => {
  test('see what the code has recorded so far, also after a restart', async () => {
    await using engine = await createTestEngine({ workflows: [account] })
    const execution = await engine.start(account, 5)
    assert.equal(await execution.query(total), 5)
    await execution.update(add, 3)
    await engine.restart()
    assert.equal(await execution.query(total), 8)
    assert.equal(await execution.query(plus, 10), 18)
  })

  test('leave no trace in the history', async () => {
    await using engine = await createTestEngine({ workflows: [account] })
    const execution = await engine.start(account, 5)
    const before = (await execution.history()).length
    await execution.query(total)
    assert.equal((await execution.history()).length, before)
  })

  test('fail clearly: unknown, failing, asynchronous, writing, closed', async () => {
    const bad = workflow({
      name: 'bad',
      run: async (ctx) => {
        ctx.onQuery(query('throws'), () => {
          throw new TypeError('no')
        })
        ctx.onQuery(query('later'), () => Promise.resolve(1))
        ctx.onQuery(query('writes'), () => void ctx.sleep(1))
        ctx.onQuery(query('draws'), () => ctx.random())
        ctx.onQuery(query('unsupported'), () => () => 1)
        await ctx.waitFor(finish)
      },
    })
    await using engine = await createTestEngine({ workflows: [bad] })
    const execution = await engine.start(bad)
    await assert.rejects(execution.query(query('nothing')), {
      code: 'QUERY_UNKNOWN',
      message: /throws, later, writes/,
    })
    await assert.rejects(execution.query(query('throws')), (error: PerdureError) => {
      return error.code === 'QUERY_FAILED' && (error.cause as Error).name === 'TypeError'
    })
    await assert.rejects(execution.query(query('later')), { code: 'QUERY_FAILED' })
    for (const name of ['writes', 'draws'])
      await assert.rejects(execution.query(query(name)), (error: PerdureError) => {
        return error.code === 'QUERY_FAILED' && (error.cause as PerdureError).code === 'NONDETERMINISTIC_CALL'
      })
    await assert.rejects(execution.query(query('unsupported')), (error: PerdureError) => {
      return (error.cause as PerdureError).code === 'PAYLOAD_UNSUPPORTED'
    })
    assert.equal((await execution.describe()).status, 'running', 'none of this harms the execution')
    await execution.signal(finish)
    await execution.result()
    await assert.rejects(execution.query(total), { code: 'EXECUTION_CLOSED' })
  })

  test('a query handler may look at the clock: it is not replayed', async () => {
    const ageing = workflow({
      name: 'ageing',
      run: async (ctx) => {
        ctx.onQuery(total, () => Date.now())
        await ctx.waitFor(finish)
      },
    })
    await using engine = await createTestEngine({ workflows: [ageing] })
    const execution = await engine.start(ageing)
    assert.ok((await execution.query(total)) > 0)
  })
})

describe('updates', () => {
  test('are answered when durable, and once per update id', async () => {
    await using engine = await createTestEngine({ workflows: [account] })
    const execution = await engine.start(account, 0)
    assert.equal(await execution.update(add, 5, { updateId: 'a' }), 5)
    assert.equal(await execution.update(add, 5, { updateId: 'a' }), 5)
    await engine.restart()
    assert.equal(await execution.update(add, 7, { updateId: 'a' }), 5)
    const both = await Promise.all([
      execution.update(add, 1, { updateId: 'b' }),
      execution.update(add, 1, { updateId: 'b' }),
    ])
    assert.deepEqual(both, [6, 6])
    await execution.signal(finish)
    assert.equal(await execution.result(), 6)
    assert.equal(
      await execution.update(add, 1, { updateId: 'b' }),
      6,
      'a closed execution repeats its answers',
    )
    await assert.rejects(execution.update(add, 1), { code: 'EXECUTION_CLOSED' })
  })

  test('a rejected one is not recorded', async () => {
    await using engine = await createTestEngine({ workflows: [account] })
    const execution = await engine.start(account, 0)
    await assert.rejects(execution.update(add, -5), (error: PerdureError) => {
      return error.code === 'UPDATE_REJECTED' && (error.cause as Error).name === 'RangeError'
    })
    assert.ok(!(await execution.history()).some(({ event }) => event.type === 'update-accepted'))
    assert.equal(await execution.query(total), 0)
  })

  test('a handler that fails answers with the error; the execution goes on', async () => {
    const failing = workflow({
      name: 'failing',
      run: async (ctx) => {
        ctx.onUpdate(add, () => {
          throw new TypeError('cannot add')
        })
        await ctx.waitFor(finish)
        return 'alive'
      },
    })
    await using engine = await createTestEngine({ workflows: [failing] })
    const execution = await engine.start(failing)
    const failed = (error: PerdureError) => {
      return error.code === 'UPDATE_FAILED' && (error.cause as Error).name === 'TypeError'
    }
    await assert.rejects(execution.update(add, 1, { updateId: 'a' }), failed)
    await engine.restart()
    await assert.rejects(execution.update(add, 1, { updateId: 'a' }), failed)
    await execution.signal(finish)
    assert.equal(await execution.result(), 'alive')
  })

  test('wait for their handler to be registered', async () => {
    const late = workflow({
      name: 'late',
      run: async (ctx) => {
        await ctx.sleep('1h')
        let sum = 0
        ctx.onUpdate(add, (n) => {
          sum += n
          return sum
        })
        await ctx.waitFor(finish)
        return sum
      },
    })
    await using engine = await createTestEngine({ workflows: [late] })
    const execution = await engine.start(late)
    const answers = [execution.update(add, 1), execution.update(add, 2)]
    assert.deepEqual(await Promise.all(answers), [1, 3])
    await execution.signal(finish)
    assert.equal(await execution.result(), 3)
  })

  test('handlers may sleep and do steps; the answer survives crashes', async () => {
    const slow = workflow({
      name: 'slow',
      run: async (ctx) => {
        ctx.onUpdate(add, async (n) => {
          await ctx.sleep('1h')
          return ctx.step('add', () => n + 1)
        })
        await ctx.waitFor(finish)
      },
    })
    for (let commit = 2; commit < 7; commit++) {
      await using engine = await createTestEngine({
        workflows: [slow],
        faults: [{ kind: 'crash', commit, applied: commit % 2 === 0 }],
      })
      const execution = await engine.start(slow)
      assert.equal(await execution.update(add, 1), 2)
    }
  })

  test('an update that is not answered when the execution ends fails', async () => {
    const brief = workflow({
      name: 'brief',
      run: async (ctx) => {
        ctx.onUpdate(add, async () => {
          await ctx.sleep('1d')
          return 1
        })
        await ctx.sleep('1h')
      },
    })
    await using engine = await createTestEngine({ workflows: [brief] })
    const execution = await engine.start(brief)
    await assert.rejects(execution.update(add, 1), { code: 'EXECUTION_CLOSED' })
    const unknown = await engine.start(brief)
    await assert.rejects(unknown.update(update('nobody handles it')), { code: 'EXECUTION_CLOSED' })
  })

  test('an asynchronous validator is refused', async () => {
    const asking = workflow({
      name: 'asking',
      run: async (ctx) => {
        ctx.onUpdate(add, (n) => n, { validate: (async () => {}) as () => void })
        await ctx.waitFor(finish)
      },
    })
    await using engine = await createTestEngine({ workflows: [asking] })
    const execution = await engine.start(asking)
    await assert.rejects(execution.update(add, 1), { code: 'UPDATE_REJECTED' })
  })

  test('a handler that awaits something foreign parks the execution, instead of hanging', async () => {
    const realTimeout = setTimeout
    const foreign = workflow({
      name: 'foreign',
      run: async (ctx) => {
        ctx.onUpdate(add, async (n) => {
          await new Promise((resolve) => realTimeout(resolve, 5))
          return n
        })
        await ctx.waitFor(finish)
      },
    })
    await using engine = await createTestEngine({ workflows: [foreign], replayOnClose: false })
    const execution = await engine.start(foreign)
    const answer = execution.update(add, 1)
    answer.catch(() => {})
    await assert.rejects(execution.result(), { code: 'FOREIGN_PROMISE' })
    assert.equal((await execution.describe()).status, 'parked')
  })
})
