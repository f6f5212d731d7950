import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClusterView, LeaderView, SessionView } from './cluster-view.ts'
import { LeadDispute } from './lead-dispute.ts'
import { type Leadership, leadershipByQueue } from './leadership.ts'

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

const LOOK_MS = 150

/** Nodes that look one after the other; each has a queue of its own. */
class Nodes {
  readonly disputes: string[] = []
  leader: LeaderView | undefined
  sessions: SessionView[]
  nowMs = 0
  takings = 0
  readonly #queues: Record<number, readonly string[]>
  readonly #judges = new Map<number, LeadDispute>()

  constructor(queues: Record<number, readonly string[]>) {
    this.#queues = queues
    this.sessions = Object.keys(queues).map((id) => session(Number(id)))
    for (const { id } of this.sessions) this.#judges.set(id, new LeadDispute())
  }

  look(forMs: number): void {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      for (const { id, isFenced } of this.sessions) {
        this.nowMs += LOOK_MS / this.sessions.length
        if (!isFenced) this.#lookAs(id)
      }
    }
  }

  #lookAs(id: number): void {
    const view: ClusterView = {
      databaseMs: this.nowMs,
      sessions: this.sessions,
      shards: [],
      leader: this.leader,
    }
    const elected: Leadership = leadershipByQueue(view, id, this.#queues[id] ?? [])
    const { leadership, dispute } = this.#judges.get(id)?.settle(view, id, elected) ?? { leadership: elected }
    if (dispute !== undefined) this.disputes.push(`${id} ${dispute}`)
    if (leadership.role !== 'candidate') return
    this.takings += 1
    this.leader = { session: id, term: (this.leader?.term ?? 0) + 1 }
  }
}

describe('an election that comes to no end', () => {
  test('two that are elected in two places: the row decides, each has said so once', () => {
    const nodes = new Nodes({ 1: ['i1'], 2: ['i2'], 3: ['i3', 'i1'] })
    nodes.look(10_000)
    assert.deepEqual(nodes.disputes.toSorted(), ['1 contested', '2 contested', '3 contested'])
    const { takings } = nodes
    assert.ok(takings <= 9, `${takings} takings`)
    nodes.look(500_000)
    assert.equal(nodes.takings, takings)
    // It is believed again, and found to be no better.
    nodes.look(200_000)
    assert.equal(nodes.disputes.length, 6)
    assert.ok(nodes.takings <= 2 * takings)
  })

  test('who leads by the row and dies is replaced', () => {
    const nodes = new Nodes({ 1: ['i1'], 2: ['i2'] })
    nodes.look(5000)
    const dead = nodes.leader?.session
    nodes.sessions = nodes.sessions.map((each) => (each.id === dead ? { ...each, isFenced: true } : each))
    nodes.look(LOOK_MS)
    assert.notEqual(nodes.leader?.session, dead)
  })

  test('each waits for another one: somebody leads in the end', () => {
    const nodes = new Nodes({ 1: ['i2'], 2: ['i1'] })
    nodes.look(2500)
    assert.equal(nodes.takings, 0)
    nodes.look(1000)
    assert.deepEqual(nodes.leader?.term, 1)
    assert.match(nodes.disputes.join(), /^[12] vacant$/)
    nodes.look(10_000)
    assert.equal(nodes.takings, 1)
  })

  test('one that is elected, changes of the elected, and the ends of leaders are no dispute', () => {
    const nodes = new Nodes({ 1: ['i1', 'i2', 'i3'], 2: ['i1', 'i2', 'i3'], 3: ['i1', 'i2', 'i3'] })
    nodes.look(5000)
    assert.equal(nodes.leader?.session, 1)
    nodes.sessions = nodes.sessions.map((each) => (each.id === 1 ? { ...each, isFenced: true } : each))
    nodes.look(5000)
    assert.equal(nodes.leader?.session, 2)
    nodes.sessions = nodes.sessions.map((each) => (each.id === 2 ? { ...each, isDraining: true } : each))
    nodes.look(5000)
    assert.equal(nodes.leader?.session, 3)
    assert.equal(nodes.takings, 3)
    assert.deepEqual(nodes.disputes, [])
  })
})
