/** The promises of a cluster hold under seeded faults of its nodes, their network and their database. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addClusterReport, noClusterTotals } from './cluster/cluster-totals.ts'
import { type ClusterReport, simulateCluster } from './cluster/simulate-cluster.ts'
import { type ClusterFaults, simulateSeeds } from './seed-pool.ts'

const SEEDS = 500
const LYING_SEEDS = 20
const ASYNCHRONOUS_SEEDS = 24

async function simulated(count: number, cluster: ClusterFaults): Promise<readonly ClusterReport[]> {
  const reports: ClusterReport[] = []
  await simulateSeeds({ kind: 'cluster', first: 1, count, cluster, onReport: (each) => reports.push(each) })
  return reports
}

describe('simulation of a cluster under seeded faults', () => {
  test('the same seed gives the same trace, another seed another', async () => {
    const [once, again, other] = [
      await simulateCluster(7),
      await simulateCluster(7),
      await simulateCluster(8),
    ]
    assert.equal(once.hash, again.hash)
    assert.notEqual(once.hash, other.hash)
  })

  test(`${SEEDS} seeds keep every promise, and the faults hit work in flight`, async () => {
    const totals = noClusterTotals()
    const failed: ClusterReport[] = []
    await simulateSeeds({
      kind: 'cluster',
      first: 1,
      count: SEEDS,
      onReport: (report) => {
        addClusterReport(totals, report)
        if (report.violations.length > 0) failed.push(report)
      },
      isEnough: () => failed.length >= 5,
    })
    const shown = failed.map(
      ({ seed, violations }) =>
        `seed ${seed}: ${violations.join('\n  ')}\n  repeat it with: npm run sim -- cluster --seed ${seed} --trace`,
    )
    assert.equal(shown.join('\n'), '')
    for (const [name, count] of Object.entries(totals.counters))
      assert.ok(count > 0, `${name} never happened`)
    assert.ok(totals.seedsHit >= 0.9 * SEEDS, `only ${totals.seedsHit} seeds hit work in flight`)
  })

  test(`${LYING_SEEDS} seeds keep every promise while coordinators lie`, async () => {
    let fencedAsDead = 0
    const broken: string[] = []
    for (const { seed, violations, cluster } of await simulated(LYING_SEEDS, { isLying: true })) {
      if (violations.length > 0) broken.push(`seed ${seed}: ${violations.join('\n  ')}`)
      fencedAsDead += cluster.fencedAsDead
    }
    assert.equal(broken.join('\n'), '')
    assert.ok(fencedAsDead > 10 * LYING_SEEDS, `${fencedAsDead} sessions were fenced as dead`)
  })

  // What nobody can promise on such a database, the checker has to find: else it would not find it anywhere.
  test('a fail-over to an asynchronous standby loses what was acknowledged, and that is found', async () => {
    let hits = 0
    let found = 0
    for (const { violations, cluster } of await simulated(ASYNCHRONOUS_SEEDS, { isAsynchronous: true })) {
      if (cluster.failOvers > 0) hits += 1
      if (violations.some((each) => each.startsWith('I1'))) found += 1
    }
    assert.ok(hits >= ASYNCHRONOUS_SEEDS / 4, `only ${hits} seeds had a fail-over`)
    assert.ok(found >= hits / 3, `found in ${found} of ${hits} seeds with a fail-over`)
  })
})
