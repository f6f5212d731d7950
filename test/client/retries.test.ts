// What the client over HTTP does when answers are lost, late, refused, or not those of an engine.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient, type PerdureError, signal, task, workflow } from '../../src/client.ts'
import { createEngine, silentLogger } from '../../src/index.ts'

const go = signal<number>('go')
const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })
const square = task({ name: 'square', run: (_, value: number) => value * value })
const url = 'http://127.0.0.1:1'

interface Asked {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
}

type Answer = (asked: Asked, init: RequestInit) => Response | Promise<Response>

/** Answers in this order, the last one again and again. */
function answering(...answers: readonly Answer[]): {
  readonly fetch: typeof globalThis.fetch
  readonly asked: Asked[]
} {
  const asked: Asked[] = []
  return {
    asked,
    fetch: async (input, init = {}) => {
      const one = {
        method: init.method ?? 'GET',
        url: new URL(String(input)),
        headers: new Headers(init.headers),
      }
      asked.push(one)
      const answer = answers[Math.min(asked.length, answers.length) - 1] ?? assert.fail('no answer')
      return answer(one, init)
    },
  }
}

const lost: Answer = () => {
  throw new TypeError('fetch failed')
}
const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } })
const problem = (code: string, status: number, more: object = {}, headers = {}): Response =>
  json({ code, detail: 'it is so', ...more }, status, {
    'content-type': 'application/problem+json',
    ...headers,
  })
const nodes: Answer = () => json({ nodes: [] })
const code = (expected: string) => (error: unknown) => (error as PerdureError).code === expected

