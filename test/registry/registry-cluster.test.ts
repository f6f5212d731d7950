/** Administrative objects of a cluster: changed at any node, in force on all of them, whoever owns them and whoever dies. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Registry } from '../../src/engine/registry/registry-port.ts'
import { silentLogger } from '../../src/index.ts'
import { registryShardOf } from '../../src/protocol/ids.ts'
import type { ClusterSettings } from '../../src/server/cluster/cluster-settings.ts'
import { type OpenedEngine, openEngine } from '../../src/server/open-engine.ts'
import { NodeProcess } from '../postgres/cluster-nodes.ts'
import { PostgresServer } from '../postgres/server.ts'

const SHARDS = 256
const A = { kind: 'role', namespace: '', id: 'a' }

/** Tests that wait for something fail by the watchdog of the runner. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20)
}

function open(store: string, cluster: ClusterSettings = {}): Promise<OpenedEngine> {
  return openEngine({ store, cluster, logger: silentLogger, shutdownGrace: 0 }, {})
}

const isOwner = ({ engine }: OpenedEngine): boolean => engine.ownership.isOpen(registryShardOf(SHARDS))
const bodyOf = (registry: Registry): unknown => registry.get('role', '', 'a')?.body

describe('the registry of a cluster', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  async function nodes(
    count: number,
    use: (open: OpenedEngine[], url: string, database: string) => Promise<void>,
  ): Promise<void> {
    const { url, name } = await server.createDatabase()
    const opened: OpenedEngine[] = []
    try {
      for (let i = 0; i < count; i++) opened.push(await open(url))
      const least = Math.floor(SHARDS / count)
      await until(() => opened.every(({ engine }) => engine.ownership.size >= least))
      await use(opened, url, name)
    } finally {
      await Promise.all(opened.map((node) => node.close()))
    }
  }

  /** Which node the database says. */
  async function ownerOf(database: string): Promise<string> {
    const [row] = await server.query(
      `select node from perdure.session join perdure.shard on session.id = session_id
       where shard.id = ${registryShardOf(SHARDS)} and fenced_at is null`,
      [],
      database,
    )
    return String(row?.node ?? '')
  }

  test('a change at any node is in force there at once, and on the others soon', () =>
    nodes(3, async (opened) => {
      assert.equal(opened.filter(isOwner).length, 1)
      const registries = opened.map(({ engine }) => engine.registry)
      const told = registries.map((registry) => {
        const revisions: (number | undefined)[] = []
        registry.follow('role', (_, entry) => revisions.push(entry?.revision))
        return revisions
      })
      for (const [i, registry] of registries.entries()) {
        const entry = await registry.put(A, i)
        assert.equal(entry?.revision, i + 1)
        assert.equal(bodyOf(registry), i)
        await until(() => registries.every((each) => bodyOf(each) === i))
        const entries = registries.map((each) => each.get('role', '', 'a'))
        assert.deepEqual(entries, [entry, entry, entry])
      }
      await registries[0]?.put(A, undefined)
      await until(() => registries.every((each) => each.list('role').length === 0))
      for (const revisions of told) assert.deepEqual(revisions, [1, 2, 3, undefined])
    }))

  test('of changes at all nodes for one revision exactly one is done', () =>
    nodes(3, async (opened) => {
      for (let round = 0; round < 10; round++) {
        const results = await Promise.allSettled(
          opened.map(({ engine }, i) => engine.registry.put(A, i, { ifRevision: round })),
        )
        const done = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
        const codes = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
        assert.deepEqual(codes, ['REVISION_CONFLICT', 'REVISION_CONFLICT'])
        assert.equal(done[0]?.revision, round + 1)
      }
    }))

  test('a node that comes has all, and the next owner goes on with the revisions of the one that left', () =>
    nodes(2, async (opened, url) => {
      const [stays, other] = opened
      assert.ok(stays !== undefined && other !== undefined)
      for (let i = 0; i < 1200; i += 100)
        await Promise.all(
          Array.from({ length: 100 }, (_, j) => stays.engine.registry.put({ ...A, id: `${i + j}` }, j)),
        )
      await stays.engine.registry.put({ ...A, id: '7' }, undefined)
      const late = await open(url)
      opened.push(late)
      assert.equal(late.engine.registry.list('role').length, 1199)
      for (;;) {
        const owner = opened.findIndex(isOwner)
        if (owner < 0) {
          await sleep(20)
          continue
        }
        const [leaving] = opened.splice(owner, 1)
        await leaving?.close()
        if (opened.length === 1) break
      }
      const [last] = opened
      assert.equal((await last?.engine.registry.put({ ...A, id: '7' }, 1))?.revision, 3)
      assert.equal(last?.engine.registry.list('role').length, 1200)
    }))

  test('owners are killed while changes are under way: each is done once, and none is lost', async (t) => {
    const { url, name: database } = await server.createDatabase()
    const names = ['a', 'b', 'c']
    const processes = new Map<string, NodeProcess>()
    for (const name of names) processes.set(name, await NodeProcess.start(url, name))
    // It has next to none of the shards.
    const caller = await open(url, { weight: 0.001, name: 'caller' })
    const { registry } = caller.engine
    let isOver = false
    const counts = { changes: 0, kills: 0 }
    /** Each change says which revision it is for: one that was done twice would meet its own. */
    const change = async (id: string): Promise<number> => {
      let revision = 0
      while (!isOver) {
        const entry = await registry.put({ ...A, id }, { after: revision }, { ifRevision: revision })
        assert.equal(entry?.revision, revision + 1)
        revision += 1
        counts.changes += 1
      }
      return revision
    }
    try {
      const loops = Promise.all(['1', '2', '3', '4'].map(change))
      loops.catch(() => {})
      while (counts.kills < 4) {
        const before = counts.changes
        await Promise.race([until(() => counts.changes > before + 50), loops])
        const owner = processes.get(await ownerOf(database))
        if (owner === undefined) {
          await sleep(50)
          continue
        }
        await owner.kill()
        counts.kills += 1
        processes.set(owner.name, await NodeProcess.start(url, owner.name))
      }
      const before = counts.changes
      await Promise.race([until(() => counts.changes > before + 50), loops])
      isOver = true
      const revisions = await loops
      t.diagnostic(JSON.stringify(counts))
      const rows = await server.query(
        'select revision::int, body from perdure.registry order by id',
        [],
        database,
      )
      assert.deepEqual(
        rows,
        revisions.map((revision) => ({ revision, body: `{"after":${revision - 1}}` })),
      )
    } finally {
      isOver = true
      await Promise.all([...processes.values()].map((node) => node.kill()))
      await caller.close()
    }
  })

  test('a database that is away for a while is looked at again when it is back', () =>
    nodes(2, async (opened) => {
      const [one, two] = opened.map(({ engine }) => engine.registry)
      assert.ok(one !== undefined && two !== undefined)
      await one.put(A, 'before')
      await until(() => bodyOf(two) === 'before')
      await server.stop('immediate')
      // Longer than several looks. What is known stays in force.
      await sleep(2000)
      assert.deepEqual([bodyOf(one), bodyOf(two)], ['before', 'before'])
      await server.start()
      await one.put(A, 'after')
      await until(() => bodyOf(two) === 'after')
    }))

  test('what a database has lost is not in force any more', () =>
    nodes(2, async (opened, _, database) => {
      const [one, two] = opened.map(({ engine }) => engine.registry)
      assert.ok(one !== undefined && two !== undefined)
      await one.put(A, 'old')
      await one.put(A, 'new')
      await one.put({ ...A, id: 'b' }, 1)
      await until(() => bodyOf(two) === 'new' && two.list('role').length === 2)
      await server.query(
        `update perdure.registry set revision = 1, changed_at = changed_at - 1, body = '"old"' where id = 'a'`,
        [],
        database,
      )
      await server.query(`delete from perdure.registry where id = 'b'`, [], database)
      await until(() => bodyOf(one) === 'old' && bodyOf(two) === 'old')
      await until(() => one.list('role').length + two.list('role').length === 2)
    }))
})
