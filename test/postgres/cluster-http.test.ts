// Three nodes on one database, asked over HTTP: any node answers for all of them.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createEngine, silentLogger } from '../../src/index.ts'
import { delegating, quick, waiting } from '../http/http-fixture.ts'
import { until } from '../tasks/task-fixtures.ts'
import { PostgresServer } from './server.ts'

type Node = Awaited<ReturnType<typeof createEngine>>

describe('three nodes, over HTTP', () => {
  let server: PostgresServer
  const nodes: Node[] = []
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    const { url } = await server.createDatabase()
    for (const name of ['one', 'two', 'three'])
      nodes.push(
        await createEngine({
          store: url,
          cluster: { name, handOver: 100 },
          workflows: [waiting, quick, delegating],
          queues: [{ name: 'wide', partitions: 6 }],
          logger: silentLogger,
          shutdownGrace: 0,
        }),
      )
    await until(() => nodes.every(({ shards }) => shards >= 80))
  })
  after(async () => {
    await Promise.all(nodes.map((node) => node.close()))
    await server[Symbol.asyncDispose]()
  })

  async function ask(node: number, method: string, path: string, body?: unknown) {
    const base = nodes[node]?.url?.replace('ws', 'http') ?? ''
    const response = await fetch(base + path, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return { status: response.status, text, body: isJson ? JSON.parse(text) : undefined }
  }

  async function ok(status: number, ...asked: Parameters<typeof ask>) {
    const answer = await ask(...asked)
    assert.equal(answer.status, status, answer.text)
    return answer.body
  }

  test('executions are started, watched, signalled and awaited at different nodes', async () => {
    for (let i = 0; i < 12; i++) {
      const [a, b, c] = [i % 3, (i + 1) % 3, (i + 2) % 3]
      const at = `/v1/executions/w-${i}`
      const body = { workflow: 'waiting', id: `w-${i}`, input: i }
      const { runId } = await ok(201, a, 'POST', '/v1/executions', body)
      assert.equal((await ok(200, b, 'POST', '/v1/executions', body)).runId, runId)
      assert.deepEqual(await ok(200, c, 'POST', `${at}/updates/add`, { payload: 2 }), { result: 2 })
      assert.deepEqual(await ok(200, b, 'POST', `${at}/queries/state`), { result: 'waits, with 2' })
      const watched = ask(c, 'GET', `${at}/watch`)
      const result = ok(200, b, 'GET', `${at}/result?waitMs=20000`)
      await ok(204, a, 'POST', `${at}/signals/go`, { payload: i })
      assert.deepEqual(await result, { status: 'completed', result: { input: i, came: i, sum: 2 } })
      assert.match((await watched).text, /execution-completed.*event: end/s)
    }
    assert.equal((await ok(200, 1, 'GET', '/v1/executions?workflow=waiting')).executions.length, 12)
  })

  test('tasks are claimed at any node, and their end is told at any other', async () => {
    for (let i = 0; i < 12; i++) {
      const [a, b, c] = [i % 3, (i + 1) % 3, (i + 2) % 3]
      const queue = `q-${i}`
      const { id } = await ok(201, a, 'POST', '/v1/tasks', { name: 'work', queue, input: i })
      const { claims } = await ok(200, b, 'POST', `/v1/queues/${queue}/claims`, {
        worker: 'w',
        tasks: ['work', 'ship', 'outside'],
        waitMs: 20_000,
      })
      assert.equal(claims[0].input, i)
      const at = `/v1/claims/${claims[0].token}`
      assert.equal((await ok(200, c, 'POST', `${at}/heartbeat`)).leaseMs, 30_000)
      await ok(204, a, 'POST', `${at}/complete`, { result: i * i })
      await ok(204, b, 'POST', `${at}/complete`, { result: i * i })
      assert.equal((await ok(200, c, 'GET', `/v1/tasks/${id}/result`)).result, i * i)
    }
  })

  test('a poll that waits gets what is put into any partition, and no more than it asks for', async () => {
    for (let i = 0; i < 6; i++) {
      const polled = ok(200, i % 3, 'POST', '/v1/queues/wide/claims', {
        worker: 'w',
        tasks: ['work', 'ship', 'outside'],
        waitMs: 20_000,
      })
      await ok(201, 0, 'POST', '/v1/tasks', { name: 'work', queue: 'wide', input: i, key: `key-${i}` })
      const { claims } = await polled
      assert.equal(claims.length, 1)
      await ok(204, (i + 1) % 3, 'POST', `/v1/claims/${claims[0].token}/complete`)
    }
    const tasks = Array.from({ length: 12 }, (_, i) => ({
      name: 'work',
      queue: 'wide',
      input: i,
      key: `key-${i}`,
    }))
    await ok(200, 0, 'POST', '/v1/bulk/tasks', { tasks })
    const done = new Set<string>()
    while (done.size < 12) {
      const { claims } = await ok(200, done.size % 3, 'POST', '/v1/queues/wide/claims', {
        worker: 'w',
        tasks: ['work', 'ship', 'outside'],
        max: 5,
        waitMs: 20_000,
      })
      assert.ok(claims.length <= 5)
      for (const { id, token } of claims) {
        assert.ok(!done.has(id))
        done.add(id)
        await ok(204, 1, 'POST', `/v1/claims/${token}/complete`)
      }
    }
  })

  test('a task of an execution is done by a program that only speaks HTTP', async () => {
    await ok(201, 0, 'POST', '/v1/executions', { workflow: 'delegating', id: 'd', input: 4 })
    const { claims } = await ok(200, 1, 'POST', '/v1/queues/outside/claims', {
      worker: 'w',
      tasks: ['work', 'ship', 'outside'],
      waitMs: 20_000,
    })
    await ok(204, 2, 'POST', `/v1/claims/${claims[0].token}/complete`, { result: 16 })
    assert.deepEqual(await ok(200, 1, 'GET', '/v1/executions/d/result?waitMs=20000'), {
      status: 'completed',
      result: 16,
    })
  })

  test('a node that drains is not ready, and is not missed', async () => {
    assert.equal((await ask(2, 'GET', '/readyz')).status, 200)
    assert.equal((await ok(200, 0, 'GET', '/v1/nodes')).nodes.length, 3)
    await ok(201, 0, 'POST', '/v1/executions', { workflow: 'waiting', id: 'stays' })
    assert.equal((await ask(0, 'POST', '/v1/nodes/three/drain')).status, 202)
    await until(async () => (await ask(2, 'GET', '/readyz')).status === 503)
    assert.match((await ask(2, 'GET', '/readyz')).body.reason, /draining/)
    await until(() => nodes[2]?.shards === 0)
    await ok(204, 2, 'POST', '/v1/executions/stays/signals/go')
    assert.equal((await ok(200, 1, 'GET', '/v1/executions/stays/result?waitMs=20000')).status, 'completed')
    const { shards } = await ok(200, 2, 'GET', '/v1/shards')
    assert.ok(shards.every(({ node }: { node?: string }) => node === 'one' || node === 'two'))
    assert.equal((await ask(2, 'GET', '/healthz')).status, 200)
  })
})
