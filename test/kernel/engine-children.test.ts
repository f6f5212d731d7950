import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LiveExecution } from '../../src/engine/live-execution.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { signal, workflow } from '../../src/sdk/definition.ts'
import { LiveRun } from '../../src/sdk/runtime/live-run.ts'
import type { OpenedEngine } from '../../src/server/open-engine.ts'
import { quiet, withEngine } from './with-engine.ts'

const GO = signal<string>('go')
const DONE = signal('done')

const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(GO) })

/** The code of a run that is in memory. */
function codeOf({ engine }: OpenedEngine, runId: RunId): LiveRun<LiveExecution> {
  const run = engine.table.get(runId)?.run
  if (run instanceof LiveRun) return run
  throw new Error(`run ${runId} has no code`)
}

describe('the code of an execution that something else ended', () => {
  it('is dropped when its parent closed', async () => {
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        ctx.child(waiting, undefined, { id: 'child' })
        await ctx.waitFor(DONE)
      },
    })
    await withEngine([parent, waiting], async (client, opened) => {
      const execution = await client.start(parent, undefined, { id: 'parent' })
      const child = client.execution(waiting, 'child')
      await quiet(opened)
      const { runId } = await child.describe()
      const code = codeOf(opened, runId)
      assert.equal(code.isEnded, false)
      await execution.signal(DONE)
      await execution.result()
      await assert.rejects(child.result(), { code: 'EXECUTION_TERMINATED' })
      assert.equal(code.isEnded, true)
    })
  })

  it('is dropped when its time is up', async () => {
    await withEngine([waiting], async (client, opened) => {
      const execution = await client.start(waiting, undefined, { id: 'w', executionTimeout: '20ms' })
      const code = codeOf(opened, (await execution.describe()).runId)
      await assert.rejects(execution.result(), { code: 'EXECUTION_TIMED_OUT' })
      assert.equal(code.isEnded, true)
    })
  })
})

describe('an execution that has the id which a child was to get', () => {
  const rude = workflow({
    name: 'rude',
    run: async (ctx, how: string) => {
      const child = ctx.child(waiting, undefined, { id: 'other' })
      if (how === 'signal') await child.signal(GO, 'from a stranger')
      if (how === 'cancel') child.cancel()
    },
  })

  for (const how of ['close', 'signal', 'cancel']) {
    it(`is not reached by the ${how} of the execution that is not its parent`, async () => {
      await withEngine([rude, waiting], async (client, opened) => {
        const other = await client.start(waiting, undefined, { id: 'other' })
        await (await client.start(rude, how, { id: 'rude' })).result()
        await quiet(opened)
        assert.equal((await other.describe()).status, 'running')
        await other.signal(GO, 'from a friend')
        assert.equal(await other.result(), 'from a friend')
      })
    })
  }
})

describe('retry of an execution that a child failed', () => {
  it('sends the new child the signals that the failed one got', async () => {
    let calls = 0
    const child = workflow({
      name: 'child',
      run: async (ctx) => {
        const word = await ctx.waitFor(GO)
        return ctx.step(
          'try',
          () => {
            calls += 1
            if (calls === 1) throw new Error('not yet')
            return word
          },
          { retry: { maxAttempts: 1 } },
        )
      },
    })
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        const started = ctx.child(child)
        await started.signal(GO, 'hello')
        return started
      },
    })
    await withEngine([parent, child], async (client) => {
      const execution = await client.start(parent, undefined, { id: 'parent' })
      await assert.rejects(execution.result())
      await execution.retry()
      assert.equal(await execution.result(), 'hello')
    })
  })
})
