// What a request may be, and what is said of one that is not: problem documents, limits, encodings, pages of the web.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { HttpFixture } from './http-fixture.ts'

interface Raw {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly bytes: Buffer
}

describe('requests', () => {
  let on: HttpFixture
  before(async () => {
    on = await HttpFixture.open(
      { store: 'memory', limits: { payloadBytes: 10_000 } },
      {
        http: {
          origins: ['https://app.example.com'],
          hosts: ['proxy.internal'],
          limits: { bodyBytes: 50_000, headersMs: 500, requestMs: 500 },
        },
      },
    )
  })
  after(() => on[Symbol.asyncDispose]())

  /** Without what `fetch` adds, or forbids. */
  function raw(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Buffer,
  ): Promise<Raw> {
    return new Promise((resolve, reject) => {
      const asked = httpRequest(on.base + path, { method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            bytes: Buffer.concat(chunks),
          }),
        )
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }
  const json = { 'content-type': 'application/json' }
  const problem = ({ bytes }: Raw) => JSON.parse(String(bytes))

  test('an unknown place is 404, another method 405 with those that are there', async () => {
    assert.equal((await raw('GET', '/v1/nothing')).status, 404)
    assert.equal((await raw('GET', '/v1/executions/')).status, 400)
    const wrong = await raw('PATCH', '/v1/executions/a')
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'DELETE, GET, HEAD'])
    assert.equal((await raw('OPTIONS', '/v1/executions')).status, 405)
    assert.equal((await raw('PROPFIND', '/v1/executions')).status >= 400, true)
    const head = await raw('HEAD', '/healthz')
    assert.deepEqual([head.status, head.bytes.length], [200, 0])
    assert.equal((await raw('GET', '/v1/executions/%E0%A4%A')).status, 400)
  })

  test('a browser that looks at the port comes to the pages, others are told what it is', async () => {
    const browser = await raw('GET', '/', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
    assert.deepEqual([browser.status, browser.headers.location], [302, '/docs'])
    const folder = await raw('GET', '/docs/')
    assert.deepEqual([folder.status, folder.headers.location], [302, '/docs'])
    for (const headers of [{}, { accept: '*/*' }]) {
      const other = await raw('GET', '/', headers)
      assert.deepEqual([other.status, other.headers.upgrade], [426, 'websocket'])
    }
  })

  test('a body is JSON in UTF-8, not too large and not too deep', async () => {
    const post = (body: string | Buffer, headers: Record<string, string> = json) =>
      raw('POST', '/v1/executions', headers, body)
    assert.deepEqual(
      [(await post('a=1', { 'content-type': 'application/x-www-form-urlencoded' })).status],
      [415],
    )
    assert.equal((await post('{}', { 'content-type': 'text/plain' })).status, 415)
    const malformed = await post('{"workflow": ')
    assert.deepEqual([malformed.status, problem(malformed).errors[0].in], [400, 'body'])
    assert.match(problem(await post(Buffer.from([0x22, 0xff, 0x22]))).detail, /UTF-8/)
    assert.equal((await post(`{"x":"${'a'.repeat(60_000)}"}`)).status, 413)
    const deep = (levels: number) => `{"workflow":"quick","input":${'['.repeat(levels)}${']'.repeat(levels)}}`
    assert.match(problem(await post(deep(5000))).detail, /deeper than 200/)
    assert.equal((await post(deep(150))).status, 201)
    assert.equal((await post(`{"workflow":"quick","input":"${'[{\\"'.repeat(1000)}"}`)).status, 201)
    const large = await post(`{"workflow":"quick","input":"${'a'.repeat(20_000)}"}`)
    assert.deepEqual([large.status, problem(large).code], [413, 'PAYLOAD_TOO_LARGE'])
    assert.match(problem(large).detail, /^the payload is larger than limits\.payloadBytes, 10000 bytes$/)
    const whole = await post(`{"workflow":"quick","input":"${'a'.repeat(60_000)}"}`)
    assert.deepEqual([whole.status, problem(whole).code], [413, 'PAYLOAD_TOO_LARGE'])
    assert.match(problem(whole).detail, /^the body is larger than http\.limits\.bodyBytes, 50000 bytes$/)
    assert.match(problem(whole).hint, /raise http\.limits\.bodyBytes/)
    // With or without a body where none is needed.
    await post('{"workflow":"waiting","id":"bodies"}')
    assert.equal((await raw('POST', '/v1/executions/bodies/retry', json, '')).status, 409)
    assert.equal((await raw('POST', '/v1/executions/bodies/retry', json, '{"x":1}')).status, 400)
    assert.equal((await raw('POST', '/v1/executions/bodies/cancel')).status, 204)
  })

  test('what does not fit is named by its place', async () => {
    const faults = async (path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const { status, body: answer } = await on.call(body === undefined ? 'GET' : 'POST', path, {
        body,
        headers,
      })
      assert.deepEqual([status, answer.code], [400, 'ARGUMENT_INVALID'], JSON.stringify(answer))
      return answer.errors.map(
        ({ in: place, pointer }: { in: string; pointer: string }) => `${place} ${pointer}`,
      )
    }
    assert.deepEqual(await faults('/v1/executions', { workflow: 'a'.repeat(600) }), ['body /workflow'])
    assert.deepEqual(await faults('/v1/executions', { workflow: 'nul\0' }), ['body /workflow'])
    assert.deepEqual(await faults('/v1/executions', { workflow: '\ud800' }), ['body /workflow'])
    assert.deepEqual(await faults('/v1/tasks', { name: 'n', retry: { maxAttempts: 0, initial: 1 } }), [
      'body /retry/initial',
      'body /retry/maxAttempts',
    ])
    assert.deepEqual(await faults('/v1/executions?limit=0'), ['query /limit'])
    assert.deepEqual(await faults('/v1/executions?limit=x'), ['query /limit'])
    assert.deepEqual(await faults('/v1/executions?state=running'), ['query /state'])
    assert.deepEqual(await faults('/v1/executions?status=running,asleep'), ['query /status/1'])
    assert.deepEqual(await faults('/v1/executions?attributes=1'), ['query /attributes'])
    assert.deepEqual(await faults('/v1/executions', { workflow: 'quick' }, { 'idempotency-key': 'a b' }), [
      'header /Idempotency-Key',
    ])
    assert.deepEqual(await faults('/v1/executions', { workflow: 'quick' }, { 'perdure-payloads': 'xml' }), [
      'header /Perdure-Payloads',
    ])
    assert.deepEqual(
      await faults('/v1/executions', { workflow: 'quick', input: 1 }, { 'perdure-payloads': 'envelope' }),
      ['body /input'],
    )
  })

  test('a request id is taken if it is sane, else made, and is in the answer', async () => {
    const given = await on.call('GET', '/v1/none', { headers: { 'x-request-id': 'abc-123' } })
    assert.deepEqual([given.headers.get('x-request-id'), given.body.requestId], ['abc-123', 'abc-123'])
    const odd = await on.call('GET', '/v1/none', { headers: { 'x-request-id': 'a b"<' } })
    assert.match(odd.body.requestId, /^[0-9a-f-]{36}$/)
  })

  test('payloads: plain, or as envelopes', async () => {
    const envelope = { 'perdure-payloads': 'envelope' }
    const encrypted = [1, 'json', 'key-7', 'c2VjcmV0']
    await on.ok(201, 'POST', '/v1/executions', {
      body: { workflow: 'waiting', id: 'secret', input: encrypted },
      headers: envelope,
    })
    const [first] = (await on.ok(200, 'GET', '/v1/executions/secret/history')).events
    assert.deepEqual(first.event.input, { $payload: encrypted })
    const [raw] = (await on.ok(200, 'GET', '/v1/executions/secret/history', { headers: envelope })).events
    assert.deepEqual(raw.event.input, encrypted)
    const date = [1, 'json', null, { when: { $: 'Date', v: 5 } }]
    await on.ok(201, 'POST', '/v1/executions', {
      body: { workflow: 'quick', id: 'dated', input: date },
      headers: envelope,
    })
    const { result } = await on.ok(200, 'GET', '/v1/executions/dated/result?waitMs=20000')
    assert.deepEqual(result, { $payload: date })
    // A value that looks like an envelope is a value.
    await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'quick', id: 'alike', input: encrypted } })
    assert.deepEqual((await on.ok(200, 'GET', '/v1/executions/alike/result?waitMs=20000')).result, encrypted)
    await on.ok(201, 'POST', '/v1/executions', {
      body: { workflow: 'quick', id: 'named', input: { $payload: 1 } },
    })
    const named = await on.ok(200, 'GET', '/v1/executions/named/result?waitMs=20000')
    assert.deepEqual(named.result, { $payload: [1, 'json', null, { $payload: 1 }] })
    await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'quick', id: 'none' } })
    assert.deepEqual(await on.ok(200, 'GET', '/v1/executions/none/result?waitMs=20000'), {
      status: 'completed',
    })
  })

  test('answers above 1 KiB are compressed, but for those with secrets', async () => {
    for (const [accepted, decoded] of [
      ['gzip', gunzipSync],
      ['br;q=1.0, gzip;q=0.8', brotliDecompressSync],
    ] as const) {
      const { headers, bytes } = await raw('GET', '/openapi.json', { 'accept-encoding': accepted })
      assert.equal(headers['content-encoding'], accepted.slice(0, accepted.startsWith('br') ? 2 : 4))
      assert.equal(JSON.parse(String(decoded(bytes))).openapi, '3.1.0')
      assert.match(String(headers.vary), /accept-encoding/)
    }
    const all = { 'accept-encoding': '*' }
    assert.equal((await raw('GET', '/healthz', all)).headers['content-encoding'], undefined)
    assert.equal(
      (await raw('GET', '/openapi.json', { 'accept-encoding': 'gzip;q=0, br;q=0' })).headers[
        'content-encoding'
      ],
      undefined,
    )
    const input = 'a'.repeat(3000)
    await on.ok(201, 'POST', '/v1/tasks', { body: { name: 'outside', queue: 'zip', input } })
    const claimed = await raw(
      'POST',
      '/v1/queues/zip/claims',
      { ...all, ...json },
      '{"worker":"w","tasks":["outside"],"waitMs":20000}',
    )
    assert.deepEqual(
      [claimed.headers['content-encoding'], claimed.headers['cache-control']],
      [undefined, 'no-store'],
    )
    assert.equal(problem(claimed).claims[0].input, input)
  })

  test('a web page changes nothing here, unless its origin is named', async () => {
    const body = '{"workflow":"quick"}'
    const post = (headers: Record<string, string>) =>
      raw('POST', '/v1/executions', { ...json, ...headers }, body)
    const evil = await post({ origin: 'https://evil.example' })
    assert.deepEqual([evil.status, evil.headers['access-control-allow-origin']], [403, undefined])
    assert.match(problem(evil).hint, /http\.origins/)
    assert.doesNotMatch(problem(evil).hint, /role|policy/)
    assert.equal((await post({ origin: 'null' })).status, 403)
    assert.equal((await post({ origin: on.base })).status, 201)
    const own = await post({ origin: 'https://app.example.com' })
    assert.deepEqual(
      [own.status, own.headers['access-control-allow-origin']],
      [201, 'https://app.example.com'],
    )
    const read = await raw('GET', '/v1/executions', { origin: 'https://evil.example' })
    assert.deepEqual([read.status, read.headers['access-control-allow-origin']], [200, undefined])
    const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }
    const asked = await raw('OPTIONS', '/v1/executions', { origin: 'https://app.example.com', ...asks })
    assert.equal(asked.status, 204)
    assert.match(String(asked.headers['access-control-allow-headers']), /content-type/)
    assert.equal(
      (await raw('OPTIONS', '/v1/executions', { origin: 'https://evil.example', ...asks })).status,
      405,
    )
  })

  test('the door is asked for by a name of loopback, or one that is named', async () => {
    const get = async (host: string) => (await raw('GET', '/v1/executions', { host })).status
    assert.equal(await get('rebound.example:80'), 403)
    const { hint } = problem(await raw('GET', '/v1/executions', { host: 'rebound.example' }))
    assert.match(hint, /http\.hosts.*--trusted-proxies/)
    assert.doesNotMatch(hint, /role|policy/)
    assert.equal(await get('127.0.0.1.evil.example'), 403)
    assert.deepEqual(
      [await get('localhost:1'), await get('[::1]'), await get('proxy.internal:8080')],
      [200, 200, 200],
    )
  })

  test('a client that is slow to ask is cut', async () => {
    const { port, hostname } = new URL(on.base)
    for (const part of [
      'GET /v1/exec',
      'POST /v1/executions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{',
    ]) {
      const socket = connect(Number(port), hostname)
      const chunks: string[] = []
      socket.on('data', (chunk) => chunks.push(String(chunk)))
      socket.write(part)
      await once(socket, 'close')
      assert.match(chunks.join(''), /^HTTP\/1\.1 408 /)
    }
  })

  test('headers that are too large are refused', async () => {
    assert.equal((await raw('GET', '/v1/executions', { 'x-large': 'a'.repeat(20_000) })).status, 431)
  })
})

test('settings of the door are looked at', async () => {
  await using on = await HttpFixture.open({ store: 'memory' })
  const listen = (http: object) => on.engine.listen({ http })
  await assert.rejects(listen({ origin: [] }), /no option 'origin'/)
  await assert.rejects(listen({ origins: ['app.example.com'] }), /is no origin/)
  await assert.rejects(listen({ limits: { bodyByte: 1 } }), /no limit http.limits.bodyByte/)
  await assert.rejects(listen({ limits: { depth: 500 } }), /more than 200/)
})
