// A wait with a time limit is recorded at once, one without leaves nothing: replay tells one from the other.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Event } from '../../src/protocol/event.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import type { WorkflowContext } from '../../src/sdk/context.ts'
import { signal, update, workflow } from '../../src/sdk/definition.ts'
import { replayHistory } from '../../src/testing.ts'
import { KernelHarness } from './harness.ts'

const go = signal('go')
const TIMED = { timeout: '1h' } as const

type Run = (ctx: WorkflowContext) => Promise<unknown>

async function journalOf(run: Run): Promise<readonly Event[]> {
  const harness = await KernelHarness.start(workflow({ name: 'w', run })).untilQuiet()
  harness.signal('go')
  await harness.untilQuiet()
  harness.completeStep(2)
  return (await harness.untilQuiet()).journal
}

async function refusal(run: Run, journal: readonly Event[]): Promise<string | undefined> {
  const harness = await KernelHarness.recover(workflow({ name: 'w', run }), journal).untilQuiet()
  return harness.nondeterminism?.message
}

/** Waits, then takes a step and never ends. */
const waiting =
  (options?: typeof TIMED): Run =>
  async (ctx) => {
    await (options === undefined ? ctx.waitFor(go) : ctx.waitFor(go, options))
    await ctx.step('a', () => {})
    await ctx.waitFor(signal('never'))
  }

describe('replay of a wait', () => {
  it('with a time limit refuses code that has none', async () => {
    const journal = await journalOf(waiting(TIMED))
    assert.deepEqual(
      journal.map(({ type }) => type),
      ['execution-started', 'timer-started', 'signal-received', 'step-completed'],
    )
    for (const seq of [2, 3, 4])
      assert.match(
        (await refusal(waiting(), journal.slice(0, seq))) ?? '',
        /^history has wait 'go' with a time limit as operation 1 \(event 2, timer-started\), but the code made wait 'go' without a time limit at .*changed-wait\.test\.ts:\d+:\d+/,
      )
  })

  it('without a time limit refuses code that has one, once something is recorded that came after', async () => {
    const journal = await journalOf(waiting())
    assert.match(
      (await refusal(waiting(TIMED), journal)) ?? '',
      /^history has step 'a' as operation 2 \(event 3, step-completed\), but the code made before it wait 'go' with a time limit as operation 1, of which the history has nothing, at .*changed-wait\.test\.ts:\d+:\d+/,
    )
    assert.equal(await refusal(waiting(TIMED), journal.slice(0, 2)), undefined)
  })

  it('with a time limit may have lost its timer in a crash, whatever came from outside since', async () => {
    const journal = (await journalOf(waiting(TIMED))).filter(({ type }) => type !== 'timer-started')
    for (const seq of [1, 2]) assert.equal(await refusal(waiting(TIMED), journal.slice(0, seq)), undefined)
  })

  it('with a time limit needs no timer when it takes a signal at once', async () => {
    const late =
      (options?: typeof TIMED): Run =>
      async (ctx) => {
        await ctx.sleep('1h')
        await (options === undefined ? ctx.waitFor(go) : ctx.waitFor(go, options))
        ctx.setAttributes({ done: true })
        await ctx.waitFor(signal('never'))
      }
    const harness = await KernelHarness.start(workflow({ name: 'w', run: late() })).untilQuiet()
    harness.signal('go')
    harness.nowMs += 3_600_000
    harness.apply({ type: 'timer-due', timer: 1 })
    await harness.untilQuiet()
    assert.equal(harness.journal.at(-1)?.type, 'attributes-set')
    assert.equal(await refusal(late(TIMED), harness.journal), undefined)
  })

  it('with a time limit refuses code that would have taken a signal at once', async () => {
    const both: Run = async (ctx) => {
      await ctx.waitFor(go)
      await ctx.waitFor(signal('other'))
      await ctx.waitFor(go, TIMED)
    }
    const one: Run = async (ctx) => {
      ctx.waitFor(signal('never')).catch(() => {})
      await ctx.waitFor(signal('other'))
      await ctx.waitFor(go, TIMED)
    }
    const harness = await KernelHarness.start(workflow({ name: 'w', run: both })).untilQuiet()
    harness.signal('go')
    harness.signal('other')
    await harness.untilQuiet()
    assert.match(
      (await refusal(one, harness.journal)) ?? '',
      /^history has wait 'go' with a time limit as operation 3 \(event 4, timer-started\), but the code made wait 'go' that took a signal at once at /,
    )
  })

  it('is held against the answers of updates', async () => {
    const nudge = update('nudge')
    const answering =
      (options?: typeof TIMED): Run =>
      async (ctx) => {
        ctx.onUpdate(nudge, async () => {
          await (options === undefined ? ctx.waitFor(go) : ctx.waitFor(go, options))
        })
        await ctx.waitFor(signal('never'))
      }
    const harness = await KernelHarness.start(workflow({ name: 'w', run: answering() })).untilQuiet()
    harness.apply({ type: 'update', updateId: 'u', name: 'nudge', payload: encodePayload(undefined) })
    await harness.untilQuiet()
    harness.signal('go')
    await harness.untilQuiet()
    assert.equal(harness.journal.at(-1)?.type, 'update-completed')
    assert.match(
      (await refusal(answering(TIMED), harness.journal)) ?? '',
      /^history has the answer of update u \(event 4, update-completed\), but the code made before it wait 'go' with a time limit as operation 2, /,
    )
  })

  it('is held against the end', async () => {
    const ending = (options?: typeof TIMED) =>
      workflow({
        name: 'w',
        run: (ctx) => (options === undefined ? ctx.waitFor(go) : ctx.waitFor(go, options)),
      })
    const harness = await KernelHarness.start(ending()).untilQuiet()
    harness.signal('go')
    const history = (await harness.untilQuiet()).history()
    await replayHistory(ending(), history)
    await assert.rejects(
      replayHistory(ending(TIMED), history),
      /history has the end of the execution \(event 3, execution-completed\), but the code made before it wait 'go' with a time limit as operation 1, /,
    )
  })
})
