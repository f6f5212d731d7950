// What happens when calls, commits, evictions and crashes fall between each other.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal, update, workflow } from '../../src/index.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { type Store, UnknownCommitError } from '../../src/store/contract/store.ts'
import { MemoryState } from '../../src/store/memory/memory-state.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { heldStore } from './held-store.ts'
import { go, openRuns, turn, turns, waiting, withEngine } from './open-engine.ts'

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

test('who watches gets the last event of a run that ends while its journal is read', async () => {
  const inner = createMemoryStore()
  let end = async (): Promise<void> => {}
  const journal: Store['journal'] = async (...page) => {
    const entries = await inner.journal(...page)
    if (entries.length === 0) await end()
    return entries
  }
  const store: Store = Object.assign(Object.create(inner), { journal })
  await withEngine({ store }, async (client) => {
    const execution = await client.start(waiting, undefined, { id: 'one' })
    end = async () => {
      end = async () => {}
      await execution.signal(go, 'end')
      await execution.result()
    }
    const types: string[] = []
    for await (const { event } of execution.watch()) types.push(event.type)
    assert.equal(types.at(-1), 'execution-completed')
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
      const isEarly = isAnswered
      held.release()
      await Promise.all([sent, told])
      assert.equal(isEarly, false)
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
      const isEarly = isAnswered
      held.release()
      await Promise.all([sent, told])
      assert.equal(isEarly, false)
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

test('the end of a large child and what follows from it share a commit', async () => {
  const child = workflow({ name: 'child', run: (ctx) => ctx.step('big', () => 'x'.repeat(3_500_000)) })
  const parent = workflow({ name: 'parent', run: async (ctx) => (await ctx.child(child)).length })
  const inner = createMemoryStore()
  const torn: string[] = []
  const commit: Store['commit'] = (batch) => {
    for (const { runId, events } of batch.journal) {
      const isEnd = events.includes('"type":"execution-completed"')
      if (isEnd && !batch.executionsUpdated.some((row) => row.runId === runId)) torn.push(runId)
    }
    return inner.commit(batch)
  }
  const store: Store = Object.assign(Object.create(inner), { commit })
  await withEngine({ store, workflows: [child, parent] }, async (client) => {
    const execution = await client.start(parent, undefined, { id: 'one' })
    assert.equal(await execution.result(), 3_500_000)
  })
  assert.deepEqual(torn, [])
})

test('who asks about an execution while the engine starts over gets an answer', async () => {
  const state = new MemoryState()
  const long = workflow({
    name: 'long',
    run: async (ctx) => {
      for (let i = 0; i < 50; i++) await ctx.step('one', () => i)
      return ctx.waitFor(go)
    },
  })
  const held = heldStore(state)
  const options = { store: held.store, workflows: [long], idleExecutions: 1 }
  await withEngine(options, async (client, { engine }) => {
    const execution = await client.start(long, undefined, { id: 'one' })
    for (const id of ['two', 'three']) await client.start(long, undefined, { id })
    while (!engine.isQuiet) await turn()
    assert.equal(engine.table.get(execution.runId as RunId), undefined)
    // It is read and replayed, has a signal that is not committed, and is asked.
    held.hold()
    const sent = execution.signal(go, 'end')
    const told = execution.describe()
    await held.held()
    for (const session of state.sessions.values()) session.fenced = true
    held.release()
    await sent
    assert.ok(['running', 'completed'].includes((await told).status))
  })
})

test('a delayed start whose time comes while it is started runs', async () => {
  let nowMs = 1_700_000_000_000
  let isTicking = false
  const clock: Clock = {
    nowMs: () => (isTicking ? nowMs++ : nowMs),
    after: systemClock.after,
    defer: systemClock.defer,
  }
  const quick = workflow({ name: 'quick', run: async () => 'done' })
  await withEngine({ workflows: [quick], seams: { clock } }, async (client) => {
    for (let delay = 1; delay < 12; delay++) {
      isTicking = true
      const started = client.start(quick, undefined, { id: `after-${delay}`, delay })
      await turns(3)
      isTicking = false
      nowMs += 100
      assert.equal(await (await started).result(), 'done')
    }
  })
})

describe('retry', () => {
  const failing = workflow({
    name: 'failing',
    run: async (ctx): Promise<void> => {
      throw new Error(await ctx.waitFor(go))
    },
  })

  test('is refused where a newer run has the id', async () => {
    const store = createMemoryStore()
    await withEngine({ store, workflows: [failing] }, async (client) => {
      const old = await client.start(failing, undefined, { id: 'one' })
      await old.signal(go, 'stop')
      await assert.rejects(old.result())
      await client.start(failing, undefined, { id: 'one', onConflict: 'terminate-existing' })
      await assert.rejects(old.retry(), { code: 'RETRY_IMPOSSIBLE', message: /was replaced/ })
      assert.equal((await openRuns(store, 'one')).length, 1)
    })
  })

  test('of a parent whose child was deleted meanwhile: the child has failed', async () => {
    let isBroken = true
    const parent = workflow({
      name: 'parent',
      run: async (ctx) => {
        const child = ctx.child(waiting, undefined, { id: 'the child', parentClosePolicy: 'abandon' })
        const check = (): void => {
          if (isBroken) throw new Error('broken')
        }
        await ctx.step('check', check, { retry: { maxAttempts: 1 } })
        return child
      },
    })
    await withEngine({ workflows: [waiting, parent] }, async (client, { engine }) => {
      const execution = await client.start(parent, undefined, { id: 'one' })
      await assert.rejects(execution.result(), { status: 'failed' })
      while (!engine.isQuiet) await turn()
      const child = client.execution(waiting, 'the child')
      await child.signal(go, 'end')
      await child.result()
      await child.delete()
      isBroken = false
      await execution.retry()
      await assert.rejects(execution.result(), (error: Error) => {
        assert.match(String((error.cause as Error).message), /child the child was deleted/u)
        return true
      })
    })
  })

  test('keeps an execution that retention has seen closed', async () => {
    const store = createMemoryStore()
    await withEngine({ store, workflows: [failing] }, async (client, { local }) => {
      const execution = await client.start(failing, undefined, { id: 'one' })
      await execution.signal(go, 'stop')
      await assert.rejects(execution.result())
      const found = await store.list({ limit: 10, status: ['failed'] })
      await execution.retry()
      assert.equal(await local.deleteClosed(found.map(({ runId }) => runId)), 0)
      assert.equal((await store.executions([execution.runId as RunId])).length, 1)
      assert.notEqual((await execution.history()).length, 0)
    })
  })

  test('and delete at a time: one of them wins, and the other is told', async () => {
    const store = createMemoryStore()
    await withEngine({ store, workflows: [failing] }, async (client, { local }) => {
      for (let delay = 0; delay < 16; delay++) {
        const id = `one-${delay}`
        const execution = await client.start(failing, undefined, { id })
        await execution.signal(go, 'stop')
        await assert.rejects(execution.result())
        const retried = execution.retry()
        for (let tick = 0; tick < delay; tick++) await Promise.resolve()
        const [retry, deletion] = await Promise.allSettled([
          retried,
          local.deleteClosed([execution.runId as RunId]),
        ])
        const isDeleted = deletion.status === 'fulfilled' && deletion.value === 1
        assert.equal(retry.status, isDeleted ? 'rejected' : 'fulfilled', `${delay}`)
        const [row] = await store.executions([execution.runId as RunId])
        const entries = await store.journal(execution.runId as RunId, 0, 10)
        assert.deepEqual([row === undefined, entries.length === 0], [isDeleted, isDeleted])
      }
    })
  })
})

test('an engine that fails while a commit is being settled does nothing more', async () => {
  const inner = createMemoryStore()
  let answer: (() => void) | undefined
  let isLost = false
  let commits = 0
  const commit: Store['commit'] = async (batch) => {
    commits += 1
    if (isLost) throw new UnknownCommitError('the link broke')
    return inner.commit(batch)
  }
  const fence: Store['fence'] = async (session) => {
    await new Promise<void>((resolve) => {
      answer = resolve
    })
    isLost = false
    await inner.fence(session)
  }
  const store: Store = Object.assign(Object.create(inner), { commit, fence })
  const soon = workflow({ name: 'soon', run: (ctx) => ctx.sleep(30) })
  await withEngine({ store, workflows: [waiting, soon] }, async (client, { engine }) => {
    const execution = await client.start(soon, undefined, { id: 'one' })
    isLost = true
    const lost = assert.rejects(client.start(waiting, undefined, { id: 'two' }), { code: 'ENGINE_FAILED' })
    while (answer === undefined) await turn()
    engine.fail(new Error('something else broke'))
    await lost
    commits = 0
    answer()
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.equal(commits, 0)
    await assert.rejects(execution.signal(go, 'late'), { code: 'ENGINE_FAILED' })
  })
})
