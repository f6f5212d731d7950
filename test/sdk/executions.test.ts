// The engine and the handles of executions, as callers see them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ConflictPolicy, PerdureError, type SequencedEvent, signal, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'

const note = signal<number>('note')
const HOUR_MS = 3_600_000

const waiter = workflow({
  name: 'waiter',
  run: async (ctx, tag: string) => `${tag} ${await ctx.waitFor(note)}`,
})
const quick = workflow({ name: 'quick', run: async (_ctx, tag: string) => tag })

describe('start', () => {
  test('is idempotent by id: open or closed, the execution that exists is meant', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const first = await engine.start(waiter, 'first', { id: 'a' })
    const second = await engine.start(waiter, 'second', { id: 'a' })
    assert.equal(second.runId, first.runId)
    await first.signal(note, 1)
    assert.equal(await first.result(), 'first 1')
    const third = await engine.start(waiter, 'third', { id: 'a' })
    assert.equal(third.runId, first.runId)
    assert.equal(await third.result(), 'first 1')
  })

  test('at the same time, with the same id: one run', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const all = await Promise.all([1, 2, 3, 4].map((n) => engine.start(waiter, `${n}`, { id: 'a' })))
    assert.equal(new Set(all.map(({ runId }) => runId)).size, 1)
    assert.equal((await engine.list()).executions.length, 1)
  })

  const cases: readonly { policy: ConflictPolicy; open: string; closed: string }[] = [
    { policy: 'use-existing', open: 'same run', closed: 'same run' },
    { policy: 'fail', open: 'EXECUTION_EXISTS', closed: 'EXECUTION_EXISTS' },
    { policy: 'terminate-existing', open: 'new run, old terminated', closed: 'new run, old completed' },
  ]
  for (const { policy, open, closed } of cases) {
    test(`onConflict '${policy}': ${open} if open, ${closed} if closed`, async () => {
      await using engine = await createTestEngine({ workflows: [waiter] })
      const conflict = async (id: string): Promise<string> => {
        const old = engine.execution(waiter, id)
        const { runId } = await old.describe()
        const bound = engine.execution(waiter, id, { runId })
        try {
          const now = await engine.start(waiter, 'new', { id, onConflict: policy })
          return now.runId === runId ? 'same run' : `new run, old ${(await bound.describe()).status}`
        } catch (error) {
          return error instanceof PerdureError ? error.code : String(error)
        }
      }
      await engine.start(waiter, 'old', { id: 'open' })
      await engine.start(waiter, 'old', { id: 'closed' })
      await engine.execution(waiter, 'closed').signal(note, 1)
      await engine.execution(waiter, 'closed').result()
      assert.equal(await conflict('open'), open)
      assert.equal(await conflict('closed'), closed)
    })
  }

  test('without an id makes a new one each time', async () => {
    await using engine = await createTestEngine({ workflows: [quick] })
    const [a, b] = [await engine.start(quick, 'a'), await engine.start(quick, 'b')]
    assert.notEqual(a.id, b.id)
    assert.deepEqual([await a.result(), await b.result()], ['a', 'b'])
  })

  test('delayed: code runs when the delay is over, also after a restart', async () => {
    const timed = workflow({ name: 'timed', run: async (ctx) => ctx.now() })
    await using engine = await createTestEngine({ workflows: [timed] })
    const from = engine.now()
    const execution = await engine.start(timed, undefined, { delay: '2h' })
    await engine.advance('1h')
    assert.equal((await execution.history()).length, 1)
    await engine.restart()
    assert.equal(await execution.result(), from + 2 * HOUR_MS)
  })

  test('delayed: signals that come before are kept, and a timeout counts from the start of the code', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const execution = await engine.start(waiter, 'late', { delay: '2h', executionTimeout: '1h' })
    await execution.signal(note, 4)
    await engine.advance('119m')
    assert.equal((await execution.describe()).status, 'running')
    assert.equal(await execution.result(), 'late 4')
  })

  test('execution timeout: ends as timed-out, also over a restart', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const execution = await engine.start(waiter, 'slow', { executionTimeout: '1h' })
    await engine.advance('30m')
    await engine.restart()
    await assert.rejects(execution.result(), { status: 'timed-out', code: 'EXECUTION_TIMED_OUT' })
    const { startedAt, closedAt } = await execution.describe()
    assert.equal(Number(closedAt) - Number(startedAt), HOUR_MS)
    const last = (await execution.history()).at(-1)
    assert.equal(last?.event.type, 'execution-timed-out')
  })

  test('refuses what it cannot start', async () => {
    const other = workflow({ name: 'other', run: async () => 1 })
    await using engine = await createTestEngine({ workflows: [quick] })
    const start = engine.start.bind(engine) as (...args: unknown[]) => Promise<unknown>
    const refused: readonly (readonly [string, readonly unknown[]])[] = [
      ['WORKFLOW_UNKNOWN', [other]],
      ['ARGUMENT_INVALID', [undefined]],
      ['ARGUMENT_INVALID', ['quick']],
      ['ID_INVALID', [quick, 'x', { id: '' }]],
      ['ID_INVALID', [quick, 'x', { id: 7 }]],
      ['ID_INVALID', [quick, 'x', { id: 'a\0b' }]],
      ['ID_INVALID', [quick, 'x', { id: '\ud800' }]],
      ['ID_INVALID', [quick, 'x', { id: 'ä'.repeat(257) }]],
      ['ARGUMENT_INVALID', [quick, 'x', { onConflict: 'replace' }]],
      ['DURATION_INVALID', [quick, 'x', { delay: '-1s' }]],
      ['DURATION_INVALID', [quick, 'x', { executionTimeout: Number.NaN }]],
      ['ARGUMENT_INVALID', [quick, 'x', { attributes: { a: {} } }]],
      ['ARGUMENT_INVALID', [quick, 'x', { attributes: { a: Number.NaN } }]],
      ['ARGUMENT_INVALID', [quick, 'x', { attributes: 'owner' }]],
      ['PAYLOAD_UNSUPPORTED', [quick, () => 1]],
    ]
    for (const [code, args] of refused) {
      await assert.rejects(
        async () => start(...args),
        (error: PerdureError) => {
          assert.equal(error.code, code, `${String(args[1])} ${JSON.stringify(args[2])}: ${error}`)
          return true
        },
      )
    }
    assert.equal((await engine.list()).executions.length, 0)
  })
})

