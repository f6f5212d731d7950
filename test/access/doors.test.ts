// Access at the doors of an engine that is really there: sockets of clients and workers, TLS, revocation while connected.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect, createWorker, task, workflow } from 'perdure'
import { WebSocket } from 'ws'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import type { AccessAdmin } from '../../src/server/access/access-admin.ts'
import type { AccessSettings } from '../../src/server/access/access-settings.ts'
import { createEngine, type EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import { checkedHttpSettings } from '../../src/server/http/http-settings.ts'
import { ClientOrigins } from '../../src/server/listen/client-origin.ts'
import type { ListenOptions } from '../../src/server/listen/listen-options.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { until } from '../tasks/task-fixtures.ts'
import { Authority, openssl } from '../workers/certificates.ts'
import { codeOf } from './access-fixtures.ts'

const greet = workflow({ name: 'greet', run: (ctx, name: string) => ctx.step('say', () => `hello ${name}`) })
const mail = task({ name: 'mail', run: (_, to: string) => `to ${to}` })
const rules: Caller = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] }

interface Opened extends AsyncDisposable {
  readonly engine: EmbeddedEngine
  readonly url: string
  readonly admin: AccessAdmin
  key(role: string, more?: object): Promise<{ readonly id: string; readonly key: string }>
}

async function opened(settings: AccessSettings = {}, listen: ListenOptions = {}): Promise<Opened> {
  const engine = await createEngine({
    store: 'memory',
    workflows: [greet],
    tasks: [],
    logger: silentLogger,
    access: settings,
  })
  try {
    const { url } = await engine.listen(listen)
    const admin = engine.access?.admin
    assert.ok(admin !== undefined)
    return {
      engine,
      url,
      admin,
      key: (role, more = {}) => admin.createKey(rules, { name: role, roles: [role], ...more }),
      [Symbol.asyncDispose]: () => engine.close(),
    }
  } catch (error) {
    await engine.close()
    throw error
  }
}

/** What the door says to whoever knocks: the status, or `open`. */
function knock(url: string, protocol: string, options: object = {}): Promise<number | 'open' | 'cut'> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, [protocol], options)
    socket.on('open', () => {
      resolve('open')
      socket.terminate()
    })
    socket.on('unexpected-response', (_, response) => {
      resolve(response.statusCode ?? 0)
      socket.terminate()
    })
    socket.on('error', () => resolve('cut'))
  })
}

const bearer = (key: string): object => ({ headers: { authorization: `Bearer ${key}` } })
const CLIENT = 'perdure.client.v2'
const WORKER = 'perdure.worker.v1'

