// Three nodes over PostgreSQL behind real nginx and HAProxy: one is killed and another drained under load, and nobody fails.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { connect, silentLogger } from '../../src/index.ts'
import { CLIENT_PROTOCOL_2 } from '../../src/protocol/client-messages.ts'
import { NODE_PROTOCOL } from '../../src/protocol/node-messages.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { ended } from '../cli/start-process.ts'
import { checkDatabase } from '../postgres/cluster-client.ts'
import { addOne, expectedOf, go, parentOf } from '../postgres/cluster-workload.ts'
import { FRONTS, Front, type FrontName, missingFronts } from './front.ts'
import { NodesBehind } from './nodes-behind.ts'
import { CLIENTS, connectionsTo, type Load, readinessOf, tell, underLoad } from './under-load.ts'

const skip = missingFronts()
const DEFINITIONS = join(import.meta.dirname, 'cluster-definitions.ts')
/** The client of the package, which asks again by itself: executions from start to result. */
const workThrough: Load = async (front, tally, isOver, id) => {
  await using client = await connect(`ws://127.0.0.1:${front.port}`, { logger: silentLogger })
  for (let i = 0; !isOver(); i++) {
    try {
      const execution = await client.start(parentOf, i, { id: `${id}-${i}` })
      await execution.signal(go, 7)
      const result = await execution.result()
      if (result !== expectedOf(i, 7)) tally.failures.push(`${id}-${i}: ${result}`)
      tally.answered += 1
    } catch (error) {
      tally.failures.push(`${id}-${i}: ${error}`)
    }
  }
}

/** A client that asks nothing twice: a call that gets no answer has failed. */
const startOnce: Load = async (front, tally, isOver, id) => {
  for (let i = 0; !isOver(); ) {
    const socket = new WebSocket(`ws://127.0.0.1:${front.port}`, [CLIENT_PROTOCOL_2])
    socket.on('error', () => {})
    let isLeaving = false
    let answer: (reply: unknown) => void = () => {}
    socket.on('message', (data) => {
      for (const message of JSON.parse(String(data)) as readonly object[]) {
        if ('leave' in message) isLeaving = true
        else if ('id' in message) answer(message)
      }
    })
    const closed = once(socket, 'close').then(() => 'closed' as const)
    if ((await Promise.race([once(socket, 'open'), closed])) === 'closed') {
      tally.failures.push(`${id}: no connection`)
      await sleep(50)
      continue
    }
    while (!isOver() && !isLeaving) {
      i += 1
      const target = { key: { namespace: 'default', workflowId: `${id}-${i}` } }
      const start = {
        ...target,
        workflow: addOne.name,
        version: '1',
        input: encodePayload(i),
        onConflict: 'fail',
      }
      const answered = new Promise<unknown>((resolve) => {
        answer = resolve
      })
      socket.send(JSON.stringify([{ id: i, method: 'start', args: [start] }]))
      const reply = await Promise.race([answered, closed])
      if (reply === 'closed') {
        tally.cut += 1
        break
      }
      if (typeof reply === 'object' && reply !== null && 'failure' in reply)
        tally.failures.push(`${id}-${i}: ${JSON.stringify(reply)}`)
      else tally.answered += 1
    }
    socket.terminate()
  }
}

/** Plain requests, one after the other, on a connection that is kept; an answer of a node is one, whatever it says. */
function asking(method: 'GET' | 'POST'): Load {
  return async (front, tally, isOver) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const options = {
      host: '127.0.0.1',
      port: front.port,
      path: method === 'GET' ? '/healthz' : '/',
      method,
      agent,
    }
    while (!isOver()) {
      try {
        const sent = request(options)
        sent.end()
        const [response] = (await once(sent, 'response')) as [IncomingMessage]
        response.resume()
        await once(response, 'end')
        if ((response.statusCode ?? 0) < 500) tally.answered += 1
        else tally.failures.push(`${response.statusCode}`)
      } catch (error) {
        tally.failures.push(String(error))
      }
    }
    agent.destroy()
  }
}

/** `ask`: balancers may ask another node; `post`: they may not, once it was sent. */
const LOADS = { workThrough, startOnce, ask: asking('GET'), post: asking('POST') } as const

