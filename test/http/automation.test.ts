// Events from outside that start and signal executions, and webhooks that are told of what becomes of them.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, silentLogger, task, workflow } from '../../src/index.ts'
import { automationRoutes } from '../../src/server/http/routes/automation.ts'
import { isWebhookGenuine, type WebhookHeaders } from '../../src/server/webhooks/webhook-signature.ts'
import { HttpFixture, waiting } from './http-fixture.ts'
import { Receiver } from './receiver.ts'

async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 600; i++) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(25)
  }
  throw new Error('it has not come within 15 s')
}

const TYPE = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'
const event = (id: string, changes: object = {}): object => ({
  specversion: '1.0',
  id,
  source: '/shop',
  type: 'shop.order.placed',
  data: { order: 7, amount: 12.5 },
  ...changes,
})

async function publish(
  on: HttpFixture,
  body: object,
  type = TYPE,
): Promise<readonly { accepted: boolean }[]> {
  const { events } = await on.ok(202, 'POST', '/v1/events', { body, headers: { 'content-type': type } })
  return events
}

const asked = new Set<string>()

describe('events from outside', () => {
  let on: HttpFixture
  before(async () => {
    on = await HttpFixture.open()
    const rules = [
      {
        id: 'start',
        match: { type: 'shop.order.placed' },
        start: {
          workflow: 'waiting',
          id: 'order-{/id}',
          input: { order: '{/data/order}', from: '{/source}' },
          attributes: { shop: '{/source}' },
        },
      },
      {
        id: 'pay',
        match: { type: 'shop.order.paid' },
        signal: { id: 'order-{/subject}', name: 'go', input: '{/data}' },
      },
    ]
    for (const rule of rules) await on.ok(201, 'POST', '/v1/event-rules', { body: rule })
  })
  after(async () => {
    for (const each of on.asked) asked.add(each)
    await on[Symbol.asyncDispose]()
  })

  test('start executions by rules, each event once', async () => {
    assert.deepEqual(await publish(on, event('a')), [{ source: '/shop', id: 'a', accepted: true }])
    assert.deepEqual(await publish(on, event('a')), [{ source: '/shop', id: 'a', accepted: false }])
    const started = await until(async () => {
      const { status, body } = await on.call('GET', '/v1/executions/order-a')
      return status === 200 ? body : undefined
    })
    assert.deepEqual(started.attributes, { shop: '/shop' })
    // Another source: another event.
    assert.equal((await publish(on, event('a', { source: '/other' })))[0]?.accepted, true)
  })

  test('signal them, also if the execution comes after the event', async () => {
    await publish(on, event('p', { type: 'shop.order.paid', subject: 'b', data: { paid: true } }))
    await sleep(100)
    await publish(on, event('b'))
    const { result } = await until(async () => {
      const { status, body } = await on.call('GET', '/v1/executions/order-b/result?waitMs=5000')
      return status === 200 ? body : undefined
    })
    assert.deepEqual(result, { input: { order: 7, from: '/shop' }, came: { paid: true }, sum: 0 })
  })

  test('come in batches, and in headers with the data as the body', async () => {
    const receipts = await publish(on, [event('c'), event('d'), event('c')], BATCH)
    assert.deepEqual(
      receipts.map(({ accepted }) => accepted),
      [true, true, false],
    )
    const answer = await fetch(`${on.base}/v1/events`, {
      method: 'POST',
      headers: {
        'content-type': 'text/plain',
        'ce-specversion': '1.0',
        'ce-id': 'e',
        'ce-source': '/shop',
        'ce-type': 'shop.note',
      },
      body: 'no rule is for it',
    })
    assert.equal(answer.status, 202, await answer.text())
  })

  test('that are none are refused, and nothing of them is recorded', async () => {
    const bad = await on.call('POST', '/v1/events', {
      body: [event('f'), { ...event('g'), type: '' }],
      headers: { 'content-type': BATCH },
    })
    assert.equal(bad.status, 400)
    assert.match(bad.body.detail, /event 1: type/)
    assert.equal((await publish(on, event('f')))[0]?.accepted, true)
    const plain = await fetch(`${on.base}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'x',
    })
    assert.equal(plain.status, 415)
  })

  test('that a rule cannot use are failed tasks, which say why', async () => {
    await publish(on, event('h', { data: { amount: 1 } }))
    const failed = await until(async () => {
      const { tasks } = await on.ok(200, 'GET', '/v1/tasks?queue=perdure.events&status=failed')
      return tasks[0]
    })
    assert.match(failed.failure.message, /rule start: the event has nothing at \/data\/order/)
  })

  test('rules are read, replaced and deleted, by revision', async () => {
    const { headers, body } = await on.call('GET', '/v1/event-rules/pay')
    assert.equal(headers.get('etag'), `"${body.revision}"`)
    const { id: _, revision, changedMs: __, maker, ...rule } = body
    assert.equal(maker, 'open')
    const put = { body: { ...rule, paused: true }, headers: { 'if-match': `"${revision}"` } }
    const paused = await on.ok(200, 'PUT', '/v1/event-rules/pay', put)
    assert.equal(paused.paused, true)
    await on.ok(412, 'PUT', '/v1/event-rules/pay', put)
    await on.ok(409, 'POST', '/v1/event-rules', { body: { id: 'pay', ...rule } })
    const { rules } = await on.ok(200, 'GET', '/v1/event-rules')
    assert.deepEqual(
      rules.map((each: { readonly id: string }) => each.id),
      ['pay', 'start'],
    )
    await on.ok(204, 'DELETE', '/v1/event-rules/pay')
    await on.ok(404, 'GET', '/v1/event-rules/pay')
    await on.ok(400, 'POST', '/v1/event-rules', { body: { id: 'x', match: { type: 't' } } })
    // The namespaces of others have rules of their own.
    assert.deepEqual((await on.ok(200, 'GET', '/v1/event-rules?namespace=other')).rules, [])
  })

  test('what a workflow puts into the queues of the engine is not carried out', async () => {
    const own = task({
      name: 'perdure.handle-event',
      queue: 'perdure.events',
      run: (_, input: unknown) => input,
    })
    const forging = workflow({
      name: 'forging',
      run: (ctx) =>
        ctx.task(own, { namespace: 'default', event: event('forged'), base: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }),
    })
    await using other = await HttpFixture.open({ workflows: [forging, waiting] })
    const body = { id: 'any', match: { type: '*' }, start: { workflow: 'waiting', id: 'made-{/id}' } }
    await other.ok(201, 'POST', '/v1/event-rules', { body })
    await other.ok(201, 'POST', '/v1/executions', { body: { id: 'forger', workflow: 'forging' } })
    const { failure } = await other.ok(200, 'GET', '/v1/executions/forger/result?waitMs=20000')
    assert.match(JSON.stringify(failure), /task of the engine's own/)
    await other.ok(404, 'GET', '/v1/executions/made-forged')
    // Nor does a caller choose ids that events will have.
    const taken = { name: 'square', id: 'perdure:event:x', input: 1 }
    assert.match((await other.ok(400, 'POST', '/v1/tasks', { body: taken })).detail, /engine's own/)
  })

  test('an id is of one rule', async () => {
    const body = {
      id: 'twice',
      match: { type: 'shop.*' },
      start: { workflow: 'quick', id: 'x', input: 1 },
    }
    await on.ok(201, 'POST', '/v1/event-rules', { body })
    const { detail } = await on.ok(409, 'POST', '/v1/event-rules', { body })
    assert.equal(detail, 'there is an event rule twice in namespace default')
    await on.ok(204, 'DELETE', '/v1/event-rules/twice')
  })

  test('tasks of the engine are enqueued and run by nobody else', async () => {
    const body = { name: 'perdure.deliver-webhook', queue: 'perdure.webhooks', input: {} }
    const { detail } = await on.ok(400, 'POST', '/v1/tasks', { body })
    assert.match(detail, /engine's own/)
    await on.ok(400, 'POST', '/v1/queues/perdure.events/claims', {
      body: { worker: 'thief', tasks: ['perdure.handle-event'] },
    })
    const { workers } = await on.ok(200, 'GET', '/v1/workers')
    assert.deepEqual(
      workers.map(({ id }: { readonly id: string }) => id),
      ['local'],
    )
  })
})

describe('webhooks', () => {
  const open = (file?: string): Promise<HttpFixture> =>
    HttpFixture.open({ webhooks: { allowPrivate: true } }, {}, file)
  const start = (on: HttpFixture, id: string, workflow = 'quick'): Promise<unknown> =>
    on.ok(201, 'POST', '/v1/executions', { body: { id, workflow, input: 1 } })

  test('are told of what they want to know, signed', async () => {
    await using on = await open()
    await using receiver = await Receiver.open()
    const made = await on.ok(201, 'POST', '/v1/webhooks', {
      body: { id: 'hook', url: receiver.url, events: ['execution.completed', 'execution.failed'] },
    })
    assert.equal('secret' in (await on.ok(200, 'GET', '/v1/webhooks/hook')), false)
    await start(on, 'one')
    await start(on, 'two', 'failing')
    const [first, second] = await until(() => (receiver.received.length >= 2 ? receiver.received : undefined))
    const both = [first, second].map((each) => JSON.parse(each?.body ?? ''))
    assert.deepEqual(
      new Set(both.map(({ type, subject }) => `${type} ${subject}`)),
      new Set(['perdure.execution.completed one', 'perdure.execution.failed two']),
    )
    for (const { headers, body } of [first, second].filter((each) => each !== undefined)) {
      const signed = headers as unknown as WebhookHeaders
      assert.ok(isWebhookGenuine(signed, body, { secret: made.secret, nowMs: Date.now() }))
      assert.equal(signed['webhook-id'], JSON.parse(body).id)
    }
    const failed = both.find(({ subject }) => subject === 'two')
    assert.deepEqual(failed.data.failure, { name: 'RangeError', message: 'out of range' })
    // The example of the docs has the same fields.
    const page = readFileSync(join(import.meta.dirname, '../../docs/events.md'), 'utf8')
    const example = JSON.parse(/^```json\n(.*?)^```/ms.exec(page)?.[1] ?? '')
    for (const [told, shown] of [
      [failed, example],
      [failed.data, example.data],
    ])
      assert.deepEqual(Object.keys(told), Object.keys(shown))
    assert.equal(example.source, failed.source.replace('/two', '/order-7'))
    assert.equal(example.type, failed.type)
    // Only that it has ended: what was in it stays behind the API.
    assert.ok(!first?.body.includes('"result"'))
    for (const each of on.asked) asked.add(each)
  })

  test('are told again until they take it, and of nothing twice by a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'perdure-hooks-'))
    try {
      await using receiver = await Receiver.open()
      receiver.answers.push(500)
      {
        await using on = await open(join(folder, 'store.db'))
        await on.ok(201, 'POST', '/v1/webhooks', {
          body: { id: 'hook', url: receiver.url, events: ['execution.completed'] },
        })
        await start(on, 'one')
        await until(() => receiver.received[0])
      }
      await using on = await open(join(folder, 'store.db'))
      const again = await until(() => receiver.received[1])
      assert.equal(again.headers['webhook-id'], receiver.received[0]?.headers['webhook-id'])
      await until(async () => {
        const { tasks } = await on.ok(200, 'GET', '/v1/tasks?queue=perdure.webhooks&status=completed')
        return tasks[0]
      })
      assert.equal(receiver.received.length, 2)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('are sent one test event at once, signed as all are, and what came of it is told', async () => {
    await using on = await open()
    await using receiver = await Receiver.open()
    const test = (id = 'hook') => on.ok(200, 'POST', `/v1/webhooks/${id}/test`)
    const { secret } = await on.ok(201, 'POST', '/v1/webhooks', {
      // It wants nothing of the kind, and is paused.
      body: { id: 'hook', url: receiver.url, events: ['execution.failed'], paused: true },
    })
    const told = await test()
    assert.partialDeepStrictEqual(told, { delivered: true, status: 204 })
    assert.ok(told.durationMs >= 0 && !('error' in told))
    const [got] = receiver.received
    assert.ok(got !== undefined)
    const { headers, body } = got
    assert.ok(isWebhookGenuine(headers as unknown as WebhookHeaders, body, { secret, nowMs: Date.now() }))
    assert.equal(headers['webhook-id'], told.eventId)
    assert.equal(headers['content-type'], 'application/cloudevents+json')
    assert.partialDeepStrictEqual(JSON.parse(body), {
      specversion: '1.0',
      id: told.eventId,
      type: 'perdure.test',
      source: '/namespaces/default/webhooks/hook',
      data: { namespace: 'default', webhook: 'hook' },
    })
    receiver.answers.push(500)
    const failed = await test()
    assert.deepEqual([failed.delivered, failed.status], [false, 500])
    assert.match(failed.error, /answered 500, and not 2xx/)
    // Nothing is tried again, and it is no task.
    assert.equal(receiver.received.length, 2)
    assert.deepEqual((await on.ok(200, 'GET', '/v1/tasks?queue=perdure.webhooks')).tasks, [])
    await on.ok(201, 'POST', '/v1/webhooks', { body: { id: 'nobody', url: 'http://127.0.0.1:1/' } })
    const lost = await test('nobody')
    assert.deepEqual([lost.delivered, 'status' in lost], [false, false])
    assert.match(lost.error, /cannot be reached/)
    assert.equal((await on.call('POST', '/v1/webhooks/none/test')).body.code, 'RECORD_NOT_FOUND')
    for (let i = 3; i < 10; i++) await test()
    const much = await on.call('POST', '/v1/webhooks/hook/test')
    assert.deepEqual([much.status, much.body.code], [429, 'RATE_LIMITED'])
    assert.equal(receiver.received.length, 9)
    for (const each of on.asked) asked.add(each)
  })

  test('are tested within the rules for where webhooks may lead', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'perdure-webhooks-'))
    try {
      const file = join(folder, 'store.db')
      await using receiver = await Receiver.open()
      {
        await using on = await open(file)
        await on.ok(201, 'POST', '/v1/webhooks', { body: { id: 'hook', url: receiver.url } })
      }
      await using on = await HttpFixture.open({}, {}, file)
      const { delivered, error } = await on.ok(200, 'POST', '/v1/webhooks/hook/test')
      assert.equal(delivered, false)
      assert.match(error, /an address of a private network or of this machine/)
      assert.equal(receiver.received.length, 0)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('that have gone get nothing more; secrets are replaced without a gap', async () => {
    await using on = await open()
    await using receiver = await Receiver.open()
    const made = await on.ok(201, 'POST', '/v1/webhooks', {
      body: { id: 'hook', url: receiver.url, workflows: ['quick'], events: ['execution.completed'] },
    })
    const rotated = await on.ok(200, 'POST', '/v1/webhooks/hook/rotate-secret')
    assert.notEqual(rotated.secret, made.secret)
    receiver.answers.push(410)
    await start(on, 'one')
    const { headers, body } = await until(() => receiver.received[0])
    for (const secret of [made.secret, rotated.secret])
      assert.ok(isWebhookGenuine(headers as unknown as WebhookHeaders, body, { secret, nowMs: Date.now() }))
    const failed = await until(async () => {
      const { tasks } = await on.ok(200, 'GET', '/v1/tasks?queue=perdure.webhooks&status=failed')
      return tasks[0]
    })
    assert.match(failed.failure.message, /410 Gone/)
    assert.equal(failed.attempts, 1)
    const { id: _, revision, changedMs: __, secret: ___, ...settings } = rotated
    await on.ok(200, 'PUT', '/v1/webhooks/hook', {
      body: { ...settings, paused: true },
      headers: { 'if-match': `"${revision}"` },
    })
    await start(on, 'two')
    await on.ok(204, 'DELETE', '/v1/webhooks/hook')
    assert.deepEqual((await on.ok(200, 'GET', '/v1/webhooks')).webhooks, [])
    const { tasks } = await on.ok(200, 'GET', '/v1/tasks?queue=perdure.webhooks')
    assert.equal(tasks.length, 1)
    for (const each of on.asked) asked.add(each)
  })

  test('that do not answer take no places of others', async () => {
    await using on = await HttpFixture.open({ webhooks: { allowPrivate: true } })
    await using receiver = await Receiver.open()
    let held = 0
    await using silent = await Receiver.open(() => {
      held += 1
    })
    const hook = (id: string, url: string) => ({ body: { id, url, events: ['execution.completed'] } })
    await on.ok(201, 'POST', '/v1/webhooks', hook('silent', silent.url))
    await on.ok(201, 'POST', '/v1/webhooks', hook('good', receiver.url))
    const ids = Array.from({ length: 60 }, (_, i) => `e-${i}`)
    for (const id of ids)
      await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'quick', id, input: 1 } })
    await until(() => (receiver.received.length === ids.length ? true : undefined))
    assert.equal(held, 8)
    // Those of another namespace neither; and only code can take more for one.
    const queue = '/v1/queues/perdure.webhooks'
    for (const body of [{ concurrency: null }, { keyConcurrency: 9 }]) {
      const { detail } = await on.ok(400, 'PATCH', queue, { body })
      assert.match(detail, /of queue perdure\.webhooks is .*; all namespaces share/)
    }
    await on.ok(200, 'PATCH', queue, { body: { concurrency: 31 } })
    const { settings, sources } = await on.ok(200, 'GET', queue)
    assert.deepEqual([settings.concurrency, settings.keyConcurrency], [31, 8])
    assert.deepEqual([sources.concurrency, sources.keyConcurrency], ['run-time', 'default'])
    await on.ok(201, 'POST', '/v1/webhooks?namespace=other', hook('theirs', receiver.url))
    await on.ok(201, 'POST', '/v1/executions?namespace=other', {
      body: { workflow: 'quick', id: 'theirs', input: 1 },
    })
    await until(() => (receiver.received.length === ids.length + 1 ? true : undefined))
    assert.equal(held, 8)
    // Nor does an engine that closes wait for them: they are sent again.
    let isClosed = false
    const closing = on.engine.close().then(() => {
      isClosed = true
    })
    await Promise.race([closing, sleep(10_000)])
    assert.ok(isClosed, 'it waits for receivers that do not answer')
  })

  test('do not call this machine unless that is allowed, and the log says what was given up', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'perdure-webhooks-'))
    const file = join(folder, 'store.db')
    try {
      await using receiver = await Receiver.open()
      {
        await using on = await open(file)
        await on.ok(201, 'POST', '/v1/webhooks', { body: { id: 'hook', url: receiver.url } })
      }
      const warnings: Record<string, unknown>[] = []
      const logger: Logger = {
        ...silentLogger,
        warn: (msg, fields) => void warnings.push({ msg, ...fields }),
      }
      await using on = await HttpFixture.open({ logger }, {}, file)
      await start(on, 'one')
      const failed = await until(async () => {
        const { tasks } = await on.ok(200, 'GET', '/v1/tasks?queue=perdure.webhooks&status=failed')
        return tasks.length === 2 ? tasks : undefined
      })
      for (const { failure } of failed) assert.match(failure.message, /is not called unless that is allowed/)
      assert.equal(receiver.received.length, 0)
      // Its start and its end: one record, for a minute.
      assert.equal(warnings.length, 1)
      assert.partialDeepStrictEqual(warnings[0], {
        msg: 'a delivery of a webhook was given up',
        namespace: 'default',
        webhook: 'hook',
        deliveries: 1,
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('that would never be called are refused when they are made or changed', async () => {
    const of = { private: /unless the engine has webhooks\.allowPrivate/, never: /webhooks call it never/ }
    const urls: [url: string, refusal: keyof typeof of][] = [
      ['http://127.0.0.1:8080/', 'private'],
      ['http://0x7f.1/', 'private'],
      ['http://10.1.2.3/', 'private'],
      ['https://[::1]/', 'private'],
      ['https://localhost/', 'private'],
      ['https://api.localhost./', 'private'],
      ['https://169.254.169.254/', 'never'],
      ['https://[::ffff:169.254.169.254]/', 'never'],
    ]
    for (const allowPrivate of [false, true]) {
      await using on = await HttpFixture.open({ webhooks: { allowPrivate } })
      await on.ok(201, 'POST', '/v1/webhooks', { body: { id: 'good', url: 'https://example.com/' } })
      for (const [i, [url, refusal]] of urls.entries()) {
        const isRefused = refusal === 'never' || !allowPrivate
        const made = await on.call('POST', '/v1/webhooks', { body: { id: `hook-${i}`, url } })
        assert.equal(made.status, isRefused ? 400 : 201, url)
        const changed = await on.call('PUT', '/v1/webhooks/good', { body: { url } })
        assert.equal(changed.status, isRefused ? 400 : 200, url)
        if (isRefused) for (const { body } of [made, changed]) assert.match(body.detail, of[refusal])
      }
    }
  })
})

test('all routes of these were asked', () => {
  const all = automationRoutes.map(({ operationId }) => operationId)
  assert.deepEqual(
    all.filter((each) => !asked.has(each)),
    [],
  )
})