describe('the client over HTTP', () => {
  test('asks again what is harmless to repeat: without an answer, with 503, and behind a proxy that lost it', async () => {
    const { fetch, asked } = answering(
      lost,
      () => problem('OVERLOADED', 503),
      () => new Response('<html>', { status: 502 }),
      nodes,
    )
    assert.deepEqual(await createClient({ url, fetch }).nodes.list(), [])
    assert.equal(asked.length, 4)
  })

  test('waits as long as it is told to, and no longer than it may', async () => {
    const { fetch, asked } = answering(() => problem('OVERLOADED', 503, {}, { 'retry-after': '7' }))
    await assert.rejects(createClient({ url, fetch, retryFor: '5s' }).nodes.list(), code('OVERLOADED'))
    assert.equal(asked.length, 1, 'seven seconds are more than five')
    const none = answering(lost)
    await assert.rejects(
      createClient({ url, fetch: none.fetch, retryFor: 300 }).nodes.list(),
      code('CONNECTION_LOST'),
    )
    assert.ok(none.asked.length > 1)
  })

  test('asks again what was lost while it waited, for however long that was', async () => {
    const lostLate: Answer = async () => {
      await new Promise((resolve) => setTimeout(resolve, 600))
      throw new TypeError('terminated')
    }
    const { fetch, asked } = answering(lostLate, () =>
      json({ status: 'completed', result: [1, 'json', null, 7] }),
    )
    const client = createClient({ url, fetch, retryFor: 500 })
    assert.equal(await client.execution(waiting, 'x').result(), 7)
    assert.equal(asked.length, 2)
  })

  test('does not ask again what may have been done', async () => {
    const calls = [
      (client: ReturnType<typeof createClient>) => client.execution(waiting, 'x').terminate(),
      (client: ReturnType<typeof createClient>) => client.execution(waiting, 'x').retry(),
      (client: ReturnType<typeof createClient>) => client.task(square, 'x').cancel(),
      (client: ReturnType<typeof createClient>) => client.queues.pause('x', 'why', { ifRevision: 3 }),
      (client: ReturnType<typeof createClient>) =>
        client.enqueue(square, 1, { debounce: { key: 'k', wait: '1s' } }),
    ]
    for (const call of calls) {
      const { fetch, asked } = answering(lost)
      await assert.rejects(call(createClient({ url, fetch })), code('CONNECTION_LOST'))
      assert.equal(asked.length, 1)
    }
  })

  test('starts once, and enqueues once, when the answer is lost', async () => {
    const engine = await createEngine({
      store: 'memory',
      workflows: [waiting],
      tasks: [square],
      logger: silentLogger,
      shutdownGrace: 0,
    })
    try {
      const real = (await engine.listen()).url.replace('ws', 'http')
      const pass: Answer = ({ url: to }, init) => fetch(to, init)
      const passAndLose: Answer = async (one, init) => {
        assert.ok((await pass(one, init)).ok)
        throw new TypeError('fetch failed')
      }
      const starts = answering(passAndLose, pass)
      const client = createClient({ url: real, fetch: starts.fetch })
      const started = await client.start(waiting, undefined, { id: 'one', onConflict: 'terminate-existing' })
      const [first, second] = starts.asked.map(({ headers }) => headers.get('idempotency-key'))
      assert.ok(first !== null && first === second)
      assert.equal((await engine.list()).executions.length, 1)
      assert.equal((await started.describe()).status, 'running')
      const enqueues = answering(passAndLose, pass)
      const handles = await createClient({ url: real, fetch: enqueues.fetch }).enqueueMany(square, [2, 3])
      assert.deepEqual(await Promise.all(handles.map((each) => each.result())), [4, 9])
      assert.equal((await engine.listTasks()).tasks.length, 2)
      const signals = answering(passAndLose, pass)
      await createClient({ url: real, fetch: signals.fetch }).execution(waiting, 'one').signal(go, 5)
      assert.equal(await started.result(), 5)
    } finally {
      await engine.close()
    }
  })

  test('gives up what nobody waits for', async () => {
    const enough = new AbortController()
    const { fetch } = answering(
      (_, init) =>
        new Promise((_, reject) =>
          init.signal?.addEventListener('abort', () => reject(new DOMException('cut', 'AbortError'))),
        ),
    )
    const watched = createClient({ url, fetch }).execution(waiting, 'x', {
      runId: '01M8MJNCA72BZBSX155CYYBWC7',
    })
    setTimeout(() => enough.abort(), 20)
    for await (const _ of watched.watch({ signal: enough.signal })) assert.fail()
  })

  test('asks again while a result or an event has not come', async () => {
    const { fetch, asked } = answering(
      () => json({ status: 'running' }, 202),
      () => json({ status: 'completed', result: [1, 'json', null, 7] }),
    )
    assert.equal(await createClient({ url, fetch }).execution(waiting, 'x').result(), 7)
    assert.deepEqual(
      asked.map(({ url: { searchParams } }) => searchParams.get('waitMs')),
      ['25000', '25000'],
    )
    const events = answering(
      () => json({ events: [] }, 202),
      () => json({ events: [{ seq: 1, event: { type: 'execution-cancelled', at: 1 } }] }),
      () => json({ events: [] }),
    )
    const runId = '01M8MJNCA72BZBSX155CYYBWC7'
    const seqs: number[] = []
    const execution = createClient({ url, fetch: events.fetch }).execution(waiting, 'x', { runId })
    for await (const { seq } of execution.watch()) seqs.push(seq)
    assert.deepEqual(seqs, [1])
  })

  test('says what it does not understand', async () => {
    const cases: readonly [Answer, string, RegExp][] = [
      [() => new Response('<html>hello'), 'PROTOCOL_INVALID', /no engine/],
      [() => new Response('no', { status: 404 }), 'PROTOCOL_INVALID', /status 404/],
      [() => problem('OF_LATER_TIMES', 409), 'INTERNAL', /OF_LATER_TIMES.*it is so/],
    ]
    for (const [answer, expected, message] of cases)
      await assert.rejects(
        createClient({ url, fetch: answering(answer).fetch }).nodes.list(),
        (error: Error) => {
          assert.equal((error as PerdureError).code, expected)
          assert.match(error.message, message)
          return true
        },
      )
    await assert.rejects(
      createClient({ url, fetch: answering(nodes).fetch })
        .execution(waiting, '..')
        .describe(),
      code('ID_INVALID'),
    )
  })

  test('shows a token over TLS and within the machine only, and asks for it each time', async () => {
    const { fetch, asked } = answering(nodes)
    let number = 0
    const client = createClient({ url, fetch, namespace: 'shop', token: async () => `key-${++number}` })
    await client.nodes.list()
    await client.queues.list().catch(() => {})
    assert.deepEqual(
      asked.map(({ headers }) => headers.get('authorization')),
      ['Bearer key-1', 'Bearer key-2'],
    )
    assert.equal(asked[1]?.url.searchParams.get('namespace'), 'shop')
    for (const options of [
      { url: 'http://engine.example.com', token: 'x' },
      { url, token: 'two words' },
      { url: 'ws://127.0.0.1:7233' },
      { url: 'http://user:secret@127.0.0.1' },
      { url, retries: 3 },
    ])
      assert.throws(() => createClient(options), code('ARGUMENT_INVALID'))
  })
})
