// list, delete, retention, and the retry of executions.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'

const note = signal<number>('note')
const HOUR_MS = 3_600_000

const waiter = workflow({
  name: 'waiter',
  run: async (ctx, tag: string) => `${tag} ${await ctx.waitFor(note)}`,
})
const quick = workflow({ name: 'quick', run: async (_ctx, tag: string) => tag })

describe('list', () => {
  test('filters by status, workflow, time and attributes; pages by cursor, newest first', async () => {
    await using engine = await createTestEngine({ workflows: [waiter, quick] })
    const from = engine.now()
    for (let i = 0; i < 7; i++) {
      await engine.start(i % 2 === 0 ? quick : waiter, `${i}`, {
        id: `e${i}`,
        attributes: { i, even: i % 2 === 0 },
      })
      await engine.advance('1h')
    }
    const ids = async (options: Parameters<typeof engine.list>[0]) =>
      (await engine.list(options)).executions.map(({ id }) => id).join()
    assert.equal(await ids({}), 'e6,e5,e4,e3,e2,e1,e0')
    assert.equal(await ids({ workflow: waiter }), 'e5,e3,e1')
    assert.equal(await ids({ workflow: 'quick' }), 'e6,e4,e2,e0')
    assert.equal(await ids({ status: ['completed'] }), 'e6,e4,e2,e0')
    assert.equal(await ids({ status: ['running', 'completed'], limit: 2 }), 'e6,e5')
    assert.equal(await ids({ status: ['failed'] }), '')
    assert.equal(await ids({ startedFrom: from + 2 * HOUR_MS, startedTo: from + 4 * HOUR_MS }), 'e3,e2')
    assert.equal(await ids({ startedFrom: new Date(from + 5 * HOUR_MS) }), 'e6,e5')
    assert.equal(await ids({ attributes: { even: true, i: 4 } }), 'e4')
    assert.equal(await ids({ attributes: { even: 'true' } }), '')
    const pages: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await engine.list({
        limit: 3,
        workflow: quick,
        ...(cursor === undefined ? {} : { cursor }),
      })
      pages.push(page.executions.map(({ id }) => id).join())
      cursor = page.cursor
      if (cursor === undefined) break
    }
    assert.deepEqual(pages, ['e6,e4,e2', 'e0'])
  })

  test('sees only its namespace', async () => {
    await using engine = await createTestEngine({ workflows: [quick], namespace: 'mine' })
    await engine.start(quick, 'x', { id: 'a' })
    assert.equal((await engine.list()).executions.length, 1)
  })

  test('refuses bad arguments', async () => {
    await using engine = await createTestEngine({ workflows: [quick] })
    const list = engine.list.bind(engine) as (options: unknown) => Promise<unknown>
    for (const options of [
      { cursor: 'x' },
      { limit: 0 },
      { limit: -1 },
      { limit: 1.5 },
      { limit: 'all' },
      { status: 'running' },
      { status: ['asleep'] },
      { workflow: 7 },
      { startedFrom: 'yesterday' },
      { startedTo: new Date(Number.NaN) },
      { attributes: { a: [] } },
    ])
      await assert.rejects(async () => list(options), { code: 'ARGUMENT_INVALID' }, JSON.stringify(options))
  })
})

describe('delete and retention', () => {
  test('delete removes a closed execution; open ones are refused', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const execution = await engine.start(waiter, 'x', { id: 'a' })
    await assert.rejects(execution.delete(), { code: 'EXECUTION_OPEN' })
    await execution.signal(note, 1)
    await execution.result()
    await execution.delete()
    await assert.rejects(execution.describe(), { code: 'EXECUTION_NOT_FOUND' })
    await assert.rejects(execution.result(), { code: 'EXECUTION_NOT_FOUND' })
    assert.equal((await engine.list()).executions.length, 0)
    const anew = await engine.start(waiter, 'y', { id: 'a' })
    assert.notEqual(anew.runId, execution.runId)
    await engine.restart()
    await anew.signal(note, 2)
    assert.equal(await anew.result(), 'y 2')
  })

  test('retention deletes executions some time after their end, never open ones', async () => {
    await using engine = await createTestEngine({ workflows: [waiter, quick], retention: '7d' })
    const open = await engine.start(waiter, 'open')
    const closed = await engine.start(quick, 'closed')
    await closed.result()
    await engine.advance('6d')
    assert.equal((await closed.describe()).status, 'completed')
    await engine.advance('2d')
    await assert.rejects(closed.describe(), { code: 'EXECUTION_NOT_FOUND' })
    assert.equal((await open.describe()).status, 'running')
  })
})

