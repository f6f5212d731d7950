import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import {
  type Context,
  type ContextManager,
  context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api'
import type { Logger } from './logger.ts'
import { openTracing } from './open-tracing.ts'
import { type SpanStart, type Tracing, withSpan } from './tracing.ts'

const parent = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=1' }
const root: SpanStart = { kind: 'internal', parent: undefined, attributes: {} }

function countingLogger(): Logger & { readonly said: string[] } {
  const said: string[] = []
  const say = (message: string): void => void said.push(message)
  return { said, debug: say, info: say, warn: say, error: say }
}

async function opened(logger: Logger): Promise<Tracing> {
  const tracing = await openTracing(true, 'x', { logger })
  assert.ok(tracing !== undefined)
  return tracing
}

afterEach(() => {
  trace.disable()
  context.disable()
})

describe('tracing', () => {
  it('is on only where the setting is true', async () => {
    const logger = countingLogger()
    assert.equal(await openTracing(undefined, 'x', { logger }), undefined)
    assert.equal(await openTracing(false, 'x', { logger }), undefined)
    const wrong = openTracing('yes' as unknown as boolean, 'createEngine()', { logger })
    await assert.rejects(wrong, { code: 'ARGUMENT_INVALID', message: /createEngine\(\): tracing/ })
  })

  it('without an SDK it passes on what comes, and makes no trace', async () => {
    const tracing = await opened(countingLogger())
    assert.equal(tracing.start('x', root).context, undefined)
    assert.deepEqual(tracing.start('x', { ...root, parent }).context, parent)
    assert.equal(
      tracing.start('x', root).run(() => 7),
      7,
    )
  })
})

describe('a trace that is not recorded', () => {
  it('has no spans below it, is passed on as it is, and is active where the work is done', async () => {
    let spans = 0
    register({}, () => {
      spans += 1
      return span
    })
    const active: unknown[] = []
    context.setGlobalContextManager(
      managerOf((given, call) => {
        active.push(trace.getSpanContext(given)?.traceFlags)
        return call()
      }),
    )
    const tracing = await opened(countingLogger())
    for (const [flags, made] of [
      ['00', 0],
      ['02', 0],
      ['01', 1],
      ['03', 2],
    ] as const) {
      const of = { ...parent, traceparent: `${parent.traceparent.slice(0, 53)}${flags}` }
      const each = tracing.start('x', { ...root, parent: of })
      assert.equal(
        each.run(() => 7),
        7,
      )
      each.end()
      if (made === 0) assert.deepEqual(each.context, of)
      assert.equal(spans, made, flags)
    }
    assert.deepEqual(active, [0, 2, 1, 1])
  })
})

/** Each of these throws in one place, and does all else. */
const throwing = (): never => {
  throw new Error('the exporter is broken')
}
const span: OtelSpan = {
  spanContext: () => ({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    traceFlags: 1,
  }),
  setAttribute: () => span,
  setAttributes: () => span,
  addEvent: () => span,
  addLink: () => span,
  addLinks: () => span,
  setStatus: () => span,
  updateName: () => span,
  end: () => {},
  isRecording: () => true,
  recordException: () => {},
}

function register(part: Partial<OtelSpan>, startSpan = (): OtelSpan => ({ ...span, ...part })): void {
  const tracer = { startSpan, startActiveSpan: throwing }
  trace.setGlobalTracerProvider({ getTracer: () => tracer })
}

const broken: readonly [string, () => void][] = [
  ['startSpan', () => register({}, throwing)],
  ['spanContext', () => register({ spanContext: throwing })],
  ['end', () => register({ end: throwing })],
  ['recordException', () => register({ recordException: throwing })],
  ['with, before the call', () => manage(throwing)],
  [
    'with, after the call',
    () =>
      manage((call) => {
        call()
        throwing()
      }),
  ],
]

function managerOf(around: (given: Context, call: () => unknown) => unknown): ContextManager {
  const manager: ContextManager = {
    active: () => ROOT_CONTEXT,
    // The one cast: the type says more than is needed here.
    with: ((given: Context, call: () => unknown) => around(given, call)) as ContextManager['with'],
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}

function manage(around: (call: () => unknown) => unknown): void {
  register({})
  context.setGlobalContextManager(managerOf((_, call) => around(call)))
}

describe('what fails in the tracing of a program', () => {
  for (const place of ['setStatus', 'recordException'] as const)
    it(`${place}: the span is ended all the same`, async () => {
      const ends: unknown[] = []
      register({ [place]: throwing, end: (at) => void ends.push(at) })
      const tracing = await opened(countingLogger())
      tracing.start('x', root).end({ name: 'Error', message: 'of the work' })
      assert.deepEqual(ends, [undefined])
    })

  for (const [place, break_] of broken)
    it(`${place}: the work goes on, once, and it is logged once`, async () => {
      break_()
      const logger = countingLogger()
      const tracing = await opened(logger)
      let calls = 0
      for (let i = 0; i < 2; i++) {
        const each = tracing.start('x', { ...root, parent })
        assert.ok(each.context === undefined || each.context.traceparent === parent.traceparent)
        assert.equal(
          each.run(() => {
            calls += 1
            return 'done'
          }),
          'done',
        )
        const own = new Error('of the work')
        assert.throws(
          () =>
            each.run(() => {
              throw own
            }),
          own,
        )
        each.end({ name: 'Error', message: 'of the work' })
        assert.equal(await withSpan(tracing.start('y', root), async () => 8), 8)
      }
      assert.equal(calls, 2)
      assert.equal(logger.said.length, 1, place)
    })
})
