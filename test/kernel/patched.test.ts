import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
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
