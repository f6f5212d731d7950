// One trace from a caller through workflow, step, task and child, over processes and restarts, by the real SDK of OpenTelemetry.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { beforeEach, describe, test } from 'node:test'
import { connect, createEngine, query, signal, silentLogger, task, workflow } from '../../src/index.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { named, ORDER_TREE, onlyTraceOf, started } from './span-checks.ts'
import { inSpan, type RecordedSpan, recordSpans, takeSpans, treeOf } from './span-recorder.ts'
import { spansWith } from './span-wait.ts'
import { tracedDefinitions } from './traced-definitions.ts'

const quiet = { logger: silentLogger, shutdownGrace: '5s' } as const
const { order, print, workflows, tasks } = tracedDefinitions()

recordSpans()
beforeEach(() => void takeSpans())

describe('one trace', () => {
  test('of all that an execution does in this process', async () => {
    await using engine = await createEngine({ store: 'memory', workflows, tasks, tracing: true, ...quiet })
    const handle = await inSpan('request', () => engine.start(order, undefined, { id: 'o-1' }))
    assert.equal(await handle.result(), 3)
    const spans = await spansWith('workflow order')
    assert.deepEqual(treeOf(spans), ORDER_TREE)
    const traceId = onlyTraceOf(spans)
    const about = {
      'perdure.namespace': 'default',
      'perdure.workflow.id': 'o-1',
      'perdure.run.id': handle.runId,
    }
    const ofOrder = { ...about, 'perdure.workflow.name': 'order' }
    assert.deepEqual(named(spans, 'step pay').attributes, {
      ...ofOrder,
      ...{ 'perdure.step.name': 'pay', 'perdure.attempt': 1 },
    })
    assert.deepEqual(named(spans, 'workflow order').attributes, {
      ...ofOrder,
      'perdure.workflow.status': 'completed',
    })
    const { 'perdure.task.id': taskId, ...ofTask } = named(spans, 'task print').attributes
    assert.equal(typeof taskId, 'string')
    assert.deepEqual(ofTask, {
      ...about,
      ...{ 'perdure.task.name': 'print', 'perdure.task.queue': 'printers', 'perdure.attempt': 1 },
    })
    const { spanId } = named(spans, 'start order')
    const event = await started(handle)
    assert.deepEqual('trace' in event && event.trace, { traceparent: `00-${traceId}-${spanId}-01` })
  })

  test('over a client, and workers in other processes', async () => {
    await using engine = await createEngine({ store: 'memory', tracing: true, ...quiet })
    const { url } = await engine.listen()
    const others = [await workerProcess(url, 'workflows'), await workerProcess(url, 'tasks')]
    await using client = await connect(url, { tracing: true, logger: silentLogger })
    const handle = await inSpan('request', () => client.start(order, undefined))
    assert.equal(await handle.result(), 3)
    const here = await spansWith('workflow order')
    const there = await Promise.all(others.map((end) => end()))
    const [ofCode = [], ofTasks = []] = there.map((spans) => spans.map(({ name }) => name).sort())
    assert.deepEqual(
      [ofCode, ofTasks],
      [
        ['http', 'step pay', 'step weigh'],
        ['ink', 'task print'],
      ],
    )
    const spans = [...here, ...there.flat()]
    assert.deepEqual(treeOf(spans), ORDER_TREE)
    onlyTraceOf(spans)
  })

  test('of tasks without an execution, and of calls', async () => {
    const go = signal<void>('go')
    const look = query<string>('look')
    const waits = workflow({
      name: 'waits',
      run: (ctx) => {
        ctx.onQuery(look, () => 'waiting')
        return ctx.waitFor(go)
      },
    })
    await using engine = await createEngine({
      store: 'memory',
      ...{ workflows: [waits], tasks, tracing: true, ...quiet },
    })
    await inSpan('request', async () => {
      const handle = await engine.start(waits, undefined)
      assert.equal(await handle.query(look), 'waiting')
      await handle.signal(go)
      await handle.result()
      assert.equal(await (await engine.enqueue(print, undefined)).result(), 'printed')
    })
    const spans = await spansWith('workflow waits')
    assert.deepEqual(treeOf(spans), [
      'enqueue print < request',
      'ink < task print',
      'query look < request',
      'request',
      'signal go < request',
      'start waits < request',
      'task print < enqueue print',
      'workflow waits < start waits',
    ])
    onlyTraceOf(spans)
  })

  test('of all runs that continue one another', async () => {
    const counting = workflow({
      name: 'counting',
      run: async (ctx, left: number): Promise<number> => {
        await ctx.step('count', () => left)
        return left === 0 ? 0 : ctx.continueAsNew(left - 1)
      },
    })
    await using engine = await createEngine({
      store: 'memory',
      ...{ workflows: [counting], tracing: true, ...quiet },
    })
    await (await engine.start(counting, 2)).result()
    const spans = await spansWith('workflow counting', 3)
    onlyTraceOf(spans)
    assert.deepEqual(treeOf(spans), [
      'start counting',
      ...Array<string>(3).fill('step count < start counting'),
      ...Array<string>(3).fill('workflow counting < start counting'),
    ])
  })
})

