import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runDay, runIdOf } from '../../protocol/ids.ts'
import { RunDays } from './run-days.ts'

const DAY_MS = 86_400_000

test('days of run ids, near each other and around midnight, in any order', () => {
  const time = fc.record({
    day: fc.nat({ max: 25_000 }),
    offsetMs: fc.integer({ min: -70_000, max: 70_000 }),
  })
  fc.assert(
    fc.property(fc.array(time), fc.nat({ max: 25_000 }), (times, near) => {
      const days = new RunDays()
      for (const { day, offsetMs } of times)
        for (const around of [day, near]) {
          const timeMs = Math.max(0, around * DAY_MS + offsetMs)
          const runId = runIdOf(timeMs, [around])
          assert.equal(days.of(runId), Math.floor(timeMs / DAY_MS))
          assert.equal(days.of(runId), runDay(runId))
        }
    }),
  )
})
