// Several workers behind the queues: who gets what, and what happens to the tasks of a worker that is lost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LiveTask } from '../../src/engine/tasks/live-task.ts'
import type { CrewMember, WorkerProfile } from '../../src/engine/workers/crew-member.ts'
import { type LoadBalancer, silentLogger, task } from '../../src/index.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { platformFailure } from '../../src/protocol/failure.ts'
import { EMPTY_PAYLOAD } from '../../src/protocol/payload.ts'
import type { TaskDispatch, TaskWorkerPort } from '../../src/protocol/task-worker-port.ts'
import { EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import type { EngineSeams, EngineSettings } from '../../src/server/engine-settings.ts'
import { openEngine } from '../../src/server/open-engine.ts'
import { until } from './task-fixtures.ts'

/** A worker that keeps what it gets. */
class Desk implements TaskWorkerPort<LiveTask> {
  readonly got: TaskDispatch<LiveTask>[] = []
  readonly aborted: LiveTask[] = []
  readonly #names: readonly string[]

  constructor(names: readonly string[]) {
    this.#names = names
  }

  supports(name: string): boolean {
    return this.#names.includes(name)
  }

  start(dispatch: TaskDispatch<LiveTask>): void {
    this.got.push(dispatch)
  }

  abort(owner: LiveTask): void {
    this.aborted.push(owner)
  }

  get inputs(): unknown[] {
    return this.got.map(({ input }) => input[3])
  }
}

const work = task({ name: 'work', retry: { maxAttempts: 2, initialInterval: 1 }, run: (_, n: number) => n })

async function opened(settings: Partial<EngineSettings> = {}, seams: EngineSeams = {}) {
  const parts = await openEngine(
    { store: 'memory', taskConcurrency: 1, shutdownGrace: 0, logger: silentLogger, ...settings },
    seams,
  )
  const client = new EmbeddedEngine(parts)
  const { attempts } = parts.engine.tasks
  const join = (
    id: string,
    about: Partial<WorkerProfile> = {},
    names = ['work'],
  ): { readonly desk: Desk; readonly member: CrewMember<LiveTask> } => {
    const desk = new Desk(names)
    return { desk, member: attempts.join({ id, credits: 100, ...about }, desk) }
  }
  /** The end of a task by its input, wherever it runs. */
  const end = (desk: Desk, n: number): void => {
    const at = desk.got.findIndex(({ input }) => input[3] === n)
    const [dispatch] = desk.got.splice(at, 1)
    assert.ok(dispatch)
    attempts.onTaskCompleted(dispatch.owner, EMPTY_PAYLOAD)
  }
  return { client, attempts, join, end, [Symbol.asyncDispose]: () => client.close() }
}

type Opened = Awaited<ReturnType<typeof opened>>

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

test('a worker gets as many tasks as it has places, and the next when one has ended', async () => {
  await using engine = await opened()
  const { desk } = engine.join('a', { credits: 3 })
  await engine.client.enqueueMany(work, numbers(5))
  await until(() => desk.got.length === 3)
  assert.deepEqual(desk.inputs, [0, 1, 2])
  engine.end(desk, 1)
  await until(() => desk.got.length === 3)
  assert.deepEqual(desk.inputs, [0, 2, 3])
})

test('the balancer of the queue decides who gets a task', async () => {
  await using engine = await opened({
    queues: [
      { name: 'turns', balancer: 'round-robin' },
      { name: 'keys', balancer: 'hash' },
      { name: 'own', balancer: () => ({ name: 'last', pick: (workers) => workers.at(workers.size - 1) }) },
    ],
  })
  const workers = ['a', 'b', 'c'].map((id) => engine.join(id).desk)
  await engine.client.enqueueMany(work, numbers(9), { queue: 'turns' })
  await until(() => workers.reduce((sum, { got }) => sum + got.length, 0) === 9)
  assert.deepEqual(
    workers.map(({ got }) => got.length),
    [3, 3, 3],
  )
  await engine.client.enqueueMany(work, numbers(9), { queue: 'keys', key: 'ada' })
  await until(() => workers.reduce((sum, { got }) => sum + got.length, 0) === 18)
  assert.deepEqual(workers.map(({ got }) => got.length).sort(), [12, 3, 3])
  await engine.client.enqueueMany(work, numbers(9), { queue: 'own' })
  await until(() => workers.reduce((sum, { got }) => sum + got.length, 0) === 27)
  assert.equal(workers[2]?.got.filter(({ owner }) => owner.head.queue === 'own').length, 9)
})

test('a balancer of code that fails stops the engine, and the error names its queue', async () => {
  const wrong: [pick: LoadBalancer['pick'], message: RegExp][] = [
    [
      () => undefined as never,
      /the load balancer of queue own failed: .*picked 'undefined', which is no candidate/,
    ],
    [
      () => {
        throw new Error('no more')
      },
      /the load balancer of queue own failed: no more/,
    ],
  ]
  for (const [pick, message] of wrong) {
    const engine = await opened({ queues: [{ name: 'own', balancer: () => ({ pick }) }] })
    engine.join('a')
    const run = async () => (await engine.client.enqueue(work, 1, { queue: 'own' })).result()
    await assert.rejects(run, { code: 'ENGINE_FAILED', message })
    await engine.client.close().catch(() => {})
  }
})

test('a task goes to a worker that has code and what it requires; others of its queue are not held up', async () => {
  await using engine = await opened()
  const gpu = { labels: { gpu: 'yes' } }
  const small = engine.join('small', { capacity: { cpu: 1, memoryMb: 512 } }).desk
  const held = await engine.client.enqueue(work, 1, { requires: { cpu: 2, ...gpu } })
  await engine.client.enqueue(work, 2, { requires: { cpu: 1 } })
  await engine.client.enqueue(work, 3, { requires: { cpu: 0.5 } })
  await engine.client.enqueue(work, 4)
  await until(() => small.got.length === 2)
  assert.deepEqual(small.inputs, [2, 4])
  assert.equal(
    (await held.explain()).sentence,
    'no worker with code for task work has 2 CPUs and label gpu=yes',
  )
  const large = engine.join('large', { capacity: { cpu: 2 }, ...gpu }).desk
  await until(() => large.got.length === 1)
  assert.deepEqual(large.inputs, [1])
  engine.end(small, 2)
  await until(() => small.inputs.includes(3))
  await assert.rejects(engine.client.enqueue(work, 1, { requires: { cpu: 0 } }), /requires.cpu is 0/)
})

test('a queue, a namespace and an affinity narrow who gets a task', async () => {
  await using engine = await opened()
  const mail = engine.join('mail', { queues: ['mail'] }).desk
  const foreign = engine.join('foreign', { namespace: 'other' }).desk
  const all = engine.join('all').desk
  await engine.client.enqueueMany(work, numbers(4), { queue: 'files' })
  await until(() => all.got.length === 4)
  const more = ['x', 'y'].map((id) => engine.join(id).desk)
  await engine.client.enqueueMany(work, numbers(20), { queue: 'files', affinity: 'ada' })
  const sizes = () => [all, ...more].map(({ got }) => got.filter(({ owner }) => owner.spec.affinity).length)
  await until(() => sizes().reduce((a, b) => a + b) === 20)
  assert.deepEqual(sizes().sort(), [0, 0, 20])
  assert.equal(mail.got.length + foreign.got.length, 0)
})

test('tasks of a lost worker start elsewhere at once, with their checkpoint, and no attempt is counted', async () => {
  await using engine = await opened()
  const { desk, member } = engine.join('a')
  const [one, two] = await engine.client.enqueueMany(work, [1, 2])
  await until(() => desk.got.length === 2)
  const [owner] = desk.got.map((dispatch) => dispatch.owner)
  assert.ok(owner)
  engine.attempts.onTaskHeartbeat(owner, [1, 'json', null, 'half'])
  engine.attempts.leave(member)
  // What it still says of them changes nothing.
  engine.attempts.onTaskCompleted(owner, EMPTY_PAYLOAD)
  assert.equal((await one?.describe())?.status, 'waiting')
  const { desk: next } = engine.join('b')
  await until(() => next.got.length === 2)
  assert.deepEqual(
    next.got.map(({ attempt, checkpoint }) => [attempt, checkpoint?.[3]]),
    [
      [1, 'half'],
      [1, undefined],
    ],
  )
  engine.end(next, 1)
  engine.end(next, 2)
  await one?.result()
  assert.equal((await two?.describe())?.worker, 'b')
})

test('a task that kills three workers is parked; the others of those workers are not', async () => {
  await using engine = await opened()
  const poison = await engine.client.enqueue(work, 666)
  const good = await engine.client.enqueueMany(work, numbers(5))
  let ids = 0
  const isPoisoned = async () => (await poison.describe()).status === 'failed'
  const workers = () => engine.join(`w${ids++}`)
  let crew = [workers(), workers()]
  while (!(await isPoisoned())) {
    await until(() => crew.some(({ desk }) => desk.inputs.includes(666)))
    crew = crew.map((each) => {
      if (!each.desk.inputs.includes(666)) return each
      engine.attempts.leave(each.member)
      return workers()
    })
  }
  await assert.rejects(poison.result(), /TASK_POISON/)
  assert.equal(ids, 5)
  await until(() => crew.reduce((sum, { desk }) => sum + desk.got.length, 0) === 5)
  for (const { desk } of crew) for (const n of [...desk.inputs]) engine.end(desk, n as number)
  for (const handle of good) await handle.result()
  // It begins anew when it is told to.
  await poison.retry()
  await until(() => crew.some(({ desk }) => desk.inputs.includes(666)))
})

test('a place is free again when a task that was given up has really ended', async () => {
  await using engine = await opened()
  const { desk } = engine.join('a', { credits: 1 })
  const first = await engine.client.enqueue(work, 1)
  await until(() => desk.got.length === 1)
  await engine.client.enqueue(work, 2)
  await first.cancel()
  const [aborted] = desk.aborted
  assert.ok(aborted)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(desk.got.length, 1)
  engine.attempts.onTaskSlotFree(desk)
  await until(() => desk.got.length === 2)
})

test('two workers cannot have one id', async () => {
  await using engine = await opened()
  const { member } = engine.join('a')
  assert.throws(() => engine.join('a'), { code: 'WORKER_ID_TAKEN', message: /worker with the id a/ })
  engine.attempts.leave(member)
  engine.join('a')
})

test('workers of several namespaces can have one id, and do not learn of each other', async () => {
  await using engine = await opened()
  const { member: ours } = engine.join('a', { namespace: 'ours' })
  const { member: theirs } = engine.join('a', { namespace: 'theirs' })
  assert.throws(() => engine.join('a', { namespace: 'ours' }), { code: 'WORKER_ID_TAKEN' })
  // One that serves all of them would be one of each.
  assert.throws(() => engine.join('a'), { code: 'WORKER_ID_TAKEN' })
  engine.attempts.leave(ours)
  engine.join('a', { namespace: 'ours' })
  assert.throws(() => engine.join('a', { namespace: 'theirs' }), { code: 'WORKER_ID_TAKEN' })
  engine.attempts.leave(theirs)
  engine.join('a', { namespace: 'theirs' })
})

/** The worker fails all that it has, until it has failed so often. */
async function failMany({ attempts }: Opened, desk: Desk, times: number): Promise<void> {
  for (let failed = 0; failed < times; failed++) {
    await until(() => desk.got.length > 0)
    const [dispatch] = desk.got.splice(0, 1)
    assert.ok(dispatch)
    attempts.onTaskFailed(dispatch.owner, platformFailure('CANCELLED', 'enough'))
  }
}

const once = { retry: { maxAttempts: 1 } } as const
const ejectedFrom = async ({ client }: Opened, id: string): Promise<readonly string[] | undefined> =>
  (await client.workers()).find((worker) => worker.id === id)?.ejectedFrom

test('the only worker that can run a task is never ejected, whoever else is there', async () => {
  await using engine = await opened()
  const { desk } = engine.join('only', { labels: { gpu: 'yes' } })
  engine.join('other-code', {}, ['other'])
  engine.join('draining', { credits: 0 })
  await engine.client.enqueueMany(work, numbers(12), once)
  await failMany(engine, desk, 12)
  assert.deepEqual(await ejectedFrom(engine, 'only'), [])
  // A second one that has code, and not the label: of tasks that require it the first is the only one.
  const gpu = await engine.client.enqueue(work, 50, { requires: { labels: { gpu: 'yes' } } })
  await until(() => desk.inputs.includes(50))
  engine.end(desk, 50)
  await gpu.result()
  const { desk: second } = engine.join('second')
  await engine.client.enqueueMany(work, numbers(20), { ...once, requires: { labels: { gpu: 'yes' } } })
  await failMany(engine, desk, 20)
  assert.deepEqual(await ejectedFrom(engine, 'only'), [])
  assert.equal(second.got.length, 0)
})

test('a worker that is ejected is let back when the last other one that can run its tasks leaves or drains', async () => {
  for (const ends of ['leaves', 'drains'] as const) {
    await using engine = await opened({ queues: [{ name: 'default', balancer: 'round-robin' }] })
    const { desk } = engine.join('bad')
    const good = engine.join('good')
    await engine.client.enqueueMany(work, numbers(10), once)
    await failMany(engine, desk, 5)
    assert.deepEqual(await ejectedFrom(engine, 'bad'), ['default'])
    await until(() => good.desk.got.length === 5)
    for (const n of [...good.desk.inputs]) engine.end(good.desk, n as number)
    engine.attempts.setCredits(good.member, 0)
    if (ends === 'leaves') engine.attempts.leave(good.member)
    await engine.client.enqueue(work, 99)
    await until(() => desk.got.length === 1)
    assert.deepEqual(await ejectedFrom(engine, 'bad'), [])
  }
})

test('what waits starts when the last other worker leaves or drains, though it had no task to give back', async () => {
  for (const ends of ['leaves', 'drains'] as const) {
    await using engine = await opened({ queues: [{ name: 'default', balancer: 'round-robin' }] })
    const { desk } = engine.join('bad')
    const good = engine.join('good', { credits: 5 })
    const handles = await engine.client.enqueueMany(work, numbers(10), once)
    await failMany(engine, desk, 5)
    await until(() => good.desk.got.length === 5)
    // Its places stay taken: the functions have not ended.
    for (const handle of handles) if ((await handle.describe()).status === 'running') await handle.cancel()
    await engine.client.enqueue(work, 99)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(desk.got.length, 0)
    if (ends === 'leaves') engine.attempts.leave(good.member)
    else engine.attempts.setCredits(good.member, 0)
    await until(() => desk.inputs.includes(99))
  }
})

test('who can run a task, and has no place for it, is what it and its queue wait for', async () => {
  await using engine = await opened({ taskConcurrency: 50 })
  const { desk } = engine.join('w', { credits: 1, capacity: { cpu: 2 } })
  await engine.client.enqueue(work, 1)
  await until(() => desk.got.length === 1)
  const second = await engine.client.enqueue(work, 2)
  // The 50 places of the engine's own worker are of no use: it has no code.
  assert.equal(
    (await second.explain()).sentence,
    'no tasks are ahead of it in queue default under fcfs; the only place is taken',
  )
  assert.partialDeepStrictEqual(await engine.client.explainQueue('default'), {
    reason: 'workers-busy',
    sentence: '1 task waits in queue default: the only place is taken',
    limit: 1,
    held: [{ reason: 'workers-busy', name: 'work', waiting: 1 }],
  })
  const foreign = task({ name: 'foreign', run: () => 0 })
  await engine.client.enqueue(foreign, undefined)
  assert.equal(
    (await engine.client.explainQueue('default')).sentence,
    '2 tasks wait in queue default: for task work, the only place is taken',
  )
})

test('a task that waits for CPU in use says so, and one that nobody can run says why', async () => {
  await using engine = await opened()
  const { desk } = engine.join('w', { capacity: { cpu: 2, memoryMb: 100 } })
  await engine.client.enqueue(work, 1, { requires: { cpu: 2 } })
  await until(() => desk.got.length === 1)
  const second = await engine.client.enqueue(work, 2, { requires: { cpu: 1 } })
  const inUse = 'the CPU that it requires is in use'
  assert.equal(
    (await second.explain()).sentence,
    `no tasks are ahead of it in queue default under fcfs; ${inUse}`,
  )
  assert.partialDeepStrictEqual(await engine.client.explainQueue('default'), {
    reason: 'workers-busy',
    sentence: `1 task waits in queue default: ${inUse}`,
  })
  await engine.client.enqueue(work, 3, { queue: 'large', requires: { cpu: 9, memoryMb: 1 } })
  assert.partialDeepStrictEqual(await engine.client.explainQueue('large'), {
    reason: 'no-code',
    sentence: 'queue large: no worker with code for task work has 9 CPUs and 1 MiB of memory',
  })
  const foreign = task({ name: 'foreign', run: () => 0 })
  const unknown = await engine.client.enqueue(foreign, undefined, { requires: { cpu: 1 } })
  assert.equal(
    (await unknown.explain()).sentence,
    'no worker has code for task foreign, which requires 1 CPU',
  )
})

test('a task that waits for a worker that was ejected says so, and so does its queue', async () => {
  await using engine = await opened({ queues: [{ name: 'default', balancer: 'round-robin' }] })
  const { desk } = engine.join('bad')
  const good = engine.join('good', { credits: 5 })
  await engine.client.enqueueMany(work, numbers(10), once)
  await failMany(engine, desk, 5)
  await until(() => good.desk.got.length === 5)
  const waits = await engine.client.enqueue(work, 99)
  const { sentence, ejected } = await waits.explain()
  const until30s = ejected?.[0]?.untilMs ?? 0
  assert.deepEqual(ejected, [{ id: 'bad', untilMs: until30s }])
  assert.ok(until30s > Date.now() + 20_000)
  const what = `all 5 places are taken, and worker bad gets none until ${new Date(until30s).toISOString()}, since too much failed there`
  assert.equal(sentence, `no tasks are ahead of it in queue default under fcfs; ${what}`)
  assert.partialDeepStrictEqual(await engine.client.explainQueue('default'), {
    reason: 'workers-busy',
    sentence: `1 task waits in queue default: ${what}`,
    ejected,
  })
})

test('an engine without tasks does not look again and again for a worker that was let back', async () => {
  let timers = 0
  const clock: Clock = {
    ...systemClock,
    after: (ms, call) => {
      timers += 1
      return systemClock.after(ms, call)
    },
  }
  const ejection = { consecutiveFailures: 1, baseEjectionMs: 10, maxEjectionMs: 10 }
  await using engine = await opened({ queues: [{ name: 'default', ejection }] }, { clock })
  const desks = ['a', 'b'].map((id) => engine.join(id).desk)
  const handle = await engine.client.enqueue(work, 1, once)
  await until(() => desks.some(({ got }) => got.length === 1))
  for (const desk of desks) await failMany(engine, desk, desk.got.length)
  await assert.rejects(handle.result())
  assert.equal((await engine.client.workers()).filter(({ ejectedFrom }) => ejectedFrom.length > 0).length, 1)
  await new Promise((resolve) => setTimeout(resolve, 30))
  const before = timers
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.ok(timers - before < 5, `${timers - before} timers in 60 ms`)
})
