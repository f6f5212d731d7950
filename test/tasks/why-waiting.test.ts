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
      { name: 'rated', rate: { perSecond: 0.001 } },
    ],
  })
  const failed = await engine.enqueue(failing, undefined)
  await until(async () => (await failed.describe()).status === 'delayed')
  assert.match((await failed.explain()).sentence, /^attempt 2 of 4 begins in (1 h|59 min): no post today$/)
  const delayed = await engine.enqueue(double, 1, { delay: '30s' })
  assert.equal((await delayed.explain()).sentence, 'its time comes in 30 s')
  for (const [delay, shown] of [
    ['119s', '119 s'],
    ['30m', '30 min'],
    ['60m', '1 h'],
    ['26.5h', '26 h 30 min'],
    ['49h', '2 d 1 h'],
  ] as const) {
    const later = await engine.enqueue(double, 1, { delay })
    assert.equal((await later.explain()).sentence, `its time comes in ${shown}`)
  }
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
  assert.equal(await (await engine.enqueue(double, 1, { queue: 'rated' })).result(), 2)
  const [next, last] = await engine.enqueueMany(double, [1, 2], { queue: 'rated' })
  const { untilMs, ...rated } = (await next?.explain()) ?? {}
  assert.ok((untilMs ?? 0) > Date.now())
  assert.partialDeepStrictEqual(rated, { reason: 'queue-rate', others: 1, ahead: 0 })
  assert.match(
    (await last?.explain())?.sentence ?? '',
    /^queue rated has used up its rate: the next task starts in 1[67] min; 1 task is ahead of it$/,
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
    'no tasks are ahead of it in queue keyed under sjf; all 2 places are taken',
  )
})

test('a task says how many are ahead of it, as far as the policy fixes that', async () => {
  const { task: slow, open } = gate()
  await using engine = await createEngine({
    store: 'memory',
    tasks: [slow, double],
    taskConcurrency: 1,
    shutdownGrace: 0,
    queues: [
      { name: 'by-priority', policy: 'priority' },
      { name: 'turns', policy: 'round-robin' },
    ],
  })
  await engine.enqueue(slow, 'a')
  await until(() => open.length === 1)
  const many = await engine.enqueueMany(
    double,
    Array.from({ length: 1300 }, (_, i) => i),
    { queue: 'by-priority' },
  )
  const urgent = await engine.enqueue(slow, 'b', { queue: 'by-priority', priority: 9 })
  // Nobody can run these: they are not ahead of anything.
  const unknown = task({ name: 'unknown', run: () => 0 })
  await engine.enqueue(unknown, undefined, { queue: 'by-priority', priority: 9 })
  const last = await many.at(-1)?.explain()
  assert.deepEqual([last?.reason, last?.ahead, last?.others], ['in-line', 1300, 1301])
  assert.equal(
    last?.sentence,
    '1,300 tasks are ahead of it in queue by-priority under priority; the only place is taken',
  )
  assert.equal((await urgent.explain()).ahead, 0)
  await engine.enqueueMany(double, [1, 2, 3], { queue: 'turns', key: 'ada' })
  const turn = await engine.enqueue(double, 4, { queue: 'turns', key: 'bob' })
  assert.deepEqual(await turn.explain(), {
    reason: 'in-line',
    sentence: '3 other tasks wait in queue turns under round-robin; the only place is taken',
    others: 3,
  })
})

test('a queue says why it waits', async () => {
  const { task: slow, open } = gate()
  const unknown = task({ name: 'unknown', run: () => 0 })
  await using engine = await createEngine({
    store: 'memory',
    tasks: [slow, double],
    taskConcurrency: 3,
    shutdownGrace: 0,
    queues: [
      { name: 'closed', paused: true },
      { name: 'one', concurrency: 1 },
      { name: 'keyed', keyConcurrency: 1 },
      { name: 'rate', rate: { perSecond: 0.001 } },
      { name: 'key-rate', keyRate: { perSecond: 0.001 } },
    ],
  })
  const sentence = async (name: string): Promise<string> => (await engine.explainQueue(name)).sentence
  assert.deepEqual(await engine.explainQueue('nowhere'), {
    reason: 'empty',
    sentence: 'nothing waits in queue nowhere',
    waiting: 0,
    running: 0,
    limits: {},
    held: [],
  })
  await engine.enqueue(double, 1, { queue: 'closed' })
  assert.equal(await sentence('closed'), 'queue closed is paused')
  await engine.enqueueMany(
    unknown,
    [1, 2].map(() => undefined),
    { queue: 'lost' },
  )
  assert.deepEqual(await engine.explainQueue('lost'), {
    reason: 'no-code',
    sentence: 'queue lost: no worker has code for task unknown',
    waiting: 2,
    running: 0,
    limits: {},
    held: [{ reason: 'no-code', name: 'unknown', waiting: 2 }],
  })
  for (const queue of ['rate', 'key-rate']) {
    const [first] = await engine.enqueueMany(double, [1, 2], { queue, key: 'ada' })
    await first?.result()
  }
  assert.match(await sentence('rate'), /^queue rate has used up its rate: the next task starts in 1[67] min$/)
  const keyRate = await engine.explainQueue('key-rate')
  assert.match(keyRate.sentence, /^key ada of queue key-rate has used up its rate for 1[67] min$/)
  assert.ok(keyRate.reason === 'key-rate' && (keyRate.untilMs ?? 0) > Date.now())
  await engine.enqueueMany(slow, ['a', 'b'], { queue: 'one' })
  await engine.enqueueMany(slow, ['c', 'd'], { queue: 'keyed', key: 'ada' })
  await until(() => open.length === 2)
  assert.partialDeepStrictEqual(await engine.explainQueue('one'), {
    reason: 'queue-limit',
    sentence: 'queue one is at its limit of 1 at once',
    waiting: 1,
    running: 1,
    limit: 1,
    limits: { concurrency: 1 },
  })
  assert.partialDeepStrictEqual(await engine.explainQueue('keyed'), {
    reason: 'key-limit',
    sentence: 'key ada of queue keyed is at its limit',
    held: [{ reason: 'key-limit', name: 'ada', waiting: 1 }],
  })
  await engine.enqueueMany(slow, ['e', 'f', 'g'], { queue: 'default' })
  await until(() => open.length === 3)
  assert.partialDeepStrictEqual(await engine.explainQueue('default'), {
    reason: 'workers-busy',
    sentence: '2 tasks wait in queue default: all 3 places are taken',
  })
})
