// A queue with several partitions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine, type QueueSettings, silentLogger, task } from '../../src/index.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { until } from '../tasks/task-fixtures.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const
const queueOf = (more: Partial<QueueSettings> = {}): QueueSettings => ({
  name: 'default',
  partitions: 4,
  ...more,
})

test('all tasks run, those of a key in their order and one at a time; limits hold for all partitions together', async () => {
  const ran: [key: string, n: number][] = []
  const running = new Map<string, number>()
  let most = 0
  let mostOfKey = 0
  const counting = task({
    name: 'counting',
    run: async (_, { key, n }: { key: string; n: number }) => {
      running.set(key, (running.get(key) ?? 0) + 1)
      most = Math.max(
        most,
        [...running.values()].reduce((sum, each) => sum + each, 0),
      )
      mostOfKey = Math.max(mostOfKey, running.get(key) ?? 0)
      await pause(1)
      running.set(key, (running.get(key) ?? 0) - 1)
      ran.push([key, n])
    },
  })
  await using engine = await createEngine({
    store: 'memory',
    tasks: [counting],
    queues: [queueOf({ concurrency: 6, keyConcurrency: 1 })],
    ...quiet,
  })
  const inputs = Array.from({ length: 600 }, (_, n) => ({ key: `k${n % 20}`, n }))
  await engine.enqueueMany(counting, inputs, ({ key }) => ({ key }))
  await until(() => ran.length === inputs.length)
  for (let k = 0; k < 20; k++) {
    const own = ran.filter(([key]) => key === `k${k}`).map(([, n]) => n)
    assert.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
      `k${k}`,
    )
  }
  assert.ok(most <= 6 && most >= 4, `${most} at once`)
  assert.equal(mostOfKey, 1)
})

test('pause, settings and explanations are of the whole queue; it keeps its tasks when its partitions change', async () => {
  using file = temporaryFile('partitions.db')
  const ran: number[] = []
  const noted = task({ name: 'noted', run: (_, n: number) => ran.push(n) })
  const open = (queue: QueueSettings) =>
    createEngine({ store: `sqlite:${file.path}`, tasks: [noted], queues: [queue], ...quiet })
  {
    await using engine = await open(queueOf({ paused: true }))
    await engine.enqueueMany(
      noted,
      Array.from({ length: 100 }, (_, n) => n),
    )
    const { waiting, reason } = await engine.explainQueue('default')
    assert.deepEqual([waiting, reason], [100, 'paused'])
    const [described] = await engine.queues.list()
    assert.equal(described?.waiting, 100)
    await engine.queues.set('default', { policy: 'priority' })
    await until(async () => (await engine.queues.get('default')).moving === 0)
    await assert.rejects(engine.queues.set('default', { concurrency: 3 }), /there are 4 partitions/)
  }
  {
    // Fewer partitions than there are tasks in.
    await using engine = await open(queueOf({ partitions: 2 }))
    await until(() => ran.length === 100)
    assert.deepEqual(
      ran.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, n) => n),
    )
    await until(async () => (await engine.queues.get('default')).running === 0)
  }
  await assert.rejects(open(queueOf({ partitions: 0 })), /partitions is 0; give a whole number from 1 to 64/)
  await assert.rejects(open(queueOf({ concurrency: 2 })), /concurrency is 2, and there are 4 partitions/)
})
