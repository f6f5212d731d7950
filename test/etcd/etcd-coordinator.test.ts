/** The coordinator over a real etcd, whose members die, hang and come back, and which a node may lose alone. */
import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { silentLogger } from '../../src/index.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { PerdureError } from '../../src/protocol/errors.ts'
import { EtcdClient } from '../../src/server/cluster/etcd/etcd-client.ts'
import { EtcdCoordinator } from '../../src/server/cluster/etcd/etcd-coordinator.ts'
import { checkedCoordinator } from '../../src/server/cluster/etcd/etcd-settings.ts'
import type { MemoryCluster } from '../../src/store/memory/memory-cluster.ts'
import {
  coordinatorContract,
  leaderOf,
  memoryCluster,
  nodeOf,
  sessionOf,
  TestMember,
  viewOf,
} from '../contract/coordinator.contract.ts'
import { EtcdCluster, etcdProgram, eventually } from './etcd-cluster.ts'

const skip = 'missing' in etcdProgram

let etcd: EtcdCluster
let prefixes = 0

function coordinatorOf(url: string): EtcdCoordinator {
  const settings = checkedCoordinator(url)
  return new EtcdCoordinator({ settings, clock: systemClock, random: Math.random, logger: silentLogger })
}

/** A prefix that no other test has. */
function freshUrl(): string {
  prefixes += 1
  return `${etcd.url}/test-${prefixes}`
}

interface Stage extends AsyncDisposable {
  readonly cluster: MemoryCluster
  readonly members: TestMember[]
  readonly url: string
  add(name: string, url?: string): Promise<TestMember>
  /** Names of the nodes in etcd, the oldest first. */
  names(): Promise<string[]>
}

async function stageOf(names: readonly string[], url = freshUrl()): Promise<Stage> {
  const cluster = memoryCluster()
  const members: TestMember[] = []
  const client = new EtcdClient(checkedCoordinator(url))
  const { prefix } = checkedCoordinator(url)
  const add = async (name: string, at = url): Promise<TestMember> => {
    const started = await TestMember.start(name, cluster, coordinatorOf(at))
    members.push(started)
    // The order in which they come to etcd is that of the test.
    const { incarnation } = started.session
    await eventually('the node has its key', async () =>
      (await client.list(`${prefix}nodes/`)).entries.some(({ key }) => key.endsWith(incarnation)),
    )
    return started
  }
  const stage: Stage = {
    cluster,
    members,
    url,
    add,
    names: async () =>
      (await client.list(`${prefix}nodes/`)).entries.map(
        ({ key }) => key.split('/').at(-1)?.split('-')[0] ?? '',
      ),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(members.map((member) => member.end()))
      client.close()
    },
  }
  for (const name of names) await add(name)
  return stage
}

async function deleteKey({ url }: Stage, { session }: TestMember): Promise<void> {
  const { prefix } = checkedCoordinator(url)
  const key = Buffer.from(`${prefix}nodes/${session.incarnation}`).toString('base64')
  await etcd.ask(await etcd.leader(), 'kv/deleterange', { key })
}