describe('signal', () => {
  test('with the same request id is recorded once, also over a restart', async () => {
    const three = workflow({
      name: 'three',
      run: async (ctx) => [await ctx.waitFor(note), await ctx.waitFor(note), await ctx.waitFor(note)],
    })
    await using engine = await createTestEngine({ workflows: [three] })
    const execution = await engine.start(three)
    await execution.signal(note, 1, { requestId: 'r1' })
    await execution.signal(note, 2, { requestId: 'r1' })
    await engine.restart()
    await execution.signal(note, 3, { requestId: 'r1' })
    await execution.signal(note, 4, { requestId: 'r2' })
    await execution.signal(note, 5)
    assert.deepEqual(await execution.result(), [1, 4, 5])
    await execution.signal(note, 9, { requestId: 'r2' })
    await assert.rejects(execution.signal(note, 9), { code: 'EXECUTION_CLOSED' })
  })

  test('to nobody fails', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    await assert.rejects(engine.execution(waiter, 'nobody').signal(note, 1), { code: 'EXECUTION_NOT_FOUND' })
  })
})

describe('signalWithStart', () => {
  test('starts if there is none, signals if there is an open one, starts anew if it is closed', async () => {
    const two = workflow({
      name: 'two',
      run: async (ctx, tag: string) => `${tag}: ${await ctx.waitFor(note)} ${await ctx.waitFor(note)}`,
    })
    await using engine = await createTestEngine({ workflows: [two] })
    const first = await engine.signalWithStart(two, 'one', note, 1, { id: 'a' })
    const again = await engine.signalWithStart(two, 'two', note, 2, { id: 'a' })
    assert.equal(again.runId, first.runId)
    assert.equal(await first.result(), 'one: 1 2')
    const next = await engine.signalWithStart(two, 'three', note, 3, { id: 'a', requestId: 'r' })
    assert.notEqual(next.runId, first.runId)
    await engine.signalWithStart(two, 'three', note, 3, { id: 'a', requestId: 'r' })
    await engine.restart()
    await engine.signalWithStart(two, 'four', note, 4, { id: 'a' })
    assert.equal(await next.result(), 'three: 3 4')
  })

  test('start and signal are one commit: no crash separates them', async () => {
    for (const applied of [false, true]) {
      await using engine = await createTestEngine({
        workflows: [waiter],
        faults: [{ kind: 'crash', commit: 1, applied }],
      })
      const execution = await engine.signalWithStart(waiter, 'both', note, 7, { id: 'a' })
      assert.equal(await execution.result(), 'both 7')
      assert.equal(engine.crashes, 1)
      assert.equal((await engine.list()).executions.length, 1)
    }
  })
})

