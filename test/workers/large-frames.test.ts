// What is larger than the other side takes: it ends the connection, and would end the next one too.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { SessionView } from '../../src/core/cluster/cluster-view.ts'
import { RemoteMail } from '../../src/engine/cluster/remote-mail.ts'
import { connect, createEngine, createWorker, silentLogger, task, workflow } from '../../src/index.ts'
import { CLIENT_PROTOCOL } from '../../src/protocol/client-messages.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { NODE_PROTOCOL } from '../../src/protocol/node-messages.ts'
import { WORKER_PROTOCOL } from '../../src/protocol/worker-messages.ts'
import { NodeLinks } from '../../src/server/cluster/node-link.ts'
import type { OutboxRow } from '../../src/store/contract/rows.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { until } from '../tasks/task-fixtures.ts'

const echo = task({ name: 'echo', run: (_, value: unknown) => value })
const length = workflow({ name: 'length', run: (_, text: string) => text.length })
const other: SessionView = {
  id: 1,
  incarnation: 'i1',
  address: null,
  node: 'other',
  weight: 1,
  isDraining: false,
  heartbeatAt: 0,
  isFenced: false,
}

test('a call of a client is refused, and those beside it are answered', async () => {
  await using engine = await createEngine({
    store: 'memory',
    workflows: [length],
    limits: { payloadBytes: 1000 },
    logger: silentLogger,
    shutdownGrace: 0,
  })
  const { url } = await engine.listen()
  const client = await connect(url, { logger: silentLogger })
  try {
    const start = async (id: string, characters: number): Promise<number> =>
      (await client.start(length, 'x'.repeat(characters), { id })).result()
    const large = assert.rejects(start('large', 3_000_000), { code: 'PAYLOAD_TOO_LARGE' })
    const larger = assert.rejects(start('larger', 3_500_000), { code: 'PAYLOAD_TOO_LARGE' })
    assert.equal(await start('small', 10), 10)
    await Promise.all([large, larger])
    // Too large for the engine, and small enough for a frame.
    await assert.rejects(start('medium', 2000), { code: 'PAYLOAD_TOO_LARGE' })
    assert.equal(await start('last', 11), 11)
  } finally {
    await client.close()
  }
})

test('a report of a worker that is too large is a failure of its task, step or run, once', async () => {
  // Each part of an error is bounded; all of them together are larger than a frame of this engine.
  const enormous = (depth = 0): Error => {
    const error = new Error('\u0001'.repeat(16_000), depth < 8 ? { cause: enormous(depth + 1) } : {})
    error.stack = '\u0001'.repeat(16_000)
    return error
  }
  let [tasks, steps] = [0, 0]
  const failing = task({
    name: 'failing',
    run: () => {
      tasks += 1
      throw enormous()
    },
  })
  const stepping = workflow({
    name: 'stepping',
    run: (ctx) =>
      ctx.step('s', () => {
        steps += 1
        throw enormous()
      }),
  })
  const throwing = workflow({
    name: 'throwing',
    run: () => {
      throw enormous()
    },
  })
  await using engine = await createEngine({
    store: 'memory',
    limits: { payloadBytes: 1000 },
    logger: silentLogger,
    shutdownGrace: 0,
  })
  const { url } = await engine.listen()
  const workflows = [stepping, throwing]
  await using worker = await createWorker({
    url,
    tasks: [failing],
    workflows,
    logger: silentLogger,
    shutdownGrace: 0,
  })
  const tooLarge = (error: Error): boolean => (error.cause as PerdureError).code === 'PAYLOAD_TOO_LARGE'
  await assert.rejects((await engine.enqueue(failing, undefined)).result(), tooLarge)
  await assert.rejects((await engine.start(stepping, undefined)).result(), tooLarge)
  const thrown = await engine.start(throwing, undefined)
  await until(async () => (await thrown.describe()).status === 'parked')
  assert.equal(((await thrown.describe()).error as PerdureError).code, 'PAYLOAD_TOO_LARGE')
  assert.deepEqual([tasks, steps, worker.nodes], [1, 1, 1])
})

test('many things that code asks for at once go in parts, each far smaller than a frame', async () => {
  const many = 20
  const asking = workflow({
    name: 'asking',
    run: async (ctx) => {
      const data = 'x'.repeat(50_000)
      const ask = (i: number) =>
        ctx.humanTask({ name: `h-${i}`, title: `${i}`, candidateUsers: ['ada'], data })
      await Promise.all(Array.from({ length: many }, (_, i) => ask(i)))
    },
  })
  await using engine = await createEngine({
    store: 'memory',
    limits: { payloadBytes: 100_000 },
    logger: silentLogger,
    shutdownGrace: 0,
  })
  const { url } = await engine.listen()
  await using worker = await createWorker({
    url,
    workflows: [asking],
    logger: silentLogger,
    shutdownGrace: 0,
  })
  const handle = await engine.start(asking, undefined)
  await until(async () => {
    const { status, pending } = await handle.describe()
    return status === 'parked' || pending.length === many
  })
  assert.equal((await handle.describe()).status, 'running')
  assert.equal(worker.nodes, 1)
})

