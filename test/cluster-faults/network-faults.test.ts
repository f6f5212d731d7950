/** Nodes whose network fails: towards the database and between each other, whole, in one direction, slowly. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultyCluster } from './faulty-cluster.ts'
import { TestNetwork } from './test-network.ts'

const NODES = ['a', 'b', 'c']

async function underLoad(
  t: TestContext,
  faults: (cluster: FaultyCluster) => Promise<void>,
): Promise<FaultyCluster['counts'] extends () => infer Counts ? Counts : never> {
  await using cluster = await FaultyCluster.start({ nodes: NODES, clients: 1, lanes: 30 })
  await sleep(500)
  await faults(cluster)
  const { faults: wrong, ...figures } = await cluster.finish()
  const counts = cluster.counts()
  t.diagnostic(JSON.stringify({ ...figures, ...counts }))
  assert.deepEqual(wrong, [])
  return counts
}

/** Another session has been fenced since: the others have taken over. */
async function untilFenced(cluster: FaultyCluster, name: string): Promise<void> {
  for (;;) {
    const [row] = await cluster.query(
      'select from perdure.session where node = $1 and fenced_at is not null',
      [name],
    )
    if (row !== undefined) return
    await sleep(50)
  }
}

describe('a network that fails', { skip: !TestNetwork.isMany && 'loopback has one address here' }, () => {
  test('a node is cut off from the database: the others take over; it comes back', async (t) => {
    await underLoad(t, async (cluster) => {
      cluster.network.cut('a', 'database-1')
      await untilFenced(cluster, 'a')
      cluster.network.mend('a', 'database-1')
      await sleep(1000)
    })
  })

  test('what one node sends to the database is held, and what another one is answered: nothing that arrives late counts', async (t) => {
    const { unknownCommits, unknownSettledIn, unknownSettledOut } = await underLoad(t, async (cluster) => {
      cluster.network.hold('a', 'database-1')
      cluster.network.hold('database-1', 'b')
      await untilFenced(cluster, 'a')
      await untilFenced(cluster, 'b')
      // Longer than a node waits for the answer to a commit.
      await sleep(11_000)
      cluster.network.mend('a', 'database-1')
      cluster.network.mend('b', 'database-1')
      while (cluster.counts().unknownCommits < 2) await sleep(50)
    })
    assert.ok(unknownCommits >= 2)
    assert.equal(unknownSettledIn + unknownSettledOut, unknownCommits)
  })

  test('two nodes cannot reach each other, then in one direction only', async (t) => {
    await underLoad(t, async (cluster) => {
      cluster.network.cut('a', 'b')
      await sleep(3000)
      cluster.network.mend('a', 'b')
      cluster.network.hold('a', 'b')
      await sleep(5000)
      cluster.network.mend('a', 'b')
      cluster.network.hold('c', 'b')
      cluster.network.hold('b', 'c')
      await sleep(5000)
      cluster.network.mend('b', 'c')
    })
  })
})