describe('a client', () => {
  test('without a credential, or with a bad one, does not get in', async () => {
    await using on = await opened()
    const { key } = await on.key('viewer')
    for (const protocol of [CLIENT, WORKER]) {
      assert.equal(await knock(on.url, protocol), 401)
      assert.equal(await knock(on.url, protocol, bearer(`${key}x`)), 401)
      assert.equal(await knock(on.url, protocol, bearer(key)), 'open')
    }
    assert.equal(await knock(on.url, 'perdure.node.v1', bearer(key)), 400)
  })

  test('does what its role may do, and no more', async () => {
    await using on = await opened()
    const developer = await on.key('developer')
    await using client = await connect(on.url, { token: developer.key, logger: silentLogger })
    const execution = await client.start(greet, 'ada', { id: 'a' })
    assert.equal(await execution.result(), 'hello ada')
    assert.equal((await execution.describe()).attributes['perdure:owner'], `key:${developer.id}`)
    assert.equal(await codeOf(execution.delete()), 'FORBIDDEN')
    assert.equal(
      await codeOf(client.start(greet, 'ada', { id: 'b', attributes: { 'perdure:owner': 'x' } })),
      'ARGUMENT_INVALID',
    )
    await using other = await connect(on.url, {
      token: developer.key,
      namespace: 'billing',
      logger: silentLogger,
    })
    // Whether it has such code there is not said either.
    assert.equal(await codeOf(other.start(greet, 'ada', { id: 'a' })), 'NAMESPACE_NOT_FOUND')
    const { key } = await on.key('viewer')
    await using viewer = await connect(on.url, { token: () => key, logger: silentLogger })
    assert.equal((await viewer.list()).executions.length, 1)
    assert.equal(await codeOf(viewer.start(greet, 'ada', { id: 'c' })), 'FORBIDDEN')
  })

  test('whose key is revoked is cut off, and does not come back', async () => {
    await using on = await opened()
    const { id, key } = await on.key('viewer')
    const closed = Promise.withResolvers<readonly [number, string]>()
    const socket = new WebSocket(on.url, [CLIENT], bearer(key))
    socket.on('close', (code, reason) => closed.resolve([code, String(reason)]))
    await new Promise<void>((resolve) => void socket.on('open', () => resolve()))
    await on.admin.revokeKey(rules, id)
    assert.deepEqual(await closed.promise, [1008, 'the API key was revoked'])
    assert.equal(await knock(on.url, CLIENT, bearer(key)), 401)
  })

  test('is told of its credential by its log, and tries again with what its function gives then', async () => {
    await using on = await opened()
    const { key } = await on.key('viewer')
    const log = recordedLog()
    let asked = 0
    const token = (): string => {
      asked += 1
      if (asked === 1) throw new Error('the vault is shut')
      return asked === 2 ? 'wrong' : key
    }
    await using client = await connect(on.url, { token, logger: log })
    assert.deepEqual((await client.list()).executions, [])
    const said = JSON.stringify(log.entries, (_, value) => (value instanceof Error ? value.message : value))
    assert.match(said, /the vault is shut/)
    assert.match(said, /asks who this is/)
  })

  test('does not send its token where others could read it', async () => {
    for (const url of ['ws://10.1.2.3:7233', 'ws://engine.internal:7233', 'ws://127.0.0.1.evil.test:1'])
      await assert.rejects(connect(url, { token: 'secret' }), /is not sent to/)
    await assert.rejects(
      createWorker({ url: 'ws://10.1.2.3:1', tasks: [mail], token: 'secret' }),
      /is not sent to/,
    )
    await assert.rejects(connect('wss://x.test', { token: 'two words' }), /no text of a key/)
  })
})

