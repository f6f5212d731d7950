/**
 * Random calls, ends of runs, restarts and faults: what must hold of a schedule at every quiet moment.
 *
 * 1. No workflow id has two executions, and the counts tell how many there are.
 * 2. Each time that passed while it was not paused is accounted for once: started, skipped, missed, or waiting.
 * 3. Without `allow` at most one run is open; one waits only while one is open.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isClosed } from '../../src/protocol/execution-status.ts'
import { OVERLAP_POLICIES } from '../../src/protocol/schedule-port.ts'
import type { TestEngine } from '../../src/testing.ts'
import { FAULT_KINDS, faultAt } from '../tasks/task-fixtures.ts'
import { engineOf, lingering, quick, release, slow } from './schedule-fixtures.ts'

const PERIOD_MS = 60_000
/** A crash moves the time of the engine by milliseconds: so much later it is surely past. */
const SETTLE_MS = 1000

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.integer({ min: 1, max: 5 }).map((periods) => ({ kind: 'advance' as const, periods })),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'end' as const }) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom('pause', 'resume', 'trigger', 'restart', 'retype')
      .map((kind) => ({ kind: kind as 'pause' })),
  },
)
type Step =
  | { readonly kind: 'advance'; readonly periods: number }
  | { readonly kind: 'end' | 'pause' | 'resume' | 'trigger' | 'restart' | 'retype' }

/** What of the passed times the schedule has to account for. */
interface Expected {
  isPaused: boolean
  times: number
  asked: number
}

async function openRuns(engine: TestEngine): Promise<string[]> {
  const { executions } = await engine.list({ limit: 1000 })
  return executions.filter(({ status }) => !isClosed(status)).map(({ id }) => id)
}

async function take(engine: TestEngine, it: Step, expected: Expected): Promise<void> {
  const { schedules } = engine
  switch (it.kind) {
    case 'advance': {
      const before = Math.floor(engine.now() / PERIOD_MS)
      await engine.advance(it.periods * PERIOD_MS)
      if (!expected.isPaused) expected.times += Math.floor(engine.now() / PERIOD_MS) - before
      return
    }
    case 'end':
      for (const id of await openRuns(engine))
        await engine
          .execution(slow, id)
          .signal(release, 'go')
          .catch(() => {})
      break
    case 'pause':
      await schedules.pause('s')
      expected.isPaused = true
      break
    case 'resume':
      await schedules.resume('s')
      expected.isPaused = false
      break
    case 'trigger':
      if ((await schedules.trigger('s')).outcome !== 'skipped') expected.asked += 1
      break
    case 'restart':
      await engine.restart()
      break
    case 'retype':
      await schedules.update('s', { workflow: lingering })
      break
  }
  await engine.advance(SETTLE_MS)
}

async function check(engine: TestEngine, expected: Expected, allowsMany: boolean): Promise<void> {
  const { executions } = await engine.list({ limit: 1000 })
  const ids = executions.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length, 'no id has two executions')
  const { counts, running, buffered } = await engine.schedules.describe('s')
  assert.equal(counts.started, ids.length)
  const waiting = buffered === undefined ? 0 : 1
  assert.equal(counts.started + counts.skipped + counts.missed + waiting, expected.times + expected.asked)
  const open = await openRuns(engine)
  if (allowsMany) return
  assert.ok(open.length <= 1, `open: ${open}`)
  assert.deepEqual(running, open)
  if (waiting === 1) assert.equal(open.length, 1, 'something waits for nothing')
}

test('random calls, ends, restarts and faults', async () => {
  let crashes = 0
  let started = 0
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        overlap: fc.constantFrom(...OVERLAP_POLICIES),
        definition: fc.constantFrom(quick, slow, lingering),
        jitter: fc.constantFrom(0, 700),
        steps: fc.array(step, { minLength: 4, maxLength: 14 }),
        faults: fc.uniqueArray(
          fc.record({ kind: fc.constantFrom(...FAULT_KINDS), commit: fc.integer({ min: 1, max: 60 }) }),
          { maxLength: 5, selector: ({ commit }) => commit },
        ),
      }),
      async ({ overlap, definition, jitter, steps, faults }) => {
        await using engine = await engineOf({
          faults: faults.map(({ kind, commit }) => faultAt(kind, commit)),
        })
        const options = { workflow: definition, overlap, jitter } as const
        await engine.schedules.create('s', { every: PERIOD_MS }, options)
        const expected: Expected = { isPaused: false, times: 0, asked: 0 }
        // Never at the very time of a run.
        await engine.advance(SETTLE_MS * 2)
        for (const it of steps) {
          await take(engine, it as Step, expected)
          await check(engine, expected, overlap === 'allow')
        }
        crashes += engine.crashes
        started += (await engine.schedules.describe('s')).counts.started
      },
    ),
    { numRuns: 60 },
  )
  assert.ok(crashes > 5, `${crashes} crashes`)
  assert.ok(started > 100, `${started} runs`)
})
