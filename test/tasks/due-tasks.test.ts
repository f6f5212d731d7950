// Tasks whose time has come, and what happens to others while they are read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger, task, workflow } from '../../src/index.ts'
import { Client } from '../../src/sdk/client.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { until } from './task-fixtures.ts'

test('a task that is withdrawn while due ones are read does not hold up the others', async () => {
  const inner = createMemoryStore()
  let onRead: (() => Promise<void>) | undefined
  const tasks: Store['tasks'] = async (seqs) => {
    const rows = await inner.tasks(seqs)
    if (seqs.length > 1) await onRead?.()
    return rows
  }
  const store: Store = Object.assign(Object.create(inner), { tasks })
  const ran: number[] = []
  const note = task({ name: 'note', run: (_, n: number) => void ran.push(n) })
  const asking = workflow({ name: 'asking', run: (ctx) => ctx.task(note, 0, { delay: 100 }) })
  const {
    calls,
    client: more,
    close,
  } = await openEngine(
    { store, workflows: [asking], tasks: [note], logger: silentLogger, shutdownGrace: 0 },
    {},
  )
  try {
    const client = new Client(calls, more)
    const execution = await client.start(asking, undefined)
    const others = await client.enqueueMany(note, [1, 2, 3, 4, 5], () => ({ delay: 100 }))
    await until(async () => (await client.listTasks({ status: ['delayed'] })).tasks.length === 6)
    const dueMs = Date.now() + 110
    onRead = async () => {
      onRead = undefined
      // Its task, the first of those that are due, is being deleted when the answer comes.
      void execution.terminate('enough')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    // All of them are due in one turn.
    while (Date.now() < dueMs);
    await Promise.all(others.map((each) => each.result()))
    assert.equal(onRead, undefined)
    assert.deepEqual(ran.sort(), [1, 2, 3, 4, 5])
  } finally {
    await close()
  }
})