describe('a worker', () => {
  test('serves what it may', async () => {
    await using on = await opened()
    const { key } = await on.key('worker')
    await using _ = await createWorker({ url: on.url, tasks: [mail], token: key, logger: silentLogger })
    assert.equal(await (await on.engine.enqueue(mail, 'ada')).result(), 'to ada')
  })

  test('that may not is refused for good', async () => {
    await using on = await opened()
    const { key } = await on.key('viewer')
    const settings = { url: on.url, tasks: [mail], token: key, logger: silentLogger }
    assert.equal(await codeOf(createWorker(settings)), 'FORBIDDEN')
    assert.equal(await codeOf(createWorker({ ...settings, namespace: 'billing' })), 'NAMESPACE_NOT_FOUND')
  })

  test('whose key is revoked, or who loses its role, is cut off, and its tasks wait again', async () => {
    await using on = await opened()
    const keys = [await on.key('worker'), await on.admin.createKey(rules, { name: 'w' })]
    const role = { principal: `key:${keys[1]?.id}`, role: 'worker', namespace: 'default' } as const
    await on.admin.bindRole(rules, role)
    const cutOff = [
      () => on.admin.revokeKey(rules, keys[0]?.id ?? ''),
      () => on.admin.unbindRole(rules, role),
    ]
    for (const [index, cut] of cutOff.entries()) {
      const begun = Promise.withResolvers<void>()
      const slow = task({
        name: 'slow',
        run: async (_, __: number) => {
          begun.resolve()
          await new Promise(() => {})
        },
      })
      const worker = await createWorker({
        url: on.url,
        tasks: [slow],
        token: keys[index]?.key ?? '',
        logger: silentLogger,
        shutdownGrace: 0,
      })
      const running = await on.engine.enqueue(slow, index)
      await begun.promise
      await cut()
      const list = async (): Promise<number> =>
        (await on.engine.workers()).filter(({ isLocal }) => !isLocal).length
      let workers = await list()
      for (let i = 0; i < 200 && workers > 0; i++) {
        await new Promise((resolve) => setTimeout(resolve, 25))
        workers = await list()
      }
      assert.equal(workers, 0)
      assert.equal((await running.describe()).status, 'waiting')
      await running.cancel('the end')
      await worker.close()
    }
  })

  test('says nothing that counts before it is admitted', async () => {
    await using on = await opened()
    const { key } = await on.key('viewer')
    const socket = new WebSocket(on.url, [WORKER], bearer(key))
    const said: string[] = []
    socket.on('message', (data) => said.push(String(data)))
    const closed = new Promise<number>((resolve) => void socket.on('close', resolve))
    await new Promise<void>((resolve) => void socket.on('open', () => resolve()))
    const hello = { type: 'hello', namespace: 'default', tasks: ['mail'], credits: 1 }
    socket.send(JSON.stringify([hello, { type: 'credits', total: 50 }, { type: 'leave' }, hello]))
    assert.equal(await closed, 1008)
    assert.match(said.join(), /FORBIDDEN/)
    assert.doesNotMatch(said.join(), /welcome/)
    assert.equal((await on.engine.workers()).filter(({ isLocal }) => !isLocal).length, 0)
  })
})

describe('what an engine listens on', () => {
  test('without TLS this machine alone, unless it is told otherwise by name', async () => {
    await assert.rejects(opened({}, { host: '0.0.0.0' }), /loopback addresses only/)
    await using on = await opened({}, { host: '0.0.0.0', insecureListen: true })
    assert.equal(await knock(on.url.replace('0.0.0.0', '127.0.0.1'), CLIENT), 401)
  })
})

