import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Event, isTerminal } from '../../src/protocol/event.ts'
import { workflow } from '../../src/sdk/definition.ts'
import { changedProgram, changes, withoutPatches } from './changed-program.ts'
import { KernelHarness } from './harness.ts'
import { fitsHistory } from './history-oracle.ts'
import { programWorkflow } from './program.ts'
import { programs } from './program-arbitrary.ts'
import { randomRun } from './random-run.ts'

const RUNS = 500
const counted = { refused: 0, indistinguishable: 0 }

async function openJournal(program: Parameters<typeof programWorkflow>[0], seed: number): Promise<Event[]> {
  const { journal } = await randomRun(programWorkflow(program), seed, 'racing')
  return journal.filter((event) => !isTerminal(event))
}

describe('replay', () => {
  it('accepts the unchanged code after every event', async () => {
    await fc.assert(
      fc.asyncProperty(programs, fc.nat(), async (program, seed) => {
        const journal = await openJournal(program, seed)
        for (let seq = 1; seq <= journal.length; seq++) {
          const harness = KernelHarness.recover(programWorkflow(program), journal.slice(0, seq))
          await harness.untilQuiet()
          assert.equal(harness.nondeterminism?.message, undefined)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('refuses changed code whenever the history can tell, and only then', async () => {
    await fc.assert(
      fc.asyncProperty(programs, fc.nat(), changes, fc.nat(), async (random, seed, change, place) => {
        const program = withoutPatches(random)
        const journal = await openJournal(program, seed)
        const changed = programWorkflow(changedProgram(program, change, place))
        const harness = KernelHarness.recover(changed, journal)
        const fits = await fitsHistory(changed, harness.history())
        await harness.untilQuiet()
        if (fits) {
          assert.equal(harness.nondeterminism?.message, undefined)
          counted.indistinguishable += 1
          return
        }
        const refusal = harness.nondeterminism
        assert.equal(refusal?.code, 'NONDETERMINISM')
        assert.match(refusal?.message ?? '', /^history has .+ \(event \d+, [a-z-]+\), but the code made .+/)
        counted.refused += 1
      }),
      { numRuns: RUNS },
    )
  })

  after(() => {
    assert.ok(counted.refused > RUNS / 10, `${counted.refused} changes were refused`)
    assert.ok(counted.indistinguishable > RUNS / 10, `${counted.indistinguishable} changes fit`)
  })
})

describe('a refusal of changed code', () => {
  const none = async (): Promise<void> => {}
  const before = workflow({
    name: 'order',
    run: async (ctx) => {
      await ctx.step('charge', none)
      await ctx.sleep('1h')
    },
  })

  async function replayedBy(code: typeof before): Promise<KernelHarness> {
    const harness = await KernelHarness.start(before).untilQuiet()
    harness.completeStep(1)
    await harness.untilQuiet()
    return KernelHarness.recover(code, harness.journal).untilQuiet()
  }

  it('names what the history has, what the code made, and where', async () => {
    const renamed = workflow({ name: 'order', run: (ctx) => ctx.step('bill', none) })
    const { nondeterminism } = await replayedBy(renamed)
    assert.match(
      nondeterminism?.message ?? '',
      /^history has step 'charge' as operation 1 \(event 2, step-completed\), but the code made step 'bill' at .*changed-code\.test\.ts:\d+:\d+/,
    )
  })

  it('says how far the code came when it made too little', async () => {
    const shortened = workflow({
      name: 'order',
      run: async (ctx) => {
        await ctx.step('charge', none)
        await new Promise(() => {})
      },
    })
    const { nondeterminism } = await replayedBy(shortened)
    assert.match(
      nondeterminism?.message ?? '',
      /^history has sleep as operation 2 \(event 3, timer-started\), but the code made only 1, the last one step 'charge' at /,
    )
  })

  it('tells a sleep from a step', async () => {
    const swapped = workflow({
      name: 'order',
      run: async (ctx) => {
        await ctx.step('charge', none)
        await ctx.step('wait a bit', none)
      },
    })
    const { nondeterminism } = await replayedBy(swapped)
    assert.match(
      nondeterminism?.message ?? '',
      /^history has sleep as operation 2 .* but the code made step 'wait a bit' at /,
    )
  })
})
