// Histories as streams of server-sent events.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { signal } from '../../src/index.ts'
import { EventStreams } from '../../src/server/http/event-streams.ts'
import type { RouteRequest } from '../../src/server/http/route.ts'
import { watchExecution } from '../../src/server/http/routes/watch.ts'
import { until } from '../tasks/task-fixtures.ts'
import { HttpFixture, waiting } from './http-fixture.ts'

/** Nobody consumes it. */
const more = signal<string>('more')

interface Event {
  readonly id?: string
  readonly event?: string
  readonly data?: string
}

function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block.includes('data:'))
    .map((block) => Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2))))
}

test('a watcher sees each event once it is durable, and the end; one that comes again goes on where it was', async () => {
  await using on = await HttpFixture.open()
  const { runId } = await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'waiting', id: 'w' } })
  const stop = new AbortController()
  const response = await fetch(`${on.base}/v1/executions/w/watch`, { signal: stop.signal })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const reader = response.body?.getReader()
  let seen = ''
  const readUntil = async (part: string): Promise<void> => {
    while (!seen.includes(part)) {
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
      assert.ok(!done, seen)
      seen += Buffer.from(value ?? []).toString()
    }
  }
  await readUntil('execution-started')
  await on.ok(200, 'POST', '/v1/executions/w/updates/add', { body: { payload: 1 } })
  await readUntil('update-completed')
  stop.abort()
  const last = eventsOf(seen).at(-1)?.id
  assert.equal(last, `${runId}:3`)

  const rest = on.call('GET', '/v1/executions/w/watch', { headers: { 'last-event-id': last ?? '' } })
  await on.ok(204, 'POST', '/v1/executions/w/signals/go')
  const events = eventsOf((await rest).text)
  assert.deepEqual(
    events.map(({ id, event }) => event ?? id),
    [`${runId}:4`, `${runId}:5`, 'end'],
  )
  const over = await on.call('GET', '/v1/executions/w/watch', { headers: { 'last-event-id': `${runId}:5` } })
  assert.equal(over.status, 204)
  const odd = await on.call('GET', '/v1/executions/w/watch', { headers: { 'last-event-id': 'x' } })
  assert.deepEqual([odd.status, odd.body.errors[0].pointer], [400, '/Last-Event-ID'])
  assert.equal((await on.call('GET', '/v1/executions/none/watch')).status, 404)
  const of = `/v1/executions/other/watch?runId=${runId}`
  assert.equal((await on.call('GET', of)).status, 404)
})

test('there are only so many streams', async () => {
  await using on = await HttpFixture.open({}, { http: { limits: { streams: 1 } } })
  await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'waiting', id: 'w' } })
  const stop = new AbortController()
  await fetch(`${on.base}/v1/executions/w/watch`, { signal: stop.signal })
  const second = await on.call('GET', '/v1/executions/w/watch')
  assert.deepEqual(
    [second.status, second.body.code, second.headers.get('retry-after')],
    [503, 'OVERLOADED', '1'],
  )
  stop.abort()
  await on.ok(204, 'POST', '/v1/executions/w/signals/go')
  await until(async () => (await on.call('GET', '/v1/executions/w/watch')).status === 200)
})

test('a stream has its place while its history is read, and what does not begin keeps none', async () => {
  const streams = new EventStreams({ most: 1, answerMs: 1000, commentMs: 1000 })
  const runId = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
  let read = Promise.withResolvers<readonly []>()
  const port = { history: () => read.promise, describe: async () => ({ closedAt: 1 }) }
  // The one cast: nothing else of a request is looked at.
  const ask = (headers = {}): ReturnType<typeof watchExecution> =>
    watchExecution(
      { services: { streams }, port, headers, namespace: 'default' } as unknown as RouteRequest,
      'w',
      { runId },
    )
  const missing = ask()
  await assert.rejects(ask(), { code: 'OVERLOADED' })
  read.reject(new Error('it is not there'))
  await assert.rejects(missing, /not there/)
  read = Promise.withResolvers()
  const over = ask({ 'last-event-id': `${runId}:9` })
  await assert.rejects(ask(), { code: 'OVERLOADED' })
  read.resolve([])
  assert.equal((await over).status, 204)
  assert.notEqual((await ask()).stream, undefined)
  await assert.rejects(ask(), { code: 'OVERLOADED' })
})

test('streams end when the engine closes, and say no end of the run', async () => {
  const on = await HttpFixture.open()
  await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'waiting', id: 'w' } })
  const response = await fetch(`${on.base}/v1/executions/w/watch`)
  const text = response.text()
  await on[Symbol.asyncDispose]()
  assert.doesNotMatch(await text.catch(() => ''), /event: end/)
})

test('a reader that does not read makes nobody read ahead for it, and is cut', async () => {
  const limits = { streams: 1, answerMs: 500 }
  await using on = await HttpFixture.open({ limits: { payloadBytes: 200_000 } }, { http: { limits } })
  const execution = await on.engine.start(waiting, 'x', { id: 'large' })
  const { port, hostname } = new URL(on.base)
  const socket = connect(Number(port), hostname)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {})
  socket.pause()
  socket.write('GET /v1/executions/large/watch HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const watch = '/v1/executions/small/watch'
  await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'quick', id: 'small' } })
  await until(async () => (await on.call('GET', watch)).status === 503)
  // More than sockets hold: 40 MB.
  for (let i = 0; i < 400; i++) await execution.signal(more, 'a'.repeat(100_000))
  await until(async () => (await on.call('GET', watch)).status === 200)
  socket.resume()
  await closed
  assert.ok(socket.bytesRead < 30_000_000, `${socket.bytesRead} bytes were written for it`)
})

test('a stream without news has comments', async () => {
  const streams = new EventStreams({ most: 1, answerMs: 1000, commentMs: 10 })
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    void streams.serve(
      response,
      (stream) => new Promise((resolve) => stream.signal.addEventListener('abort', () => resolve())),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const response = await fetch(`http://127.0.0.1:${address.port}`)
  const reader = response.body?.getReader()
  let seen = ''
  while (!seen.includes(': \n\n')) seen += Buffer.from((await reader?.read())?.value ?? []).toString()
  assert.equal(streams.size, 1)
  streams.end()
  while (!(await reader?.read())?.done);
  await until(() => streams.size === 0)
  server.close()
})
