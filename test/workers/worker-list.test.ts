// engine.workers(): who is connected, what each can do, and what it has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, createEngine, createWorker, signal, silentLogger, task, workflow } from '../../src/index.ts'
import { perdure } from '../cli/store-fixture.ts'
import { until } from '../tasks/task-fixtures.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const
const release = signal('release')
const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(release) })
const hanging = task({
  name: 'hanging',
  run: ({ abortSignal }) => new Promise((resolve) => abortSignal.addEventListener('abort', resolve)),
})

test('workers are listed with what they can do and what they have', async () => {
  await using engine = await createEngine({ store: 'memory', ...quiet })
  const { url } = await engine.listen({ heartbeat: 50 })
  await using client = await connect(url, { logger: silentLogger })
  assert.deepEqual(
    (await client.workers()).map(({ isLocal, workflows }) => [isLocal, workflows]),
    [[true, []]],
  )
  const worker = await createWorker({
    url,
    id: 'w-1',
    build: '1.2',
    zone: 'eu-1',
    labels: { gpu: 'no' },
    capacity: { cpu: 2, memoryMb: 100 },
    queues: ['default', 'slow'],
    concurrency: 3,
    tasks: [hanging],
    workflows: [waiting],
    ...quiet,
  })
  await engine.enqueue(hanging, undefined)
  const execution = await engine.start(waiting)
  const other = async () => (await client.workers()).find(({ id }) => id === 'w-1')
  await until(async () => (await other())?.running === 1 && (await other())?.executions === 1)
  await until(async () => (await other())?.load !== undefined)
  const { address, load, ...rest } = (await other()) ?? {}
  assert.match(address ?? '', /^127\.0\.0\.1:\d+$/)
  assert.equal(typeof load?.cpu, 'number')
  assert.deepEqual(rest, {
    id: 'w-1',
    isLocal: false,
    build: '1.2',
    queues: ['default', 'slow'],
    zone: 'eu-1',
    labels: { gpu: 'no' },
    weight: 1,
    capacity: { cpu: 2, memoryMb: 100 },
    credits: 3,
    running: 1,
    givenUp: 0,
    tasks: ['hanging'],
    workflows: [{ name: 'waiting', version: '1' }],
    executions: 1,
    isLeaving: false,
    ejectedFrom: [],
  })
  await using elsewhere = await connect(url, { namespace: 'other', logger: silentLogger })
  assert.deepEqual(
    (await elsewhere.workers()).map(({ isLocal }) => isLocal),
    [true],
  )
  const shown = await perdure(['workers', '--url', url], { columns: 120 })
  assert.match(shown.stdout, /w-1 +1\/3 +1 .*1\.2 +eu-1 +127\.0\.0\.1/)
  assert.match((await perdure(['workers'])).stderr, /no engine was named/)
  await execution.terminate('enough')
  await worker.close()
  await until(async () => (await other()) === undefined)
})
