// A connection of a client that dies without a word: the client notices, and connects again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { createEngine, silentLogger } from '../../src/index.ts'
import { RemotePort } from '../../src/sdk/connect/remote-port.ts'

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
