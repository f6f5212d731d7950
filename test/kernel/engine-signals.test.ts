import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { signal, workflow } from '../../src/sdk/definition.ts'
import { withEngine } from './with-engine.ts'

const GO = signal<string>('go')

describe('a signal to an execution that consumed many, and was evicted since', () => {
  it('is accepted: what was consumed does not count', async () => {
    const counting = workflow({
      name: 'counting',
      run: async (ctx) => {
        const words: string[] = []
        while (words.length < 4) words.push(await ctx.waitFor(GO))
        return words
      },
    })
    await withEngine(
      [counting],
      async (client, opened) => {
        const execution = await client.start(counting, undefined, { id: 'c' })
        for (const word of ['a', 'b', 'c']) await execution.signal(GO, word)
        const { runId } = await execution.describe()
        const live = opened.engine.table.get(runId)
        assert.ok(live)
        opened.engine.table.remove(live)
        opened.engine.transitions.deactivate(live)
        await execution.signal(GO, 'd')
        assert.deepEqual(await execution.result(), ['a', 'b', 'c', 'd'])
      },
      { queuedSignals: 2 },
    )
  })
})

describe('a cancellation', () => {
  it('reaches the next run when it came while the code continued as new', async () => {
    const paging = workflow({
      name: 'paging',
      run: async (ctx, page: number) => {
        if (page === 1) return ctx.waitFor(GO)
        await ctx.step('page', () => undefined)
        return ctx.continueAsNew(1)
      },
    })
    await withEngine([paging], async (client, opened) => {
      // Both in one turn: the code has not seen the cancellation when it continues.
      const onStepCompleted = opened.engine.onStepCompleted.bind(opened.engine)
      opened.engine.onStepCompleted = (live, step, result) => {
        onStepCompleted(live, step, result)
        opened.engine.transitions.apply(live, { type: 'cancel', reason: 'enough' })
      }
      const execution = await client.start(paging, 0, { id: 'p' })
      await assert.rejects(execution.result(), { code: 'CANCELLED' })
    })
  })
})
