/** Nodes in processes of their own: killed, stopped, cut off from their database, asked to leave, while clients work. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, silentLogger } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { type Client, checkDatabase, work } from './cluster-client.ts'
import { NodeProcess } from './cluster-nodes.ts'
import { PostgresServer } from './server.ts'

const FAULTS = 8
const IN_FLIGHT = 60

describe('a cluster of three nodes', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  test('nodes are killed, stopped and cut off: nothing acknowledged is lost, and each execution ends once', async (t) => {
    const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000)
    t.diagnostic(`seed ${seed}`)
    const random = seededRandomness(seed)
    const { name: database, url } = await server.createDatabase()
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => NodeProcess.start(url, name)))
    const remote = await connect(
      nodes.map((node) => node.url),
      { logger: silentLogger },
    )
    const client: Client = { remote, acknowledged: 0, completed: 0, errors: [], isAbandoned: false }
    const counts = { killed: 0, stopped: 0, cut: 0, fenced: 0 }
    let isOver = false
    const loops = Array.from({ length: IN_FLIGHT }, (_, loop) => work(client, loop, () => isOver))
    try {
      for (let fault = 0; fault < FAULTS; fault++) {
        await sleep(400 + random() * 600)
        const index = Math.floor(random() * nodes.length)
        const node = nodes[index]
        assert.ok(node !== undefined)
        const kind = fault % 3
        if (kind === 0) {
          await node.kill()
          counts.killed += 1
          nodes[index] = await NodeProcess.start(url, node.name)
        } else if (kind === 1) {
          node.stop()
          await sleep(5000)
          node.go()
          counts.stopped += 1
          await sleep(1500)
          counts.fenced += (await node.counters()).counters.fenced
        } else {
          await server.query(
            `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`,
            [database],
          )
          counts.cut += 1
        }
      }
      await sleep(1000)
      isOver = true
      await Promise.all(loops)
      t.diagnostic(
        `${client.acknowledged} acknowledged, ${client.completed} completed, ${JSON.stringify(counts)}`,
      )
      assert.deepEqual(client.errors, [])
      assert.equal(client.completed, client.acknowledged)
      assert.ok(counts.fenced > 0, 'a node that was stopped finds out that it was fenced')
      await checkDatabase(server, database)
    } finally {
      isOver = true
      client.isAbandoned = true
      await remote.close()
      await Promise.all(nodes.map((node) => node.kill()))
    }
  })
})
