// Queues that come and go by their names, and looks at them that were refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TaskQueue } from '../../src/core/queue/task-queue.ts'
import { silentLogger, task, workflow } from '../../src/index.ts'
import { Client } from '../../src/sdk/client.ts'
import type { EngineSettings } from '../../src/server/engine-settings.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import { double, until } from './task-fixtures.ts'

async function opened(settings: Partial<EngineSettings> = {}) {
  const parts = await openEngine(
    { store: 'memory', tasks: [double], logger: silentLogger, shutdownGrace: 0, ...settings },
    {},
  )
  const client = new Client(parts.calls, parts.client)
  return { ...parts, client, [Symbol.asyncDispose]: () => parts.close() }
}

/** A task through each of so many queues with names of their own. */
async function useQueues({ client }: { readonly client: Client }, count: number, prefix: string) {
  for (let from = 0; from < count; from += 500) {
    const numbers = Array.from({ length: Math.min(500, count - from) }, (_, i) => from + i)
    const handles = await client.enqueueMany(double, numbers, (n) => ({ queue: `${prefix}-${n}` }))
    await Promise.all(handles.map((each) => each.result()))
  }
}

test('queues that were used once cost the others nothing', async (context) => {
  await using engine = await opened()
  await useQueues(engine, 500, 'once')
  const takes = context.mock.method(TaskQueue.prototype, 'take').mock
  for (let n = 0; n < 20; n++) assert.equal(await (await engine.client.enqueue(double, n)).result(), 2 * n)
  // Each is taken, and then there is nothing.
  assert.ok(takes.callCount() <= 60, `the queues were asked ${takes.callCount()} times for 20 tasks`)
})

test('empty queues are forgotten when others come, but for those with settings and with tasks', async () => {
  await using engine = await opened({ queues: [{ name: 'declared' }] })
  const { client } = engine
  await client.queues.pause('paused', 'to be mended')
  const waiting = await client.enqueue(double, 1, { queue: 'paused' })
  const later = await client.enqueue(double, 2, { queue: 'later', delay: '1h', id: 'later' })
  await (await client.enqueue(double, 3, { queue: 'declared' })).result()
  await useQueues(engine, 5000, 'once')
  const known = engine.engine.tasks.queues.all().map(({ key }) => key.queue)
  assert.ok(known.length < 3500, `${known.length} queues are known`)
  for (const name of ['paused', 'declared']) assert.ok(known.includes(name), name)
  assert.equal((await later.describe()).status, 'delayed')
  await later.reprioritise(9)
  await later.cancel()
  await client.queues.resume('paused')
  assert.equal(await waiting.result(), 2)
  assert.equal(await (await client.enqueue(double, 4, { queue: 'once-1' })).result(), 8)
})

test('a look that was refused while too much was not committed is made good when that is over', async () => {
  const nothing = workflow({ name: 'nothing', run: () => 0 })
  const ran: number[] = []
  const note = task({ name: 'note', run: (_, n: number) => void ran.push(n) })
  await using engine = await opened({
    tasks: [note],
    workflows: [nothing],
    queues: [{ name: 'default', rate: { perSecond: 10, burst: 1 } }],
  })
  const { client } = engine
  await client.enqueueMany(note, [1, 2, 3])
  await until(() => ran.length === 1)
  let isOverloaded = true
  Object.defineProperty(engine.engine.committer, 'isOverloaded', { get: () => isOverloaded })
  // The wake-up of the rate falls into this time.
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.deepEqual(ran, [1])
  isOverloaded = false
  // What overloads is committed: executions, and nothing of tasks.
  await client.start(nothing, undefined)
  await until(() => ran.length === 3)
  assert.deepEqual(ran, [1, 2, 3])
})
