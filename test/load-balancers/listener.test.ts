// An engine behind load balancers: whose address it takes, how connections begin, and how they end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { type ClientOptions, WebSocket } from 'ws'
import {
  connect,
  createEngine,
  createWorker,
  type ListenOptions,
  type Logger,
  silentLogger,
  task,
} from '../../src/index.ts'
import { CLIENT_PROTOCOL_2 } from '../../src/protocol/client-messages.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { ClientOrigins } from '../../src/server/listen/client-origin.ts'
import { expectProxyHeaders } from '../../src/server/listen/proxy-door.ts'
import { until } from '../tasks/task-fixtures.ts'
import { Authority, type Identity, openssl } from '../workers/certificates.ts'
import { addressThrough } from './address-through.ts'

/** It is trusted; others of this machine, such as 127.0.0.1, are not. */
const PROXY = '127.0.0.2'
const found = openssl()
const skipTls = 'missing' in found ? found.missing : false
const nothing = task({ name: 'nothing', run: () => 0 })
const HEADER_1 = 'PROXY TCP4 203.0.113.7 10.0.0.1 40123 7233\r\n'
const HEADER_2 = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb0071070a0000019cbb1c41', 'hex')
const UPGRADE = [
  'GET / HTTP/1.1',
  'host: perdure',
  'connection: upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  `sec-websocket-protocol: ${CLIENT_PROTOCOL_2}`,
  '\r\n',
].join('\r\n')

async function listening(options: ListenOptions, logger: Logger = silentLogger) {
  const engine = await createEngine({
    store: 'memory',
    logger,
    shutdownGrace: 0,
    drainDelay: 0,
    queues: [{ name: 'default', balancer: 'ip-hash' }],
  })
  const listener = await engine.listen(options)
  return { engine, ...listener, [Symbol.asyncDispose]: () => engine.close() }
}

/** What comes back over a connection, until it ends or `isEnough`. */
async function said(
  socket: Socket,
  isEnough = (text: string): boolean => text.includes('\r\n\r\n'),
): Promise<string> {
  let text = ''
  socket.on('error', () => {})
  for await (const chunk of socket) {
    text += String(chunk)
    if (isEnough(text)) break
  }
  socket.destroy()
  return text
}

function from(localAddress: string, port: number): Socket {
  return connectTcp({ host: '127.0.0.1', port, localAddress })
}