const found = openssl()
describe('over TLS', { skip: 'missing' in found ? found.missing : false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-doors-'))
  let authority: Authority
  before(() => {
    authority = new Authority(directory, 'authority')
  })
  after(() => rmSync(directory, { recursive: true }))

  test('a key is enough, and a certificate says who it is; one of another authority says nothing', async () => {
    const node = authority.issue('node-1', 'serverAuth,clientAuth')
    const ann = authority.issue('ann', 'clientAuth')
    const stranger = new Authority(join(directory, 'other'), 'other').issue('ann', 'serverAuth,clientAuth')
    await using on = await opened({}, { tls: node })
    const { key } = await on.key('viewer')
    const trust = { tls: { ca: node.ca }, logger: silentLogger }
    await using byKey = await connect(on.url, { ...trust, token: key })
    assert.deepEqual((await byKey.list()).executions, [])
    await on.admin.bindRole(rules, { principal: 'certificate:ann', role: 'viewer' })
    await using byCertificate = await connect(on.url, { tls: ann, logger: silentLogger })
    assert.deepEqual((await byCertificate.list()).executions, [])
    const { readFileSync } = await import('node:fs')
    const pem = (path: string): string => readFileSync(path, 'utf8')
    const ca = pem(node.ca)
    const shown = { ca, cert: pem(stranger.cert), key: pem(stranger.key) }
    assert.equal(await knock(on.url, CLIENT, shown), 401)
    assert.equal(await knock(on.url, CLIENT, { ca }), 401)
    assert.equal(await knock(on.url, CLIENT, { ...shown, ...bearer(key) }), 'open')
  })

  test('the certificate of a trusted proxy is nobody, unless it passes those of clients through', async () => {
    const node = authority.issue('node-1', 'serverAuth,clientAuth')
    const proxy = authority.issue('proxy', 'clientAuth')
    const { readFileSync } = await import('node:fs')
    const pem = (path: string): string => readFileSync(path, 'utf8')
    const shown = { ca: pem(node.ca), cert: pem(proxy.cert), key: pem(proxy.key) }
    const trusting = { tls: node, trustedProxies: ['127.0.0.1'] }
    {
      await using on = await opened({}, trusting)
      const { key } = await on.key('viewer')
      // It encrypts anew, and writes no header.
      assert.equal(await knock(on.url, CLIENT, shown), 401)
      assert.equal(await knock(on.url, CLIENT, { ...shown, ...bearer(key) }), 'open')
    }
    {
      await using on = await opened({}, { ...trusting, tlsPassThrough: true })
      assert.equal(await knock(on.url, CLIENT, shown), 'open')
      assert.equal(await knock(on.url, CLIENT, { ...shown, headers: { forwarded: 'for=192.0.2.1' } }), 401)
    }
    await assert.rejects(
      opened({}, { tls: node, tlsPassThrough: true }),
      /tlsPassThrough needs trustedProxies/,
    )
  })

  test('nobody is a node without a certificate of the authority', async () => {
    const { isNodeCertificate, httpDoor } = await import('../../src/server/listen/http-door.ts')
    const { readFileSync } = await import('node:fs')
    const pem = (path: string): string => readFileSync(path, 'utf8')
    const node = authority.issue('node-1', 'serverAuth,clientAuth')
    const client = authority.issue('ann', 'clientAuth')
    const stranger = new Authority(join(directory, 'third'), 'third').issue('n', 'serverAuth,clientAuth')
    const door = httpDoor({
      tls: node,
      answer: () => {},
      limits: checkedHttpSettings(undefined, 1024).limits,
      readiness: { isDraining: false, isFailed: false, look: async () => ({ isReady: true }) },
      origins: new ClientOrigins({}),
      logger: silentLogger,
      clientCertificates: 'optional',
    })
    const answers: boolean[] = []
    door.http.on('upgrade', ({ socket }) => {
      answers.push(isNodeCertificate(socket))
      socket.destroy()
    })
    await new Promise<void>((resolve) => void door.http.listen(0, '127.0.0.1', resolve))
    const address = door.http.address()
    assert.ok(typeof address === 'object' && address !== null)
    const ca = pem(node.ca)
    for (const { cert, key } of [stranger, client, node])
      await knock(`wss://127.0.0.1:${address.port}`, 'x', { ca, cert: pem(cert), key: pem(key) })
    await knock(`wss://127.0.0.1:${address.port}`, 'x', { ca })
    assert.deepEqual(answers, [false, false, true, false])
    door.stop()
    door.http.closeAllConnections()
    await new Promise<void>((resolve) => void door.http.close(() => resolve()))
  })

  test('what is wrong with policies is said by /readyz, and no more of it than that', async () => {
    const policies = join(directory, 'policies')
    mkdirSync(policies)
    await using on = await opened({ policies })
    const ready = async (): Promise<string> => (await fetch(`${on.url.replace('ws', 'http')}/readyz`)).text()
    assert.deepEqual(JSON.parse(await ready()), { status: 'ready' })
    writeFileSync(join(policies, 'secret.cedar'), 'permit (principal, action resource);')
    await until(async () => /not in force/.test(await ready()))
    assert.doesNotMatch(await ready(), /secret/)
  })

  test('certificates can be asked of all', async () => {
    const node = authority.issue('node-1', 'serverAuth,clientAuth')
    await using on = await opened({ clientCertificates: 'required' }, { tls: node })
    const { key } = await on.key('viewer')
    const { readFileSync } = await import('node:fs')
    assert.equal(await knock(on.url, CLIENT, { ca: readFileSync(node.ca), ...bearer(key) }), 'cut')
  })
})
