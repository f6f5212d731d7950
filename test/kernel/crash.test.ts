import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import type { EventType } from '../../src/protocol/event.ts'
import { assertJournalMakesState, assertShellMatchesState, crashAndFollow } from './crash.ts'
import { type HarnessOptions, type KernelHarness, START_MS } from './harness.ts'
import { type Program, programWorkflow } from './program.ts'
import { programs } from './program-arbitrary.ts'
import { type Mode, randomRun } from './random-run.ts'
import { smallPrograms } from './small-programs.ts'

const RUNS = 300
const SEEDS = fc.nat({ max: 2 ** 30 })
const LIMITED: HarnessOptions = { started: { timeoutMs: 500, deadlineAt: START_MS + 500 } }

const counted = { executions: 0, crashes: 0, crashesAfterCrash: 0 }
const seen = new Set<EventType>()

async function runProgram(program: Program, seed: number, mode: Mode, options?: HarnessOptions) {
  const reference = await randomRun(programWorkflow(program), seed, mode, options)
  assert.equal(reference.nondeterminism, undefined, 'the program runs without being parked')
  assertJournalMakesState(reference)
  assertShellMatchesState(reference)
  counted.executions += 1
  for (const { type } of reference.journal) seen.add(type)
  return reference
}

function crash(reference: KernelHarness, seq: number, mode: Mode): Promise<KernelHarness> {
  counted.crashes += 1
  return crashAndFollow(reference, seq, mode)
}

async function crashEverywhere(reference: KernelHarness, mode: Mode): Promise<void> {
  for (let seq = 1; seq <= reference.journal.length; seq++) await crash(reference, seq, mode)
}

describe('a crash after any event', () => {
  it('changes nothing, event by event, when things happen while the code waits', async () => {
    await fc.assert(
      fc.asyncProperty(programs, SEEDS, fc.boolean(), async (program, seed, isLimited) => {
        const reference = await runProgram(program, seed, 'quiet', isLimited ? LIMITED : {})
        await crashEverywhere(reference, 'quiet')
      }),
      { numRuns: RUNS },
    )
  })

  it('changes nothing when completions race with code that has not seen the last ones', async () => {
    await fc.assert(
      fc.asyncProperty(programs, SEEDS, async (program, seed) => {
        await crashEverywhere(await runProgram(program, seed, 'racing'), 'racing')
      }),
      { numRuns: RUNS },
    )
  })

  it('changes nothing when it comes again and again', async () => {
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(programs, SEEDS, cuts, async (program, seed, shares) => {
        let run = await runProgram(program, seed, 'racing')
        for (const share of shares) {
          const seq = Math.max(1, Math.ceil(share * run.journal.length))
          const recovered = await crash(run, seq, 'racing')
          // The code of a closed execution does not run again: it would not tell what it has dropped.
          if (seq < run.journal.length || !run.isClosed) run = recovered
          counted.crashesAfterCrash += 1
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('changes nothing for any small program', async () => {
    for (const [i, program] of smallPrograms().entries()) {
      for (const mode of ['quiet', 'racing'] as const) {
        const reference = await runProgram(program, i, mode)
        await crashEverywhere(reference, mode).catch((error: unknown) => {
          throw new Error(`program ${i} ${JSON.stringify(program)}, ${mode}`, { cause: error })
        })
      }
    }
  })

  after(() => {
    assert.ok(counted.executions >= 3 * RUNS, `${counted.executions} executions`)
    assert.ok(counted.crashes > 5 * counted.executions, `${counted.crashes} crashes`)
    assert.ok(counted.crashesAfterCrash >= 2 * RUNS)
    // Every kind of event was crashed on, each of them in many places.
    const all = Object.keys(EVERY_TYPE) as EventType[]
    assert.deepEqual(
      all.filter((type) => !seen.has(type)),
      [],
    )
  })
})

const EVERY_TYPE: Record<EventType, true> = {
  'execution-started': true,
  'step-completed': true,
  'step-failed': true,
  'step-attempt-failed': true,
  'timer-started': true,
  'timer-fired': true,
  'signal-received': true,
  'child-started': true,
  'child-completed': true,
  'child-failed': true,
  'child-withdrawn': true,
  'task-scheduled': true,
  'task-completed': true,
  'task-failed': true,
  'human-task-opened': true,
  'human-task-changed': true,
  'human-task-closed': true,
  'child-signalled': true,
  'update-accepted': true,
  'update-completed': true,
  'attributes-set': true,
  'patch-marked': true,
  'cancel-requested': true,
  'execution-parked': true,
  'execution-resumed': true,
  'execution-reopened': true,
  'execution-completed': true,
  'execution-failed': true,
  'execution-cancelled': true,
  'execution-terminated': true,
  'execution-timed-out': true,
  'execution-continued': true,
}