describe('describe, history, watch', () => {
  test('describe tells what is pending', async () => {
    const busy = workflow({
      name: 'busy',
      run: async (ctx) => {
        const flaky = ctx.step(
          'flaky',
          () => {
            throw new TypeError('not yet')
          },
          { retry: { maxAttempts: 3, initialInterval: '10m', maxInterval: '10m' } },
        )
        await Promise.allSettled([
          flaky,
          ctx.sleep('1d'),
          ctx.waitFor(note, { timeout: '2d' }),
          ctx.child(waiter, 'c'),
        ])
      },
    })
    await using engine = await createTestEngine({ workflows: [busy, waiter] })
    const execution = await engine.start(busy, undefined, { id: 'b' })
    await engine.advance(0)
    const from = engine.now()
    const {
      status,
      workflow: name,
      version,
      events,
      pending,
      startedAt,
      closedAt,
    } = await execution.describe()
    assert.deepEqual(
      { status, name, version, startedAt: Number(startedAt), closedAt },
      { status: 'running', name: 'busy', version: '1', startedAt: from, closedAt: undefined },
    )
    assert.equal(events, (await execution.history()).length)
    const [step, sleep, wait, child] = pending
    assert.equal(step?.kind, 'step')
    assert.equal(step?.name, 'flaky')
    assert.equal(step?.attempt, 1)
    assert.equal(step?.lastFailure?.name, 'TypeError')
    assert.ok(Number(step?.dueAt) >= from)
    assert.deepEqual(sleep, { op: 2, kind: 'sleep', name: 'sleep', dueAt: from + 24 * HOUR_MS })
    assert.deepEqual(wait, { op: 3, kind: 'wait', name: 'note', dueAt: from + 48 * HOUR_MS })
    assert.deepEqual(child, { op: 4, kind: 'child', name: 'waiter' })
  })

  test('watch gives every event as it becomes durable, and ends with the run', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const execution = await engine.start(waiter, 'seen')
    const seen: SequencedEvent[] = []
    const watching = (async () => {
      for await (const event of execution.watch()) seen.push(event)
    })()
    await engine.advance('1h')
    assert.deepEqual(
      seen.map(({ event }) => event.type),
      ['execution-started'],
    )
    await execution.signal(note, 1)
    await engine.restart()
    await watching
    assert.deepEqual(seen, await execution.history())
    assert.equal(seen.at(-1)?.event.type, 'execution-completed')
    const rest: number[] = []
    for await (const { seq } of execution.watch({ afterSeq: 1 })) rest.push(seq)
    assert.deepEqual(rest, [2, 3])
  })

  test('watch ends when it is aborted', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const execution = await engine.start(waiter, 'seen')
    const controller = new AbortController()
    const seen: number[] = []
    const watching = (async () => {
      for await (const { seq } of execution.watch({ signal: controller.signal })) seen.push(seq)
    })()
    await engine.advance(0)
    controller.abort()
    await watching
    assert.deepEqual(seen, [1])
    for await (const _ of execution.watch({ signal: AbortSignal.abort() })) assert.fail('aborted before')
  })

  test('what does not exist is not found', async () => {
    await using engine = await createTestEngine({ workflows: [waiter] })
    const nobody = engine.execution(waiter, 'nobody')
    for (const call of [
      () => nobody.describe(),
      () => nobody.history(),
      () => nobody.result(),
      () => nobody.query({ kind: 'query', name: 'q' }),
      () => nobody.cancel(),
      () => nobody.terminate(),
      () => nobody.retry(),
      () => nobody.delete(),
      () => nobody.update({ kind: 'update', name: 'u' }),
    ])
      await assert.rejects(call, { code: 'EXECUTION_NOT_FOUND' })
    assert.throws(() => engine.execution(waiter, ''), { code: 'ID_INVALID' })
    assert.throws(() => engine.execution(waiter, 'a', { runId: 'nonsense' }), { code: 'ID_INVALID' })
    const unknownRun = engine.execution(waiter, 'a', { runId: '01JGFJJZ008KXJBK5XPBJWC0FJ' })
    await assert.rejects(unknownRun.describe(), { code: 'EXECUTION_NOT_FOUND' })
    await assert.rejects(unknownRun.result(), { code: 'EXECUTION_NOT_FOUND' })
    await assert.rejects(unknownRun.history(), { code: 'EXECUTION_NOT_FOUND' })
  })
})

describe('terminate', () => {
  test('ends the execution at once; its code gets no say', async () => {
    let cleaned = false
    const tidy = workflow({
      name: 'tidy',
      run: async (ctx) => {
        try {
          await ctx.sleep('1d')
        } finally {
          cleaned = true
        }
      },
    })
    await using engine = await createTestEngine({ workflows: [tidy] })
    const execution = await engine.start(tidy)
    await engine.advance('1h')
    await execution.terminate('stop it')
    await assert.rejects(execution.result(), {
      status: 'terminated',
      code: 'EXECUTION_TERMINATED',
      message: /stop it/,
    })
    await engine.advance('2d')
    assert.ok(!cleaned)
    assert.equal((await execution.history()).at(-1)?.event.type, 'execution-terminated')
  })
})
