// Real nginx and HAProxy share connections among nodes as the settings say. The nodes are servers that tell their number.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type Agent,
  createServer,
  get,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../tasks/task-fixtures.ts'
import { FRONTS, Front, missingFronts } from './front.ts'

const skip = missingFronts()

class NumberedNode {
  readonly server: Server
  readonly number: number
  readonly #held: ServerResponse[] = []
  /** What it says at `/readyz`. */
  isReady = true
  asked = 0
  /** What it has been sent is not answered. */
  breaksOff = false
  /** Of the last request, when all of it has come. */
  body: Promise<string> | undefined
  /** The last request that was no health check. */
  last: IncomingMessage | undefined

  constructor(number: number) {
    this.number = number
    this.server = createServer((request, response) => this.#answer(request, response))
  }

  get port(): number {
    // The one cast: it listens on TCP.
    return (this.server.address() as AddressInfo).port
  }

  get held(): number {
    return this.#held.length
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => void this.server.listen(port, '127.0.0.1', resolve))
  }

  /** Answers what waits at `/wait`. */
  release(): void {
    for (const response of this.#held.splice(0)) response.end(String(this.number))
  }

  /** As a process that is killed. */
  async kill(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === '/readyz') {
      response.writeHead(this.isReady ? 200 : 503).end()
      return
    }
    this.asked += 1
    this.last = request
    this.body = textOf(request)
    if (this.breaksOff) void this.body.then(() => request.socket.destroy())
    else if (request.url === '/wait') this.#held.push(response)
    else if (request.url === '/cut') request.socket.destroy()
    else if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: first\n\n')
      this.#held.push(response)
    } else response.end(String(this.number))
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

interface Asking {
  readonly body?: string

