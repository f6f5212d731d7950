/** The promises about tasks hold under seeded faults: settings of queues that change, fences, crashes, lost answers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulateSeeds } from './seed-pool.ts'
import type { SimulationReport } from './simulate.ts'
import { addReport, noTotals } from './totals.ts'

const SEEDS = 200

describe('simulation of tasks under seeded faults', () => {
  test(`${SEEDS} seeds keep every promise, and the faults hit work in flight`, async () => {
    const totals = noTotals()
    const failed: SimulationReport[] = []
    await simulateSeeds({
      first: 1,
      count: SEEDS,
      kind: 'tasks',
      onReport: (report) => {
        addReport(totals, report)
        if (report.violations.length > 0) failed.push(report)
      },
      isEnough: () => failed.length >= 5,
    })
    const shown = failed.map(
      ({ seed, violations }) =>
        `seed ${seed}: ${violations.join('\n  ')}\n  repeat it with: npm run sim -- tasks --seed ${seed} --trace`,
    )
    assert.equal(shown.join('\n'), '')
    for (const name of ['crashesInFlight', 'fences', 'lostAcks', 'stalls', 'lostCommits'] as const)
      assert.ok(totals.counters[name] > 0, `${name} never happened`)
    assert.ok(totals.seedsHit >= 0.9 * SEEDS, `only ${totals.seedsHit} seeds hit work in flight`)
  })
})
