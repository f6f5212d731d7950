import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { workflow } from '../../src/sdk/definition.ts'
import { withEngine } from './with-engine.ts'

const broken = new Error('it cannot be awaited')

const RESULTS: Readonly<Record<string, unknown>> = {
  'whose then throws': {
    // biome-ignore lint/suspicious/noThenProperty: that is the case
    then() {
      throw broken
    },
  },
  'whose then cannot be read': {
    // biome-ignore lint/suspicious/noThenProperty: that is the case
    get then(): unknown {
      throw broken
    },
  },
}

describe('a step that returns something', () => {
  for (const [what, result] of Object.entries(RESULTS)) {
    it(`${what} fails, and nothing else does`, async () => {
      const stepping = workflow({
        name: 'stepping',
        run: (ctx) => ctx.step('odd', () => result, { retry: { maxAttempts: 1 } }),
      })
      await withEngine([stepping], async (client, { engine }) => {
        const execution = await client.start(stepping, undefined, { id: 's' })
        await assert.rejects(execution.result(), ({ cause }: Error) => {
          assert.equal((cause as Error).message, broken.message)
          return true
        })
        assert.equal(engine.isFailed, false)
      })
    })
  }
})