describe('a cluster behind load balancers', { skip }, () => {
  if (skip !== false) return
  let nodes: NodesBehind
  let fronts: Record<FrontName, Front>

  before(async () => {
    nodes = await NodesBehind.start(['--workflows', DEFINITIONS])
    const options = { nodes: nodes.list(), balance: 'least-connections' }
    fronts = { nginx: await Front.start('nginx', options), haproxy: await Front.start('haproxy', options) }
    await nodes.shared(3, fronts.haproxy.port)
  })
  after(async () => {
    for (const front of Object.values(fronts)) await front[Symbol.asyncDispose]()
    await nodes[Symbol.asyncDispose]()
  })

  test('nodes do not talk to each other by a load balancer, whatever it passes on', async () => {
    const refused = async (port: number, headers: Readonly<Record<string, string>> = {}): Promise<number> => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, [NODE_PROTOCOL], { headers })
      socket.on('error', () => {})
      try {
        const [, { statusCode }] = (await Promise.race([
          once(socket, 'unexpected-response'),
          once(socket, 'open').then(() => ['', { statusCode: 101 }]),
        ])) as [unknown, IncomingMessage]
        return statusCode ?? 0
      } finally {
        socket.terminate()
      }
    }
    for (const front of FRONTS) assert.equal(await refused(fronts[front].port), 403, front)
    const { port } = nodes.at(0)
    assert.equal(await refused(port, { 'x-forwarded-for': '203.0.113.7' }), 403)
    assert.equal(await refused(port, { forwarded: 'for=203.0.113.7' }), 403)
    assert.equal(await refused(port), 101)
  })

  test('who comes by a load balancer is not told where the nodes are', async () => {
    const told = async (port: number, localAddress: string): Promise<number> => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, [CLIENT_PROTOCOL_2], { localAddress })
      const [data] = (await once(socket, 'message')) as [Buffer]
      socket.terminate()
      const [{ nodes: urls }] = JSON.parse(String(data))
      return urls.length
    }
    for (const front of FRONTS) assert.equal(await told(fronts[front].port, '127.0.0.9'), 0, front)
    for (const port of nodes.ports) assert.equal(await told(port, '127.0.0.9'), 3)
  })

  test('a node is killed: nobody who asks again fails, and each lost connection costs one call at most', async (t) => {
    let connections = 0
    const tallies = await underLoad(fronts, LOADS, 'kill', async () => {
      connections = connectionsTo(nodes.at(0).port)
      await nodes.kill(0)
      // It is fenced, and what it had goes on elsewhere.
      await sleep(3000)
    })
    let failed = 0
    for (const front of FRONTS) {
      const { workThrough: work, startOnce: starts, ask, post } = tallies[front]
      tell(t, front, tallies[front])
      assert.deepEqual(work.failures, [], front)
      assert.deepEqual(starts.failures, [], front)
      assert.deepEqual(ask.failures, [], front)
      failed += starts.cut + post.failures.length
    }
    t.diagnostic(`${failed} calls failed; the node had ${connections} connections`)
    assert.ok(failed <= connections, `${failed} of ${connections}`)
    await nodes.startAgain(0)
  })

  test('a node is drained and ends: no call fails, hardly any even of those that nobody asks twice', async (t) => {
    const leaving = nodes.at(1)
    const tallies = await underLoad(fronts, LOADS, 'drain', async () => {
      await using client = await connect(`ws://127.0.0.1:${fronts.nginx.port}`, { logger: silentLogger })
      await client.nodes.drain(leaving.name)
      while ((await readinessOf(leaving.port)).reason !== 'draining') await sleep(20)
      assert.equal(await ended(leaving.running), 0)
    })
    for (const front of FRONTS) {
      tell(t, front, tallies[front])
      for (const [name, { failures, cut }] of Object.entries(tallies[front])) {
        // nginx asks no node how it is: it may send a request just when the node takes no more connections. Never a second one.
        if (front === 'nginx' && name === 'post') assert.ok(failures.length <= CLIENTS, `${failures}`)
        else assert.deepEqual({ failures, cut }, { failures: [], cut: 0 }, `${front}: ${name}`)
      }
    }
    await nodes.startAgain(1)
  })

  test('a node that cannot reach its database is not ready, and is again when it can', async () => {
    const { port: first } = nodes.at(0)
    assert.deepEqual(await readinessOf(first), { status: 'ready' })
    await nodes.server.stop('fast')
    while ((await readinessOf(first)).reason !== 'store-away') await sleep(20)
    await nodes.server.start()
    for (const port of nodes.ports) while ((await readinessOf(port)).status !== 'ready') await sleep(20)
  })

  test('nothing was lost, and nothing is left', async () => {
    await using client = await connect(`ws://127.0.0.1:${fronts.nginx.port}`, { logger: silentLogger })
    while ((await client.list({ status: ['running', 'parked'], limit: 1 })).executions.length > 0)
      await sleep(50)
    await checkDatabase(nodes.server, nodes.database.name)
  })
})
