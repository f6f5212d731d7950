import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Event, isTerminal, type SequencedEvent } from '../../src/protocol/event.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import type { WorkflowContext } from '../../src/sdk/context.ts'
import { signal, update, type Workflow, workflow } from '../../src/sdk/definition.ts'
import { replayHistory } from '../../src/testing.ts'
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

  it('is true for good after a crash that lost the marker, whatever came from outside before it', async () => {
    const journal = (await KernelHarness.start(guarded).untilQuiet()).journal.slice(0, 1)
    const raced = KernelHarness.recover(guarded, journal)
    raced.signal('go')
    raced.signal('other')
    raced.apply({ type: 'cancel', reason: 'not wanted any more' })
    for (const seq of [1, 2, 3])
      assert.deepEqual(await resultAfterCrash(raced.journal.slice(0, seq)), [true, true, true])
    const cancelled = await KernelHarness.recover(guarded, raced.journal).untilQuiet()
    assert.deepEqual(
      cancelled.journal.slice(4).map(({ type }) => type),
      ['patch-marked', 'execution-cancelled'],
    )
  })
})

describe('the answer of ctx.patched in an execution that older code began', () => {
  const go = signal('go')
  const total = update('total')

  /** What the old code leaves behind after the place at which new code asks. */
  const olds: Record<string, Workflow['run']> = {
    'a step': (ctx) => ctx.step('old', () => {}),
    'a sleep': (ctx) => ctx.sleep('1h'),
    'a wait with a time limit': (ctx) => ctx.waitFor(go, { timeout: '1h' }),
    attributes: async (ctx) => {
      ctx.setAttributes({ old: 1 })
      await ctx.waitFor(go)
    },
    'the marker of a later patch': async (ctx) => {
      ctx.patched('later')
      await ctx.waitFor(go)
    },
    'an operation after one that leaves nothing': async (ctx) => {
      await ctx.waitFor(go)
      await ctx.sleep('1h')
    },
    'the answer of an update': async (ctx) => {
      ctx.onUpdate(total, () => 1)
      await ctx.waitFor(signal('never'))
    },
  }

  async function journalOf(run: Workflow['run']): Promise<readonly Event[]> {
    const harness = await KernelHarness.start(workflow({ name: 'old', run })).untilQuiet()
    harness.completeStep(1)
    harness.signal('go')
    await harness.untilQuiet()
    const payload = encodePayload(undefined)
    if (harness.validateUpdate('total') === 'accepted')
      harness.apply({ type: 'update', updateId: 'u', name: 'total', payload })
    return (await harness.untilQuiet()).journal.filter((event) => !isTerminal(event))
  }

  /** The new code asks first, then does what the old code does. */
  async function answerTo(run: Workflow['run'], journal: readonly Event[]): Promise<boolean | undefined> {
    let answer: boolean | undefined
    const asking = workflow({
      name: 'old',
      run: (ctx, input) => {
        answer = ctx.patched('change')
        return run(ctx, input)
      },
    })
    const { nondeterminism } = await KernelHarness.recover(asking, journal).untilQuiet()
    assert.equal(nondeterminism?.message, undefined)
    return answer
  }

  for (const [trace, run] of Object.entries(olds)) {
    it(`is false after ${trace}`, async () => {
      const journal = await journalOf(run)
      assert.equal(await answerTo(run, journal), false)
      assert.equal(await answerTo(run, journal.slice(0, 1)), true)
    })
  }

  it('is false where the old code had ended without a further operation', async () => {
    const old = workflow({ name: 'old', run: (ctx) => ctx.waitFor(go) })
    const harness = await KernelHarness.start(old).untilQuiet()
    harness.signal('go')
    await harness.untilQuiet()
    const changed = workflow({
      name: 'old',
      run: async (ctx) => {
        await ctx.waitFor(go)
        if (ctx.patched('change')) await ctx.sleep('1h')
      },
    })
    await replayHistory(changed, harness.history())
  })

  it('is true for a later place, before which all that is recorded was made', async () => {
    const journal = await journalOf(async (ctx) => {
      await Promise.all([ctx.sleep('1h'), ctx.waitFor(signal('never'))])
    })
    const answers: boolean[] = []
    const changed = workflow({
      name: 'old',
      run: async (ctx) => {
        answers.push(ctx.patched('before'))
        const slept = ctx.sleep('1h')
        answers.push(ctx.patched('after'))
        await slept
      },
    })
    await KernelHarness.recover(changed, journal).untilQuiet()
    assert.deepEqual(answers, [false, true])
  })
})

describe('code that a patch keeps, among branches which one cancellation wakes', () => {
  const none = (): void => {}

  /** Two branches sleep, each cleans up; `wait` is how the first one waits. */
  function cleaning(wait: (ctx: WorkflowContext, sleeping: Promise<void>) => Promise<void>): Workflow {
    const cleanUp = (ctx: WorkflowContext, name: string) => ctx.uncancellable((safe) => safe.step(name, none))
    return workflow({
      name: 'cleaning',
      run: async (ctx) => {
        const first = async (): Promise<void> => {
          await wait(ctx, ctx.sleep('1h'))
          await cleanUp(ctx, 'first')
        }
        const second = async (): Promise<void> => {
          await ctx.sleep('1h').catch(none)
          await cleanUp(ctx, 'second')
        }
        await Promise.all([first(), second()])
      },
    })
  }

  const old = cleaning((_, sleeping) => sleeping.catch(none))

  async function historyOfOld(): Promise<readonly SequencedEvent[]> {
    const harness = await KernelHarness.start(old).untilQuiet()
    harness.apply({ type: 'cancel', reason: 'enough' })
    await harness.untilQuiet()
    harness.completeStep(3)
    await harness.untilQuiet()
    return harness.history()
  }

  it('makes its operations in the same order behind an `if`', async () => {
    const guarded = cleaning((ctx, sleeping) =>
      ctx.patched('change') ? ctx.waitFor(signal('instead')) : sleeping.catch(none),
    )
    await replayHistory(guarded, await historyOfOld())
  })

  it('is refused where a function around it lets another branch go first', async () => {
    const wrapped = cleaning(async (_, sleeping) => {
      await sleeping.catch(none)
    })
    await assert.rejects(
      replayHistory(wrapped, await historyOfOld()),
      /history has step 'first' as operation 3 .*but the code made step 'second'/,
    )
  })
})
