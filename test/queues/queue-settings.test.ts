/** Settings of queues that are changed while the engine runs. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  connect,
  createEngine,
  type LoadBalancer,
  type SchedulingPolicy,
  silentLogger,
  task,
} from '../../src/index.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { double, gate, until } from '../tasks/task-fixtures.ts'

const settings = { store: 'memory', logger: silentLogger } as const

/** The order in which numbers ran. */
function noted() {
  const order: number[] = []
  return { order, task: task({ name: 'noted', run: (_, n: number) => void order.push(n) }) }
}

describe('what counts', () => {
  test('what was set counts over what code says, until it is reset; each setting says where it comes from', async () => {
    await using engine = await createEngine({
      ...settings,
      queues: [{ name: 'mail', policy: 'priority', concurrency: 5, rate: { perSecond: 10 } }],
    })
    const { queues } = engine
    assert.deepEqual(await queues.set('mail', { policy: 'sjf', concurrency: 2, rate: null }), { revision: 1 })
    const details = await queues.get('mail')
    assert.deepEqual(details.settings, {
      policy: { name: 'sjf' },
      balancer: { name: 'power-of-two' },
      concurrency: 2,
      paused: false,
    })
    assert.deepEqual(details.code, {
      policy: { name: 'priority' },
      concurrency: 5,
      rate: { perSecond: 10 },
    })
    assert.deepEqual(details.overrides, { policy: { name: 'sjf' }, concurrency: 2, rate: null })
    assert.deepEqual(details.sources, {
      policy: 'run-time',
      balancer: 'default',
      concurrency: 'run-time',
      keyConcurrency: 'default',
      rate: 'run-time',
      keyRate: 'default',
      paused: 'default',
    })
    assert.ok(details.changedAt instanceof Date)
    assert.deepEqual(await queues.reset('mail', ['concurrency']), { revision: 2 })
    assert.partialDeepStrictEqual(await queues.get('mail'), {
      settings: { policy: { name: 'sjf' }, concurrency: 5 },
      sources: { concurrency: 'code' },
    })
    assert.deepEqual(await queues.reset('mail'), { revision: 3 })
    const { settings: inForce, code, overrides } = await queues.get('mail')
    assert.deepEqual(overrides, {})
    assert.deepEqual(inForce, { ...code, balancer: { name: 'power-of-two' }, paused: false })
  })

  test('a queue that nobody has named or used has the defaults', async () => {
    await using engine = await createEngine(settings)
    const details = await engine.queues.get('nowhere')
    assert.deepEqual(
      [details.policy, details.isPaused, details.waiting, details.revision],
      ['fcfs', false, 0, 0],
    )
    assert.equal(details.changedAt, undefined)
    assert.deepEqual(await engine.queues.list(), [])
    await engine.queues.set('b', { concurrency: 1 })
    await engine.enqueue(double, 1, { queue: 'a' })
    assert.deepEqual(
      (await engine.queues.list()).map(({ queue, revision }) => [queue, revision]),
      [
        ['a', 0],
        ['b', 1],
      ],
    )
  })

  test('a change that changes nothing writes nothing; a revision that has passed is refused', async () => {
    await using engine = await createEngine(settings)
    const { queues } = engine
    assert.deepEqual(await queues.set('q', { concurrency: 3 }, { ifRevision: 0 }), { revision: 1 })
    assert.deepEqual(await queues.set('q', { concurrency: 3 }), { revision: 1 })
    await assert.rejects(queues.set('q', { concurrency: 4 }, { ifRevision: 0 }), {
      code: 'REVISION_CONFLICT',
      message: /queue q have revision 1, not 0/,
    })
    assert.deepEqual(await queues.set('q', {}, { ifRevision: 1 }), { revision: 1 })
    assert.deepEqual(await queues.pause('q', 'why', { ifRevision: 1 }), { revision: 2 })
    assert.deepEqual(await queues.pause('q', 'why'), { revision: 2 })
    assert.deepEqual(await queues.resume('q'), { revision: 3 })
    assert.deepEqual(await queues.resume('q'), { revision: 3 })
    assert.deepEqual(await queues.reset('q', ['rate']), { revision: 3 })
    const [first, second] = await Promise.allSettled([
      queues.set('q', { concurrency: 7 }, { ifRevision: 3 }),
      queues.set('q', { concurrency: 8 }, { ifRevision: 3 }),
    ])
    assert.deepEqual([first?.status, second?.status], ['fulfilled', 'rejected'])
  })

  test('a policy and a balancer of code have names only, and come back with a reset', async () => {
    const last = (): SchedulingPolicy => ({
      name: 'last-first',
      place: ({ order }) => ({ flow: '', rank: -order, chargeMs: 0 }),
    })
    const lowest = (): LoadBalancer => ({ pick: (candidates) => candidates.from(0) })
    const { order, task: note } = noted()
    await using engine = await createEngine({
      ...settings,
      tasks: [note],
      queues: [{ name: 'default', policy: last, balancer: lowest, paused: true }],
      taskConcurrency: 1,
    })
    await engine.queues.set('default', { policy: 'fcfs', balancer: 'random' })
    assert.partialDeepStrictEqual(await engine.queues.get('default'), {
      code: { policy: { name: 'last-first', own: true }, balancer: { name: 'lowest', own: true } },
      settings: { policy: { name: 'fcfs' }, balancer: { name: 'random' } },
    })
    await engine.enqueueMany(note, [1, 2, 3])
    await assert.rejects(engine.queues.set('default', { policy: 'last-first' as never }), {
      code: 'ARGUMENT_INVALID',
      message: /no scheduling policy 'last-first' to change to; there are fcfs.*reset\(queue, \['policy'\]\)/,
    })
    await engine.queues.reset('default', ['policy', 'balancer'])
    await engine.queues.resume('default')
    await until(() => order.length === 3)
    assert.deepEqual(order, [3, 2, 1])
  })

  test('what makes no sense is refused, and changes nothing', async () => {
    await using engine = await createEngine(settings)
    const refused: [changes: object, message: RegExp][] = [
      [{ policy: 'lifo' }, /there is no scheduling policy 'lifo' to change to/],
      [{ policy: { name: 'sjf', agingg: 1 } }, /'agingg' is not an option of policy sjf; there are aging/],
      [{ policy: { name: 'sjf', aging: -1 } }, /queue q: sjf: aging is -1/],
      [{ policy: { name: 'priority', agingMs: 3e307 } }, /agingMs is 3e\+307; give a number from/],
      [{ policy: { name: 'sjf', aging: 1e300 } }, /aging is 1e\+300; give a number from/],
      [{ policy: { name: 'round-robin', weights: { a: 0 } } }, /weight of 'a' is 0/],
      [{ balancer: 'lowest' }, /there is no load balancer 'lowest' to change to/],
      [{ balancer: { name: 'consistent-hash', loadFactor: 0 } }, /loadFactor/],
      [{ concurrency: 0 }, /concurrency is 0/],
      [{ concurrency: '5' }, /concurrency is '5', not a finite number/],
      [{ rate: { perSecond: 0 } }, /rate.perSecond is 0/],
      [{ keyRate: { perSecond: 1, per: 2 } }, /'per' is not a part of keyRate/],
      [{ paused: 'yes' }, /paused is 'yes', not true or false/],
      [{ zones: ['a'] }, /'zones' is not a setting that can be changed at run time; there are policy/],
    ]
    const { url } = await engine.listen()
    await using client = await connect(url, { logger: silentLogger })
    for (const { queues } of [engine, client])
      for (const [changes, message] of refused)
        await assert.rejects(queues.set('q', changes), { code: 'ARGUMENT_INVALID', message })
    const never = { name: 'priority', agingMs: Number.POSITIVE_INFINITY } as const
    await assert.rejects(engine.queues.set('q', { policy: never }), /very large number/)
    await assert.rejects(engine.queues.set('q', { paused: true }, { ifRevision: 1.5 }), /ifRevision is 1.5/)
    await assert.rejects(engine.queues.set('q', {}, { force: true } as never), /has no option 'force'/)
    await assert.rejects(engine.queues.reset('q', ['zones' as never]), /'zones' is not a setting of queues/)
    await assert.rejects(engine.queues.get(''), { code: 'ID_INVALID' })
    assert.equal((await engine.queues.get('q')).revision, 0)
  })
})

