// What happens when calls, commits, evictions and crashes fall between each other.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal, silentLogger, update, type Workflow, workflow } from '../../src/index.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { Client } from '../../src/sdk/client.ts'
import { type EngineSeams, type OpenedEngine, openEngine } from '../../src/server/embedded-engine.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { heldStore } from './held-store.ts'

const go = signal<string>('go')
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await turn()
}

const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })

interface Options {
  readonly store?: Store
  readonly idleExecutions?: number
  readonly workflows?: readonly Workflow[]
  readonly seams?: EngineSeams
}

async function withEngine(
  { store = createMemoryStore(), idleExecutions = 100, workflows = [waiting], seams = {} }: Options,
  use: (client: Client, opened: OpenedEngine) => Promise<void>,
): Promise<void> {
  const opened = await openEngine(
    { store, workflows, logger: silentLogger, idleExecutions, shutdownGrace: 0 },
    seams,
  )
  try {
    await use(new Client(opened.calls, opened.client), opened)
  } finally {
    await opened.close()
  }
}

/** Runs of one id that are open, from the store. */
async function openRuns(store: Store, id: string): Promise<string[]> {
  const rows = await store.list({ limit: 100, status: ['running', 'parked'] })
  return rows.filter((row) => row.key.workflowId === id).map((row) => row.runId)
}

describe('one id has one open run', () => {
  test('when two starts replace the same execution at a time', async () => {
    const store = createMemoryStore()
    await withEngine({ store }, async (client) => {
      const options = { id: 'one', onConflict: 'terminate-existing' } as const
      await client.start(waiting, undefined, options)
      await Promise.all([
        client.start(waiting, undefined, options),
        client.start(waiting, undefined, options),
      ])
      assert.equal((await openRuns(store, 'one')).length, 1)
    })
  })

  test('when two callers signal with start at a time, and the last run is closed', async () => {
    const store = createMemoryStore()
    await withEngine({ store }, async (client) => {
      const old = await client.start(waiting, undefined, { id: 'one' })
      await old.signal(go, 'end')
      await old.result()
      const other = signal<string>('other')
      const both = await Promise.all(
        ['a', 'b'].map((text) => client.signalWithStart(waiting, undefined, other, text, { id: 'one' })),
      )
      assert.deepEqual(await openRuns(store, 'one'), [...new Set(both.map(({ runId }) => runId))])
      assert.equal(both[0]?.runId, both[1]?.runId)
    })
  })
})

test('a signal to an execution that is evicted in this moment wakes it', async () => {
  const held = heldStore()
  await withEngine({ store: held.store, idleExecutions: 1 }, async (client, { engine }) => {
    const execution = await client.start(waiting, undefined, { id: 'one' })
    await turns(10)
    held.hold()
    const others = [2, 3].map((i) => client.start(waiting, undefined, { id: `other-${i}` }))
    await held.held()
    await turns(10)
    assert.ok(engine.table.get(execution.runId as RunId) !== undefined)
    held.release()
    const sent = execution.signal(go, 'reached')
    await Promise.all([...others, sent])
    await turns(50)
    const [row] = await held.store.executions([execution.runId as RunId])
    assert.equal(row?.status, 'completed')
  })
})

test('waiting for what has ended leaves nothing behind', async () => {
  await withEngine({}, async (client, { engine }) => {
    const execution = await client.start(waiting, undefined, { id: 'one' })
    await execution.signal(go, 'end')
    for (let i = 0; i < 20; i++) {
      await execution.result()
      for await (const _ of execution.watch());
    }
    assert.equal(engine.ends.size, 0)
    assert.equal(engine.watchers.size, 0)
  })
})

test('looking at a closed execution twice at a time leaves nothing in memory', async () => {
  await withEngine({ idleExecutions: 4 }, async (client, { engine }) => {
    for (let i = 0; i < 10; i++) {
      const execution = await client.start(waiting, undefined, { id: `closed-${i}` })
      await execution.signal(go, 'end')
      await execution.result()
      await Promise.all([execution.describe(), execution.describe(), execution.describe()])
    }
    const open = await Promise.all([1, 2].map((i) => client.start(waiting, undefined, { id: `open-${i}` })))
    await turns(20)
    for (const { runId } of open) assert.ok(engine.table.get(runId as RunId) !== undefined, 'still in memory')
  })
})

describe('what is refused is refused on what is durable', () => {
  const money = update<number, number>('take')
  const account = workflow({
    name: 'account',
    run: async (ctx) => {
      let left = 0
      ctx.onUpdate(
        money,
        async (amount) => {
          await Promise.resolve()
          left -= amount
          return left
        },
        {
          validate: (amount) => {
            if (amount > left) throw new Error(`only ${left} left`)
          },
        },
      )
      for (;;) left += Number(await ctx.waitFor(go))
    },
  })

  test('the closing of an execution', async () => {
    const held = heldStore()
    await withEngine({ store: held.store }, async (client) => {
      const execution = await client.start(waiting, undefined, { id: 'one' })
      await turns(10)
      held.hold()
      const sent = execution.signal(go, 'end')
      await held.held()
      await turns(10)
      let isAnswered = false
      const told = assert.rejects(execution.terminate(), { code: 'EXECUTION_CLOSED' }).then(() => {
        isAnswered = true
      })
      await turns(10)
      assert.equal(isAnswered, false)
      held.release()
      await Promise.all([sent, told])
    })
  })

  test('an update', async () => {
    const held = heldStore()
    await withEngine({ store: held.store, workflows: [account] }, async (client) => {
      const execution = await client.start(account, undefined, { id: 'one' })
      await turns(10)
      held.hold()
      const sent = execution.signal(go, '5')
      await held.held()
      await turns(10)
      let isAnswered = false
      const told = assert.rejects(execution.update(money, 6), { message: /only 5 left/ }).then(() => {
        isAnswered = true
      })
      await turns(10)
      assert.equal(isAnswered, false)
      held.release()
      await Promise.all([sent, told])
    })
  })

  test('updates at a time: each is validated after the one before was handled', async () => {
    await withEngine({ workflows: [account] }, async (client) => {
      const execution = await client.start(account, undefined, { id: 'one' })
      await execution.signal(go, '5')
      const all = await Promise.allSettled([2, 2, 2].map((amount) => execution.update(money, amount)))
      assert.deepEqual(
        all.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'rejected'],
      )
    })
  })
})