describe('an engine behind a load balancer', () => {
  test('takes the address of a client from a trusted proxy, and from nobody else', async () => {
    await using on = await listening({ trustedProxies: [PROXY] })
    const headers = { 'x-forwarded-for': '1.1.1.1, 203.0.113.7' }
    const address = (options: ClientOptions) => addressThrough(on.url, on.engine, options)
    assert.equal(await address({ localAddress: PROXY, headers }), '203.0.113.7')
    assert.match(await address({ localAddress: '127.0.0.3', headers }), /^127\.0\.0\.3:\d+$/)
    assert.match(await address({ localAddress: PROXY }), /^127\.0\.0\.2:\d+$/)
  })

  test('a trusted proxy on this machine does not let a web page in whose name leads here', async () => {
    const ask = (port: number, host: string, announced = ''): Promise<string> => {
      const socket = from(PROXY, port)
      const headers = `host: ${host}\r\nx-forwarded-for: 203.0.113.7\r\nconnection: close`
      socket.write(`${announced}GET /v1/executions HTTP/1.1\r\n${headers}\r\n\r\n`)
      return said(socket)
    }
    const trusting = { trustedProxies: [PROXY], http: { hosts: ['perdure.example.com'] } }
    {
      await using on = await listening(trusting)
      // What a page can send, a proxy that only reads requests sends too.
      assert.match(await ask(on.port, `rebound.example:${on.port}`), /^HTTP\/1.1 403 /)
      assert.match(await ask(on.port, `127.0.0.1:${on.port}`), /^HTTP\/1.1 200 /)
      assert.match(await ask(on.port, 'perdure.example.com'), /^HTTP\/1.1 200 /)
    }
    await using on = await listening({ ...trusting, proxyProtocol: true })
    assert.match(await ask(on.port, 'any.example', HEADER_1), /^HTTP\/1.1 200 /)
  })

  test('ip-hash goes by that address', async () => {
    await using on = await listening({ trustedProxies: [PROXY] })
    const ran: string[] = []
    const workers = await Promise.all(
      ['w-1', 'w-2', 'w-3', 'w-4'].map((id) =>
        createWorker({
          url: on.url,
          id,
          tasks: [task({ name: nothing.name, run: () => ran.push(id) })],
          logger: silentLogger,
          shutdownGrace: 0,
        }),
      ),
    )
    const used = new Set<string>()
    for (let i = 1; i <= 8; i++) {
      ran.length = 0
      const headers = { 'x-forwarded-for': `203.0.113.${i}` }
      const socket = new WebSocket(on.url, [CLIENT_PROTOCOL_2], { localAddress: PROXY, headers })
      await once(socket, 'open')
      const input = encodePayload(undefined)
      const request = { namespace: 'default', name: nothing.name, queue: 'default', input }
      socket.send(JSON.stringify([{ id: 1, method: 'tasks.enqueue', args: [Array(10).fill(request)] }]))
      await until(() => ran.length === 10)
      socket.terminate()
      const [worker = '', ...others] = new Set(ran)
      assert.deepEqual(others, [], `203.0.113.${i}: ${worker} too`)
      used.add(worker)
    }
    assert.ok(used.size >= 2, 'several workers are used')
    for (const worker of workers) await worker.close()
  })

  for (const [what, header] of [
    ['version 1', Buffer.from(HEADER_1)],
    ['version 2', HEADER_2],
  ] as const)
    test(`the PROXY protocol, ${what}, says whose a connection is`, async () => {
      await using plain = await listening({ trustedProxies: [PROXY], proxyProtocol: true })
      const opened = (port: number): Socket => {
        const socket = from(PROXY, port)
        socket.write(header)
        return socket
      }
      const createConnection = () => opened(plain.port)
      assert.equal(await addressThrough(plain.url, plain.engine, { createConnection }), '203.0.113.7:40123')
      // A worker of the same network needs no proxy.
      assert.match(await addressThrough(plain.url, plain.engine, {}), /^127\.0\.0\.1:\d+$/)
    })

  test('a header of the PROXY protocol may come in pieces, or with the request', async () => {
    await using on = await listening({ trustedProxies: [PROXY], proxyProtocol: true })
    const whole = from(PROXY, on.port)
    whole.write(`${HEADER_1}${UPGRADE}`)
    assert.match(await said(whole), /^HTTP\/1.1 101 /)
    const pieces = from(PROXY, on.port)
    pieces.setNoDelay()
    for (const byte of Buffer.concat([HEADER_2, Buffer.from('GET /healthz HT')])) {
      pieces.write(Buffer.of(byte))
      await sleep(1)
    }
    pieces.write('TP/1.1\r\nhost: perdure\r\n\r\n')
    assert.match(await said(pieces, (text) => text.includes('alive')), /^HTTP\/1.1 200 OK/)
    // All at once, and nothing after it.
    const last = from(PROXY, on.port)
    last.end(`${HEADER_1}GET /healthz HTTP/1.1\r\nhost: perdure\r\nconnection: close\r\n\r\n`)
    assert.match(await said(last, (text) => text.includes('alive')), /^HTTP\/1.1 200 OK/)
  })

  test('a proxy without a header, or with a wrong one, is cut, and told in the log', async () => {
    const reasons: string[] = []
    const warn = (_: string, fields?: { readonly reason?: unknown }): void =>
      void reasons.push(String(fields?.reason))
    for (const [sent, reason] of [
      [UPGRADE, /does not begin with a header/],
      ['PROXY TCP4 nobody nobody 1 2\r\n', /not those of TCP4/],
      [Buffer.concat([HEADER_2.subarray(0, 12), Buffer.from([0x11, 0x11, 0, 12])]), /version is not 2/],
      [Buffer.from([22, 3, 1, 2, 0]), /does not begin with a header/],
    ] as const) {
      // The log tells one of them in a second.
      await using on = await listening(
        { trustedProxies: [PROXY], proxyProtocol: true },
        { ...silentLogger, warn },
      )
      const socket = from(PROXY, on.port)
      socket.write(sent)
      assert.equal(await said(socket), '')
      assert.match(String(reasons.at(-1)), reason)
    }
    assert.equal(reasons.length, 4)
  })

  test('a header of somebody who is no proxy is refused', async () => {
    await using on = await listening({ trustedProxies: [PROXY], proxyProtocol: true })
    for (const header of [HEADER_1, HEADER_2]) {
      const socket = from('127.0.0.3', on.port)
      socket.write(header)
      socket.write(UPGRADE)
      assert.match(await said(socket), /^HTTP\/1.1 400 /)
    }
  })

  test('a header that does not come is not waited for', async () => {
    const server = createServer((_, response) => response.end('in'))
    const refused: string[] = []
    const origins = new ClientOrigins({ trustedProxies: [PROXY], proxyProtocol: true })
    const stop = expectProxyHeaders(server, {
      origins,
      withinMs: 100,
      onRefused: (_, why) => refused.push(why),
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    // The one cast: it listens on TCP.
    const { port } = server.address() as AddressInfo
    const slow = from(PROXY, port)
    slow.write('PROXY TCP4 ')
    const silent = from(PROXY, port)
    const good = from(PROXY, port)
    good.write(`${HEADER_1}GET / HTTP/1.1\r\nhost: a\r\n\r\n`)
    assert.match(await said(good, (text) => text.endsWith('in')), /200 OK/)
    assert.deepEqual(await Promise.all([said(slow), said(silent)]), ['', ''])
    assert.equal(refused.length, 2)
    for (const why of refused) assert.match(why, /within 100 ms/)
    // Connections that have ended are forgotten; those that wait are cut at the end.
    await until(() => origins.announced === 0)
    const waiting = from(PROXY, port)
    await once(waiting, 'connect')
    await until(async () => (await connectionsOf(server)) === 1)
    stop()
    assert.equal(await said(waiting), '')
    server.close()
  })

  test('under TLS the header comes before the handshake', { skip: skipTls }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'perdure-proxy-tls-'))
    try {
      const authority = new Authority(directory, 'authority')
      const node = authority.issue('node', 'serverAuth,clientAuth')
      await using on = await listening({ trustedProxies: [PROXY], proxyProtocol: true, tls: node })
      const parts = Object.entries(authority.issue('client', 'clientAuth'))
      const client = Object.fromEntries(parts.map(([name, file]) => [name, readFileSync(file)]))
      for (const header of [HEADER_1, HEADER_2]) {
        const createConnection = () => {
          const socket = from(PROXY, on.port)
          socket.write(header)
          return connectTls({ socket, host: '127.0.0.1', ...client })
        }
        const options = { createConnection, ...client } as ClientOptions
        assert.equal(await addressThrough(on.url, on.engine, options), '203.0.113.7:40123')
      }
      await forgotten(node, client, (port) => {
        const socket = from(PROXY, port)
        socket.write(HEADER_1)
        return socket
      })
      assert.match(await addressThrough(on.url, on.engine, client), /^127\.0\.0\.1:\d+$/)
      const without = addressThrough(on.url, on.engine, { ...client, localAddress: PROXY })
      await assert.rejects(without, /disconnected|hang up|ECONNRESET/)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})

describe('an engine that ends behind a load balancer', () => {
  test('is alive and ready, then says first that it is not, and serves on', async () => {
    const engine = await createEngine({
      store: 'memory',
      logger: silentLogger,
      drainDelay: '1s',
      tasks: [nothing],
    })
    const { url, port } = await engine.listen()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    assert.deepEqual(await asked(port, '/healthz', agent), {
      status: 200,
      body: { status: 'alive' },
      isKept: true,
    })
    assert.deepEqual(await asked(port, '/readyz?x', agent), {
      status: 200,
      body: { status: 'ready' },
      isKept: true,
    })
    const [first] = (await once(get({ host: '127.0.0.1', port, agent }), 'response')) as [IncomingMessage]
    assert.equal(first.statusCode, 426)
    // Longer than load balancers do: it is they who close a connection.
    assert.equal(first.headers['keep-alive'], 'timeout=75')
    first.resume()
    const client = await connect(url, { logger: silentLogger })
    const closed = engine.close()
    const { status, body, isKept } = await asked(port, '/readyz', agent)
    assert.equal(status, 503)
    assert.equal(body.reason, 'draining')
    // The balancer opens its next connection elsewhere.
    assert.equal(isKept, false)
    assert.deepEqual(await asked(port, '/healthz', agent), {
      status: 200,
      body: { status: 'alive' },
      isKept: false,
    })
    assert.equal(await (await client.enqueue(nothing, undefined, { id: 'late' })).result(), 0)
    await using another = await connect(url, { logger: silentLogger })
    assert.equal(await (await another.enqueue(nothing, undefined, { id: 'later' })).result(), 0)
    await client.close()
    await another.close()
    await closed
    await assert.rejects(asked(port, '/healthz', agent), /ECONNREFUSED/)
  })
})

async function asked(port: number, path: string, agent: Agent) {
  const [response] = (await once(get({ host: '127.0.0.1', port, path, agent }), 'response')) as [
    IncomingMessage,
  ]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  const body = text.startsWith('{') ? (JSON.parse(text) as Record<string, string>) : {}
  return { status: response.statusCode, body, isKept: response.headers.connection !== 'close' }
}

/** What was said of a connection goes with it, also when TLS has taken it over. */
async function forgotten(
  node: Identity,
  client: Readonly<Record<string, Buffer>>,
  opened: (port: number) => Socket,
): Promise<void> {
  const { cert, key, ca } = node
  const server = createSecureServer({
    cert: readFileSync(cert),
    key: readFileSync(key),
    ca: readFileSync(ca),
  })
  const origins = new ClientOrigins({ trustedProxies: [PROXY], proxyProtocol: true })
  const seen: string[] = []
  server.on('request', (request, response) => {
    seen.push(origins.originOf(request).label)
    response.end()
  })
  expectProxyHeaders(server, { origins, onRefused: () => {} })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  // The one cast: it listens on TCP.
  const socket = connectTls({
    socket: opened((server.address() as AddressInfo).port),
    host: '127.0.0.1',
    ...client,
  })
  socket.write('GET / HTTP/1.1\r\nhost: perdure\r\n\r\n')
  assert.match(await said(socket), /200 OK/)
  assert.deepEqual(seen, ['203.0.113.7:40123'])
  await until(() => origins.announced === 0)
  server.close()
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
}