test('a policy of code that fails for some tasks stops nothing: they wait in the order in which they came', async () => {
  const errors: string[] = []
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) }
  const policy = (): SchedulingPolicy => ({
    name: 'own',
    place: ({ priority, order }) => {
      if (priority === 9) throw new Error('no place for urgent ones')
      return { flow: '', rank: priority === 8 ? Number.NaN : order, chargeMs: 0 }
    },
  })
  await using engine = await createEngine({
    store: 'memory',
    tasks: [double],
    queues: [{ name: 'default', policy }],
    shutdownGrace: 0,
    logger,
  })
  const handles = await Promise.all(
    [9, 5, 8, 9].map((priority) => engine.enqueue(double, priority, { priority })),
  )
  assert.deepEqual(await Promise.all(handles.map((each) => each.result())), [18, 10, 16, 18])
  assert.equal(errors.length, 1)
  assert.match(errors[0] ?? '', /a scheduling policy failed/)
})

describe('changes are in force at once', () => {
  test('a pause stops what waits and not what runs; explain says why and since when', async () => {
    const { task: slow, open } = gate()
    await using engine = await createEngine({ ...settings, tasks: [slow], taskConcurrency: 1 })
    const [first, second] = await engine.enqueueMany(slow, ['a', 'b'])
    await until(() => open.length === 1)
    const before = new Date().toISOString()
    await engine.queues.pause('default', 'the printer is broken')
    open[0]?.()
    assert.equal(await first?.result(), 'a')
    const { pause } = await engine.queues.get('default')
    assert.ok(pause !== undefined && pause.at.toISOString() >= before)
    const sentence = `queue default is paused since ${pause.at.toISOString()}: the printer is broken`
    const shown = { reason: 'the printer is broken', atMs: pause.at.getTime() }
    assert.deepEqual(await second?.explain(), { reason: 'paused', sentence, pause: shown })
    assert.partialDeepStrictEqual(await engine.explainQueue('default'), {
      reason: 'paused',
      sentence,
      pause: shown,
      limits: {},
    })
    assert.equal(open.length, 1)
    await engine.queues.resume('default')
    await until(() => open.length === 2)
    open[1]?.()
    assert.equal(await second?.result(), 'b')
    assert.equal((await engine.queues.get('default')).pause, undefined)
  })

  test('a raised limit starts tasks at once, a lowered one stops none', async () => {
    const { task: slow, open } = gate()
    await using engine = await createEngine({
      ...settings,
      tasks: [slow],
      queues: [{ name: 'default', concurrency: 1 }],
    })
    await engine.enqueueMany(
      slow,
      Array.from({ length: 10 }, (_, i) => `${i}`),
    )
    await until(() => open.length === 1)
    await engine.queues.set('default', { concurrency: 4 })
    await until(() => open.length === 4)
    await engine.queues.set('default', { concurrency: 2 })
    open[0]?.()
    open[1]?.()
    await until(async () => (await engine.queues.get('default')).running === 2)
    assert.equal(open.length, 4)
    open[2]?.()
    await until(() => open.length === 5)
    await engine.queues.set('default', { concurrency: null })
    await until(() => open.length === 10)
    for (const end of open) end()
  })

  test('a limit per key counts what runs already', async () => {
    const { task: slow, open } = gate()
    await using engine = await createEngine({ ...settings, tasks: [slow], taskConcurrency: 3 })
    for (const key of ['ada', 'ada', 'bob', 'ada', 'bob']) await engine.enqueue(slow, key, { key })
    await until(() => open.length === 3)
    await engine.queues.set('default', { keyConcurrency: 1 })
    // One of ada's two, then the other: her third may start only now.
    open[0]?.()
    await until(async () => (await engine.queues.get('default')).running === 2)
    assert.equal(open.length, 3)
    open[1]?.()
    await until(() => open.length === 4)
    assert.match((await engine.explainQueue('default')).sentence, /key bob of queue default is at its limit/)
    await engine.queues.reset('default')
    await until(() => open.length === 5)
    for (const end of open) end()
    await until(async () => (await engine.queues.get('default')).running === 0)
  })

  test('a rate that is changed gives no tokens: those that were used stay used', async () => {
    const { order, task: note } = noted()
    await using engine = await createEngine({
      ...settings,
      tasks: [note],
      queues: [{ name: 'default', rate: { perSecond: 0.001, burst: 2 } }],
    })
    await engine.enqueueMany(note, [1, 2, 3, 4])
    await until(() => order.length === 2)
    await engine.queues.set('default', { rate: { perSecond: 0.002, burst: 4 } })
    await engine.queues.set('default', { concurrency: 9 })
    assert.equal((await engine.explainQueue('default')).reason, 'queue-rate')
    assert.equal(order.length, 2)
    await engine.queues.set('default', { rate: null })
    await until(() => order.length === 4)
  })

  test('another policy moves what waits, also back, and a task that runs is left alone', async () => {
    const order: string[] = []
    const { task: slow, open } = gate()
    const note = task({ name: 'noted', run: (_, name: string) => void order.push(name) })
    await using engine = await createEngine({ ...settings, tasks: [slow, note], taskConcurrency: 1 })
    const running = await engine.enqueue(slow, 'x')
    await until(() => open.length === 1)
    await engine.enqueueMany(note, ['low', 'high', 'middle'], (name) => ({
      priority: { low: 1, high: 9, middle: 5 }[name] ?? 0,
      estimateMs: { low: 1, high: 1000, middle: 100 }[name] ?? 0,
    }))
    await engine.queues.set('default', { policy: { name: 'sjf', aging: 0 } })
    await engine.queues.set('default', { policy: 'priority' })
    await until(async () => (await engine.queues.get('default')).moving === 0)
    assert.equal((await engine.queues.get('default')).waiting, 3)
    open[0]?.()
    assert.equal(await running.result(), 'x')
    await until(() => order.length === 3)
    assert.deepEqual(order, ['high', 'middle', 'low'])
    assert.equal((await engine.queues.get('default')).waiting, 0)
  })

  test('another balancer knows what the workers have', async () => {
    const { task: slow, open } = gate()
    await using engine = await createEngine({ ...settings, tasks: [slow], taskConcurrency: 2 })
    await engine.enqueueMany(slow, ['a', 'b', 'c'])
    await until(() => open.length === 2)
    for (const balancer of [
      'least-connections',
      'peak-ewma',
      'consistent-hash',
      'weighted-round-robin',
    ] as const)
      await engine.queues.set('default', { balancer })
    for (let ended = 0; ended < 3; ended++) {
      await until(() => open.length > ended)
      open[ended]?.()
    }
    await until(async () => (await engine.queues.get('default')).running === 0)
  })
})