describe('off, and half on', () => {
  test('nothing of it is in the journal, and there is no span', async () => {
    await using engine = await createEngine({ store: 'memory', workflows, tasks, ...quiet })
    const { url } = await engine.listen()
    // The client has it on.
    await using client = await connect(url, { tracing: true, logger: silentLogger })
    const handle = await client.start(order, undefined)
    await handle.result()
    assert.ok(!('trace' in (await started(handle))))
    assert.ok(!JSON.stringify(await handle.history()).includes('trace'))
    assert.deepEqual(
      takeSpans()
        .map(({ name }) => name)
        .sort(),
      ['ink', 'http', 'start order'].sort(),
      'those of the client and of what user code makes itself',
    )
  })

  test('what an execution without a trace does is in none of those of the calls that wake it', async () => {
    using file = temporaryFile('x.db')
    const go = signal<void>('go')
    const waits = workflow({
      name: 'waits',
      run: async (ctx) => {
        await ctx.waitFor(go)
        await ctx.step('pay', () => inSpan('http', async () => {}))
        await ctx.task(print, undefined)
      },
    })
    const settings = { store: `sqlite:${file.path}`, workflows: [waits], tasks, ...quiet }
    {
      await using engine = await createEngine(settings)
      await engine.start(waits, undefined, { id: 'w-1' })
    }
    await using engine = await createEngine({ ...settings, tracing: true })
    const handle = engine.execution(waits, 'w-1')
    await inSpan('request', () => handle.signal(go))
    await handle.result()
    assert.deepEqual(treeOf(takeSpans()), ['http', 'ink', 'request', 'signal go < request'])
  })

  test('a start without a context is the root of a trace', async () => {
    await using engine = await createEngine({ store: 'memory', workflows, tasks, tracing: true, ...quiet })
    const { url } = await engine.listen()
    await using client = await connect(url, { logger: silentLogger })
    await (await client.start(order, undefined)).result()
    const spans = await spansWith('workflow order')
    onlyTraceOf(spans)
    assert.deepEqual(
      treeOf(spans),
      ORDER_TREE.filter((line) => line !== 'request').map((line) => line.replace(' < request', '')),
    )
  })
})

test('records of the log say which trace they belong to', async () => {
  const logger = recordedLog()
  const says = task({ name: 'says', run: ({ log }) => log.info('of a task') })
  const speaks = workflow({
    name: 'speaks',
    run: async (ctx) => {
      ctx.log.info('of a workflow')
      await ctx.step('speak', ({ log }) => log.info('of a step'))
      await ctx.task(says)
    },
  })
  await using engine = await createEngine({
    store: 'memory',
    ...{ workflows: [speaks], tasks: [says], tracing: true, logger },
  })
  const handle = await engine.start(speaks, undefined)
  await handle.result()
  const traceId = onlyTraceOf(await spansWith('workflow speaks'))
  const about = { workflowId: handle.id, runId: handle.runId }
  for (const [message, fields] of [
    ['of a workflow', { ...about, traceId }],
    ['of a step', { ...about, traceId }],
    ['of a task', { traceId }],
  ] as const) {
    const entry = logger.entries.find((each) => each.message === message)
    assert.deepEqual({ ...entry?.fields, ...fields }, entry?.fields, message)
  }
})

/** Resolves when it is connected; the function ends it, and gives its spans. */
async function workerProcess(
  url: string,
  kind: 'workflows' | 'tasks',
): Promise<() => Promise<readonly RecordedSpan[]>> {
  const program = join(import.meta.dirname, 'traced-worker.ts')
  const child = spawn(process.execPath, [...process.execArgv, program, url, kind], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  const lines = createInterface({ input: child.stdout })
  const [first] = await once(lines, 'line')
  assert.equal(first, 'connected')
  return async () => {
    const line = once(lines, 'line')
    child.stdin.end()
    const [spans] = await line
    await once(child, 'exit')
    return JSON.parse(spans) as RecordedSpan[]
  }
}