test('a call to another node is refused, and is not sent again', async () => {
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    maxPayload: 10_000,
    handleProtocols: () => NODE_PROTOCOL,
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.on('connection', (socket) => socket.on('error', () => undefined))
  const links = new NodeLinks({ logger: silentLogger, onLost: () => {} })
  try {
    const to = { ...other, address: `ws://127.0.0.1:${port}` }
    const small = assert.rejects(links.call(to, 'list', [{}]), { code: 'CONNECTION_LOST' })
    await assert.rejects(links.call(to, 'list', ['x'.repeat(20_000)]), { code: 'PAYLOAD_TOO_LARGE' })
    await small
  } finally {
    links.close()
    for (const socket of server.clients) socket.terminate()
    server.close()
  }
})

test('messages that are too large together go in parts, each once and in order', async () => {
  const taken: number[] = []
  const mail = new RemoteMail({
    ownerOf: () => other,
    deliver: async (_, rows) => {
      if (rows.length > 3) throw new PerdureError('PAYLOAD_TOO_LARGE', 'the frame is too large')
      taken.push(...rows.map(({ seq }) => seq))
    },
    acknowledged: () => {},
    changed: () => new Promise((resolve) => setTimeout(resolve, 1)),
    logger: silentLogger,
    nowMs: () => performance.now(),
  })
  mail.add(Array.from({ length: 50 }, (_, seq) => ({ fromShard: 1, toShard: 2, seq }) as OutboxRow))
  while (mail.size > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.deepEqual(
    taken,
    Array.from({ length: 50 }, (_, seq) => seq),
  )
})

/** Another node that takes messages up to a size, and how they are sent to it. */
function mailTo(limitBytes: number) {
  const at = { nowMs: 0, limitBytes, incarnation: 'i1' }
  const taken: string[] = []
  const refusals: number[] = []
  const log = recordedLog()
  const mail = new RemoteMail({
    ownerOf: () => ({ ...other, incarnation: at.incarnation }),
    deliver: async (_, rows) => {
      if (rows.reduce((bytes, { message }) => bytes + message.length, 0) > at.limitBytes) {
        refusals.push(rows.length)
        throw new PerdureError('PAYLOAD_TOO_LARGE', 'the frame is too large')
      }
      taken.push(...rows.map(({ fromShard, seq }) => `${fromShard}-${seq}`))
    },
    acknowledged: () => {},
    changed: () => new Promise((resolve) => setTimeout(resolve, 1)),
    logger: log,
    nowMs: () => at.nowMs,
  })
  const quiet = async (): Promise<void> => {
    for (let before = -1; before !== taken.length + refusals.length; ) {
      before = taken.length + refusals.length
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  }
  return { mail, at, taken, refusals, log, quiet }
}

function rowOf(fromShard: number, seq: number, bytes = 100): OutboxRow {
  const message = { kind: 'cancel', to: { namespace: 'shop', workflowId: `w-${seq}` }, reason: '' }
  const reason = 'x'.repeat(bytes)
  return { fromShard, toShard: 2, seq, message: JSON.stringify({ ...message, reason }) }
}

test('what comes while a message is held up goes at once', async () => {
  const taken: string[] = []
  let pauses = 0
  const mail = new RemoteMail({
    ownerOf: () => other,
    deliver: async (_, rows) => {
      if (rows.some(({ message }) => message.length > 5000))
        throw new PerdureError('PAYLOAD_TOO_LARGE', 'the frame is too large')
      taken.push(...rows.map(({ fromShard, seq }) => `${fromShard}-${seq}`))
    },
    acknowledged: () => {},
    // Nothing changes.
    changed: () => {
      pauses += 1
      return new Promise(() => {})
    },
    logger: silentLogger,
    nowMs: () => 0,
  })
  mail.add([rowOf(1, 0, 9000)])
  while (pauses === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  for (let seq = 0; seq < 3; seq++) {
    mail.add([rowOf(3, seq)])
    while (taken.length === seq) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  assert.deepEqual(taken, ['3-0', '3-1', '3-2'])
  // Its shard was given up, and is back: what it sends now is another message.
  mail.add([rowOf(4, 0, 9000)])
  mail.dropFrom(new Set([1]))
  mail.add([rowOf(1, 5)])
  while (!taken.includes('1-5')) await new Promise((resolve) => setTimeout(resolve, 1))
  mail.clear()
})

test('a message that is too large by itself holds up its own pair alone, and is told once', async () => {
  const { mail, at, taken, refusals, log, quiet } = mailTo(5000)
  mail.add([rowOf(1, 0), rowOf(1, 1, 9000), rowOf(1, 2), rowOf(3, 0), rowOf(4, 0, 9000), rowOf(3, 1)])
  await quiet()
  mail.add([rowOf(1, 3), rowOf(3, 2)])
  await quiet()
  assert.deepEqual(taken.toSorted(), ['1-0', '3-0', '3-1', '3-2'])
  assert.deepEqual(
    taken.filter((each) => each.startsWith('3')),
    ['3-0', '3-1', '3-2'],
  )
  assert.equal(mail.size, 4)
  const attempts = refusals.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(refusals.length, attempts, 'it is not sent while nothing has changed')
  // Each attempt ends the connection of all: one a minute.
  at.nowMs += 60_000
  await quiet()
  assert.deepEqual(refusals.slice(attempts), [1, 1])
  const told = log.entries.filter(({ message }) => /too large for the node/.test(message))
  assert.deepEqual(
    told.map(({ fields }) => [fields.fromShard, fields.shard, fields.namespace, fields.workflowId]),
    [
      [1, 2, 'shop', 'w-1'],
      [4, 2, 'shop', 'w-0'],
    ],
  )
  assert.ok(Number(told[0]?.fields.messageBytes) > 9000)
  // As soon as somebody else owns the shard, it is tried: here one that takes more.
  at.limitBytes = 20_000
  at.incarnation = 'i2'
  await quiet()
  assert.equal(mail.size, 0)
  assert.deepEqual(
    taken.filter((each) => each.startsWith('1')),
    ['1-0', '1-1', '1-2', '1-3'],
  )
})

test('a message that was too large and is another node’s to send now holds nothing up', async () => {
  const { mail, taken, quiet } = mailTo(5000)
  mail.add([rowOf(1, 0, 9000), rowOf(1, 1)])
  await quiet()
  assert.deepEqual(taken, [])
  mail.dropFrom(new Set([1]))
  await quiet()
  mail.add([rowOf(1, 7)])
  await new Promise((resolve) => setTimeout(resolve, 20))
  await quiet()
  assert.deepEqual(taken, ['1-7'])
})

test('what is nested deeper than can be written down ends the connection that it came by, and nothing else', async () => {
  await using engine = await createEngine({
    store: 'memory',
    workflows: [length],
    tasks: [],
    logger: silentLogger,
    shutdownGrace: 0,
  })
  const { url } = await engine.listen()
  const deep = (levels: number): string => `[1,"json",null,${'['.repeat(levels)}${']'.repeat(levels)}]`
  const task = await engine.enqueue(echo, 1, { id: 'task', queue: 'far' })
  const worker = new WebSocket(url, [WORKER_PROTOCOL])
  await once(worker, 'open')
  const hello = { type: 'hello', namespace: 'default', tasks: ['echo'], queues: ['far'], credits: 1 }
  worker.send(JSON.stringify([hello]))
  const dispatched = new Promise<string>((resolve) => {
    worker.on('message', (data) => {
      for (const { type, token } of JSON.parse(String(data))) if (type === 'task') resolve(token)
    })
  })
  worker.send(`[{"type":"completed","token":"${await dispatched}","result":${deep(5000)}}]`)
  assert.equal((await once(worker, 'close'))[0], 1008)

  const client = new WebSocket(url, [CLIENT_PROTOCOL])
  await once(client, 'open')
  const key = { namespace: 'default', workflowId: 'deep' }
  const start = JSON.stringify({ key, workflow: 'length', version: '1', onConflict: 'fail', input: 'INPUT' })
  client.send(`[{"id":1,"method":"start","args":[${start.replace('"INPUT"', deep(5000))}]}]`)
  assert.equal((await once(client, 'close'))[0], 1008)

  // It goes on, and the task waits for another worker.
  assert.equal(await (await engine.start(length, 'abc', { id: 'next' })).result(), 3)
  assert.equal((await task.describe()).status, 'waiting')
  // As deep as any value that may be encoded.
  let nested: unknown = 1
  for (let i = 0; i < 190; i++) nested = new Map([[i, nested]])
  await using far = await createWorker({ url, tasks: [echo], queues: ['far'], logger: silentLogger })
  const answered = await engine.enqueue(echo, nested, { id: 'nested', queue: 'far' })
  assert.deepEqual(await answered.result(), nested)
  assert.ok(far.id !== '')
})
