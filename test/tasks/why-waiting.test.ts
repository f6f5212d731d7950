// handle.explain(): why a task waits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, task } from '../../src/index.ts'
import { double, gate, until } from './task-fixtures.ts'

test('a task says why it waits', async () => {
  const { task: slow, open } = gate()
  const failing = task({
    name: 'failing',
    retry: { maxAttempts: 4, initialInterval: '1h', maxInterval: '1h', backoff: 'decorrelated' },
    run: () => {
      throw new Error('no post today')
    },
  })
  const unknown = task({ name: 'unknown', run: () => 0 })
  await using engine = await createEngine({
    store: 'memory',
    tasks: [slow, double, failing],
    taskConcurrency: 2,
    shutdownGrace: 0,
    queues: [
      { name: 'one', concurrency: 1 },
      { name: 'keyed', keyConcurrency: 1, policy: 'sjf' },
      { name: 'closed', paused: true },
      { name: 'slow', keyRate: { perSecond: 0.001 } },
    ],
  })
  const failed = await engine.enqueue(failing, undefined)
  await until(async () => (await failed.describe()).status === 'delayed')
  assert.match((await failed.explain()).sentence, /^attempt 2 of 4 begins in 3\d{3} s: no post today$/)
  const delayed = await engine.enqueue(double, 1, { delay: '30s' })
  assert.equal((await delayed.explain()).sentence, 'its time comes in 30 s')
  assert.equal((await (await engine.enqueue(unknown, undefined)).explain()).reason, 'no-code')
  assert.equal(
    (await (await engine.enqueue(double, 1, { queue: 'closed' })).explain()).sentence,
    'queue closed is paused',
  )
  assert.equal(await (await engine.enqueue(double, 1, { queue: 'slow', key: 'a' })).result(), 2)
  assert.equal(
    (await (await engine.enqueue(double, 1, { queue: 'slow', key: 'a' })).explain()).reason,
    'key-rate',
  )
  const first = await engine.enqueue(slow, 'a', { queue: 'one' })
  const second = await engine.enqueue(slow, 'b', { queue: 'one' })
  await until(() => open.length === 1)
  assert.deepEqual((await first.explain()).sentence, 'it runs, attempt 1 of 5')
  assert.deepEqual(await second.explain(), {
    reason: 'queue-limit',
    sentence: 'queue one is at its limit of 1 at once',
    limit: 1,
  })
  await engine.enqueue(slow, 'c', { queue: 'keyed', key: 'ada' })
  const held = await engine.enqueue(slow, 'd', { queue: 'keyed', key: 'ada' })
  const inLine = await engine.enqueue(slow, 'e', { queue: 'keyed', key: 'bob' })
  await until(() => open.length === 2)
  assert.equal((await held.explain()).sentence, 'key ada is at its limit of 1 at once')
  assert.equal(
    (await inLine.explain()).sentence,
    '1 other task waits in queue keyed under sjf; all 2 places are taken',
  )
})
