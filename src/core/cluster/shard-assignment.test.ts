import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { SessionView, ShardView } from './cluster-view.ts'
import { type Assignment, assignShards } from './shard-assignment.ts'

const session = (id: number, more: Partial<SessionView> = {}): SessionView => ({
  id,
  incarnation: `i${id}`,
  address: null,
  node: `node-${id}`,
  weight: 1,
  isDraining: false,
  heartbeatAt: 0,
  isFenced: false,
  ...more,
})

const shardsOf = (count: number, owner: (id: number) => number | null = () => null): ShardView[] =>
  Array.from({ length: count }, (_, id) => ({ id, owner: owner(id), epoch: 0 }))

/** The shards as they are when the assignment has been carried out. */
function carriedOut(shards: readonly ShardView[], { takings, moves }: Assignment): ShardView[] {
  const owners = new Map([...takings, ...moves].map(({ shard, to }) => [shard.id, to]))
  return shards.map((shard) => {
    const owner = owners.get(shard.id)
    return owner === undefined ? shard : { ...shard, owner, epoch: shard.epoch + 1 }
  })
}

const settled = (sessions: readonly SessionView[], shards: readonly ShardView[]): ShardView[] =>
  carriedOut(shards, assignShards({ sessions, shards }))

const counts = (shards: readonly ShardView[]): Map<number, number> => {
  const owned = new Map<number, number>()
  for (const { owner } of shards) if (owner !== null) owned.set(owner, (owned.get(owner) ?? 0) + 1)
  return owned
}

describe('the assignment of shards', () => {
  test('a new cluster: all are taken, in equal shares', () => {
    const sessions = [session(1), session(2), session(3)]
    const shards = settled(sessions, shardsOf(256))
    assert.deepEqual([...counts(shards).values()].toSorted(), [85, 85, 86])
    assert.deepEqual(assignShards({ sessions, shards }), { takings: [], moves: [] })
  })

  test('one that joins gets its share from the others, and nothing else moves', () => {
    const two = [session(1), session(2)]
    const shards = settled(two, shardsOf(256))
    const sessions = [...two, session(3)]
    const { takings, moves } = assignShards({ sessions, shards })
    assert.deepEqual(takings, [])
    assert.equal(moves.length, 85)
    assert.ok(moves.every(({ to }) => to === 3))
    assert.ok(moves.length <= Math.ceil(256 / 3) + 0.05 * 256)
  })

  test('of one that ends only its own are taken, by those who are left', () => {
    const three = [session(1), session(2), session(3)]
    const shards = settled(three, shardsOf(256))
    const sessions = [session(1), session(2), session(3, { isFenced: true })]
    const { takings, moves } = assignShards({ sessions, shards })
    assert.deepEqual(moves, [])
    assert.deepEqual(
      takings.map(({ shard }) => shard.id),
      shards.filter(({ owner }) => owner === 3).map(({ id }) => id),
    )
    assert.deepEqual([...counts(settled(sessions, shards)).values()], [128, 128])
  })

  test('one that comes back as another session gets most of what it had', () => {
    const three = [session(1), session(2), session(3)]
    const before = settled(three, shardsOf(256))
    const without = settled([session(1), session(2), session(3, { isFenced: true })], before)
    const back = settled([session(1), session(2), session(4, { node: 'node-3' })], without)
    const same = before.filter(({ owner }, id) => owner === 3 && back[id]?.owner === 4).length
    assert.ok(same >= 0.7 * 85, `${same} of 85`)
  })

  test('one that leaves hands everything over; with nobody left it keeps it', () => {
    const shards = settled([session(1), session(2)], shardsOf(16))
    const { moves, takings } = assignShards({
      sessions: [session(1), session(2, { isDraining: true })],
      shards,
    })
    assert.deepEqual(takings, [])
    assert.equal(moves.length, 8)
    assert.ok(moves.every(({ from, to }) => from === 2 && to === 1))
    const alone = [session(1, { isDraining: true }), session(2, { isDraining: true })]
    assert.deepEqual(assignShards({ sessions: alone, shards }), { takings: [], moves: [] })
  })

  test('weights', () => {
    const sessions = [session(1, { weight: 3 }), session(2)]
    const shards = settled(sessions, shardsOf(256))
    assert.deepEqual(Object.fromEntries(counts(shards)), { 1: 192, 2: 64 })
  })

  const cluster = fc.record({
    shards: fc.integer({ min: 1, max: 64 }),
    weights: fc.array(fc.constantFrom(1, 1, 1, 2, 3.5), { minLength: 1, maxLength: 6 }),
    /** Beginnings, ends, and departures of sessions, one after the other. */
    changes: fc.array(fc.tuple(fc.constantFrom('join', 'end', 'drain'), fc.nat(10)), { maxLength: 12 }),
  })

  test('any history: bounds hold, only what must moves, and it comes to rest', () => {
    fc.assert(
      fc.property(cluster, ({ shards: count, weights, changes }) => {
        let sessions = weights.map((weight, index) => session(index + 1, { weight }))
        let shards = settled(sessions, shardsOf(count))
        for (const [what, which] of changes) {
          const victim = sessions[which % sessions.length]
          if (what === 'join' || victim === undefined)
            sessions = [...sessions, session(sessions.length + 1, { weight: weights[0] ?? 1 })]
          else
            sessions = sessions.map((each) =>
              each !== victim
                ? each
                : { ...each, ...(what === 'end' ? { isFenced: true } : { isDraining: true }) },
            )
          const given = assignShards({ sessions, shards })
          assert.deepEqual(assignShards({ sessions: sessions.toReversed(), shards }), given)
          checkMoves(sessions, shards, given)
          shards = carriedOut(shards, given)
          checkShares(sessions, shards)
          assert.deepEqual(assignShards({ sessions, shards }), { takings: [], moves: [] })
        }
      }),
      { numRuns: 500 },
    )
  })

  function checkMoves(
    sessions: readonly SessionView[],
    shards: readonly ShardView[],
    { takings, moves }: Assignment,
  ): void {
    const living = new Map(sessions.filter(({ isFenced }) => !isFenced).map((each) => [each.id, each]))
    const touched = [...takings, ...moves].map(({ shard }) => shard.id)
    assert.equal(new Set(touched).size, touched.length, 'each shard at most once')
    for (const { shard, to } of [...takings, ...moves]) {
      assert.deepEqual(shards[shard.id], shard)
      assert.equal(living.get(to)?.isDraining, false)
      assert.notEqual(shard.owner, to)
    }
    for (const { shard } of takings) assert.ok(shard.owner === null || !living.has(shard.owner))
    for (const { shard, from } of moves) assert.ok(shard.owner === from && living.has(from))
  }

  function checkShares(sessions: readonly SessionView[], shards: readonly ShardView[]): void {
    const staying = sessions.filter(({ isFenced, isDraining }) => !isFenced && !isDraining)
    if (staying.length === 0) return
    const weights = staying.reduce((sum, { weight }) => sum + weight, 0)
    const owned = counts(shards)
    for (const { id, weight } of staying) {
      const share = (shards.length * weight) / weights
      const has = owned.get(id) ?? 0
      assert.ok(has <= Math.ceil(share - 1e-9) && has >= Math.floor(share + 1e-9), `${has} of ${share}`)
    }
    assert.equal(
      staying.reduce((sum, { id }) => sum + (owned.get(id) ?? 0), 0),
      shards.length,
    )
  }
})
