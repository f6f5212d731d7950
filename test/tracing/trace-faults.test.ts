// Spans of what fails, and of what goes on after a crash; and tracing that fails itself.

import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { context, trace } from '@opentelemetry/api'
import {
  createEngine,
  NonRetryableError,
  openEncryption,
  signal,
  silentLogger,
  task,
  workflow,
} from '../../src/index.ts'
import { createTestEngine, type Fault } from '../../src/testing.ts'
import { rsaKeys } from '../encryption/rsa-keys.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { named, ORDER_TREE, onlyTraceOf } from './span-checks.ts'
import { inSpan, recordSpans, takeSpans, treeOf } from './span-recorder.ts'
import { spansWith } from './span-wait.ts'
import { tracedDefinitions } from './traced-definitions.ts'

const quiet = { logger: silentLogger, shutdownGrace: '5s' } as const
const { order, workflows, tasks } = tracedDefinitions()

recordSpans()
beforeEach(() => void takeSpans())

describe('what has failed', () => {
  const work = workflow({
    name: 'work',
    run: async (ctx, times: number) => {
      let left = times
      const flaky = (): string => {
        if (left-- > 0) throw new TypeError('no password=hunter2 yet')
        return 'done'
      }
      await ctx.step('flaky', flaky, { retry: { initialInterval: 1, maxAttempts: 3 } })
      await ctx.task(odd, 'the payload')
    },
  })
  const odd = task({
    name: 'odd',
    run: (_, value: string): string => {
      throw new NonRetryableError(`never, ${value.length}`)
    },
  })

  test('says so with its spans, an attempt each, and no payload or secret is in them', async () => {
    await using engine = await createEngine({
      store: 'memory',
      ...{ workflows: [work], tasks: [odd], tracing: true, ...quiet },
    })
    const handle = await engine.start(work, 2)
    await assert.rejects(handle.result())
    const spans = await spansWith('workflow work')
    const steps = spans.filter(({ name }) => name === 'step flaky')
    assert.deepEqual(
      steps.map(({ attributes, hasFailed, exceptions }) => [
        attributes['perdure.attempt'],
        hasFailed,
        ...exceptions,
      ]),
      [
        [1, true, 'TypeError: no password=[redacted] yet'],
        [2, true, 'TypeError: no password=[redacted] yet'],
        [3, false],
      ],
    )
    assert.deepEqual(named(spans, 'task odd').exceptions, ['NonRetryableError: never, 11'])
    const whole = named(spans, 'workflow work')
    assert.equal(whole.hasFailed, true)
    assert.equal(whole.attributes['perdure.workflow.status'], 'failed')
    assert.ok(!JSON.stringify(spans).includes('the payload'))
  })

  test('and is retried, stays in its trace', async () => {
    let isBroken = true
    const mended = workflow({
      name: 'mended',
      run: (ctx) =>
        ctx.step('mend', () => {
          if (isBroken) throw new NonRetryableError('broken')
        }),
    })
    await using engine = await createEngine({
      store: 'memory',
      ...{ workflows: [mended], tracing: true, ...quiet },
    })
    const handle = await engine.start(mended, undefined)
    await assert.rejects(handle.result())
    isBroken = false
    await handle.retry()
    await handle.result()
    const spans = await spansWith('workflow mended', 2)
    onlyTraceOf(spans)
    assert.deepEqual(
      spans.filter(({ name }) => name === 'workflow mended').map(({ hasFailed }) => hasFailed),
      [true, false],
    )
  })
})

describe('after a crash', () => {
  const go = signal<void>('go')
  const long = workflow({
    name: 'long',
    run: async (ctx) => {
      await ctx.step('first', () => 1)
      await ctx.waitFor(go)
      await ctx.step('second', () => 2)
    },
  })

  test('what is left is in the same trace, and what is replayed has no second span', async () => {
    using file = temporaryFile('x.db')
    const settings = { store: `sqlite:${file.path}`, workflows: [long], tracing: true, ...quiet }
    {
      await using test = await createTestEngine({ ...settings, skipTime: false })
      await inSpan('request', () => test.start(long, undefined, { id: 'l-1' }))
      await test.advance(0)
      await test.restart()
    }
    await using engine = await createEngine(settings)
    const handle = engine.execution(long, 'l-1')
    await handle.signal(go)
    await handle.result()
    const spans = (await spansWith('workflow long')).filter(({ name }) => name !== 'signal go')
    onlyTraceOf(spans)
    assert.deepEqual(treeOf(spans), [
      'request',
      'start long < request',
      'step first < start long',
      'step second < start long',
      'workflow long < start long',
    ])
  })

  const short = workflow({ name: 'short', run: (ctx) => ctx.step('only', () => 1) })
  const faultsAt = (commit: number): Fault[] => [
    { kind: 'crash', commit },
    { kind: 'crash', commit, applied: true },
    { kind: 'unknown-commit', commit },
    { kind: 'unknown-commit', commit, applied: true },
    { kind: 'fenced', commit },
  ]
  for (const fault of [1, 2, 3].flatMap(faultsAt))
    test(`one end has at most one span: ${JSON.stringify(fault)}`, async () => {
      await using engine = await createTestEngine({ workflows: [short], faults: [fault], tracing: true })
      const handle = await inSpan('request', () => engine.start(short, undefined))
      assert.equal(await handle.result(), 1)
      await engine.advance(0)
      const spans = takeSpans()
      const ends = spans.filter(({ name }) => name === 'workflow short')
      // Where the process dies between its commit and the span there is none.
      const isLost = fault.kind === 'crash' && fault.applied === true
      assert.ok(ends.length === 1 || (isLost && ends.length === 0), `${ends.length} spans of one end`)
      assert.ok(spans.some(({ name }) => name === 'step only'))
      onlyTraceOf(spans)
    })
})

test('with encryption spans say what kind of error it was, and not its message', async () => {
  const fails = workflow({
    name: 'fails',
    run: (ctx) =>
      ctx.step('fail', () => {
        throw new NonRetryableError('the account is 4711')
      }),
  })
  await using encryption = await openEncryption({ keys: { privateKeys: [rsaKeys().privateKey] } })
  await using engine = await createEngine({
    store: 'memory',
    ...{ workflows: [fails, ...workflows], tasks, encryption, tracing: true, ...quiet },
  })
  await assert.rejects((await engine.start(fails, undefined)).result(), /4711/)
  await (await inSpan('request', () => engine.start(order, undefined))).result()
  const spans = await spansWith('workflow order')
  assert.deepEqual(named(spans, 'step fail').exceptions, ['NonRetryableError: (encrypted)'])
  assert.ok(!JSON.stringify(spans).includes('4711'))
  const { traceId } = named(spans, 'request')
  assert.deepEqual(treeOf(spans.filter((span) => span.traceId === traceId)), ORDER_TREE)
})

test('where the provider fails, everything works, and it is logged once', async () => {
  const throwing = (): never => {
    throw new Error('the exporter is broken')
  }
  trace.disable()
  context.disable()
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: throwing, startActiveSpan: throwing }) })
  try {
    const logger = recordedLog()
    const job = workflow({ name: 'job', run: (ctx) => ctx.step('only', () => 1) })
    await using engine = await createEngine({ store: 'memory', workflows: [job], tracing: true, logger })
    assert.equal(await (await engine.start(job, undefined)).result(), 1)
    assert.deepEqual(
      logger.entries.map(({ message }) => message),
      ['the tracing of this program has failed; what it is about goes on'],
    )
  } finally {
    trace.disable()
    recordSpans()
  }
})
