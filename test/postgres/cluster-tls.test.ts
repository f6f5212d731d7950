/** Nodes, workers and clients of a cluster over mutual TLS. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, createServer } from 'node:tls'
import { WebSocket } from 'ws'
import {
  connect,
  createEngine,
  createWorker,
  type EngineSettings,
  silentLogger,
  type TlsSettings,
} from '../../src/index.ts'
import { TlsIdentity } from '../../src/platform/tls.ts'
import { openNodeSocket } from '../../src/server/cluster/node-socket.ts'
import { Authority, openssl } from '../workers/certificates.ts'
import { expectedOf, go, parentOf, squareTask, WORKFLOWS } from './cluster-workload.ts'
import { PostgresServer } from './server.ts'

/** What became of the connection. */
async function answerTo(socket: WebSocket): Promise<string> {
  const said = await new Promise<string>((resolve) => {
    socket.on('open', () => resolve('open'))
    socket.on('error', ({ message }) => resolve(message))
  })
  socket.terminate()
  return said
}

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
    const asNode = (tls: TlsSettings): Promise<string> =>
      answerTo(
        openNodeSocket(String(one.url), { tls: new TlsIdentity(tls, 'test', () => {}), withinMs: 5000 }),
      )
    assert.match(await asNode(client), /403/)
    assert.equal(await asNode(authority.issue('node-9', both)), 'open')
  })

  test('whoever asks a proxy that has the certificate of a node is none, whatever the proxy leaves unsaid', async () => {
    const { url } = await server.createDatabase()
    await using one = await open(url, 'node-1')
    const node = authority.issue('node-9', both)
    const identity = new TlsIdentity(node, 'test', () => {})
    const { port } = new URL(String(one.url))
    // It reads no request, and writes no header.
    const own = { ...identity.current, requestCert: true, rejectUnauthorized: false }
    const proxy = createServer(own, (socket) => {
      const onward = connectTls({ ...identity.current, host: '127.0.0.1', port: Number(port) })
      pipeline(socket, onward, socket, () => {})
    })
    await new Promise<void>((resolve) => void proxy.listen(0, '127.0.0.1', resolve))
    const front = `wss://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    try {
      const { cert = '', key = '', ca = '' } = identity.current
      const said = (to: string, headers: { readonly [name: string]: string }): Promise<string> =>
        answerTo(new WebSocket(to, ['perdure.node.v1'], { cert, key, ca, headers }))
      const proven = (to: string): Promise<string> =>
        answerTo(openNodeSocket(to, { tls: identity, withinMs: 5000 }))
      assert.match(await said(front, {}), /403/)
      assert.match(await proven(front), /403/)
      assert.match(await said(front, { 'perdure-channel': 'ab'.repeat(32) }), /403/)
      assert.match(await said(String(one.url), { 'perdure-channel': 'zz'.repeat(32) }), /403/)
      assert.match(await said(String(one.url), {}), /403/)
      assert.equal(await proven(String(one.url)), 'open')
      // For what it is there for the proxy goes on to serve.
      await using remote = await connect(front, { logger: silentLogger, tls: client })
      const execution = await remote.start(parentOf, 3, { id: 'behind' })
      await execution.signal(go, 1)
      await using worker = await createWorker({
        url: front,
        tasks: [squareTask],
        tls: client,
        logger: silentLogger,
      })
      assert.equal(await execution.result(), expectedOf(3, 1))
      assert.ok(worker.nodes >= 1)
    } finally {
      proxy.close()
    }
  })

  test('a node that the others would not talk to does not join', async () => {
    const { url } = await server.createDatabase()
    const foreign = new Authority(directory, 'foreign')
    await using one = await open(url, 'node-1')
    const refused = (tls: TlsSettings | undefined, why: RegExp): Promise<void> =>
      assert.rejects(
        open(url, 'node-2', { cluster: { name: 'node-2', ...(tls === undefined ? {} : { tls }) } }),
        (error: Error & { readonly code?: string }) => {
          assert.equal(error.code, 'ARGUMENT_INVALID')
          assert.match(error.message, why)
          return true
        },
      )
    await refused(foreign.issue('node-2', both), /no other node lets this one in: wss:/)
    await refused(client, /no other node lets this one in: .*403/)
    await refused(authority.issue('node-2', both, 'DNS:node-2.internal'), /does not name 127\.0\.0\.1/)
    await refused(undefined, /the other nodes have TLS/)
    assert.equal(Number(one.shards), 256)
    await using two = await open(url, 'node-2')
    while (one.shards !== 128 || two.shards !== 128) await sleep(20)
  })

  test('sessions of dead nodes are not asked', async () => {
    const { url, name } = await server.createDatabase()
    const foreign = new Authority(directory, 'before')
    const gone = await open(url, 'gone', { cluster: { name: 'gone', tls: foreign.issue('gone', both) } })
    await gone.close()
    // As a node that was killed leaves it.
    await server.query('update perdure.session set fenced_at = null', [], name)
    await using one = await open(url, 'node-1')
    while (one.shards !== 256) await sleep(20)
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
