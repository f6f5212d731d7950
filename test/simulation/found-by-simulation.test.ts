/** Faults that the simulation has found, each as the shortest scenario that shows it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { query, signal, workflow } from '../../src/sdk/definition.ts'
import { assembleEngine, type EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import { type Store, UnknownCommitError } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { heldStore } from '../sdk/held-store.ts'

const go = signal<string>('go')
const askedFor = query<string>('asked-for')

const waiting = workflow({
  name: 'waiting',
  run: async (ctx) => {
    ctx.onQuery(askedFor, () => 'go')
    return ctx.waitFor(go)
  },
})

const failing = workflow({
  name: 'failing',
  run: async (ctx): Promise<void> => {
    throw new Error(await ctx.waitFor(go))
  },
})

const parent = workflow({
  name: 'parent',
  run: async (ctx) => ctx.child(waiting, undefined, { id: 'the child' }),
})

interface Options {
  readonly store?: Store
  readonly idleExecutions?: number
}

async function withEngine(options: Options, use: (engine: EmbeddedEngine) => Promise<void>): Promise<void> {
  const { store = createMemoryStore(), idleExecutions = 100 } = options
  const engine = await assembleEngine(
    { store, workflows: [waiting, failing, parent], logger: silentLogger, idleExecutions, shutdownGrace: 0 },
    { random: seededRandomness(1) },
  )
  try {
    await use(engine)
  } finally {
    await engine.close()
  }
}

async function evict(engine: EmbeddedEngine, others: string): Promise<void> {
  for (let i = 0; i < 4; i++) await engine.start(waiting, undefined, { id: `${others}-${i}` })
}

describe('what the simulation found', () => {
  test('a start that looks for its id while the execution is evicted starts no second run', async () => {
    const store = createMemoryStore()
    let held: (() => void) | undefined
    let isHolding = false
    const currents: Store['currents'] = async (keys) => {
      const found = await store.currents(keys)
      if (isHolding && held === undefined)
        await new Promise<void>((resolve) => {
          held = resolve
        })
      return found
    }
    const slow: Store = Object.assign(Object.create(store), { currents })
    await withEngine({ store: slow, idleExecutions: 1 }, async (engine) => {
      const first = await engine.start(waiting, undefined, { id: 'one' })
      isHolding = true
      const repeated = engine.start(waiting, undefined, { id: 'one' })
      while (held === undefined) await new Promise((resolve) => setImmediate(resolve))
      await evict(engine, 'other')
      held()
      assert.equal((await repeated).runId, first.runId)
    })
  })

  test('a start whose id is started, committed and evicted while it is looked for starts no second run', async () => {
    const store = createMemoryStore()
    let held: (() => void) | undefined
    const currents: Store['currents'] = async (keys) => {
      const found = await store.currents(keys)
      if (held === undefined)
        await new Promise<void>((resolve) => {
          held = resolve
        })
      return found
    }
    const slow: Store = Object.assign(Object.create(store), { currents })
    await withEngine({ store: slow, idleExecutions: 1 }, async (engine) => {
      const slowStart = engine.start(waiting, undefined, { id: 'one' })
      while (held === undefined) await new Promise((resolve) => setImmediate(resolve))
      const first = await engine.start(waiting, undefined, { id: 'one' })
      await evict(engine, 'other')
      held()
      assert.equal((await slowStart).runId, first.runId)
    })
  })

  test('an older run that is read does not hide the newest of its id', async () => {
    await withEngine({ idleExecutions: 1 }, async (engine) => {
      const old = await engine.start(waiting, undefined, { id: 'one' })
      await old.signal(go, 'end')
      await old.result()
      const newest = await engine.signalWithStart(waiting, undefined, signal<string>('other'), '', {
        id: 'one',
      })
      assert.notEqual(newest.runId, old.runId)
      await evict(engine, 'other')
      await assert.rejects(old.cancel(), { code: 'EXECUTION_CLOSED' })
      await engine.execution(waiting, 'one').signal(go, 'reached')
      assert.equal(await newest.result(), 'reached')
    })
  })

  test('a message that is sent while the engine starts over is delivered', async () => {
    const state = new MemoryState()
    const store = createMemoryStore(state)
    let held: (() => void) | undefined
    const outbox: Store['outbox'] = async (limit) => {
      const rows = await store.outbox(limit)
      if (state.sessions.size > 1)
        await new Promise<void>((resolve) => {
          held = resolve
        })
      return rows
    }
    // The receiver is still being looked for when the outbox has been read.
    const currents: Store['currents'] = async (keys) => {
      for (let turn = 0; turn < 60 && keys[0]?.workflowId === 'the child'; turn++)
        await new Promise((resolve) => setImmediate(resolve))
      return store.currents(keys)
    }
    await withEngine({ store: Object.assign(Object.create(store), { outbox, currents }) }, async (engine) => {
      for (const session of state.sessions.values()) session.fenced = true
      const refused = engine.start(waiting, undefined, { id: 'meets the fence' })
      while (held === undefined) await new Promise((resolve) => setImmediate(resolve))
      const started = engine.start(parent, undefined, { id: 'parent' })
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      held()
      await Promise.all([refused, started])
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
      await engine.execution(waiting, 'the child').signal(go, 'delivered')
      assert.equal(await (await started).result(), 'delivered')
    })
  })

  test('a part of a refused batch whose acknowledgement is lost is settled', async () => {
    const store = createMemoryStore()
    let isLost = false
    const commit: Store['commit'] = async (batch) => {
      if (batch.executionsInserted.length > 1) return { outcome: 'refused', reason: 'both at once' }
      const outcome = await store.commit(batch)
      if (isLost) return outcome
      isLost = true
      throw new UnknownCommitError('the link broke')
    }
    await withEngine({ store: Object.assign(Object.create(store), { commit }) }, async (engine) => {
      const both = ['one', 'two'].map((id) => engine.start(waiting, undefined, { id }))
      for (const { runId, id } of await Promise.all(both)) {
        assert.equal((await engine.execution(waiting, id).describe()).runId, runId)
      }
      assert.equal(engine.counters.unknownSettledIn, 1)
    })
  })

  test('a result is told when the execution was about to be reopened, and that was dropped', async () => {
    const state = new MemoryState()
    const store = createMemoryStore(state)
    let release: (() => void) | undefined
    const commit: Store['commit'] = async (batch) => {
      const outcome = await store.commit(batch)
      // The end is committed and not acknowledged yet: the reopening goes into the next batch, and is fenced.
      if (batch.journal.some(({ events }) => events.includes('execution-failed')))
        await new Promise<void>((resolve) => {
          release = resolve
        })
      return outcome
    }
    await withEngine({ store: Object.assign(Object.create(store), { commit }) }, async (engine) => {
      const execution = await engine.start(failing, undefined, { id: 'one' })
      const result = execution.result()
      const sent = execution.signal(go, 'now')
      while (release === undefined) await new Promise((resolve) => setImmediate(resolve))
      for (const session of state.sessions.values()) session.fenced = true
      const retried = execution.retry()
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      const isFirst = release
      release = undefined
      isFirst()
      await assert.rejects(result, { status: 'failed' })
      // The retry is repeated in the next session, and its end is held again.
      while (release === undefined) await new Promise((resolve) => setImmediate(resolve))
      const isSecond: () => void = release
      isSecond()
      await Promise.all([retried, sent])
    })
  })

  test('an engine whose session is fenced while it closes does not wait out its grace', async () => {
    const held = heldStore()
    const settings = { store: held.store, workflows: [waiting], logger: silentLogger, shutdownGrace: 20_000 }
    const engine = await assembleEngine(settings, { random: seededRandomness(1) })
    await engine.start(waiting, undefined, { id: 'one' })
    held.hold()
    const meetsTheFence = engine.start(waiting, undefined, { id: 'two' })
    await held.held()
    // Filled while the other one is on its way, and fenced.
    const refused = assert.rejects(engine.execution(waiting, 'one').signal(go, 'late'), {
      code: 'ENGINE_CLOSED',
    })
    const closed = engine.close().then(() => 'closed')
    for (const session of held.state.sessions.values()) session.fenced = true
    held.release()
    const late = new Promise((resolve) => void setTimeout(resolve, 5000, 'still waits').unref())
    assert.equal(await Promise.race([closed, late]), 'closed')
    await Promise.all([meetsTheFence, refused])
  })

  test('run ids rise over several restarts within one millisecond', async () => {
    const state = new MemoryState()
    const nowMs = 1_700_000_000_000
    const clock: Clock = { ...systemClock, nowMs: () => nowMs, tickMs: () => 0 }
    const runIds: (string | undefined)[] = []
    for (let seed = 0; seed < 12; seed++) {
      const store = createMemoryStore(state)
      const settings = { store, workflows: [waiting], logger: silentLogger, shutdownGrace: 0 }
      const engine = await assembleEngine(settings, { random: seededRandomness(seed), clock })
      const options = { id: 'one', onConflict: 'terminate-existing' } as const
      for (let i = 0; i < 2; i++) runIds.push((await engine.start(waiting, undefined, options)).runId)
      await engine.close()
    }
    assert.deepEqual(runIds, [...new Set(runIds)].toSorted())
  })

  test('a query to a delayed execution says that it has not started', async () => {
    await withEngine({}, async (engine) => {
      const delayed = await engine.start(waiting, undefined, { id: 'one', delay: '1h' })
      await assert.rejects(delayed.query(askedFor), { code: 'QUERY_FAILED', message: /it is delayed/ })
    })
  })
})
