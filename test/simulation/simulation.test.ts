/** The promises of the engine hold under seeded faults: 1,000 seeds, each of thousands of journal events and faults. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulateSeeds } from './seed-pool.ts'
import { EVENTS_PER_SEED, type SimulationReport, simulate } from './simulate.ts'
import { addReport, noTotals } from './totals.ts'

const SEEDS = 1000

describe('simulation of engine and store under seeded faults', () => {
  test('the same seed gives the same trace, another seed another', async () => {
    const [once, again, other] = [await simulate(7), await simulate(7), await simulate(8)]
    assert.equal(once.hash, again.hash)
    assert.notEqual(once.hash, other.hash)
  })

  test(`${SEEDS} seeds keep every promise, and the faults hit work in flight`, async () => {
    const totals = noTotals()
    const failed: SimulationReport[] = []
    await simulateSeeds({
      kind: 'executions',
      first: 1,
      count: SEEDS,
      onReport: (report) => {
        addReport(totals, report)
        if (report.violations.length > 0) failed.push(report)
      },
      isEnough: () => failed.length >= 5,
    })
    const shown = failed.map(
      ({ seed, violations }) =>
        `seed ${seed}: ${violations.join('\n  ')}\n  repeat it with: npm run sim -- --seed ${seed} --trace`,
    )
    assert.equal(shown.join('\n'), '')
    assert.equal(totals.seeds, SEEDS)
    assert.ok(totals.fewestPerSeed >= EVENTS_PER_SEED, `a seed had only ${totals.fewestPerSeed} events`)
    for (const [name, count] of Object.entries(totals.counters))
      assert.ok(count > 0, `${name} never happened`)
    assert.ok(totals.seedsHit >= 0.9 * SEEDS, `only ${totals.seedsHit} seeds hit work in flight`)
  })
})
