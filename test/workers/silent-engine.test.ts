// A connection that is lost before the engine has answered: nothing tells the worker so but that no answer comes.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { createEngine, silentLogger } from '../../src/index.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { Worker } from '../../src/sdk/worker/worker.ts'
import { checkedWorkerSettings } from '../../src/sdk/worker/worker-settings.ts'
import { double, gate, until } from '../tasks/task-fixtures.ts'

/** Waits a hundredth of what it is told. */
const hasty: Clock = { ...systemClock, after: (ms, call) => systemClock.after(ms / 100, call) }

function workerOf(url: string): Worker {
  const settings = { url, tasks: [double], logger: silentLogger, shutdownGrace: 0 }
  return new Worker(checkedWorkerSettings(settings), { clock: hasty })
}

test('a worker whose hello is not answered connects again', async () => {
  const deaf = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: ([first]) => first ?? false,
  })
  await once(deaf, 'listening')
  const address = deaf.address()
  assert.ok(typeof address === 'object' && address !== null)
  const { port } = address
  await using worker = workerOf(`ws://127.0.0.1:${port}`)
  const [first] = await once(deaf, 'connection')
  await once(first, 'close')
  // Another engine is there now.
  deaf.close()
  for (const socket of deaf.clients) socket.terminate()
  await using engine = await createEngine({ store: 'memory', logger: silentLogger, shutdownGrace: 0 })
  await engine.listen({ port })
  await worker.connected()
  assert.ok(worker.id !== undefined)
})

test('a function that ends between hello and welcome gives its place back', async () => {
  const { task: gated, open } = gate()
  const engine = await createEngine({ store: 'memory', logger: silentLogger, shutdownGrace: 0 })
  const { url, port } = await engine.listen()
  const settings = { url, tasks: [gated], concurrency: 1, logger: silentLogger, shutdownGrace: 0 }
  await using worker = new Worker(checkedWorkerSettings(settings), { clock: hasty })
  await worker.connected()
  await engine.enqueue(gated, 'one')
  await until(() => open.length === 1)
  await engine.close()
  const next = new WebSocketServer({ port, host: '127.0.0.1', handleProtocols: ([first]) => first ?? false })
  const [socket] = (await once(next, 'connection')) as [WebSocket]
  const [hello] = await once(socket, 'message')
  assert.equal(JSON.parse(String(hello))[0].credits, 0)
  open[0]?.()
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.send(JSON.stringify([{ type: 'welcome', worker: 'w', heartbeatMs: 10_000, payloadBytes: 1000 }]))
  const [told] = await once(socket, 'message')
  assert.deepEqual(JSON.parse(String(told))[0], { type: 'credits', total: 1 })
  next.close()
})

test('a worker whose connection is taken by something that says nothing connects again', async () => {
  let connections = 0
  const mute = createServer(() => {
    connections += 1
  })
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const address = mute.address()
  assert.ok(typeof address === 'object' && address !== null)
  const worker = workerOf(`ws://127.0.0.1:${address.port}`)
  worker.connected().catch(() => {})
  while (connections < 2) await once(mute, 'connection')
  await worker.close()
  mute.close()
})

test('a worker that stood still before its hello connects again', async () => {
  await using engine = await createEngine({ store: 'memory', logger: silentLogger, shutdownGrace: 0 })
  const { url } = await engine.listen()
  const refusing = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: ([first]) => first ?? false,
  })
  await once(refusing, 'listening')
  refusing.on('connection', (socket) => {
    socket.send(JSON.stringify([{ type: 'error', code: 'CONNECTION_LOST', message: 'too late' }]))
    socket.close(1008)
  })
  const address = refusing.address()
  assert.ok(typeof address === 'object' && address !== null)
  let connections = 0
  const worker = new Worker(
    checkedWorkerSettings({ url, tasks: [double], logger: silentLogger, shutdownGrace: 0 }),
    {
      clock: hasty,
      open: (given) =>
        new WebSocket(connections++ === 0 ? `ws://127.0.0.1:${address.port}` : given, ['perdure.worker.v1']),
    },
  )
  await worker.connected()
  assert.equal(connections, 2)
  await worker.close()
  refusing.close()
})
