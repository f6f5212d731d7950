import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClusterView, LeaderView, SessionView } from './cluster-view.ts'
import { leadershipByQueue, leadershipOf } from './leadership.ts'

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

const view = (leader: LeaderView | undefined, ...sessions: SessionView[]): ClusterView => ({
  databaseMs: 0,
  shards: [],
  sessions,
  leader,
})

describe('leadership', () => {
  test('the session of the row leads, the others follow while it lives', () => {
    const both = view({ session: 1, term: 4 }, session(1), session(2))
    assert.deepEqual(leadershipOf(both, 1), { role: 'leader' })
    assert.deepEqual(leadershipOf(both, 2), { role: 'follower' })
  })

  test('a row without a living session is to be taken, as it was read', () => {
    const gone = view({ session: 1, term: 4 }, session(1, { isFenced: true }), session(2))
    assert.deepEqual(leadershipOf(gone, 2), { role: 'candidate', from: { session: 1, term: 4 } })
    assert.deepEqual(leadershipOf(view({ session: 9, term: 4 }, session(2)), 2), {
      role: 'candidate',
      from: { session: 9, term: 4 },
    })
    assert.deepEqual(leadershipOf(view(undefined, session(2)), 2), { role: 'candidate', from: undefined })
  })

  test('who is fenced takes nothing, who leaves only if all do', () => {
    assert.deepEqual(leadershipOf(view(undefined, session(1, { isFenced: true })), 1), { role: 'follower' })
    const leaving = session(1, { isDraining: true })
    assert.deepEqual(leadershipOf(view(undefined, leaving, session(2)), 1), { role: 'follower' })
    assert.equal(leadershipOf(view(undefined, leaving), 1).role, 'candidate')
  })

  test('who leads and drains is replaced by one that stays, if there is one', () => {
    const leader = { session: 1, term: 4 }
    const leaving = view(leader, session(1, { isDraining: true }), session(2))
    assert.deepEqual(leadershipOf(leaving, 1), { role: 'leader' })
    assert.deepEqual(leadershipOf(leaving, 2), { role: 'candidate', from: leader })
    const all = view(leader, session(1, { isDraining: true }), session(2, { isDraining: true }))
    assert.deepEqual(leadershipOf(all, 2), { role: 'follower' })
  })
})

describe('leadership by an election', () => {
  const three = view({ session: 1, term: 4 }, session(1), session(2), session(3))

  test('the first of the queue takes the row, also from one that lives', () => {
    assert.deepEqual(leadershipByQueue(three, 3, ['i3', 'i1', 'i2']), {
      role: 'candidate',
      from: { session: 1, term: 4 },
    })
    // Until then the one before goes on.
    assert.deepEqual(leadershipByQueue(three, 1, ['i3', 'i1', 'i2']), { role: 'leader' })
    assert.deepEqual(leadershipByQueue(three, 2, ['i3', 'i1', 'i2']), { role: 'follower' })
  })

  test('who is fenced, leaves, or is of another cluster is passed over', () => {
    const some = view(undefined, session(1, { isFenced: true }), session(2, { isDraining: true }), session(3))
    assert.equal(leadershipByQueue(some, 3, ['other', 'i1', 'i2', 'i3']).role, 'candidate')
    assert.equal(leadershipByQueue(some, 2, ['other', 'i1', 'i2', 'i3']).role, 'follower')
  })

  test('of nobody in the queue who may lead, the row alone decides', () => {
    assert.deepEqual(leadershipByQueue(three, 2, []), leadershipOf(three, 2))
    const gone = view({ session: 9, term: 4 }, session(2), session(3))
    assert.deepEqual(leadershipByQueue(gone, 2, ['other']), leadershipOf(gone, 2))
    assert.equal(leadershipByQueue(gone, 2, ['other']).role, 'candidate')
  })
})