describe('changes last', () => {
  test('over restarts, with a pause and its reason, and also when code says something else', async () => {
    using file = temporaryFile('settings.db')
    const store = `sqlite:${file.path}`
    const first = await createEngine({ store, logger: silentLogger })
    await first.queues.set('default', { policy: { name: 'sjf', aging: 0 }, keyConcurrency: 3 })
    await first.queues.pause('default', 'over night')
    await first.enqueueMany(double, [1, 2, 3])
    const before = await first.queues.get('default')
    await first.close()
    await using second = await createEngine({
      store,
      logger: silentLogger,
      tasks: [double],
      queues: [{ name: 'default', policy: 'priority' }],
    })
    const after = await second.queues.get('default')
    assert.deepEqual(after, {
      ...before,
      code: { policy: { name: 'priority' } },
      sources: { ...before.sources },
    })
    assert.equal(after.waiting, 3)
    assert.equal(after.pause?.reason, 'over night')
    await second.queues.resume('default')
    await until(async () => (await second.queues.get('default')).waiting === 0)
  })

  test('each namespace has its own', async () => {
    using file = temporaryFile('namespaces.db')
    const store = `sqlite:${file.path}`
    const first = await createEngine({ store, logger: silentLogger, namespace: 'a' })
    await first.queues.pause('q')
    await first.close()
    await using second = await createEngine({ store, logger: silentLogger, namespace: 'b' })
    assert.equal((await second.queues.get('q')).isPaused, false)
    assert.deepEqual(await second.queues.list(), [])
  })
})

test('a client in another process changes them too', async () => {
  await using engine = await createEngine({
    ...settings,
    queues: [{ name: 'mail', concurrency: 5 }],
  })
  const { url } = await engine.listen()
  await using client = await connect(url, { logger: silentLogger })
  const { queues } = client
  assert.deepEqual(
    await queues.set('mail', {
      policy: { name: 'round-robin', weights: { a: 2 } },
      concurrency: null,
      rate: { perSecond: 3 },
    }),
    { revision: 1 },
  )
  await queues.pause('mail', 'why')
  await assert.rejects(queues.set('mail', { concurrency: 1 }, { ifRevision: 1 }), {
    code: 'REVISION_CONFLICT',
  })
  assert.deepEqual(await queues.get('mail'), await engine.queues.get('mail'))
  assert.deepEqual(await queues.list(), await engine.queues.list())
  await assert.rejects(queues.set('mail', { balancer: { name: 'hash', x: 1 } }), { code: 'ARGUMENT_INVALID' })
  await queues.resume('mail')
  await queues.reset('mail', ['rate'])
  await queues.reset('mail')
  assert.equal((await engine.queues.get('mail')).settings.concurrency, 5)
})
