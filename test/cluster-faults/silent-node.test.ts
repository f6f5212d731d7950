/** A node that cannot do anything for its clients any more, while their connections to it stay. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, silentLogger } from '../../src/index.ts'
import { expectedOf, go, parentOf } from '../postgres/cluster-workload.ts'
import { FaultyCluster } from './faulty-cluster.ts'
import { TestNetwork } from './test-network.ts'

const EXECUTIONS = 20
/** The session of the node is fenced after 2 s; its client need not wait much longer. */
const GOES_ON_MS = 20_000

/** A client of node a, which it knows alone, starts executions; then that happens, and all of them must end all the same. */
async function goesOnWithout(happens: (cluster: FaultyCluster) => void): Promise<void> {
  await using cluster = await FaultyCluster.start({ nodes: ['a', 'b'], clients: 0, lanes: 0 })
  const remote = await connect(`ws://127.0.0.1:${await cluster.network.open('a')}`, { logger: silentLogger })
  const limit = new AbortController()
  try {
    const executions = await Promise.all(
      Array.from({ length: EXECUTIONS }, (_, value) =>
        remote.start(parentOf, value, { id: `parent-${value}` }),
      ),
    )
    const results = executions.map((execution) => execution.result())
    happens(cluster)
    const signals = executions.map((execution) => execution.signal(go, 5, { requestId: 'go' }))
    const ended = Promise.all([Promise.all(results), ...signals]).then(([values]) => values)
    const late = sleep(GOES_ON_MS, 'the client waits for its node', { signal: limit.signal })
    late.catch(() => undefined)
    assert.deepEqual(
      await Promise.race([ended, late]),
      executions.map((_, value) => expectedOf(value, 5)),
    )
  } finally {
    limit.abort()
    await remote.close()
  }
}

describe('a client goes on with another node, of which it was told', () => {
  test('when its own one stands still', () => goesOnWithout((cluster) => cluster.node('a').stop()))

  test('when its own one is cut off from the database', { skip: !TestNetwork.isMany }, () =>
    goesOnWithout(({ network }) => network.cut('a', 'database-1')),
  )

  test('when what its own one says to the database vanishes', { skip: !TestNetwork.isMany }, () =>
    goesOnWithout(({ network }) => network.hold('a', 'database-1')),
  )
})
