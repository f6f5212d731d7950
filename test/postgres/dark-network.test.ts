/** A network to the database that goes dark: connections stay, and nothing passes any more. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { TestNetwork } from '../cluster-faults/test-network.ts'
import { PostgresServer } from './server.ts'

/** This process: it has no address of its own. */
const HERE = 'somebody'

describe('a database behind a network that goes dark', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  async function behind(network: TestNetwork): Promise<string> {
    const { name } = await server.createDatabase()
    const port = await network.open('database')
    network.aim('database', server.port)
    return `postgres://postgres@127.0.0.1:${port}/${name}`
  }

  test('between the connection and the first question: it is given up', async () => {
    await using network = new TestNetwork()
    const url = await behind(network)
    network.delay('database', HERE, 500)
    const opened = createPostgresStore(url, { openMs: 1000 })
    while (network.connections(HERE, 'database') === 0) await sleep(1)
    await sleep(100)
    // Its greeting has passed, and the answer is on its way.
    network.hold(HERE, 'database')
    await assert.rejects(opened, { code: 'STORE_FAILED', message: /no answer/ })
  })

  test('a store that is closed meanwhile does not wait for it', async () => {
    await using network = new TestNetwork()
    const url = await behind(network)
    const store = await createPostgresStore(url)
    await store.register({ node: 'host:1', incarnation: 'a', nowMs: 1 })
    network.hold(HERE, 'database')
    network.hold('database', HERE)
    await store.close()
  })
})
