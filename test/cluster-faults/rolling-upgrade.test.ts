/**
 * Nodes of an earlier version and of this one together on one database, under load of clients of this version: replaced one by
 * one, and back again; and each goes on with what a killed one of the other version had.
 *
 * What this version does to the schema happens while nodes of the earlier one run.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SCHEMA_VERSION } from '../../src/store/postgres/migrate.ts'
import type { NodeProcessOptions } from '../postgres/cluster-nodes.ts'
import { installEarlier } from './earlier-version.ts'
import { FaultyCluster } from './faulty-cluster.ts'

const NEW: NodeProcessOptions = {}

const schemaOf = async (cluster: FaultyCluster): Promise<number> => {
  const [row] = await cluster.query("select value::int from perdure.meta where key = 'schema_version'")
  return row?.value
}

const askedAgain = (cluster: FaultyCluster): unknown[] =>
  cluster
    .logs()
    .flat()
    .filter(({ kind }) => kind === 'again')

describe('an earlier version and this one', () => {
  test('work together, are replaced by each other under load, and take over from each other', async (t) => {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'perdure-earlier-'))
    const earlier = installEarlier(folder.path)
    await using cluster = await FaultyCluster.start({
      nodes: ['a', 'b'],
      clients: 1,
      lanes: 20,
      node: () => earlier,
    })
    const settle = async (): Promise<void> => {
      await cluster.allOwned()
      await cluster.goesOn()
      await sleep(300)
    }
    const replace = async (name: string, by: NodeProcessOptions): Promise<void> => {
      await cluster.drainNode(name)
      await cluster.startNode(name, by)
      await settle()
    }
    await settle()
    t.diagnostic(`schema ${await schemaOf(cluster)} of the earlier version, ${SCHEMA_VERSION} of this one`)
    for (const name of ['c', 'd']) await cluster.startNode(name, NEW)
    await settle()
    assert.equal(await schemaOf(cluster), SCHEMA_VERSION)
    for (const name of ['a', 'b']) await replace(name, NEW)
    for (const name of ['a', 'b', 'c', 'd']) await replace(name, earlier)
    assert.deepEqual(askedAgain(cluster), [], 'nodes that leave are not noticed by callers')
    for (const name of ['c', 'd']) await replace(name, NEW)
    for (const name of ['a', 'c']) {
      while ((await cluster.inFlight([name])) === 0) await sleep(5)
      await cluster.killNode(name)
      await settle()
    }
    const { faults, ...figures } = await cluster.finish()
    t.diagnostic(JSON.stringify(figures))
    assert.deepEqual(faults, [])
  })
})
