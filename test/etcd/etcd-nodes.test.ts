/** Nodes in processes of their own over PostgreSQL and etcd, while members of etcd and nodes are killed, and hang. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createEngine, type RemoteClient, silentLogger } from '../../src/index.ts'
import { type Client, checkDatabase, work } from '../postgres/cluster-client.ts'
import { NodeProcess } from '../postgres/cluster-nodes.ts'
import { PostgresServer } from '../postgres/server.ts'
import { EtcdCluster, type EtcdMember, etcdProgram, eventually } from './etcd-cluster.ts'

const IN_FLIGHT = 30
/** Between two faults work is done. */
const CALM_MS = 1000
/** Longer than what was read of etcd counts, than its lease, and than a heartbeat may stand still. */
const AWAY_MS = 7000
const SHARDS = 256

describe('nodes over PostgreSQL and etcd', { skip: 'missing' in etcdProgram }, () => {
  let server: PostgresServer
  let etcd: EtcdCluster
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    etcd = await EtcdCluster.start()
  })
  after(async () => {
    await etcd[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  test('members and nodes are killed and stopped, the quorum is lost and comes back: nothing acknowledged is lost', async (t) => {
    const { name: database, url } = await server.createDatabase()
    const start = (name: string): Promise<NodeProcess> =>
      NodeProcess.start(url, name, { coordinator: `${etcd.url}/faults` })
    const nodes = new Map<string, NodeProcess>()
    for (const name of ['a', 'b', 'c']) nodes.set(name, await start(name))
    const remote = await connect(
      [...nodes.values()].map((node) => node.url),
      { logger: silentLogger },
    )
    const client: Client = { remote, acknowledged: 0, completed: 0, errors: [], isAbandoned: false }
    let isOver = false
    const loops = Array.from({ length: IN_FLIGHT }, (_, loop) => work(client, loop, () => isOver))
    const faults = new Faults(etcd, nodes, client, start)
    try {
      await faults.run()
      isOver = true
      await Promise.all(loops)
      t.diagnostic(
        `${client.acknowledged} acknowledged, ${client.completed} completed; ${faults.log.join('; ')}`,
      )
      assert.deepEqual(client.errors, [])
      assert.equal(client.completed, client.acknowledged)
      await checkDatabase(server, database)
    } finally {
      isOver = true
      client.isAbandoned = true
      await remote.close()
      await Promise.all([...nodes.values()].map((node) => node.kill()))
    }
  })

  test('nodes that elect in different places take the lead from each other, until the database decides', async () => {
    const { name: database, url: store } = await server.createDatabase()
    const said: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void said.push(message) }
    const places = [{ coordinator: `${etcd.url}/one` }, { coordinator: `${etcd.url}/other` }, {}]
    const nodes = await Promise.all(places.map((cluster) => createEngine({ store, cluster, logger })))
    const term = async (): Promise<number> => {
      const [row] = await server.query('select term from perdure.leader', [], database)
      return Number(row?.term)
    }
    try {
      const isTold = /nodes take the lead from each other again and again: .*the same coordinator/
      const told = (): number => said.filter((message) => isTold.test(message)).length
      await eventually('one has noticed', () => told() > 0)
      // Whoever has noticed gives way. Then the others may have nothing to notice any more.
      await eventually('the lead stays where it is', async () => {
        const before = await term()
        await sleep(2000)
        return (await term()) === before
      })
      assert.ok(told() <= places.length, `told ${told()} times`)
      await eventually('all have their share', () =>
        nodes.every(({ shards }) => shards >= Math.floor(SHARDS / places.length)),
      )
    } finally {
      await Promise.all(nodes.map((node) => node.close()))
    }
  })
})

class Faults {
  readonly log: string[] = []
  #died = ''
  readonly #etcd: EtcdCluster
  readonly #nodes: Map<string, NodeProcess>
  readonly #client: Client
  readonly #start: (name: string) => Promise<NodeProcess>

  constructor(
    etcd: EtcdCluster,
    nodes: Map<string, NodeProcess>,
    client: Client,
    start: (name: string) => Promise<NodeProcess>,
  ) {
    this.#etcd = etcd
    this.#nodes = nodes
    this.#client = client
    this.#start = start
  }

  async run(): Promise<void> {
    await this.#settled()
    await this.#memberDies('the leader of etcd is killed', await this.#etcd.leader())
    await this.#memberHangs(await this.#etcd.leader())
    await this.#leaderDies('the node that leads is killed')
    await this.#nodeHangs()
    await this.#withoutQuorum()
    this.#nodes.set(this.#died, await this.#start(this.#died))
    await this.#settled()
  }

