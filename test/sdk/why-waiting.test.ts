// execution.explain(): why an execution waits, in words and as data.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEngine, type Execution, signal, silentLogger, task, workflow } from '../../src/index.ts'
import { createTestEngine } from '../../src/testing.ts'
import { until } from '../tasks/task-fixtures.ts'
import { temporaryFile } from './temporary-file.ts'

const approved = signal<string>('approved')
const iso = (ms: number): string => new Date(ms).toISOString()

async function sentenceOf(execution: Execution): Promise<string> {
  const { sentence } = await execution.explain()
  return sentence
}

describe('an execution says why it waits', () => {
  test('for a signal, with and without a time limit, also after a restart', async () => {
    const wait = workflow({
      name: 'wait',
      run: async (ctx) => {
        await ctx.sleep('1m')
        await Promise.all([ctx.waitFor(approved), ctx.waitFor(approved, { timeout: '1h' })])
      },
    })
    await using engine = await createTestEngine({ workflows: [wait] })
    const execution = await engine.start(wait)
    const startedMs = engine.now()
    const asleep = await execution.explain()
    const [sleep] = asleep.waits
    assert.ok(sleep?.kind === 'sleep' && sleep.untilMs >= startedMs + 59_000)
    assert.deepEqual([asleep.reason, asleep.sentence], ['sleep', `it sleeps until ${iso(sleep.untilMs)}`])
    await engine.advance('2m')
    for (const _ of [1, 2]) {
      const { reason, sentence, waits } = await execution.explain()
      const [first, second] = waits
      assert.ok(first?.kind === 'signal' && second?.kind === 'signal')
      assert.equal(reason, 'signal')
      assert.deepEqual([first.name, first.sinceMs, first.untilMs], ['approved', sleep.untilMs, undefined])
      assert.equal(second.untilMs, sleep.untilMs + 3_600_000)
      const since: string = `it waits for signal approved since ${iso(sleep.untilMs)}`
      assert.equal(sentence, `${since}; ${since}, until ${iso(second.untilMs)}`)
      await engine.restart()
    }
  })

  test('for a step that runs, and for one that is tried again', async () => {
    const open: (() => void)[] = []
    const pay = workflow({
      name: 'pay',
      run: async (ctx) => {
        await ctx.step('charge', () => new Promise<void>((resolve) => open.push(resolve)))
        await ctx.step(
          'invoice',
          () => {
            throw new Error('503 from the shop')
          },
          { retry: { maxAttempts: 3, initialInterval: '1h', maxInterval: '1h', backoff: 'decorrelated' } },
        )
      },
    })
    await using engine = await createEngine({
      store: 'memory',
      workflows: [pay],
      logger: silentLogger,
      shutdownGrace: 0,
    })
    const execution = await engine.start(pay)
    await until(() => open.length === 1)
    assert.deepEqual((await execution.explain()).waits, [
      {
        kind: 'step',
        op: 1,
        name: 'charge',
        attempt: 1,
        maxAttempts: 5,
        sentence: 'step charge runs, attempt 1 of 5',
      },
    ])
    open[0]?.()
    await until(async () => (await execution.explain()).reason === 'step-retry')
    const { sentence, waits } = await execution.explain()
    assert.match(sentence, /^step invoice is tried again in (1 h|59 min), attempt 2 of 3: 503 from the shop$/)
    assert.partialDeepStrictEqual(waits[0], { attempt: 2, maxAttempts: 3, failure: { name: 'Error' } })
    assert.deepEqual(waits, JSON.parse(JSON.stringify(waits)))
  })

  test('for tasks, with what these wait for, for children, and for many', async () => {
    const print = task({ name: 'print', queue: 'paper', run: () => 'printed' })
    const kid = workflow({ name: 'kid', run: (ctx) => ctx.waitFor(approved) })
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        await Promise.all([
          ctx.task(print, undefined),
          ctx.child(kid, undefined, { id: 'kid-1' }),
          ...Array.from({ length: 150 }, () => ctx.waitFor(approved)),
        ])
      },
    })
    await using engine = await createEngine({
      store: 'memory',
      workflows: [parent, kid],
      tasks: [print],
      queues: [{ name: 'paper', paused: true }],
      shutdownGrace: 0,
    })
    const execution = await engine.start(parent)
    await until(async () => (await execution.explain()).waits.length > 2)
    const { reason, sentence, waits, more } = await execution.explain()
    assert.equal(reason, 'task')
    assert.match(
      sentence,
      /^it waits for task print \(~\w+\): queue paper is paused; it waits for child kid-1 \(kid\); it waits for signal approved since \S+; and 149 more$/,
    )
    assert.deepEqual([waits.length, more], [100, 52])
    assert.partialDeepStrictEqual(waits[0], { kind: 'task', name: 'print', task: { reason: 'paused' } })
    assert.partialDeepStrictEqual(waits[1], { kind: 'child', child: { workflowId: 'kid-1' } })
  })

  test('that has not begun, has ended, or has failed', async () => {
    const once = workflow({
      name: 'once',
      run: async (ctx, fails: boolean) => {
        if (fails)
          await ctx.step('x', () => Promise.reject(new Error('no paper')), { retry: { maxAttempts: 1 } })
      },
    })
    await using engine = await createTestEngine({ workflows: [once] })
    const later = await engine.start(once, false, { delay: '1h' })
    const { reason, untilMs, waits } = await later.explain()
    assert.deepEqual([reason, waits], ['delayed', []])
    assert.ok((untilMs ?? 0) > engine.now())
    const done = await engine.start(once, false)
    await done.result()
    assert.deepEqual(await done.explain(), { reason: 'completed', sentence: 'it is completed', waits: [] })
    const failed = await engine.start(once, true)
    await assert.rejects(failed.result())
    assert.equal(await sentenceOf(failed), 'it is failed: no paper')
    await assert.rejects(engine.execution(once, 'nobody').explain(), { code: 'EXECUTION_NOT_FOUND' })
  })

  test('that is parked, because its code is not there', async () => {
    using file = temporaryFile('parked.db')
    const settings = { store: `sqlite:${file.path}`, logger: silentLogger } as const
    const wait = workflow({ name: 'wait', run: (ctx) => ctx.waitFor(approved) })
    const before = await createEngine({ ...settings, workflows: [wait] })
    await before.start(wait, undefined, { id: 'w' })
    await before.close()
    await using engine = await createEngine({ ...settings, workflows: [] })
    const execution = engine.execution(wait, 'w')
    await execution.signal(approved, 'yes')
    await until(async () => (await execution.explain()).reason === 'parked')
    const { sentence, failure } = await execution.explain()
    assert.equal(sentence, 'it is parked: no code is registered for workflow wait version 1')
    assert.equal(failure?.code, 'EXECUTION_PARKED')
  })
})
