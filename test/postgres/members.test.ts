/** Members of a cluster on a real database, in real time. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterMember, type MemberChange } from '../../src/engine/cluster/cluster-member.ts'
import { silentLogger } from '../../src/index.ts'
import { createPostgresStore, type PostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { batchOf } from '../contract/store-rows.ts'
import { PostgresServer } from './server.ts'

const SHARDS = 32
const LOOK_MS = 150

class RunningMember implements AsyncDisposable {
  readonly store: PostgresStore
  readonly member: ClusterMember
  readonly changes: MemberChange[] = []
  owned = 0
  moves = 0
  isStopped = false
  #incarnations = 0
  readonly #loop: Promise<void>
  #isOver = false

  constructor(store: PostgresStore, name: string) {
    this.store = store
    this.member = new ClusterMember({
      cluster: store.cluster,
      fence: (session) => store.fence(session),
      identity: () => ({
        node: name,
        incarnation: `${name}-${++this.#incarnations}`,
        nowMs: Date.now(),
        address: '127.0.0.1:1',
        weight: 1,
      }),
      logger: silentLogger,
      tickMs: () => performance.now(),
      onChange: (change) => {
        this.changes.push(change)
        if (change.kind === 'owned') this.owned = change.shards.length
        else if (change.kind === 'moves') this.moves = change.moves.length
        else if (change.kind === 'fenced') this.owned = 0
      },
    })
    this.#loop = this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      if (!this.isStopped) await this.member.tick()
      await sleep(LOOK_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#loop
    await this.store.close()
  }
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await sleep(20)
}

describe('members of a cluster on PostgreSQL', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  test('all shards have owners; one that stops loses its own, and finds out when it goes on', async () => {
    const { url } = await server.createDatabase()
    const open = () => createPostgresStore(url, { shards: SHARDS })
    await using a = new RunningMember(await open(), 'node-a')
    await until(() => a.owned === SHARDS)
    await using b = new RunningMember(await open(), 'node-b')
    // Nothing is taken from one that lives: it is asked.
    await until(() => a.moves === SHARDS / 2)
    assert.equal(b.owned, 0)

    const { session } = a.member
    assert.ok(session !== undefined)
    assert.deepEqual(await a.store.commit(batchOf(session, 1)), { outcome: 'committed' })
    a.isStopped = true
    await until(() => b.owned === SHARDS)
    assert.equal(b.member.isLeader, true)
    assert.deepEqual(await a.store.commit(batchOf(session, 2)), { outcome: 'fenced' })

    a.isStopped = false
    await until(() => a.changes.some(({ kind }) => kind === 'fenced'))
    await until(() => b.moves === SHARDS / 2)
    const last = a.changes.findLast(({ kind }) => kind === 'joined')
    assert.ok(last?.kind === 'joined' && last.session.id > session.id)
    assert.equal(a.member.isLeader, false)
  })
})
