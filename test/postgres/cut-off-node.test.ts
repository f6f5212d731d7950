/** A node that has lost the database, and keeps its connections to everybody else. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createEngine, silentLogger } from '../../src/index.ts'
import { addOne } from './cluster-workload.ts'
import { PostgresServer } from './server.ts'

/** Between a node and its database. */
class Between implements AsyncDisposable {
  readonly #sockets = new Set<Socket>()
  readonly #server
  #isCut = false

  private constructor(port: number) {
    this.#server = createServer((near) => {
      if (this.#isCut) {
        near.destroy()
        return
      }
      const far = connectSocket(port, '127.0.0.1')
      near.pipe(far).pipe(near)
      for (const [from, to] of [[near, far] as const, [far, near] as const]) {
        this.#sockets.add(from)
        from.on('error', () => {})
        from.on('close', () => to.destroy())
      }
    })
  }

  static async open(port: number): Promise<Between> {
    const between = new Between(port)
    between.#server.listen(0, '127.0.0.1')
    await once(between.#server, 'listening')
    return between
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
  }
}

describe('a node that is cut off from the database', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  const said: string[] = []
  const logger = { ...silentLogger, warn: (message: string) => void said.push(message) }
  const settings = { workflows: [addOne], logger, shutdownGrace: 0 } as const
  const isToldTimes = async (times: number): Promise<void> => {
    while (said.filter((message) => message.startsWith('the cluster was not seen')).length < times)
      await sleep(20)
  }

  test('a client that comes to it then, and knows no other, goes on with one that is not', async () => {
    const { name, url } = await server.createDatabase()
    await using between = await Between.open(server.port)
    const store = `postgres://postgres@127.0.0.1:${between.port}/${name}`
    const cluster = { drain: 0 }
    await using cut = await createEngine({ store, cluster, ...settings })
    await using other = await createEngine({ store: url, cluster, ...settings })
    while (other.shards < 128) await sleep(20)
    said.length = 0
    between.cut()
    await isToldTimes(1)
    const client = await connect(cut.url ?? '', { logger: silentLogger })
    try {
      // It takes a second until the node knows that the other one is better off.
      assert.equal(await (await client.start(addOne, 1, { id: 'one' })).result(), 2)
      assert.deepEqual(
        (await client.list({})).executions.map(({ id }) => id),
        ['one'],
      )
    } finally {
      await client.close()
      between.mend()
    }
    while (cut.shards === 0) await sleep(20)
    const back = await connect(cut.url ?? '', { logger: silentLogger })
    assert.equal((await back.list({})).executions.length, 1)
    await back.close()
  })

  test('when all of them are, clients wait where they are', async () => {
    const { name } = await server.createDatabase()
    await using between = await Between.open(server.port)
    const store = `postgres://postgres@127.0.0.1:${between.port}/${name}`
    const cluster = { drain: 0 }
    await using one = await createEngine({ store, cluster, ...settings })
    await using two = await createEngine({ store, cluster, ...settings })
    while (two.shards < 128) await sleep(20)
    said.length = 0
    between.cut()
    await isToldTimes(2)
    // They have asked each other by then.
    await sleep(2500)
    const heard: string[] = []
    const client = await connect(one.url ?? '', {
      logger: { ...silentLogger, warn: (message) => void heard.push(message) },
    })
    try {
      const started = client.start(addOne, 1, { id: 'one' })
      await sleep(1500)
      assert.deepEqual(heard, [])
      between.mend()
      assert.equal(await (await started).result(), 2)
    } finally {
      await client.close()
    }
  })
})