  async #memberDies(what: string, member: EtcdMember): Promise<void> {
    const before = await this.#sessions()
    await member.kill()
    await this.#works(what)
    await sleep(AWAY_MS)
    await this.#compare(before)
    await member.start()
    await this.#etcd.ready()
  }

  async #memberHangs(member: EtcdMember): Promise<void> {
    const before = await this.#sessions()
    member.stop()
    await this.#works('the leader of etcd hangs')
    await sleep(AWAY_MS)
    await this.#compare(before)
    member.go()
    await this.#etcd.ready()
  }

  /** Its shards are the others' soon, and another one leads. */
  async #leaderDies(what: string): Promise<void> {
    const name = await this.#leader()
    const node = this.#nodes.get(name)
    assert.ok(node !== undefined)
    await node.kill()
    const killedMs = performance.now()
    const others = [...this.#nodes.keys()].filter((each) => each !== name)
    await eventually('another node leads, and the others have all shards', async () => {
      const nodes = await listOf(this.#client.remote)
      const living = nodes.filter((each) => others.includes(each.node))
      return (
        living.some(({ isLeader }) => isLeader) &&
        living.reduce((sum, { shards }) => sum + shards, 0) === SHARDS
      )
    })
    this.log.push(`${what}: replaced after ${Math.round(performance.now() - killedMs)} ms`)
    await this.#works('a node is dead')
    this.#nodes.set(name, await this.#start(name))
    await this.#settled()
  }

  async #nodeHangs(): Promise<void> {
    const leader = await this.#leader()
    const node = [...this.#nodes.values()].find(({ name }) => name !== leader)
    assert.ok(node !== undefined)
    const session = await this.#sessionOf(node.name)
    node.stop()
    await eventually('it is fenced', async () => !(await this.#sessions()).includes(session))
    node.go()
    await eventually('it finds that it was fenced', async () => (await node.counters()).counters.fenced > 0)
    await this.#works('a node hangs, and is fenced')
    await this.#settled()
  }

  async #withoutQuorum(): Promise<void> {
    const before = await this.#sessions()
    const [first, second] = this.#etcd.members
    assert.ok(first !== undefined && second !== undefined)
    await first.kill()
    second.stop()
    await this.#works('etcd has no quorum')
    await sleep(AWAY_MS)
    await this.#works('it has none for long')
    await this.#compare(before)
    await this.#killWithoutQuorum(await this.#leader())
    second.go()
    await first.start()
    await this.#etcd.ready()
  }

  async #killWithoutQuorum(leader: string): Promise<void> {
    await this.#nodes.get(leader)?.kill()
    const killedMs = performance.now()
    await eventually('another one leads by the database', async () => (await this.#leader()) !== leader)
    this.log.push(`without a quorum: replaced after ${Math.round(performance.now() - killedMs)} ms`)
    await this.#works('a node has died without a quorum')
    // It does not start without etcd.
    this.#died = leader
  }

  /** Work goes on: each execution in flight ends, more than once. */
  async #works(what: string): Promise<void> {
    const before = this.#client.completed
    await eventually(`executions end while ${what}`, () => this.#client.completed > before + 3 * IN_FLIGHT)
    this.log.push(what)
    await sleep(CALM_MS)
  }

  /** All nodes are there, with their shares. */
  async #settled(): Promise<void> {
    const least = Math.floor(SHARDS / this.#nodes.size)
    await eventually('each node has its share', async () => {
      const nodes = await listOf(this.#client.remote)
      return nodes.length === this.#nodes.size && nodes.every(({ shards }) => shards >= least)
    })
  }

  /** On a machine that is very busy a node may be fenced at any time; that etcd is no reason is shown in one process. */
  async #compare(before: readonly number[]): Promise<void> {
    const now = await this.#sessions()
    this.log.push(`${now.filter((session) => !before.includes(session)).length} nodes have another session`)
  }

  async #sessionOf(name: string): Promise<number> {
    const found = (await listOf(this.#client.remote)).find(({ node }) => node === name)
    assert.ok(found !== undefined)
    return found.session
  }

  /** Of the nodes that live. */
  async #sessions(): Promise<readonly number[]> {
    return (await listOf(this.#client.remote)).map(({ session }) => session).sort((a, b) => a - b)
  }

  async #leader(): Promise<string> {
    let leader: string | undefined
    await eventually('somebody leads', async () => {
      leader = (await listOf(this.#client.remote)).find(({ isLeader }) => isLeader)?.node
      return leader !== undefined
    })
    return leader ?? ''
  }
}

/** The node that is asked may be the one that has died. */
async function listOf(remote: RemoteClient): ReturnType<RemoteClient['nodes']['list']> {
  for (;;) {
    try {
      return await remote.nodes.list()
    } catch (error) {
      const { retryable } = error as { readonly retryable?: boolean }
      if (retryable !== true) throw error
      await sleep(50)
    }
  }
}
