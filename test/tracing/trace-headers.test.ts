// A trace that comes from outside: with headers of HTTP, by the client over HTTP, with an event.

import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { createClient } from '../../src/client.ts'
import { createEngine, silentLogger } from '../../src/index.ts'
import { named, onlyTraceOf, started } from './span-checks.ts'
import { recordSpans, takeSpans } from './span-recorder.ts'
import { spansWith } from './span-wait.ts'
import { tracedDefinitions } from './traced-definitions.ts'

const quiet = { logger: silentLogger, shutdownGrace: '5s' } as const
const { order, workflows, tasks } = tracedDefinitions()

recordSpans()
beforeEach(() => void takeSpans())

describe('over HTTP', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`
  const tracestate = 'vendor=one,other=2'
  const start = { workflow: 'order', id: 'o-1' }

  const openTraced = async (tracing: boolean) => {
    const engine = await createEngine({ store: 'memory', workflows, tasks, tracing, ...quiet })
    const { url } = await engine.listen()
    const address = url.replace('ws:', 'http:')
    const post = async (path: string, body: object, headers: Record<string, string>): Promise<void> => {
      const answer = await fetch(`${address}/v1${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
      assert.equal(answer.status, 201, await answer.text())
    }
    return { engine, address, post, [Symbol.asyncDispose]: () => engine.close() }
  }

  test('the context of the caller comes in its headers', async () => {
    await using traced = await openTraced(true)
    await traced.post('/executions', start, { traceparent, tracestate })
    const handle = traced.engine.execution(order, 'o-1')
    await handle.result()
    const event = await started(handle)
    assert.deepEqual('trace' in event && event.trace, { traceparent, tracestate })
    const spans = await spansWith('workflow order')
    assert.equal(onlyTraceOf(spans), traceId)
    assert.equal(named(spans, 'step pay').parentSpanId, '00f067aa0ba902b7')
    assert.ok(!spans.some(({ name }) => name === 'start order'), 'the caller has its own')
    await traced.post('/tasks', { name: 'print', queue: 'printers' }, { traceparent })
    assert.equal(onlyTraceOf(await spansWith('task print')), traceId)
    // A worker that only speaks HTTP makes its own spans.
    await traced.post('/tasks', { name: 'other', queue: 'others' }, { traceparent, tracestate })
    const claim = await fetch(`${traced.address}/v1/queues/others/claims`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ worker: 'w', tasks: ['other'], waitMs: 20_000 }),
    })
    const { claims } = JSON.parse(await claim.text())
    assert.deepEqual([claims[0].traceparent, claims[0].tracestate], [traceparent, tracestate])
  })

  test('the client over HTTP passes on what it is given', async () => {
    await using traced = await openTraced(true)
    let asked = 0
    const client = createClient({
      url: traced.address,
      traceContext: () => {
        asked += 1
        return { traceparent, tracestate }
      },
    })
    await (await client.start(order, undefined)).result()
    assert.equal(onlyTraceOf(await spansWith('workflow order')), traceId)
    assert.ok(asked >= 2)
    const wrong = { url: traced.address, traceContext: 'x' as unknown as () => undefined }
    assert.throws(() => createClient(wrong), { code: 'ARGUMENT_INVALID' })
  })

  test('one that is ill-formed is ignored', async () => {
    await using traced = await openTraced(true)
    await traced.post('/executions', start, { traceparent: `00-${traceId}-xyz-01`, tracestate })
    await traced.engine.execution(order, 'o-1').result()
    assert.notEqual(onlyTraceOf(await spansWith('workflow order')), traceId)
  })

  test('an engine without tracing records nothing of it', async () => {
    await using traced = await openTraced(false)
    await traced.post('/executions', start, { traceparent, tracestate })
    const handle = traced.engine.execution(order, 'o-1')
    await handle.result()
    assert.ok(!JSON.stringify(await handle.history()).includes(traceId))
  })

  test('an event brings it as an attribute (Distributed Tracing extension of CloudEvents)', async () => {
    await using traced = await openTraced(true)
    const rule = { match: { type: 'ordered' }, start: { workflow: 'order', id: '{{ id }}' } }
    await traced.post('/event-rules', { id: 'orders', ...rule }, {})
    const event = { specversion: '1.0', id: 'e-1', source: '/shop', type: 'ordered', traceparent }
    const answer = await fetch(`${traced.address}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    })
    assert.equal(answer.status, 202)
    assert.equal(onlyTraceOf(await spansWith('workflow order')), traceId)
  })
})