  readonly path?: string
  readonly method?: string
  readonly localAddress?: string
  readonly agent?: Agent
  readonly headers?: Readonly<Record<string, string>>
}

/** The number of the node that has answered; or the status, if that is another than 200. */
async function asked(front: Front, { path = '/', body, ...options }: Asking = {}): Promise<number> {
  const asking = request({ host: '127.0.0.1', port: front.port, path, agent: false, ...options })
  asking.end(body)
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return response.statusCode === 200 ? Number(text) : Number(response.statusCode)
}

function counts(numbers: readonly number[]): Readonly<Record<number, number>> {
  const found: Record<number, number> = {}
  for (const number of numbers) found[number] = (found[number] ?? 0) + 1
  return found
}

async function askedOften(front: Front, times: number, options: Asking = {}): Promise<readonly number[]> {
  const numbers: number[] = []
  for (let i = 0; i < times; i++) numbers.push(await asked(front, options))
  return numbers
}

describe('load balancers', { skip }, () => {
  if (skip !== false) return
  const nodes = [new NumberedNode(1), new NumberedNode(2), new NumberedNode(3)] as const
  before(() => Promise.all(nodes.map((node) => node.start())))
  after(() => Promise.all(nodes.map((node) => node.kill())))
  const list = (weights: readonly number[] = [1, 1, 1]): string =>
    nodes.map(({ port }, index) => `127.0.0.1:${port}=${weights[index]}`).join(',')

  for (const name of FRONTS) {
    test(`${name}: round robin takes one after the other, and goes by weights`, async () => {
      {
        await using front = await Front.start(name, { nodes: list() })
        assert.deepEqual(counts(await askedOften(front, 30)), { 1: 10, 2: 10, 3: 10 })
      }
      await using front = await Front.start(name, { nodes: list([1, 2, 3]) })
      assert.deepEqual(counts(await askedOften(front, 60)), { 1: 10, 2: 20, 3: 30 })
    })

    test(`${name}: least connections takes the node that has the fewest, by weights`, async () => {
      await using front = await Front.start(name, { nodes: list([1, 1, 2]), balance: 'least-connections' })
      const waiting = Array.from({ length: 12 }, () => asked(front, { path: '/wait' }))
      await until(() => nodes.reduce((sum, { held }) => sum + held, 0) === 12)
      assert.deepEqual(
        nodes.map(({ held }) => held),
        [3, 3, 6],
      )
      // One is free again: it gets what comes next.
      let answered = 0
      for (const each of waiting) void each.then(() => (answered += 1))
      nodes[1].release()
      await until(() => answered === 3)
      // The balancer counts a moment after it has answered.
      await sleep(100)
      const next = Array.from({ length: 3 }, () => asked(front, { path: '/wait' }))
      await until(() => nodes.reduce((sum, { held }) => sum + held, 0) === 12)
      assert.deepEqual(
        nodes.map(({ held }) => held),
        [3, 3, 6],
      )
      for (const node of nodes) node.release()
      await Promise.all([...waiting, ...next])
    })

    test(`${name}: ip hash keeps a client with its node, and only those of a lost node move`, async () => {
      await using front = await Front.start(name, { nodes: list(), balance: 'ip-hash' })
      const clients = Array.from({ length: 40 }, (_, index) => `127.0.1.${index + 1}`)
      const places = new Map<string, number>()
      for (const localAddress of clients) {
        const [place = 0, ...others] = new Set(await askedOften(front, 3, { localAddress }))
        assert.deepEqual(others, [], localAddress)
        places.set(localAddress, place)
      }
      const shares = counts([...places.values()])
      for (const number of [1, 2, 3]) assert.ok((shares[number] ?? 0) >= 3, JSON.stringify(shares))
      const { port } = nodes[2]
      await nodes[2].kill()
      try {
        for (const localAddress of clients) {
          const [place] = await askedOften(front, 1, { localAddress })
          const before = places.get(localAddress)
          if (before === 3) assert.ok(place === 1 || place === 2, `${place}`)
          else assert.equal(place, before, localAddress)
        }
      } finally {
        await nodes[2].start(port)
      }
    })

    test(`${name}: a node that is gone costs nobody an answer, and what is not safe is not asked again`, async () => {
      await using front = await Front.start(name, { nodes: list() })
      const { port } = nodes[0]
      await nodes[0].kill()
      try {
        for (const method of ['GET', 'POST'])
          for (const number of await askedOften(front, 20, { method }))
            assert.ok(number === 2 || number === 3)
      } finally {
        await nodes[0].start(port)
      }
      const before = nodes.reduce((sum, each) => sum + each.asked, 0)
      assert.equal(await asked(front, { method: 'POST', path: '/cut' }), 502)
      assert.equal(
        nodes.reduce((sum, each) => sum + each.asked, 0),
        before + 1,
      )
      // A read is asked again; here all nodes break it off.
      assert.equal(await asked(front, { path: '/cut' }), 502)
      assert.ok(nodes.reduce((sum, each) => sum + each.asked, 0) > before + 2)
    })

    test(`${name}: what has a key that counts is asked again, all of it; elsewhere a key changes nothing`, async () => {
      await using front = await Front.start(name, { nodes: list() })
      const body = JSON.stringify({ text: 'a'.repeat(5000) })
      const keyed = {
        method: 'POST',
        body,
        headers: { 'idempotency-key': 'k', 'content-type': 'application/json' },
      }
      nodes[0].breaksOff = true
      try {
        for (let i = 0; i < 6; i++) {
          const number = await asked(front, {
            ...keyed,
            path: '/v1/executions/order-1/signals/go?namespace=a',
          })
          assert.ok(number === 2 || number === 3, `${number}`)
          assert.equal(await nodes[(number - 1) as 1 | 2].body, body)
        }
        const others: Asking[] = [
          { ...keyed, path: '/v1/webhooks/hook/rotate-secret' },
          { ...keyed, path: '/v1/executions', headers: {} },
          { ...keyed, path: '/v1/queues/executions/claims?x=/v1/executions' },
        ]
        for (const other of others) {
          // Whatever the balancer has found out of it before.
          await using anew = await Front.start(name, { nodes: list() })
          const answers = await askedOften(anew, 3, other)
          assert.deepEqual(counts(answers), { 2: 1, 3: 1, 502: 1 }, other.path)
        }
      } finally {
        nodes[0].breaksOff = false
      }
    })

    test(`${name}: nodes are told where a request comes from, and not by the client`, async () => {
      await using front = await Front.start(name, { nodes: list() })
      const headers = { 'x-forwarded-for': '1.1.1.1', forwarded: 'for=1.1.1.1', host: 'perdure.example:8080' }
      const number = await asked(front, { localAddress: '127.0.0.77', headers })
      const told = nodes[(number - 1) as 0 | 1 | 2].last?.headers ?? {}
      assert.equal(told['x-forwarded-for'], '127.0.0.77')
      assert.equal(told['x-forwarded-proto'], 'http')
      assert.equal(told.forwarded, undefined)
      assert.equal(told.host, 'perdure.example:8080')
    })

    test(`${name}: events come when they are sent`, async () => {
      await using front = await Front.start(name, { nodes: list() })
      const [response] = (await once(
        get({ host: '127.0.0.1', port: front.port, path: '/events', agent: false }),
        'response',
      )) as [IncomingMessage]
      const [chunk] = (await once(response, 'data')) as [Buffer]
      assert.equal(String(chunk), 'data: first\n\n')
      response.destroy()
      for (const node of nodes) node.release()
    })
  }

  test('haproxy: a node that is not ready gets no new requests, and its connections go on', async () => {
    await using front = await Front.start('haproxy', { nodes: list() })
    const waiting = asked(front, { path: '/wait' })
    await until(() => nodes.some(({ held }) => held === 1))
    const busy = nodes.find(({ held }) => held === 1)
    assert.ok(busy !== undefined)
    busy.isReady = false
    await until(async () => !(await askedOften(front, 9)).includes(busy.number))
    busy.release()
    assert.equal(await waiting, busy.number)
    busy.isReady = true
    await until(async () => (await askedOften(front, 9)).includes(busy.number))
  })
})
