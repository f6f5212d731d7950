// Work is balanced by the address of the client that starts it, whoever it says it is.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { createEngine, createWorker, silentLogger, task, workflow } from '../../src/index.ts'
import { CLIENT_PROTOCOL } from '../../src/protocol/client-messages.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { until } from '../tasks/task-fixtures.ts'

const quiet = { logger: silentLogger, shutdownGrace: 0 } as const
const WORKERS = ['w-1', 'w-2', 'w-3', 'w-4']
const nothing = task({ name: 'nothing', run: () => 0 })
const parent = workflow({
  name: 'parent',
  run: async (ctx) => {
    await ctx.task(nothing)
    await ctx.child(child)
  },
})
const child = workflow({ name: 'child', run: (ctx) => ctx.task(nothing) })

/** A client that connects from an address of its own. */
async function clientAt(url: string, localAddress: string) {
  const socket = new WebSocket(url, [CLIENT_PROTOCOL], { localAddress })
  await once(socket, 'open')
  let id = 0
  const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    id += 1
    socket.send(JSON.stringify([{ id, method, args }]))
    const [data] = await once(socket, 'message')
    const [reply] = JSON.parse(String(data)) as [{ result?: unknown; failure?: { message: string } }]
    assert.equal(reply.failure, undefined)
    return reply.result
  }
  return { call, [Symbol.dispose]: () => socket.close() }
}

test('ip-hash: the work of one client goes to one worker, that of its executions and their children too', async () => {
  await using engine = await createEngine({
    store: 'memory',
    queues: [{ name: 'default', balancer: 'ip-hash' }],
    workflows: [parent, child],
    ...quiet,
  })
  const { url } = await engine.listen()
  const ran: string[] = []
  const workers = WORKERS.map((id) => {
    const tasks = [task({ name: nothing.name, run: () => ran.push(id) })]
    return createWorker({ url, id, tasks, concurrency: 50, ...quiet })
  })
  await Promise.all(workers)
  const used = new Set<string>()
  for (let i = 2; i < 10; i++) {
    const address = `127.0.0.${i}`
    using client = await clientAt(url, address)
    ran.length = 0
    const requests = Array.from({ length: 20 }, () => ({
      namespace: 'default',
      name: nothing.name,
      queue: 'default',
      input: encodePayload(undefined),
      client: '127.0.0.9',
    }))
    await client.call('tasks.enqueue', [requests])
    await until(() => ran.length === 20)
    const target = { key: { namespace: 'default', workflowId: address } }
    const workflowOf = { workflow: 'parent', version: '1', input: encodePayload(undefined) }
    await client.call('start', [{ ...target, ...workflowOf, onConflict: 'fail' }])
    await client.call('outcome', [target])
    assert.equal(ran.length, 22)
    const [worker = '', ...others] = new Set(ran)
    assert.deepEqual(others, [], `${address}: ${worker} too`)
    used.add(worker)
  }
  assert.ok(used.size >= 2, 'several workers are used')
  for (const worker of await Promise.all(workers)) await worker.close()
})