/** Between one node and a member of etcd, to be cut. */
class CuttableProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  isCut = false

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(toPort: number): Promise<CuttableProxy> {
    const server = createServer()
    const proxy = new CuttableProxy(server)
    server.on('connection', (socket) => {
      if (proxy.isCut) {
        socket.destroy()
        return
      }
      const onward = connect(toPort, '127.0.0.1')
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        proxy.#sockets.add(from)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          proxy.#sockets.delete(from)
          to.destroy()
        })
        from.pipe(to)
      }
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  }

  cut(): void {
    this.isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

describe('the coordinator over etcd', { skip }, () => {
  before(async () => {
    etcd = await EtcdCluster.start()
  })
  after(() => etcd[Symbol.asyncDispose]())

  coordinatorContract('etcd', async () => coordinatorOf(`${etcd.url}/contract`))

  test('the oldest leads; a node that leaves takes its key along, and the next oldest leads', async () => {
    await using stage = await stageOf(['a', 'b', 'c'])
    const [a, b, c] = stage.members
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    assert.equal(await leaderOf(stage.cluster, stage.members), a)
    assert.deepEqual(await stage.names(), ['a', 'b', 'c'])
    await a.end()
    assert.deepEqual(await stage.names(), ['b', 'c'])
    assert.equal(await leaderOf(stage.cluster, [b, c]), b)
  })

  test('what is in etcd says where the nodes are', async () => {
    await using stage = await stageOf(['a'])
    const [member] = etcd.members
    assert.ok(member !== undefined)
    const prefix = Buffer.from(`${new URL(stage.url.replace(/,.*\//, '/')).pathname.slice(1)}/nodes/`)
    const end = Buffer.from(prefix)
    end[end.length - 1] = (end.at(-1) ?? 0) + 1
    const { kvs } = (await etcd.ask(member, 'kv/range', {
      key: prefix.toString('base64'),
      range_end: end.toString('base64'),
    })) as { readonly kvs: readonly { readonly value: string }[] }
    const values = kvs.map(({ value }) => JSON.parse(Buffer.from(value, 'base64').toString()))
    assert.deepEqual(values, [{ node: 'a', address: 'ws://127.0.0.1:1', session: 1 }])
  })

  test('a node that loses etcd alone leads no more, and goes on: nobody fences it', async () => {
    const [member] = etcd.members
    assert.ok(member !== undefined)
    await using proxy = await CuttableProxy.start(Number(new URL(member.url).port))
    const url = freshUrl()
    await using stage = await stageOf([], url)
    const a = await stage.add('a', url.replace(/\/\/[^/]*/, `//127.0.0.1:${proxy.port}`))
    const b = await stage.add('b')
    assert.equal(await leaderOf(stage.cluster, stage.members), a)
    const { session } = a
    proxy.cut()
    await eventually('the lease of a has ended', async () => (await stage.names()).join() === 'b')
    await eventually('b leads', () => b.member.isLeader && !a.member.isLeader)
    assert.deepEqual(a.session, session)
    assert.equal(await stage.cluster.isAlive(session), true)
  })

  test('the end of a lease makes the time shorter for which a heartbeat may stand still', async () => {
    const url = freshUrl()
    const [own, other] = [coordinatorOf(url), coordinatorOf(url)]
    const sessions = [1, 2].map((id) => sessionOf(id, 0))
    const [session, dying] = sessions
    assert.ok(session !== undefined && dying !== undefined)
    await Promise.all([own.open(), other.open()])
    const role = (): string => own.leadership(viewOf(0, sessions), session).role
    other.enter(dying, nodeOf(dying))
    await eventually('the other one is elected', () => role() === 'follower')
    own.enter(session, nodeOf(session))
    const namedAfter = (fromMs: number): number => {
      for (let ms = fromMs; ; ms += 100)
        if (own.suspects(viewOf(ms, [dying]), [dying]).length > 0) return ms - fromMs
    }
    assert.equal(namedAfter(0), 2000)
    own.suspects(viewOf(100_000, [dying]), [dying])
    await other.close()
    await eventually('its key has gone', () => role() === 'candidate')
    assert.equal(namedAfter(100_100), 600)
    await own.close()
  })

  test('one that was elected, lives in etcd, and has lost the database is passed over and fenced', async () => {
    await using stage = await stageOf(['a', 'b', 'c'])
    const [a, b, c] = stage.members
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    assert.equal(await leaderOf(stage.cluster, stage.members), a)
    // b is next, and cannot lead. Both keep their leases.
    await Promise.all([a.stop(), b.stop()])
    for (const { session } of [a, b])
      await eventually('it is fenced', async () => !(await stage.cluster.isAlive(session)))
    assert.equal(await leaderOf(stage.cluster, [c]), c)
    assert.deepEqual(await stage.names(), ['a', 'b', 'c'])
  })

  test('without a quorum nobody is fenced and the leader stays; one that dies then is replaced all the same', async () => {
    await using stage = await stageOf(['a', 'b', 'c'])
    const [a, b, c] = stage.members
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    assert.equal(await leaderOf(stage.cluster, stage.members), a)
    const sessions = stage.members.map(({ session }) => session)
    const [first, second] = etcd.members
    assert.ok(first !== undefined && second !== undefined)
    first.stop()
    await second.kill()
    try {
      const term = (await stage.cluster.look()).leader?.term
      // Longer than a lease, what was read, and the time after which a node is dead.
      const untilMs = performance.now() + 8000
      await eventually('the time has passed', () => performance.now() > untilMs)
      assert.deepEqual(
        stage.members.map(({ session }) => session),
        sessions,
      )
      assert.deepEqual((await stage.cluster.look()).leader, { session: a.session.id, term })
      await a.stop()
      const next = await leaderOf(stage.cluster, [b, c])
      assert.ok(next === b || next === c)
    } finally {
      first.go()
      await second.start()
      await etcd.ready()
    }
    await eventually('the nodes are there again', async () => {
      const names = await stage.names()
      return names.includes('b') && names.includes('c')
    })
    await leaderOf(stage.cluster, [b, c])
  })

  test('what was read long ago does not count: two that each remember the other as elected do not wait for ever', async () => {
    const [member] = etcd.members
    assert.ok(member !== undefined)
    const port = Number(new URL(member.url).port)
    await using toX = await CuttableProxy.start(port)
    await using toY = await CuttableProxy.start(port)
    const url = freshUrl()
    const through = (proxy: CuttableProxy): string => url.replace(/\/\/[^/]*/, `//127.0.0.1:${proxy.port}`)
    await using stage = await stageOf(['l'], url)
    const x = await stage.add('x', through(toX))
    const y = await stage.add('y', through(toY))
    const [l] = stage.members
    assert.equal(await leaderOf(stage.cluster, stage.members), l)
    // y remembers x before itself, x remembers y before itself.
    toY.cut()
    await deleteKey(stage, x)
    await eventually('x has come behind y', async () => (await stage.names()).join() === 'l,y,x')
    const lookedMs = performance.now() + 500
    await eventually('x has seen it', () => performance.now() > lookedMs)
    toX.cut()
    await l?.end()
    const next = await leaderOf(stage.cluster, [x, y])
    assert.ok(next === x || next === y)
  })

  test('the leader of etcd is killed: the same node leads, and its lease goes on', async () => {
    await using stage = await stageOf(['a', 'b'])
    const [a] = stage.members
    assert.equal(await leaderOf(stage.cluster, stage.members), a)
    const before = (await stage.cluster.look()).leader
    const leader = await etcd.leader()
    await leader.kill()
    try {
      await etcd.ready()
      const untilMs = performance.now() + 6000
      await eventually('the time of a lease has passed', () => performance.now() > untilMs)
      assert.deepEqual(await stage.names(), ['a', 'b'])
      assert.deepEqual((await stage.cluster.look()).leader, before)
    } finally {
      await leader.start()
      await etcd.ready()
    }
  })

  test('a key that somebody has deleted comes back, behind the others', async () => {
    await using stage = await stageOf(['a', 'b'])
    const [a, b] = stage.members
    assert.ok(a !== undefined && b !== undefined)
    assert.equal(await leaderOf(stage.cluster, stage.members), a)
    await deleteKey(stage, a)
    await eventually('it comes back', async () => (await stage.names()).join() === 'b,a')
    assert.equal(await leaderOf(stage.cluster, stage.members), b)
  })

  test('two clusters under one prefix have a leader each', async () => {
    const url = freshUrl()
    await using one = await stageOf(['a', 'b'], url)
    await using other = await stageOf(['c', 'd'], url)
    assert.equal(await leaderOf(one.cluster, one.members), one.members[0])
    assert.equal(await leaderOf(other.cluster, other.members), other.members[0])
    // Their sessions have the same numbers: what happens to one is nothing to the other.
    const { session } = other.members[0] ?? assert.fail()
    await one.members[0]?.end()
    await leaderOf(one.cluster, one.members.slice(1))
    assert.equal(await other.cluster.isAlive(session), true)
  })

  test('no member answers at the start: the error names each, and says what to do', async () => {
    const coordinator = coordinatorOf('etcd://127.0.0.1:1,127.0.0.1:2')
    await assert.rejects(coordinator.open(), (error: PerdureError) => {
      assert.equal(error.code, 'COORDINATOR_UNAVAILABLE')
      for (const port of [1, 2])
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}: connect ECONNREFUSED`))
      assert.match(error.message, /Look whether etcd runs/)
      return true
    })
    await coordinator.close()
  })
})
