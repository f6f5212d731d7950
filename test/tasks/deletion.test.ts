// Tasks that are deleted, by hand and by retention.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEngine, silentLogger, task } from '../../src/index.ts'
import { Client } from '../../src/sdk/client.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { createTestEngine } from '../../src/testing.ts'
import { double, gate, until } from './task-fixtures.ts'

describe('deletion', () => {
  test('of a closed task frees its id; an open one is refused', async () => {
    const { task: slow, open } = gate()
    await using engine = await createTestEngine({ tasks: [double, slow] })
    const handle = await engine.enqueue(double, 1, { id: 'a' })
    assert.equal(await handle.result(), 2)
    const running = await engine.enqueue(slow, 'x')
    await until(() => open.length === 1)
    await assert.rejects(running.delete(), { code: 'TASK_OPEN' })
    open[0]?.()
    const [deleted, again] = await Promise.all([handle.delete(), engine.enqueue(double, 5, { id: 'a' })])
    assert.equal(deleted, undefined)
    assert.ok([2, 10].includes(await again.result().catch(() => 2)), 'before or after it')
    const last = await engine.enqueue(double, 7, { id: 'a' })
    await last.result().catch(() => {})
    await engine.task(double, 'a').delete()
    await assert.rejects(last.describe(), { code: 'TASK_NOT_FOUND' })
    assert.equal(await (await engine.enqueue(double, 8, { id: 'a' })).result(), 16)
  })

  test('retention deletes what is closed, and only that', async () => {
    const { task: slow, open } = gate()
    await using engine = await createEngine({ store: 'memory', tasks: [double, slow], retention: 150 })
    const kept = await engine.enqueue(slow, 'x')
    const gone = await engine.enqueueMany(
      double,
      Array.from({ length: 1200 }, (_, i) => i),
    )
    await Promise.all(gone.map((handle) => handle.result()))
    await until(async () => (await engine.listTasks({ limit: 1000 })).tasks.length === 1)
    assert.equal((await kept.describe()).status, 'running')
    open[0]?.()
    assert.equal(await kept.result(), 'x')
  })
})

test('retention leaves alone what was retried while it looked for what is closed', async () => {
  const inner = createMemoryStore()
  let onRead: (() => Promise<void>) | undefined
  const listTasks: Store['listTasks'] = async (query) => {
    const rows = await inner.listTasks(query)
    if (query.closedBefore !== undefined && rows.length > 0) await onRead?.()
    return rows
  }
  let isMended = false
  const letter = task({
    name: 'letter',
    retry: { maxAttempts: 1 },
    run: () => {
      if (!isMended) throw new Error('no post today')
      return 'sent'
    },
  })
  const { calls, client, close } = await openEngine(
    {
      store: Object.assign(Object.create(inner), { listTasks }),
      tasks: [letter],
      retention: 50,
      logger: silentLogger,
      shutdownGrace: 0,
    },
    {},
  )
  try {
    const engine = new Client(calls, client)
    const handle = await engine.enqueue(letter, undefined, { id: 'a' })
    await assert.rejects(handle.result(), /no post today/)
    await engine.queues.pause('default', 'until it is looked at')
    await new Promise<void>((resolve) => {
      onRead = async () => {
        onRead = undefined
        await handle.retry()
        // It is durable, and out of memory, before the rows come.
        await new Promise((waited) => setTimeout(waited, 20))
        setTimeout(resolve, 20)
      }
    })
    assert.equal((await handle.describe()).status, 'waiting')
    isMended = true
    await engine.queues.resume('default')
    assert.equal(await handle.result(), 'sent')
  } finally {
    await close()
  }
})
