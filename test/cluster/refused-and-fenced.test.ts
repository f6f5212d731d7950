// One node of a cluster, with its whole engine, on a store whose commits are refused, and whose sessions are fenced, at will.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal, silentLogger, workflow } from '../../src/index.ts'
import { type RunId, shardOf, type WorkflowKey } from '../../src/protocol/ids.ts'
import type { Message } from '../../src/protocol/message.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { Client } from '../../src/sdk/client.ts'
import { type OpenedEngine, openEngine } from '../../src/server/open-engine.ts'
import type { Batch, CommitOutcome } from '../../src/store/contract/batch.ts'
import type { ClusterStore } from '../../src/store/contract/cluster-store.ts'
import type { OutboxRow } from '../../src/store/contract/rows.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { MemoryCluster } from '../../src/store/memory/memory-cluster.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { runIdFor } from '../kernel/harness.ts'
import { until } from '../tasks/task-fixtures.ts'

const SHARDS = 8
const REFUSED: CommitOutcome = { outcome: 'refused', reason: 'the test does not like it' }

const go = signal<string>('go')
const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })
const poisoning = workflow({
  name: 'poisoning',
  run: async (ctx) => {
    await ctx.waitFor(go)
    await ctx.step('poison', () => 'poison')
  },
})

