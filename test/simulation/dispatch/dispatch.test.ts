/** What is promised of the dispatch of tasks holds while workers die and messages are lost, repeated, reordered and late. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulateSeeds } from '../seed-pool.ts'
import { addDispatchReport, FAULTS, noDispatchTotals } from './dispatch-totals.ts'
import { type DispatchReport, MESSAGES_PER_SEED } from './simulate-dispatch.ts'

const MESSAGES = 200_000

describe('simulation of dispatch', () => {
  test(`${MESSAGES} messages between engine and workers break no promise, and each fault happens`, async () => {
    const totals = noDispatchTotals()
    const failed: DispatchReport[] = []
    await simulateSeeds({
      kind: 'dispatch',
      first: 1,
      count: MESSAGES / MESSAGES_PER_SEED,
      onReport: (report) => {
        addDispatchReport(totals, report)
        if (report.violations.length > 0) failed.push(report)
      },
    })
    const shown = failed.map(
      ({ seed, violations }) =>
        `seed ${seed}: ${violations.join('\n  ')}\n  repeat it with: npm run sim -- dispatch --seed ${seed} --trace`,
    )
    assert.equal(shown.join('\n'), '')
    assert.ok(totals.counters.messages >= MESSAGES)
    for (const name of FAULTS) assert.ok(totals.counters[name] > 0, `${name}: never happened`)
  })
})
