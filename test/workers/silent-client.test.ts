// A connection of a client that dies without a word: the client notices, and connects again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { WebSocketServer } from 'ws'
import { createEngine, signal, silentLogger, workflow } from '../../src/index.ts'
import { CLIENT_PROTOCOL_2 } from '../../src/protocol/client-messages.ts'
import { platformFailure } from '../../src/protocol/failure.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import { RemotePort } from '../../src/sdk/connect/remote-port.ts'

const go = signal<string>('go')
const waiting = workflow({ name: 'waiting', run: (ctx) => ctx.waitFor(go) })

const portOf = (server: { address(): unknown }): number =>
  (server.address() as { readonly port: number }).port

test('calls are answered over the next connection when the first one goes dark', async () => {
  await using engine = await createEngine({ store: 'memory', logger: silentLogger, shutdownGrace: 0 })
  const { port } = await engine.listen({ heartbeat: 10_000 })
  // Between them: the first connection passes nothing on any more, the second one everything.
  const sockets: Socket[] = []
  let isDark = false
  const between = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1')
    const isFirst = sockets.length === 0
    sockets.push(near, far)
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      from.on('data', (data) => (isFirst && isDark ? undefined : to.write(data)))
      from.on('error', () => {})
      from.on('close', () => to.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(between, 'listening')
  const remote = new RemotePort({ url: `ws://127.0.0.1:${portOf(between)}`, warn: () => {}, heartbeatMs: 50 })
  await remote.connected()
  assert.equal((await remote.port.workers.list('default')).length, 1)
  isDark = true
  assert.equal((await remote.port.workers.list('default')).length, 1)
  assert.equal(sockets.length, 4)
  remote.close()
  for (const socket of sockets) socket.destroy()
  between.close()
})

test('something that accepts connections and says nothing is given up', async () => {
  let connections = 0
  const mute = createServer((socket) => {
    connections += 1
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const remote = new RemotePort({ url: `ws://127.0.0.1:${portOf(mute)}`, warn: () => {}, heartbeatMs: 20 })
  remote.connected().catch(() => {})
  while (connections < 2) await once(mute, 'connection')
  remote.close()
  mute.close()
})

test('an engine that refuses a connection which is gone already lives on', async () => {
  await using engine = await createEngine({ store: 'memory', logger: silentLogger, shutdownGrace: 0 })
  const { url, port } = await engine.listen()
  const request =
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: other\r\n\r\n'
  for (let i = 0; i < 100; i++) {
    const socket = connectSocket(port, '127.0.0.1', () => {
      socket.write(request)
      socket.resetAndDestroy()
    })
    socket.on('error', () => {})
    await new Promise((resolve) => socket.on('close', resolve))
  }
  const remote = new RemotePort({ url, warn: () => {} })
  assert.equal((await remote.port.workers.list('default')).length, 1)
  remote.close()
})

test('of nodes that all end none is asked again and again without a pause', async () => {
  let connections = 0
  const failure = platformFailure('ENGINE_CLOSED', 'the engine is closed')
  const ending = [1, 2].map(() => {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      handleProtocols: () => CLIENT_PROTOCOL_2,
    })
    server.on('connection', (socket) => {
      connections += 1
      socket.on('message', (data) => {
        for (const { id } of JSON.parse(String(data))) socket.send(JSON.stringify([{ id, failure }]))
      })
    })
    return server
  })
  await Promise.all(ending.map((server) => once(server, 'listening')))
  const url = ending.map((server) => `ws://127.0.0.1:${portOf(server)}`)
  const remote = new RemotePort({ url, warn: () => {} })
  const asked = remote.port.workers.list('default').catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, 500))
  remote.close()
  await asked
  for (const server of ending) server.close()
  // Both at once, and then after 50 ms, 100 ms, and so on.
  assert.ok(connections > 2 && connections < 30, `${connections} connections`)
})

test('a call that is cancelled while there is no connection is cancelled when it is sent', async () => {
  const quiet = { logger: silentLogger, shutdownGrace: 0 } as const
  await using engine = await createEngine({ store: 'memory', workflows: [waiting], ...quiet })
  const { runId } = await engine.start(waiting, undefined, { id: 'one' })
  const { url } = await engine.listen()
  const remote = new RemotePort({ url, warn: () => {} })
  const target = { key: { namespace: 'default', workflowId: 'one' }, runId: runId as RunId }
  const options = { limit: 1, wait: true, signal: AbortSignal.abort() }
  assert.deepEqual(await remote.port.history(target, 100, options), [])
  remote.close()
})
