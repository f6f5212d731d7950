// What a node of a cluster does when its engine starts over, or its session ends, in the middle of something.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ClusterNode, type NodeEngine } from '../../src/engine/cluster/cluster-node.ts'
import { Inbox } from '../../src/engine/cluster/inbox.ts'
import { ownReads } from '../../src/engine/cluster/own-reads.ts'
import { Ownership } from '../../src/engine/cluster/ownership.ts'
import type { Committer } from '../../src/engine/committer.ts'
import { silentLogger } from '../../src/index.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import type { OutboxRow, Session } from '../../src/store/contract/rows.ts'
import { MemoryCluster } from '../../src/store/memory/memory-cluster.ts'
import { until } from '../tasks/task-fixtures.ts'

const SHARDS = 4

/** An engine that only keeps what it is given, and can be told to start over. */
class OwningEngine implements NodeEngine {
  session: Session = { id: 0, incarnation: '' }
  generation = 0
  readonly ownership = new Ownership(SHARDS, false)
  /** Resolves when shards may be taken in. */
  mayAdopt = Promise.resolve()
  adopting = 0
  readonly node: ClusterNode
  readonly cluster = new MemoryCluster(SHARDS, () => Date.now())

  constructor() {
    this.node = new ClusterNode({
      cluster: this.cluster,
      fence: (session) => this.cluster.fence(session),
      identity: () => ({ node: 'a', incarnation: 'a-1', nowMs: 0, address: 'ws://a', weight: 1 }),
      mail: { size: 0, add: () => {}, takeTo: () => [], dropFrom: () => {}, clear: () => {} },
      clock: systemClock,
      logger: silentLogger,
      lookMs: 5,
    })
  }

  readonly shards: NodeEngine['shards'] = {
    adopt: async (shards) => {
      const { generation } = this
      this.adopting += 1
      await this.mayAdopt
      if (generation === this.generation) this.ownership.add(shards)
    },
    release: () => Promise.resolve(true),
    recovered: () => Promise.resolve(),
  }

  lost: Session[] = []

  sessionLost(session: Session): void {
    this.lost.push(session)
  }

  fail(cause: unknown): void {
    throw cause
  }

  async open(): Promise<void> {
    this.session = (await this.node.parts.join()).session
    this.node.start(this)
  }

  /** In the session that it has, as after a batch that the store has refused. */
  startOver(): void {
    this.generation += 1
    this.ownership.clear()
    this.node.parts.started()
  }
}

describe('a node', () => {
  test('takes in what it owns, also if its engine started over while it did', async () => {
    const engine = new OwningEngine()
    let go = (): void => {}
    engine.mayAdopt = new Promise((resolve) => {
      go = resolve
    })
    await engine.open()
    try {
      await until(() => Promise.resolve(engine.adopting > 0))
      engine.startOver()
      go()
      await until(() => Promise.resolve(engine.ownership.size === SHARDS))
    } finally {
      await engine.node.stop()
    }
  })

  test('is told that its session is lost also if that was found when it could not be told', async () => {
    const engine = new OwningEngine()
    await engine.open()
    try {
      await until(() => Promise.resolve(engine.ownership.size === SHARDS))
      const { session } = engine
      await engine.cluster.fence(session)
      await until(() => Promise.resolve(engine.lost.length === 1))
      // A commit was in flight, and was refused: it starts over in the session that it has.
      engine.startOver()
      assert.deepEqual(engine.lost, [session, session])
    } finally {
      await engine.node.stop()
    }
  })

  test('takes nothing for the newest that was read in another session', async () => {
    const engine = new OwningEngine()
    await engine.open()
    try {
      const before = engine.session
      await engine.cluster.fence(before)
      engine.session = (await engine.node.parts.join()).session
      await engine.node.assertAlive(engine.session)
      await assert.rejects(engine.node.assertAlive(before), { code: 'SHARD_MOVED' })
    } finally {
      await engine.node.stop()
    }
  })

  test('asks the database for each answer whether its session counts', async () => {
    const engine = new OwningEngine()
    await engine.open()
    try {
      // Two at once, twice: nothing of that is remembered.
      for (let round = 0; round < 2; round++)
        await Promise.all([engine.node.assertAlive(engine.session), engine.node.assertAlive(engine.session)])
      await engine.cluster.fence(engine.session)
      await assert.rejects(engine.node.assertAlive(engine.session), { code: 'SHARD_MOVED' })
    } finally {
      await engine.node.stop()
    }
  })
})

describe('what was read of tasks', () => {
  const engineOf = (isAlive: () => Promise<boolean>) => ({
    options: { cluster: { isAlive } },
    session: { id: 1, incarnation: 'a' },
  })

  test('is taken while the session counts, and not when it has ended by then', async () => {
    let isAlive = true
    const engine = engineOf(() => Promise.resolve(isAlive))
    const own = ownReads(engine as unknown as Parameters<typeof ownReads>[0])
    assert.equal(await own(() => Promise.resolve(1)), 1)
    isAlive = false
    assert.equal(await own(() => Promise.resolve(1)), undefined)
  })

  test('is not taken when there is another session by then', async () => {
    const engine = engineOf(async () => {
      engine.session = { id: 2, incarnation: 'b' }
      return true
    })
    const own = ownReads(engine as unknown as Parameters<typeof ownReads>[0])
    assert.equal(await own(() => Promise.resolve(1)), undefined)
  })
})

describe('messages of another node', () => {
  type Waiting = Parameters<Committer['wait']>[1]
  const row = (seq: number): OutboxRow => ({ fromShard: 1, toShard: 2, seq, message: '' })

  function inbox() {
    const waiting: Waiting[] = []
    const open = { isDone: false, links: [], pairLinks: [] }
    const committer = {
      open,
      writesFor: () => ({ putInbox: () => {} }),
      wait: (_: unknown, each: Waiting) => void waiting.push(each),
    }
    return { waiting, inbox: new Inbox(committer as unknown as Committer) }
  }

  test('share the fate of the run that took the last of them', async () => {
    const { waiting, inbox: own } = inbox()
    own.applied(row(1), 'one' as RunId)
    own.applied(row(2), 'two' as RunId)
    const durable = own.durable([row(1), row(2)])
    assert.deepEqual(
      waiting.map(({ runId }) => runId),
      ['two'],
    )
    waiting[0]?.release(new Error('refused'))
    await assert.rejects(durable, /refused/)
  })

  test('that were applied before this node had the shard are durable; those of a shard that is gone are not', async () => {
    const { inbox: own } = inbox()
    own.restore([{ fromShard: 1, toShard: 2, lastSeq: 5 }])
    await own.durable([row(3)])
    own.release(new Set([2]))
    await assert.rejects(own.durable([row(3)]), { code: 'SHARD_MOVED' })
  })
})