interface Node {
  readonly opened: OpenedEngine
  readonly client: Client
  readonly state: MemoryState
  /** What becomes of a batch before it is committed; undefined: it is. */
  before: (batch: Batch) => Promise<CommitOutcome | undefined>
  onTake: () => void
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function withNode(use: (node: Node) => Promise<void>): Promise<void> {
  const state = new MemoryState()
  const inner = createMemoryStore(state)
  const rows = new MemoryCluster(SHARDS, () => Date.now(), state)
  const at = { before: () => Promise.resolve(undefined), onTake: () => {} } as Pick<Node, 'before' | 'onTake'>
  const cluster: ClusterStore = Object.assign(Object.create(rows), {
    join: rows.join.bind(rows),
    isAlive: rows.isAlive.bind(rows),
    beat: rows.beat.bind(rows),
    look: rows.look.bind(rows),
    lead: rows.lead.bind(rows),
    recoverableOf: rows.recoverableOf.bind(rows),
    timersOf: rows.timersOf.bind(rows),
    firstEntries: rows.firstEntries.bind(rows),
    // Runs are read before their shard is here again.
    shardMail: async (shards: readonly number[]) => {
      await pause(5)
      return rows.shardMail(shards)
    },
    take: (takings: Parameters<ClusterStore['take']>[0]) => {
      if (takings.length > 0) at.onTake()
      return rows.take(takings)
    },
  })
  const store: Store = Object.assign(Object.create(inner), {
    name: 'memory',
    shards: SHARDS,
    cluster,
    commit: async (batch: Batch) => (await at.before(batch)) ?? inner.commit(batch),
  })
  const opened = await openEngine(
    {
      store,
      workflows: [waiting, poisoning],
      logger: silentLogger,
      shutdownGrace: 0,
      cluster: { name: 'a', drain: 0 },
    },
    {
      network: {
        clock: { nowMs: Date.now, after: timeout, defer: (call) => void setImmediate(call) },
        listen: () => 'ws://a:1',
        open: () => assert.fail('there is no other node'),
      },
    },
  )
  const node: Node = Object.assign(at, { opened, client: new Client(opened.calls, opened.client), state })
  try {
    await ownsAll(node)
    await use(node)
  } finally {
    node.before = () => Promise.resolve(undefined)
    await opened.close()
  }
}

function timeout(delayMs: number, call: () => void): () => void {
  const timer = setTimeout(call, delayMs)
  return () => clearTimeout(timer)
}

const ownsAll = ({ opened }: Node): Promise<void> =>
  until(() => Promise.resolve(opened.engine.ownership.size === SHARDS))

function fenceAll({ state }: Node): void {
  for (const session of state.sessions.values()) session.fenced = true
}

const isPoisoned = ({ journal }: Batch): boolean => journal.some(({ events }) => events.includes('poison"'))

describe('a node whose session was fenced goes on with another one', () => {
  test('also if that is found while a commit is in flight that is refused', () =>
    withNode(async (node) => {
      const { engine } = node.opened
      const before = engine.session
      let refuse = (): void => assert.fail('nothing is being committed')
      node.before = () =>
        new Promise((resolve) => {
          refuse = () => resolve(REFUSED)
        })
      const started = assert.rejects(node.client.start(waiting, undefined, { id: 'one' }))
      await until(() => Promise.resolve(engine.committer.isCommitting))
      fenceAll(node)
      await pause(500)
      node.before = () => Promise.resolve(undefined)
      refuse()
      await started
      await until(() => Promise.resolve(engine.session !== before))
      await ownsAll(node)
    }))

  test('also if the next one is fenced before it is known', () =>
    withNode(async (node) => {
      const { engine } = node.opened
      let fences = 1
      node.onTake = () => {
        if (fences > 0) fenceAll(node)
        fences -= 1
      }
      fenceAll(node)
      await until(() => Promise.resolve(fences < 0))
      await ownsAll(node)
      assert.equal(engine.isFailed, false)
      await (await node.client.start(waiting, undefined, { id: 'one' })).signal(go, 'on')
    }))
})

test('a run whose batch is refused again and again is parked when its shard is back, and others go on', () =>
  withNode(async (node) => {
    const { engine } = node.opened
    const guilty = await node.client.start(poisoning, undefined, { id: 'guilty' })
    const other = await node.client.start(waiting, undefined, { id: 'other' })
    node.before = (batch) => Promise.resolve(isPoisoned(batch) ? REFUSED : undefined)
    // It is answered with all that is known of the run by then.
    await Promise.allSettled([guilty.signal(go, 'on')])
    await until(() => Promise.resolve(node.state.runs.get(guilty.runId as RunId)?.row?.status === 'parked'))
    assert.equal((await guilty.describe()).status, 'parked')
    await other.signal(go, 'on')
    assert.equal(await other.result(), 'on')
    assert.equal(engine.counters.refused, 1)
  }))

test('messages of one pair of shards do not share the fate of the one whose receiver is refused', () =>
  withNode(async (node) => {
    const { engine } = node.opened
    // From a shard of another node, all to the same shard here.
    const fromShard = SHARDS + 1
    const keyOf = (workflowId: string): WorkflowKey => ({ namespace: 'default', workflowId })
    const ids: string[] = []
    for (let i = 0; ids.length < 6; i++) if (shardOf(keyOf(`run-${i}`), SHARDS) === 0) ids.push(`run-${i}`)
    const [first = '', guilty = '', second = '', missing = '', third = '', unknown = ''] = ids
    const parent = { key: keyOf('parent'), runId: runIdFor(99), op: 1 }
    let seq = 0
    const rowOf = (message: Message): OutboxRow => {
      seq += 1
      return { fromShard, toShard: 0, seq, message: JSON.stringify(message) }
    }
    const startOf = (id: string, index: number): OutboxRow => {
      const started = {
        key: keyOf(id),
        workflow: waiting.name,
        version: '1',
        input: encodePayload(undefined),
        parent,
      }
      return rowOf({ kind: 'start-child', to: keyOf(id), runId: runIdFor(index), started })
    }
    const signalOf = (id: string): OutboxRow =>
      rowOf({
        ...{ kind: 'signal', to: keyOf(id), parent, name: 'go' },
        ...{ payload: encodePayload(id), requestId: `go-${id}` },
      })
    // Until they are durable, as the node that sends them does.
    const deliver = async (rows: readonly OutboxRow[]): Promise<void> => {
      for (let attempt = 1; ; attempt++) {
        try {
          await engine.mailbox.receive(rows)
          return
        } catch (error) {
          assert.ok(attempt < 20, String(error))
          await pause(5)
        }
      }
    }
    await deliver([first, guilty, second, third].map(startOf))
    // Until it is parked, nothing that takes its signal can be written.
    const isParked = (): boolean => node.state.runs.get(runIdFor(1))?.row?.status === 'parked'
    const isRefused = (events: string): boolean =>
      events.includes(`"${guilty}"`) && !events.includes('execution-parked')
    node.before = ({ journal }) =>
      Promise.resolve(!isParked() && journal.some(({ events }) => isRefused(events)) ? REFUSED : undefined)
    await deliver([first, missing, guilty, second, unknown, third].map(signalOf))
    assert.equal(isParked(), true)
    for (const id of [first, second, third])
      assert.equal(await node.client.execution(waiting, id).result(), id)
    assert.equal(engine.isFailed, false)
    // The batch with all of them, and the one of the guilty run alone.
    assert.ok(engine.counters.refused <= 3, `${engine.counters.refused} batches were refused`)
  }))

test('nor do those that an owner before has sent, between two shards of this node', () =>
  withNode(async (node) => {
    const { engine } = node.opened
    const fromShard = 1
    const keyOf = (workflowId: string): WorkflowKey => ({ namespace: 'default', workflowId })
    const ids: string[] = []
    for (let i = 0; ids.length < 3; i++) if (shardOf(keyOf(`run-${i}`), SHARDS) === 0) ids.push(`run-${i}`)
    const [first = '', guilty = '', second = ''] = ids
    const parent = { key: keyOf('parent'), runId: runIdFor(99), op: 1 }
    let seq = 0
    const post = (message: Message): void => {
      seq += 1
      node.state.outbox.add({ fromShard, toShard: 0, seq, message: JSON.stringify(message) })
    }
    for (const [index, id] of ids.entries()) {
      const input = encodePayload(undefined)
      const started = { key: keyOf(id), workflow: waiting.name, version: '1', input, parent }
      post({ kind: 'start-child', to: keyOf(id), runId: runIdFor(index), started })
    }
    fenceAll(node)
    const isSent = (): boolean => {
      let left = 0
      node.state.outbox.ascend(undefined, () => {
        left += 1
        return true
      })
      return left === 0
    }
    await until(() => Promise.resolve(isSent()))
    const isParked = (): boolean => node.state.runs.get(runIdFor(1))?.row?.status === 'parked'
    const isRefused = (events: string): boolean =>
      events.includes(`"${guilty}"`) && !events.includes('execution-parked')
    node.before = ({ journal }) =>
      Promise.resolve(!isParked() && journal.some(({ events }) => isRefused(events)) ? REFUSED : undefined)
    for (const id of ids)
      post({
        ...{ kind: 'signal', to: keyOf(id), parent, name: 'go' },
        ...{ payload: encodePayload(id), requestId: `go-${id}` },
      })
    fenceAll(node)
    const isOver = (): boolean => isParked() || engine.counters.refused > 20
    await until(() => Promise.resolve(isOver()))
    assert.equal(isParked(), true, `${engine.counters.refused} batches were refused`)
    for (const id of [first, second]) assert.equal(await node.client.execution(waiting, id).result(), id)
    assert.ok(engine.counters.refused <= 3, `${engine.counters.refused} batches were refused`)
  }))