describe('retry of an execution', () => {
  const attempts: string[] = []
  let healthy = false
  const fragile = workflow({
    name: 'fragile',
    run: async (ctx) => {
      attempts.push('code')
      const first = await ctx.step('first', () => attempts.push('first'))
      const second = await ctx.step(
        'second',
        ({ idempotencyKey }) => {
          attempts.push(`second ${idempotencyKey.split('/').at(-1)}`)
          if (!healthy) throw new Error('down')
          return 'up'
        },
        { retry: { maxAttempts: 1 } },
      )
      return [typeof first, second]
    },
  })

  test('goes on from where it failed; recorded results and idempotency keys are kept', async () => {
    await using engine = await createTestEngine({ workflows: [fragile] })
    const execution = await engine.start(fragile)
    await assert.rejects(execution.result(), { status: 'failed' })
    await execution.retry()
    await assert.rejects(execution.result(), { status: 'failed' })
    healthy = true
    await engine.restart()
    await execution.retry()
    assert.deepEqual(await execution.result(), ['number', 'up'])
    assert.deepEqual(
      attempts.filter((entry) => entry !== 'code'),
      ['first', 'second 2', 'second 2', 'second 2'],
    )
    await assert.rejects(execution.retry(), { code: 'RETRY_IMPOSSIBLE' })
  })

  test('is refused where compensations ran after the failure', async () => {
    const compensated = workflow({
      name: 'compensated',
      run: async (ctx) => {
        try {
          await ctx.step('pay', () => Promise.reject(new Error('no money')), { retry: { maxAttempts: 1 } })
        } catch (error) {
          await ctx.step('undo', () => {})
          throw error
        }
      },
    })
    await using engine = await createTestEngine({ workflows: [compensated] })
    const execution = await engine.start(compensated)
    await assert.rejects(execution.result())
    await assert.rejects(execution.retry(), { code: 'RETRY_IMPOSSIBLE' })
  })

  test('of a failed child: the child runs again', async () => {
    let works = false
    const child = workflow({
      name: 'child',
      run: async (ctx) =>
        ctx.step(
          'try',
          () => {
            if (!works) throw new Error('not yet')
            return 'child done'
          },
          { retry: { maxAttempts: 1 } },
        ),
    })
    const parent = workflow({ name: 'parent', run: async (ctx) => ctx.child(child) })
    await using engine = await createTestEngine({ workflows: [child, parent] })
    const execution = await engine.start(parent)
    await assert.rejects(execution.result(), { status: 'failed' })
    works = true
    await execution.retry()
    assert.equal(await execution.result(), 'child done')
  })

  for (const parentClosePolicy of ['terminate', 'cancel'] as const)
    test(`of a parent whose failure made its child ${parentClosePolicy}: the child runs again, and keeps its signals`, async () => {
      let works = false
      const name = signal<string>('name')
      const runs = new Set<string>()
      const child = workflow({
        name: 'child',
        run: async (ctx) => {
          runs.add(ctx.info.runId)
          const greeted = await ctx.waitFor(name)
          await ctx.sleep('1h')
          return `hello ${greeted}`
        },
      })
      const parent = workflow({
        name: 'parent',
        run: async (ctx) => {
          const greeting = ctx.child(child, undefined, { id: 'the child', parentClosePolicy })
          await greeting.signal(name, 'kim')
          const check = (): void => {
            if (!works) throw new Error('down')
          }
          await ctx.step('check', check, { retry: { maxAttempts: 1 } })
          return greeting
        },
      })
      await using engine = await createTestEngine({ workflows: [child, parent] })
      const execution = await engine.start(parent)
      await assert.rejects(execution.result(), { status: 'failed' })
      works = true
      if (parentClosePolicy === 'cancel') await engine.restart()
      await execution.retry()
      assert.equal(await execution.result(), 'hello kim')
      assert.equal(runs.size, 2)
      const types = (await execution.history()).map(({ event }) => event.type)
      assert.equal(types.filter((type) => type === 'execution-reopened').length, 1)
      assert.equal(types.filter((type) => type === 'child-withdrawn').length, 1)
      assert.ok(!types.includes('child-failed'))
    })

  test('of a parent whose child somebody else ended, or that ended by itself: it is told so', async () => {
    let works = false
    const ends = signal('ends')
    const child = workflow({ name: 'child', run: async (ctx) => ctx.waitFor(ends) })
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        const started = ['one', 'two'].map((id) =>
          ctx.child(child, undefined, { id, parentClosePolicy: 'abandon' }),
        )
        const check = (): void => {
          if (!works) throw new Error('down')
        }
        await ctx.step('check', check, { retry: { maxAttempts: 1 } })
        return (await Promise.allSettled(started)).map(({ status }) => status)
      },
    })
    await using engine = await createTestEngine({ workflows: [child, parent] })
    const execution = await engine.start(parent)
    await assert.rejects(execution.result(), { status: 'failed' })
    await engine.execution(child, 'one').terminate()
    await engine.execution(child, 'two').signal(ends)
    works = true
    await execution.retry()
    assert.deepEqual(await execution.result(), ['rejected', 'fulfilled'])
  })

  test('running, completed, cancelled and terminated executions cannot be retried', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const execution = await engine.start(waiter, 'x')
    await assert.rejects(execution.retry(), { code: 'RETRY_IMPOSSIBLE' })
    await execution.cancel()
    await assert.rejects(execution.result())
    await assert.rejects(execution.retry(), { code: 'RETRY_IMPOSSIBLE' })
  })
})
