// A connection that is lost before the engine has answered: nothing tells the worker so but that no answer comes.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { WebSocketServer } from 'ws'
import { createEngine, silentLogger } from '../../src/index.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import { Worker } from '../../src/sdk/worker/create-worker.ts'
import { checkedWorkerSettings } from '../../src/sdk/worker/worker-settings.ts'
import { double } from '../tasks/task-fixtures.ts'

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
