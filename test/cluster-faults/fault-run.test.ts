/** The short form of `npm run soak -- cluster`: those faults of which no other test has a cluster under load. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { shimObstacle } from '../store/disk-shim.ts'
import { type FaultRecord, reportOf, runStep, textOf } from './fault-run.ts'
import { DATABASE_FAULTS, DISK_FAULTS, NODE_FAULTS, STANDBY_FAULTS } from './faults.ts'
import { FaultyCluster } from './faulty-cluster.ts'
import { TestNetwork } from './test-network.ts'

const obstacle = shimObstacle()
if (obstacle !== undefined) console.log(`NOT RUN: slow and stalled disks under a cluster: ${obstacle}`)

describe('a cluster over a primary with a standby', { skip: !TestNetwork.isMany }, () => {
  test('database, disk, standby and nodes fail under load: nothing acknowledged is lost', async (t) => {
    const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000)
    t.diagnostic(`seed ${seed}; FAULT_SEED=${seed} repeats the choices`)
    const random = seededRandomness(seed)
    const hasDiskShim = obstacle === undefined
    await using cluster = await FaultyCluster.start({
      nodes: ['a', 'b', 'c'],
      clients: 2,
      lanes: 12,
      hasStandby: true,
      hasDiskShim,
    })
    await sleep(500)
    const plan = {
      ...DATABASE_FAULTS,
      ...(hasDiskShim ? DISK_FAULTS : {}),
      ...STANDBY_FAULTS,
      'node paused': NODE_FAULTS['node paused'],
    }
    const records: FaultRecord[] = []
    for (const [kind, fault] of Object.entries(plan))
      records.push(...(await runStep(cluster, { kind, fault }, random)))
    const verdict = await cluster.finish()
    const counts = cluster.counts()
    t.diagnostic(textOf(reportOf(records, cluster.logs(), verdict, counts)))
    assert.deepEqual(verdict.faults, [])
    assert.ok(verdict.acknowledgements > 0)
    for (const { kind, inFlight } of records) assert.ok(inFlight > 0, `${kind} hit nothing`)
    assert.ok(counts.fenced > 0, 'the node that was paused found itself fenced')
    assert.ok(counts.unknownCommits > 0, 'some fault hit a commit')
    assert.equal(counts.unknownSettledIn + counts.unknownSettledOut, counts.unknownCommits)
  })
})
