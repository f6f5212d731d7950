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
