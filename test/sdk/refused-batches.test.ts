// What callers are told when the store refuses a batch of several of them, and the session is fenced meanwhile.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal, silentLogger, workflow } from '../../src/index.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { Client } from '../../src/sdk/client.ts'
import { type OpenedEngine, openEngine } from '../../src/server/open-engine.ts'
import type { Batch } from '../../src/store/contract/batch.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'

const go = signal<string>('go')
const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })

interface World {
  readonly state: MemoryState
  readonly opened: OpenedEngine
  readonly client: Client
  /** Whether the store refuses a batch. */
  refuses: (batch: Batch) => boolean
  /** Called after each commit. */
  committed: (batch: Batch) => void
}

async function withWorld(use: (world: World) => Promise<void>): Promise<void> {
  const state = new MemoryState()
  const inner = createMemoryStore(state)
  const commit: Store['commit'] = async (batch) => {
    const session = state.sessions.get(batch.session.id)
    if (session?.fenced === false && world.refuses(batch)) return { outcome: 'refused', reason: 'too much' }
    const outcome = await inner.commit(batch)
    if (outcome.outcome === 'committed') world.committed(batch)
    return outcome
  }
  const store: Store = Object.assign(Object.create(inner), { commit })
  const settings = { store, workflows: [waiting], logger: silentLogger, shutdownGrace: 0 }
  const opened = await openEngine(settings, {})
  const client = new Client(opened.calls, opened.client)
  const world: World = { state, opened, client, refuses: () => false, committed: () => {} }
  try {
    await use(world)
  } finally {
    await opened.close()
  }
}

/** A start that is not repeated, unlike those of a client. */
function startOnce({ opened }: World, id: string): Promise<unknown> {
  return opened.calls.start({
    key: { namespace: 'default', workflowId: id },
    workflow: 'waiting',
    version: waiting.version,
    input: encodePayload(undefined),
    onConflict: 'fail',
  })
}

function fence({ state }: World): void {
  for (const session of state.sessions.values()) session.fenced = true
}

/** What became of each call: `answered`, or the code of its error. */
async function told(calls: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls)
  return settled.map((each) => (each.status === 'fulfilled' ? 'answered' : each.reason.code))
}

const mentions = (batch: Batch, text: string): boolean =>
  batch.journal.some(({ events }) => events.includes(text))

describe('a session that is fenced while a refused batch is split', () => {
  test('what was committed is answered, all else was not, and the engine goes on', async () => {
    await withWorld(async (world) => {
      world.refuses = ({ executionsInserted }) => executionsInserted.length > 2
      world.committed = ({ executionsInserted }) => {
        if (executionsInserted.length === 2) fence(world)
      }
      const starts = ['a', 'b', 'c', 'd'].map((id) => startOnce(world, id))
      assert.deepEqual(await told(starts), ['answered', 'answered', 'UNCOMMITTED', 'UNCOMMITTED'])
      const { counters } = world.opened.engine
      assert.deepEqual([counters.refused, counters.fenced], [1, 1])
      const again = ['a', 'b', 'c', 'd'].map((id) => startOnce(world, id))
      assert.deepEqual(await told(again), ['EXECUTION_EXISTS', 'EXECUTION_EXISTS', 'answered', 'answered'])
      for (const id of ['a', 'd']) {
        await world.client.execution(waiting, id).signal(go, 'end')
        assert.equal(await world.client.execution(waiting, id).result(), 'end')
      }
    })
  })

  test('before any part was committed: nobody is answered', async () => {
    await withWorld(async (world) => {
      world.refuses = ({ executionsInserted }) => {
        if (executionsInserted.length < 2) return false
        fence(world)
        return true
      }
      const starts = ['a', 'b'].map((id) => startOnce(world, id))
      assert.deepEqual(await told(starts), ['UNCOMMITTED', 'UNCOMMITTED'])
      assert.equal(world.state.runs.size, 0)
    })
  })

  test('the execution that was found guilty before is parked in the next session', async () => {
    await withWorld(async (world) => {
      const guilty = await world.client.start(waiting, undefined, { id: 'guilty' })
      world.refuses = (batch) => batch.executionsInserted.length > 2 || mentions(batch, 'poison')
      world.committed = ({ executionsInserted }) => {
        if (executionsInserted.length === 1) fence(world)
      }
      const { calls } = world.opened
      const key = { namespace: 'default', workflowId: 'guilty' }
      const poisoned = calls.signal({ key }, 'go', encodePayload('poison'))
      const starts = ['a', 'b', 'c'].map((id) => startOnce(world, id))
      assert.deepEqual(await told([poisoned, ...starts]), [
        'STORE_FAILED',
        'answered',
        'UNCOMMITTED',
        'UNCOMMITTED',
      ])
      assert.equal((await guilty.describe()).status, 'parked')
    })
  })

  test('calls of a client are repeated, and come through', async () => {
    await withWorld(async (world) => {
      world.refuses = ({ executionsInserted }) => executionsInserted.length > 2
      world.committed = ({ executionsInserted }) => {
        if (executionsInserted.length === 2) fence(world)
        world.committed = () => {}
      }
      const ids = ['a', 'b', 'c', 'd']
      const started = await Promise.all(ids.map((id) => world.client.start(waiting, undefined, { id })))
      for (const { id, runId } of started)
        assert.equal((await world.client.execution(waiting, id).describe()).runId, runId)
    })
  })
})

test('a deletion that the store refuses is not counted with those that it took', async () => {
  await withWorld(async (world) => {
    const runs: RunId[] = []
    for (const id of ['one', 'two']) {
      const execution = await world.client.start(waiting, undefined, { id })
      await execution.signal(go, 'end')
      await execution.result()
      runs.push(execution.runId as RunId)
    }
    const [first] = runs
    world.refuses = ({ deleted }) => deleted.some(({ runId }) => runId === first)
    const { local } = world.opened
    await assert.rejects(local.deleteClosed(runs), { code: 'STORE_FAILED' })
    assert.deepEqual([...world.state.runs.keys()], [first])
    world.refuses = () => false
    assert.equal(await local.deleteClosed(runs), 1)
  })
})
