import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Event } from '../../src/protocol/event.ts'
import { signal, workflow } from '../../src/sdk/definition.ts'
import { KernelHarness, START_MS } from './harness.ts'

describe('a delayed start that got a signal before its time', () => {
  const greeter = workflow({
    name: 'greeter',
    run: async (ctx) => {
      ctx.log.info('hello')
      return ctx.patched('change')
    },
  })

  async function startLater(): Promise<KernelHarness> {
    const harness = KernelHarness.start(greeter, undefined, { started: { notBefore: START_MS + 100 } })
    harness.nowMs = START_MS + 50
    harness.signal(signal('go').name)
    harness.nowMs = START_MS + 100
    harness.replay()
    return harness.untilQuiet()
  }

  it('is new for ctx.patched: no code has run yet', async () => {
    assert.equal((await startLater()).result, true)
  })

  it('is no replay for ctx.log', async () => {
    assert.deepEqual((await startLater()).logged, ['hello'])
  })
})

describe('the answer of ctx.patched', () => {
  const guarded = workflow({
    name: 'guarded',
    run: async (ctx) => {
      const answers = [ctx.patched('change')]
      await ctx.waitFor(signal('go'))
      answers.push(ctx.patched('change'))
      await ctx.waitFor(signal('go'))
      return [...answers, ctx.patched('change')]
    },
  })

  async function resultAfterCrash(journal: readonly Event[]): Promise<unknown> {
    const harness = await KernelHarness.recover(guarded, journal).untilQuiet()
    while (!harness.isClosed) {
      harness.signal('go')
      await harness.untilQuiet()
    }
    return harness.result
  }

  it('is the same before and after a crash once its marker is recorded', async () => {
    const harness = await KernelHarness.start(guarded).untilQuiet()
    harness.signal('go')
    await harness.untilQuiet()
    assert.deepEqual(
      harness.journal.map(({ type }) => type),
      ['execution-started', 'patch-marked', 'signal-received'],
    )
    for (const seq of [2, 3])
      assert.deepEqual(await resultAfterCrash(harness.journal.slice(0, seq)), [true, true, true])
  })

  it('is false for good in an execution that went past the place without a marker', async () => {
    const journal = (await KernelHarness.start(guarded).untilQuiet()).journal.slice(0, 1)
    const old = KernelHarness.recover(guarded, journal)
    old.signal('go')
    old.signal('other')
    for (const seq of [2, 3])
      assert.deepEqual(await resultAfterCrash(old.journal.slice(0, seq)), [false, false, false])
  })
})
