// Answers of ctx.patched over crashes: the same for good, and false only where the history speaks of what came after.
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Event, isTerminal } from '../../src/protocol/event.ts'
import type { WorkflowCommand } from '../../src/protocol/workflow-command.ts'
import { crashAndFollow } from './crash.ts'
import { KernelHarness } from './harness.ts'
import { isInput } from './inputs.ts'
import { answersIn, GUARD, guardedAmongHandlers, guardedChanges, guardedPrograms } from './patched-program.ts'
import { type Program, programWorkflow } from './program.ts'
import { goOn, randomRun } from './random-run.ts'

const RUNS = 300
const SEEDS = fc.nat({ max: 2 ** 30 })

const counted = { true: 0, false: 0 }

/** The program, and the answers that it got since it started from the beginning last. */
function watched(program: Program): {
  readonly workflow: KernelHarness['workflow']
  answers(): readonly string[]
} {
  let trace: readonly string[] = []
  const workflow = programWorkflow(program, (begun) => {
    trace = begun
  })
  return { workflow, answers: () => [...answersIn(trace)] }
}

function count(answer: string | undefined): void {
  if (answer === 'true' || answer === 'false') counted[answer] += 1
}

describe('an answer of ctx.patched', () => {
  it('given to an execution that older code began is given again after each crash', async () => {
    await fc.assert(
      fc.asyncProperty(guardedChanges, SEEDS, SEEDS, fc.nat(), async (change, seed, next, cut) => {
        const { journal } = await randomRun(programWorkflow(change.before), seed, 'racing')
        const open = journal.filter((event) => !isTerminal(event))
        const begun = open.slice(0, 1 + (cut % open.length))
        const { workflow, answers } = watched(change.after)
        const reference = KernelHarness.recover(workflow, begun)
        await goOn(reference, next)
        assert.equal(reference.nondeterminism?.message, undefined)
        const [first] = answers()
        count(first)
        for (let seq = begun.length; seq < reference.journal.length; seq++) {
          await crashAndFollow(reference, seq, 'racing')
          const [again] = answers()
          // The code may end before or after the handler of an update is called: then nothing of it counts.
          if (first !== undefined && again !== undefined) assert.equal(again, first, `after ${seq} events`)
        }
      }),
      { numRuns: RUNS, examples: [[guardedAmongHandlers, 133_194_887, 0, 829_683_116]] },
    )
  })

  it('is false if, and only if, the history has something that the code made from there on', async () => {
    await fc.assert(
      fc.asyncProperty(guardedPrograms, SEEDS, async (program, seed) => {
        const { workflow, answers } = watched(program)
        const { journal, commands } = await randomRun(workflow, seed, 'racing')
        const marked = journal.findIndex((event) => event.type === 'patch-marked' && event.id === GUARD)
        if (marked < 0) return
        // Older code did the same, without the marker.
        const unmarked = journal.filter((event, i) => i !== marked && !isTerminal(event))
        const madeAfter = operationsAfterPatch(commands)
        for (let length = marked; length <= unmarked.length; length++) {
          const isPassed = unmarked.slice(marked, length).some((event) => isMadeBy(event, madeAfter))
          await KernelHarness.recover(workflow, unmarked.slice(0, length)).untilQuiet()
          const [answer] = answers()
          assert.equal(answer, String(!isPassed), `${length} events`)
          count(answer)
        }
      }),
      { numRuns: RUNS },
    )
  })

  after(() => {
    // Both answers were seen often: about 300 and 1,500 times.
    assert.ok(counted.true > RUNS / 4 && counted.false > RUNS / 4, JSON.stringify(counted))
  })
})

function operationsAfterPatch(commands: readonly WorkflowCommand[]): ReadonlySet<number> {
  const ops = new Set<number>()
  const asked = commands.findIndex((command) => command.kind === 'patch' && command.id === GUARD)
  for (const command of commands.slice(asked)) {
    if (
      'op' in command &&
      !['drop', 'cancel-child', 'fail'].includes(command.kind) &&
      command.op !== undefined
    )
      ops.add(command.op)
  }
  return ops
}

/** The event was made by the code, or is about one of these operations of it. */
function isMadeBy(event: Event, ops: ReadonlySet<number>): boolean {
  return !isInput(event) || ('op' in event && event.op !== undefined && ops.has(event.op))
}
