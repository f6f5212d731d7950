/**
 * Administrative objects while a node of the version before, which knows none, has the shard that they are in: nothing is lost, and a
 * change waits for a node that knows them.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../src/index.ts'
import { registryShardOf } from '../../src/protocol/ids.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import { installEarlier } from '../cluster-faults/earlier-version.ts'
import { NodeProcess } from '../postgres/cluster-nodes.ts'
import { PostgresServer } from '../postgres/server.ts'
import { until } from '../tasks/task-fixtures.ts'

const SHARD = registryShardOf(256)
const name = (id: string) => ({ kind: 'role', namespace: '', id })

test('a node of the version before has them, leaves, comes again and is killed', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-earlier-'))
  const earlier = installEarlier(folder.path)
  await using server = await PostgresServer.start({ settings: { fsync: 'off' } })
  const { url, name: database } = await server.createDatabase()
  const owner = async (): Promise<unknown> => {
    const [row] = await server.query(
      `select node from perdure.session join perdure.shard on session.id = session_id
         where shard.id = ${SHARD} and fenced_at is null`,
      [],
      database,
    )
    return row?.node
  }
  const stored = async (): Promise<unknown> =>
    server.query('select id, revision::int, body from perdure.registry order by id', [], database)

  // The smallest share: the other one gets nearly all shards.
  const cluster = { name: 'new', weight: 0.01, handOver: 100 }
  const node = await openEngine({ store: url, cluster, logger: silentLogger, shutdownGrace: 0 }, {})
  try {
    const { registry, ownership } = node.engine
    await until(() => ownership.isOpen(SHARD))
    await registry.put(name('made before'), 1)
    await registry.put(name('changed meanwhile'), 1)
    const before = await stored()

    const old = await NodeProcess.start(url, 'old', earlier)
    await until(async () => (await owner()) === 'old')
    let settled = 0
    const changes = [
      registry.put(name('changed meanwhile'), 2, { ifRevision: 1 }),
      registry.put(name('made meanwhile'), 3),
      registry.put(name('made before'), undefined),
    ].map((change) => change.finally(() => (settled += 1)))
    await sleep(1000)
    assert.equal(settled, 0, 'they wait')
    assert.equal(await owner(), 'old')
    // What is there is in force, and is not touched.
    assert.equal(registry.get('role', '', 'made before')?.body, 1)
    assert.deepEqual(await stored(), before)

    await old.leave()
    await Promise.all(changes)
    const entries = registry.list('role').map(({ id, body, revision }) => [id, body, revision])
    assert.deepEqual(entries.sort(), [
      ['changed meanwhile', 2, 2],
      ['made meanwhile', 3, 1],
    ])
    // The upgrade is rolled back: it is there as it was left.
    const after = await stored()
    const again = await NodeProcess.start(url, 'old', earlier)
    await until(async () => (await owner()) === 'old')
    assert.deepEqual(await stored(), after)
    const last = registry.put(name('made after'), 4)
    await again.kill()
    assert.equal((await last)?.revision, 1)
    assert.equal(registry.list('role').length, 3)
  } finally {
    await node.close()
  }
})
