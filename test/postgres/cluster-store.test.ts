/** The cluster's rows, on a real server, with several nodes at once. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterView, ShardView } from '../../src/core/cluster/cluster-view.ts'
import { assignShards } from '../../src/core/cluster/shard-assignment.ts'
import type { Session } from '../../src/store/contract/rows.ts'
import { createPostgresStore, type PostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { batchOf } from '../contract/store-rows.ts'
import { PostgresServer } from './server.ts'

const SHARDS = 16

interface Node {
  readonly store: PostgresStore
  readonly session: Session
}

describe('the rows of a cluster', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  async function cluster(
    count: number,
    run: (nodes: readonly Node[], database: string) => Promise<void>,
  ): Promise<void> {
    const { name, url } = await server.createDatabase()
    const stores: PostgresStore[] = []
    try {
      const nodes: Node[] = []
      for (let i = 1; i <= count; i++) {
        const store = await createPostgresStore(url, { shards: SHARDS })
        stores.push(store)
        nodes.push({ store, session: await join(store, i) })
      }
      await run(nodes, name)
    } finally {
      await Promise.all(stores.map((store) => store.close()))
    }
  }

  const join = async (store: PostgresStore, number: number): Promise<Session> => {
    const node = { node: `node-${number}`, incarnation: `i${number}`, nowMs: 1 }
    return (await store.cluster.join({ ...node, address: `10.0.0.${number}:1`, weight: number })).session
  }

  const owners = ({ shards }: ClusterView): (number | null)[] => shards.map(({ owner }) => owner)
  const all = (view: ClusterView, to: number) => view.shards.map((shard) => ({ shard, to }))

  test('nodes join beside each other, and are seen with what they say of themselves', () =>
    cluster(2, async ([a, b]) => {
      assert.ok(a !== undefined && b !== undefined)
      const view = await a.store.cluster.look()
      assert.deepEqual(
        view.sessions.map(({ heartbeatAt: _, ...rest }) => rest),
        [
          {
            ...a.session,
            address: '10.0.0.1:1',
            node: 'node-1',
            weight: 1,
            isDraining: false,
            isFenced: false,
          },
          {
            ...b.session,
            address: '10.0.0.2:1',
            node: 'node-2',
            weight: 2,
            isDraining: false,
            isFenced: false,
          },
        ],
      )
      assert.deepEqual(
        view.shards,
        Array.from({ length: SHARDS }, (_, id) => ({ id, owner: null, epoch: 0 })),
      )
      assert.equal(view.leader, undefined)
      assert.ok(Math.abs(view.databaseMs - Date.now()) < 5000)
      for (const { store, session } of [a, b])
        assert.deepEqual(await store.commit(batchOf(session, 1)), { outcome: 'committed' })
    }))

  test('a heartbeat moves each time, and tells who is fenced', () =>
    cluster(2, async ([a, b]) => {
      assert.ok(a !== undefined && b !== undefined)
      const at = async (): Promise<number | undefined> =>
        (await b.store.cluster.look()).sessions.find(({ id }) => id === a.session.id)?.heartbeatAt
      const seen = [await at()]
      for (let i = 0; i < 3; i++) {
        assert.equal(await a.store.cluster.beat(a.session, i === 2), true)
        seen.push(await at())
      }
      assert.equal(new Set(seen).size, 4)
      assert.equal((await b.store.cluster.look()).sessions[0]?.isDraining, true)
      await b.store.fence(a.session)
      assert.equal(await a.store.cluster.beat(a.session, false), false)
      assert.equal(await a.store.cluster.beat({ ...b.session, incarnation: 'imposter' }, false), false)
    }))

  test('of those who take one shard at once one gets it, also with a stale view', () =>
    cluster(4, async (nodes) => {
      const [first] = nodes
      const view = await first?.store.cluster.look()
      assert.ok(view !== undefined)
      const taken = await Promise.all(
        nodes.map(({ store, session }) => store.cluster.take(all(view, session.id))),
      )
      assert.deepEqual(
        taken.flat().sort((a, b) => a - b),
        view.shards.map(({ id }) => id),
      )
      const after = await first?.store.cluster.look()
      assert.ok(after?.shards.every(({ epoch }) => epoch === 1))
      for (const { store, session } of nodes)
        assert.deepEqual(await store.cluster.take(all(view, session.id)), [])
    }))

  test('nothing is taken from a session that lives, nor given to one that is fenced', () =>
    cluster(3, async ([a, b, c]) => {
      assert.ok(a !== undefined && b !== undefined && c !== undefined)
      await a.store.cluster.take(all(await a.store.cluster.look(), a.session.id))
      const view = await b.store.cluster.look()
      assert.deepEqual(await b.store.cluster.take(all(view, b.session.id)), [])
      await b.store.fence(a.session)
      await b.store.fence(c.session)
      assert.deepEqual(await b.store.cluster.take(all(view, c.session.id)), [])
      assert.equal((await b.store.cluster.take(all(view, b.session.id))).length, SHARDS)
      assert.deepEqual(owners(await b.store.cluster.look()), Array(SHARDS).fill(b.session.id))
    }))

  test('a fence that is under way waits for a taking, and then counts', () =>
    cluster(2, async ([a, b]) => {
      assert.ok(a !== undefined && b !== undefined)
      const view = await a.store.cluster.look()
      await Promise.all([a.store.cluster.take(all(view, a.session.id)), b.store.fence(a.session)])
      const after = await b.store.cluster.look()
      // Either nobody has them, or somebody who is fenced: each can be taken.
      assert.equal((await b.store.cluster.take(all(after, b.session.id))).length, SHARDS)
    }))

  test('one leads; another only when that one is fenced, and with the next term', () =>
    cluster(3, async (nodes) => {
      const [a, b] = nodes
      assert.ok(a !== undefined && b !== undefined)
      const first = await Promise.all(
        nodes.map(({ store, session }) => store.cluster.lead(session, undefined)),
      )
      assert.equal(first.filter(Boolean).length, 1)
      const { leader } = await a.store.cluster.look()
      assert.ok(leader !== undefined)
      assert.equal(leader.term, 1)
      const old = nodes.find(({ session }) => session.id === leader.session)
      const others = nodes.filter((node) => node !== old)
      assert.ok(old !== undefined)
      await b.store.fence(old.session)
      assert.equal(await old.store.cluster.lead(old.session, leader), false)
      const next = await Promise.all(others.map(({ store, session }) => store.cluster.lead(session, leader)))
      assert.equal(next.filter(Boolean).length, 1)
      assert.equal((await a.store.cluster.look()).leader?.term, 2)
      assert.equal(await others[0]?.store.cluster.lead(others[0].session, leader), false)
    }))

  test('nodes that come, go and assign at random: an epoch has one owner, who was not fenced', () =>
    cluster(5, async (nodes, database) => {
      await server.query(
        `create table perdure.owners (shard int, epoch bigint, owner bigint, was_living boolean, before_living boolean);
         create function perdure.note() returns trigger language plpgsql as $$ begin
           insert into perdure.owners values (new.id, new.epoch, new.session_id,
             exists (select from perdure.session where id = new.session_id and fenced_at is null),
             exists (select from perdure.session where id = old.session_id and fenced_at is null));
           return new;
         end $$;
         create trigger note before update on perdure.shard for each row execute function perdure.note()`,
        [],
        database,
      )
      let number = nodes.length
      const endMs = performance.now() + 1500
      const life = async ({ store, session: first }: Node, seed: number): Promise<void> => {
        let session = first
        for (let turn = seed; performance.now() < endMs; turn++) {
          const view = await store.cluster.look()
          const { takings } = assignShards(view)
          await store.cluster.take(takings)
          if (turn % 7 === 0) {
            const victim = view.sessions[turn % view.sessions.length]
            if (victim !== undefined && !victim.isFenced) await store.fence(victim)
          }
          if (!(await store.cluster.beat(session, false))) session = await join(store, ++number)
          await sleep(turn % 3)
        }
      }
      await Promise.all(nodes.map((node, index) => life(node, index)))
      const rows = await server.query('select * from perdure.owners', [], database)
      assert.ok(rows.length > 100, `${rows.length} changes of owners`)
      assert.ok(rows.every(({ was_living }) => was_living))
      assert.ok(rows.every(({ before_living }) => !before_living))
      const epochs = new Set(rows.map(({ shard, epoch }) => `${shard} ${epoch}`))
      assert.equal(epochs.size, rows.length, 'no epoch twice')
    }))

  test('shards are read in order, with the epochs that they have', () =>
    cluster(1, async ([a]) => {
      assert.ok(a !== undefined)
      const shard = (id: number, epoch = 0): ShardView => ({ id, owner: null, epoch })
      const takings = [
        { shard: shard(5), to: a.session.id },
        { shard: shard(2, 1), to: a.session.id },
        { shard: shard(3), to: a.session.id },
      ]
      assert.deepEqual(await a.store.cluster.take(takings), [3, 5])
      assert.deepEqual(await a.store.cluster.take([]), [])
      const { shards } = await a.store.cluster.look()
      assert.deepEqual(shards[5], { id: 5, owner: a.session.id, epoch: 1 })
      assert.deepEqual(shards[2], { id: 2, owner: null, epoch: 0 })
    }))
})
