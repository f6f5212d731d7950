import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WorkflowContext } from '../../src/sdk/context.ts'
import { signal, workflow } from '../../src/sdk/definition.ts'
import { task } from '../../src/sdk/tasks/task.ts'
import { KernelHarness } from './harness.ts'

const none = (): void => {}

async function cancelled(run: (ctx: WorkflowContext) => Promise<unknown>): Promise<KernelHarness> {
  const code = workflow({ name: 'cancelled', run })
  const harness = await KernelHarness.start(code).untilQuiet()
  harness.apply({ type: 'cancel', reason: 'enough' })
  return harness.untilQuiet()
}

describe('cancellation of an execution', () => {
  it('reaches what was begun in a scope that has ended since', async () => {
    const harness = await cancelled(async (ctx) => {
      let sleeping: Promise<void> | undefined
      await ctx.scope(async (inner) => {
        sleeping = inner.sleep('1h')
      })
      await sleeping
    })
    assert.equal(harness.state.status, 'cancelled')
  })

  it('reaches what the ctx of such a scope is asked for later', async () => {
    const harness = await cancelled(async (ctx) => {
      let inner: WorkflowContext = ctx
      await ctx.scope(async (scoped) => {
        inner = scoped
      })
      await ctx.sleep('1h').catch(none)
      await inner.step('too late', none)
    })
    assert.equal(harness.state.status, 'cancelled')
  })

  it('does not reach an uncancellable part, also from within a scope', async () => {
    const harness = await cancelled(async (ctx) => {
      await ctx.scope((inner) => inner.uncancellable((safe) => safe.step('clean-up', none)))
      return 'cleaned up'
    })
    assert.equal(harness.state.status, 'running')
    harness.completeStep(1)
    await harness.untilQuiet()
    assert.equal(harness.result, 'cleaned up')
  })

  // Histories are recorded in this order. A promise more or less within the runtime would change it.
  it('wakes all that waits in one turn; what has fewer promises around it goes on first', async () => {
    const { commands } = await cancelled(async (ctx) => {
      const cleanUp = async (waiting: Promise<unknown>, name: string): Promise<void> => {
        await waiting.catch(none)
        await ctx.uncancellable((safe) => safe.step(name, none))
      }
      await Promise.all([
        cleanUp(
          ctx.map([1], () => ctx.sleep('1h')),
          'map',
        ),
        cleanUp(
          ctx.scope((inner) => inner.sleep('1h')),
          'scope',
        ),
        cleanUp(ctx.approval({ name: 'ok', title: 'OK?', approvers: ['ann'] }), 'approval'),
        cleanUp(ctx.humanTask({ name: 'form', title: 'Form', candidateUsers: ['ann'] }), 'human task'),
        cleanUp(ctx.task(task({ name: 'task', run: none }), undefined), 'task'),
        cleanUp(ctx.child(workflow({ name: 'child', run: none }), undefined), 'child'),
        cleanUp(ctx.waitFor(signal('never')), 'wait'),
        cleanUp(ctx.sleep('1h'), 'sleep'),
        cleanUp(ctx.step('work', none), 'step'),
      ])
    })
    const [, ...cleanUps] = commands.flatMap((command) => (command.kind === 'step' ? [command.name] : []))
    assert.deepEqual(cleanUps, [
      'task',
      'child',
      'wait',
      'sleep',
      'step',
      'scope',
      'approval',
      'human task',
      'map',
    ])
  })

  it('goes with the execution into its next run, if the code had not seen it', async () => {
    const code = workflow({
      name: 'paging',
      run: async (ctx) => {
        await ctx.step('page', none)
        return ctx.continueAsNew()
      },
    })
    const harness = await KernelHarness.start(code).untilQuiet()
    harness.completeStep(1)
    harness.apply({ type: 'cancel', reason: 'enough' })
    await harness.untilQuiet()
    const next = harness.effects.at(-1)
    assert.deepEqual(next?.kind === 'continue' && next.cancelReason, 'enough')
  })
})

describe('cancellation of a scope', () => {
  it('ends it and what is below, and nothing beside it', async () => {
    const code = workflow({
      name: 'scopes',
      run: async (ctx) => {
        const scope = ctx.scope((outer) => outer.scope((inner) => inner.sleep('1h')))
        const beside = ctx.step('beside', none)
        scope.cancel('enough')
        const reason = await scope.catch((error: { code: string }) => error.code)
        return [reason, await beside]
      },
    })
    const harness = await KernelHarness.start(code).untilQuiet()
    assert.deepEqual([...harness.state.ops.keys()], [2])
    harness.completeStep(2, 'done')
    await harness.untilQuiet()
    assert.deepEqual(harness.result, ['CANCELLED', 'done'])
  })

  it('happens once: the first reason stands, below it too', async () => {
    const code = workflow({
      name: 'reasons',
      run: async (ctx) => {
        const reasons: unknown[] = []
        const scope = ctx.scope(async (outer) => {
          reasons.push(
            outer.abortSignal,
            outer.scope(async (inner) => inner.abortSignal),
          )
          await outer.sleep('1h')
        })
        scope.cancel('first')
        scope.cancel('second')
        await scope.catch(none)
        return reasons[0] instanceof AbortSignal && reasons[0].reason
      },
    })
    const harness = await KernelHarness.start(code).untilQuiet()
    assert.equal(harness.result, 'first')
  })
})
