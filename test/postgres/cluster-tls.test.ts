/** Nodes, workers and clients of a cluster over mutual TLS. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { connect, createEngine, createWorker, type EngineSettings, silentLogger } from '../../src/index.ts'
import { Authority, openssl } from '../workers/certificates.ts'
import { expectedOf, go, parentOf, squareTask, WORKFLOWS } from './cluster-workload.ts'
import { PostgresServer } from './server.ts'

const found = openssl()
const skip = 'missing' in found ? found.missing : false

describe('a cluster over mutual TLS', { skip }, () => {
  let server: PostgresServer
  const directory = mkdtempSync(join(tmpdir(), 'perdure-cluster-tls-'))
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })
  if (skip !== false) return
  const authority = new Authority(directory, 'authority')
  const client = authority.issue('client', 'clientAuth')
  const both = 'serverAuth,clientAuth'

  const open = (store: string, name: string, more: Partial<EngineSettings> = {}) =>
    createEngine({
      store,
      cluster: { name, tls: authority.issue(name, both) },
      logger: silentLogger,
      workflows: WORKFLOWS,
      ...more,
    })

  test('nodes bring calls and messages to each other, workers and clients use all of them', async () => {
    const { url } = await server.createDatabase()
    await using one = await open(url, 'node-1')
    await using two = await open(url, 'node-2')
    while (one.shards !== 128 || two.shards !== 128) await sleep(20)
    assert.match(String(one.url), /^wss:/)
    const far = { logger: silentLogger, tls: client }
    await using worker = await createWorker({ url: String(one.url), tasks: [squareTask], ...far })
    while (worker.nodes < 2) await sleep(20)
    await using remote = await connect(String(two.url), far)
    const run = async (value: number): Promise<void> => {
      const execution = await remote.start(parentOf, value, { id: `parent-${value}` })
      await execution.signal(go, 3)
      assert.equal(await execution.result(), expectedOf(value, 3))
    }
    await Promise.all(Array.from({ length: 60 }, (_, value) => run(value)))
  })

  test('a certificate of a worker or client does not make a node', async () => {
    const { url } = await server.createDatabase()
    await using one = await open(url, 'node-1')
    const asNode = async (tls: { readonly [part: string]: string }): Promise<string> => {
      const read = Object.fromEntries(Object.entries(tls).map(([part, file]) => [part, readFileSync(file)]))
      const socket = new WebSocket(String(one.url), ['perdure.node.v1'], read)
      const said = await new Promise<string>((resolve) => {
        socket.on('open', () => resolve('open'))
        socket.on('error', ({ message }) => resolve(message))
      })
      socket.terminate()
      return said
    }
    assert.match(await asNode({ ...client }), /403/)
    assert.equal(await asNode({ ...authority.issue('node-9', both) }), 'open')
  })

  test('nodes that do not trust each other say so, and each goes on with what it owns', async () => {
    const { url } = await server.createDatabase()
    const foreign = new Authority(directory, 'foreign')
    const reasons: string[] = []
    const logger = {
      ...silentLogger,
      warn: (message: string, fields?: { readonly [name: string]: unknown }) => {
        if (message === 'no connection to a node') reasons.push(String(fields?.reason))
      },
    }
    await using one = await open(url, 'node-1', { logger })
    await using stranger = await open(url, 'node-2', {
      cluster: { name: 'node-2', tls: foreign.issue('node-2', both) },
    })
    while (one.shards + stranger.shards < 256 || stranger.shards === 0) await sleep(20)
    const asked = setInterval(
      () =>
        void one
          .execution(parentOf, crypto.randomUUID())
          .describe()
          .catch(() => {}),
      20,
    )
    while (reasons.length === 0) await sleep(20)
    clearInterval(asked)
    assert.match(reasons.join('\n'), /certificate/)
  })

  test('settings that cannot work are refused', async () => {
    const { url } = await server.createDatabase()
    const tls = authority.issue('node-1', both)
    const opening = (cluster: EngineSettings['cluster']) =>
      createEngine({ store: url, cluster: cluster ?? {}, logger: silentLogger })
    await assert.rejects(opening({ host: '0.0.0.0' }), { code: 'ARGUMENT_INVALID', message: /address 'ws:/ })
    await assert.rejects(opening({ host: '0.0.0.0', tls }), { message: /listens on all addresses.*'wss:/ })
    await assert.rejects(opening({ tls, address: 'ws://127.0.0.1:7233' }), { message: /no URL like wss:/ })
    await assert.rejects(opening({ address: 'wss://127.0.0.1:7233' }), { message: /no URL like ws:/ })
    await assert.rejects(opening({ host: 'node-1.internal' }), { message: /without tls/ })
  })
})
