/** Names of nodes and workers: each names one, and whoever looks sees each once. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createEngine, createWorker, silentLogger, workflow } from '../../src/index.ts'
import { perdure } from '../cli/store-fixture.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { NodeProcess } from './cluster-nodes.ts'
import { addOne, squareTask, WORKFLOWS } from './cluster-workload.ts'
import { PostgresServer } from './server.ts'

type Node = Awaited<ReturnType<typeof createEngine>>

describe('names of nodes and workers', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  const open = (store: string, name: string): Promise<Node> =>
    createEngine({ store, cluster: { name }, workflows: [addOne], logger: silentLogger })

  test('a second node of a name is refused while the first one lives, and disturbs nobody', async () => {
    const { url } = await server.createDatabase()
    await using first = await open(url, 'node-1')
    await assert.rejects(open(url, 'node-1'), (error) => {
      assert.ok(error instanceof Error && 'code' in error && error.code === 'NODE_NAME_TAKEN', String(error))
      assert.ok(error.message.includes(first.url ?? ''), error.message)
      return true
    })
    await using _ = await open(url, 'node-2')
    assert.equal(await (await first.start(addOne, 1)).result(), 2)
    assert.deepEqual(
      (await first.nodes.list()).map(({ node }) => node),
      ['node-1', 'node-2'],
    )
  })

  test('what a node logs says which node it is', async () => {
    const { url } = await server.createDatabase()
    const logger = recordedLog()
    const telling = workflow({ name: 'telling', run: async (ctx) => ctx.log.info('told', { n: 1 }) })
    const cluster = { name: 'node-1' }
    await using node = await createEngine({ store: url, cluster, workflows: [telling], logger })
    const execution = await node.start(telling, undefined, { id: 'w' })
    await execution.result()
    const { runId } = await execution.describe()
    const told = logger.entries.find(({ message }) => message === 'told')
    assert.deepEqual(told?.fields, {
      node: 'node-1',
      ...{ namespace: 'default', workflowId: 'w', runId },
      n: 1,
    })
  })

  test('of two that begin in the same moment one is left', async () => {
    const { url } = await server.createDatabase()
    const begun = await Promise.allSettled([open(url, 'node-1'), open(url, 'node-1'), open(url, 'node-1')])
    const left = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    try {
      assert.equal(left.length, 1)
      for (const each of begun)
        if (each.status === 'rejected') assert.equal(each.reason.code, 'NODE_NAME_TAKEN', String(each.reason))
      assert.equal(await (await left[0]?.start(addOne, 1))?.result(), 2)
    } finally {
      for (const each of left) await each.close()
    }
  })

  test('a node that was killed is started again under its name, alone or among others', async () => {
    const { url } = await server.createDatabase()
    const killed = await NodeProcess.start(url, 'node-1')
    await killed.kill()
    // Nobody else is there who could find out that it is dead.
    await using again = await open(url, 'node-1')
    assert.equal(await (await again.start(addOne, 1)).result(), 2)
    const other = await NodeProcess.start(url, 'node-2')
    await other.kill()
    await using back = await open(url, 'node-2')
    assert.equal(await (await back.start(addOne, 2)).result(), 3)
    assert.deepEqual(
      (await again.nodes.list()).map(({ node }) => node),
      ['node-1', 'node-2'],
    )
  })

  test('a node that drains may be replaced by one of its name', async () => {
    const { url } = await server.createDatabase()
    await using _ = await open(url, 'node-1')
    await using old = await open(url, 'node-2')
    await old.nodes.drain('node-2')
    while ((await old.nodes.list()).every(({ isDraining }) => !isDraining)) await sleep(20)
    await using replacing = await open(url, 'node-2')
    assert.equal(await (await replacing.start(addOne, 1)).result(), 2)
  })

  test('a node that leads and drains gives up the lead, though it lives', async () => {
    const { url } = await server.createDatabase()
    await using one = await open(url, 'node-1')
    await using two = await open(url, 'node-2')
    const leader = async () => (await two.nodes.list()).find(({ isLeader }) => isLeader)?.node
    while ((await leader()) !== 'node-1') await sleep(20)
    await one.nodes.drain('node-1')
    while ((await leader()) !== 'node-2') await sleep(20)
    // So who drains is not asked to lead again.
    await sleep(500)
    assert.equal(await leader(), 'node-2')
  })

  test('a worker of several nodes is one: its nodes are told, and what they have of it is added up', async () => {
    const { url } = await server.createDatabase()
    await using one = await open(url, 'node-1')
    await using two = await open(url, 'node-2')
    const urls = [one.url ?? '', two.url ?? '']
    await using worker = await createWorker({
      url: urls,
      tasks: [squareTask],
      workflows: WORKFLOWS,
      concurrency: 7,
      logger: silentLogger,
    })
    while (worker.nodes < 2) await sleep(20)
    const client = await connect(urls, { logger: silentLogger })
    try {
      // Whoever is asked may not have seen the other node yet.
      for (const node of [one, two]) while ((await node.workers()).length < 3) await sleep(20)
      const listed = await client.workers()
      assert.deepEqual(
        listed.map(({ isLocal, nodes }) => [isLocal, nodes]),
        [
          [true, ['node-1']],
          [true, ['node-2']],
          [false, ['node-1', 'node-2']],
        ],
      )
      const [, , remote] = listed
      assert.equal(remote?.id, worker.id)
      assert.equal(remote?.credits, 7)
      const { stdout } = await perdure(['workers', '--url', urls[0] ?? ''], { columns: 160 })
      assert.match(stdout, new RegExp(`${worker.id} +0/7 .* node-1 node-2 `))
    } finally {
      await client.close()
    }
  })
})
