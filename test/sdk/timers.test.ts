// Sleeps and other timers, when executions leave memory and are read again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger, workflow } from '../../src/index.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { Client } from '../../src/sdk/client.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { heldStore } from './held-store.ts'
import { go, openRuns, turn, turns, waiting, withEngine } from './open-engine.ts'

test('a sleep until a time before 1970 ends, also over a restart', async () => {
  const state = new MemoryState()
  const early = workflow({
    name: 'early',
    run: async (ctx) => {
      await ctx.waitFor(go)
      await ctx.sleepUntil(-5000)
      return 'awake'
    },
  })
  const held = heldStore(state)
  const first = await openEngine(
    { store: held.store, workflows: [early], logger: silentLogger, shutdownGrace: 0 },
    {},
  )
  const client = new Client(first.calls, first.client)
  const execution = await client.start(early, undefined, { id: 'one' })
  await turns(10)
  held.hold()
  execution.signal(go, 'sleep').catch(() => {})
  await held.held()
  const store = createMemoryStore(state)
  await withEngine({ store, workflows: [early] }, async (next) => {
    await next.execution(early, 'one').result()
  })
  held.release()
  await first.close()
})

test('sleeps end, however many executions are kept in memory', async () => {
  const sleeping = workflow({
    name: 'sleeping',
    run: async (ctx, ms: number) => {
      await ctx.sleep(ms)
      await ctx.sleep(ms)
    },
  })
  await withEngine({ idleExecutions: 50_000, workflows: [waiting, sleeping] }, async (client, { engine }) => {
    while (engine.table.size <= 20_000)
      await Promise.all(Array.from({ length: 500 }, () => client.start(waiting, undefined)))
    await (await client.start(sleeping, 1)).result()
  })
})

test('a sleep that ends while its execution is evicted wakes it', async () => {
  const sleeping = workflow({
    name: 'sleeping',
    run: async (ctx, ms: number) => {
      await ctx.sleep(ms)
      return 'awake'
    },
  })
  const inner = createMemoryStore()
  let slowRun: string | undefined
  let waits: (() => void) | undefined
  const executions: Store['executions'] = async (runIds) => {
    const isSlow = waits === undefined && runIds[0] === slowRun
    if (isSlow)
      await new Promise<void>((resolve) => {
        waits = resolve
      })
    return inner.executions(runIds)
  }
  const store: Store = Object.assign(Object.create(inner), { executions })
  await withEngine(
    { store, idleExecutions: 2, workflows: [waiting, sleeping] },
    async (client, { engine }) => {
      const until = Date.now() + 150
      const first = await client.start(sleeping, until - Date.now())
      slowRun = first.runId
      for (const id of ['one', 'two']) await client.start(waiting, undefined, { id })
      const second = await client.start(sleeping, until - Date.now())
      while (!engine.isQuiet) await turn()
      assert.equal(engine.table.get(first.runId as RunId), undefined)
      assert.notEqual(engine.table.get(second.runId as RunId), undefined)
      // Both are due: the first is read from the store, slowly, while the second leaves memory.
      while (waits === undefined) await turn()
      for (const id of ['three', 'four', 'five']) await client.start(waiting, undefined, { id })
      waits()
      assert.deepEqual(await Promise.all([first.result(), second.result()]), ['awake', 'awake'])
    },
  )
})

test('a timer whose execution takes long to read holds up no other that is due', async () => {
  const sleeping = workflow({ name: 'sleeping', run: (ctx) => ctx.sleep('50ms') })
  const state = new MemoryState()
  let slow: string | undefined
  await withEngine({ store: createMemoryStore(state), workflows: [sleeping] }, async (client) => {
    slow = (await client.start(sleeping, undefined, { id: 'slow' })).runId
    await client.start(sleeping, undefined, { id: 'quick' })
  })
  await new Promise((resolve) => setTimeout(resolve, 60))
  const inner = createMemoryStore(state)
  let giveSlow = (): void => assert.fail('nobody has read the slow one')
  const journal: Store['journal'] = async (runId, afterSeq, limit) => {
    if (runId === slow)
      await new Promise<void>((resolve) => {
        giveSlow = resolve
      })
    return inner.journal(runId, afterSeq, limit)
  }
  const store: Store = Object.assign(Object.create(inner), { journal })
  await withEngine({ store, workflows: [sleeping] }, async (client) => {
    await client.execution(sleeping, 'quick').result()
    // Nor one that is due later.
    await (await client.start(sleeping, undefined, { id: 'later' })).result()
    assert.deepEqual(await openRuns(store, 'slow'), [slow])
    giveSlow()
    await client.execution(sleeping, 'slow').result()
  })
})
