// Mutual TLS: who may connect to an engine, as what, and what a certificate that is renewed does.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import type { SessionView } from '../../src/core/cluster/cluster-view.ts'
import {
  connect,
  createEngine,
  createWorker,
  type Logger,
  PerdureError,
  silentLogger,
  type TlsSettings,
  workflow,
} from '../../src/index.ts'
import { TlsIdentity } from '../../src/platform/tls.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import { NodeLinks } from '../../src/server/cluster/node-link.ts'
import { checkedHttpSettings } from '../../src/server/http/http-settings.ts'
import { ClientOrigins } from '../../src/server/listen/client-origin.ts'
import { httpDoor, isNodeCertificate } from '../../src/server/listen/http-door.ts'
import { perdure } from '../cli/store-fixture.ts'
import { double, until } from '../tasks/task-fixtures.ts'
import { Authority, openssl } from './certificates.ts'

const found = openssl()
const skip = 'missing' in found ? found.missing : false
const quiet = { logger: silentLogger, shutdownGrace: 0 } as const
const greet = workflow({ name: 'greet', run: (ctx, name: string) => ctx.step('say', () => `hello ${name}`) })

describe('mutual TLS', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'perdure-tls-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  if (skip !== false) return
  const authority = new Authority(directory, 'authority')
  const foreign = new Authority(directory, 'foreign')
  const node = authority.issue('node', 'serverAuth,clientAuth')
  const worker = authority.issue('worker', 'clientAuth')

  const listening = async (tls: TlsSettings = node, logger: Logger = silentLogger) => {
    const engine = await createEngine({ store: 'memory', workflows: [greet], ...quiet, logger })
    const { url, port } = await engine.listen({ tls })
    return { engine, url, port, [Symbol.asyncDispose]: () => engine.close() }
  }

  test('a client and a worker with certificates of the authority work', async () => {
    await using on = await listening()
    assert.match(on.url, /^wss:\/\/127\.0\.0\.1:\d+$/)
    await using far = await createWorker({ url: on.url, tasks: [double], tls: worker, ...quiet })
    await using client = await connect(on.url, { tls: worker, logger: silentLogger })
    assert.equal(await (await client.enqueue(double, 4, { id: 'four' })).result(), 8)
    assert.equal(await (await client.start(greet, 'ada', { id: 'greet-ada' })).result(), 'hello ada')
    assert.equal(far.nodes, 1)
  })

  const refusals: readonly [who: string, tls: TlsSettings, why: RegExp, said?: RegExp][] = [
    [
      'without a certificate',
      { ca: authority.ca },
      /certificate required|ECONNRESET|socket|disconnected/i,
      /peer did not return a certificate/,
    ],
    [
      'with a certificate of another authority',
      { ...foreign.issue('stranger', 'clientAuth'), ca: authority.ca },
      /unknown ca|decrypt|ECONNRESET|socket|disconnected/i,
      /UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
    ],
    ['that knows another authority', { ...worker, ca: foreign.ca }, /certificate/i],
    [
      'with a certificate for servers only',
      authority.issue('server', 'serverAuth' as 'clientAuth'),
      /certificate|ECONNRESET|socket|disconnected/i,
    ],
  ]
  for (const [who, tls, why, said] of refusals)
    test(`a client ${who} is not let in`, async () => {
      const reasons: string[] = []
      const warn = (_: string, fields?: { readonly reason?: unknown }): void =>
        void reasons.push(String(fields?.reason))
      await using on = await listening(node, { ...silentLogger, warn })
      const { failure, opened } = await tried(on.url, 'perdure.client.v2', tls)
      assert.equal(opened, false)
      assert.match(failure, why)
      if (said !== undefined) await until(async () => said.test(reasons.join()))
      // Whoever has been refused has not harmed the others.
      await using client = await connect(on.url, { tls: worker, logger: silentLogger })
      assert.deepEqual((await client.list()).executions, [])
    })

  test('plain text, and TLS below 1.2, are not spoken', async () => {
    await using on = await listening()
    assert.equal((await tried(on.url.replace('wss:', 'ws:'), 'perdure.client.v2', {})).opened, false)
    const { ca, cert, key } = contents(worker)
    const old = connectTls({
      host: '127.0.0.1',
      port: on.port,
      ca,
      cert,
      key,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const ended = await new Promise<string>((resolve) => {
      old.on('secureConnect', () => resolve(`connected with ${old.getProtocol()}`))
      old.on('error', ({ message }) => resolve(message))
    })
    assert.match(ended, /alert|protocol version|unsupported/i)
  })

  test('an engine whose certificate is of another host is not talked to', async () => {
    const elsewhere = authority.issue('elsewhere', 'serverAuth,clientAuth', 'DNS:node-2.internal')
    await using on = await listening(elsewhere)
    const { failure } = await tried(on.url, 'perdure.client.v2', worker)
    assert.match(failure, /does not match certificate's altnames/)
  })

  test('a certificate for clients only is none of a node', async () => {
    const door = httpDoor({
      tls: { ...node },
      answer: () => {},
      limits: checkedHttpSettings(undefined, 1024).limits,
      readiness: { isDraining: false, isFailed: false, look: async () => ({ isReady: true }) },
      origins: new ClientOrigins({}),
      logger: silentLogger,
    })
    door.stop()
    const answers: boolean[] = []
    door.http.on('upgrade', ({ socket }) => {
      answers.push(isNodeCertificate(socket))
      socket.destroy()
    })
    await new Promise<void>((resolve) => void door.http.listen(0, '127.0.0.1', resolve))
    const address = door.http.address()
    assert.ok(typeof address === 'object' && address !== null)
    const url = `wss://127.0.0.1:${address.port}`
    for (const tls of [worker, node]) await tried(url, 'perdure.node.v1', tls)
    door.http.close()
    assert.deepEqual(answers, [false, true])
  })

  test('a node that cannot be trusted, or has no TLS, is not talked to: the log says why, once', async () => {
    await using on = await listening(foreign.issue('node-2', 'serverAuth,clientAuth'))
    const reasons: string[] = []
    const warn = (_: string, fields?: { readonly reason?: unknown }): void =>
      void reasons.push(String(fields?.reason))
    const links = new NodeLinks({
      logger: { ...silentLogger, warn },
      onLost: () => {},
      tls: new TlsIdentity(node, 'test', () => {}),
    })
    const session = {
      ...{ id: 2, node: 'node-2', weight: 1 },
      ...{ isDraining: false, isFenced: false },
      heartbeatAt: 0,
    }
    for (const [incarnation, address] of [
      ['a', on.url],
      ['b', on.url.replace('wss:', 'ws:')],
    ] as const)
      for (let i = 0; i < 2; i++)
        await assert.rejects(links.deliver({ ...session, incarnation, address } as SessionView, []), {
          code: 'CONNECTION_LOST',
        })
    assert.equal(reasons.length, 2)
    assert.match(reasons.join(), /certificate.*,it has no TLS, and this node has/)
    links.close()
  })

  test('a certificate that is renewed is used by both ends without a restart', async () => {
    const own = { cert: join(directory, 'live.crt'), key: join(directory, 'live.key'), ca: authority.ca }
    copyFileSync(node.cert, own.cert)
    copyFileSync(node.key, own.key)
    const warnings: string[] = []
    const identity = new TlsIdentity(own, 'test', (message) => warnings.push(message))
    const first = identity.current
    assert.equal(identity.current, first)
    const renewed = authority.issue('renewed', 'serverAuth,clientAuth')
    replaced(renewed.cert, own.cert)
    // The key is that of the old one still: both do not fit together.
    assert.equal(identity.current, first)
    assert.equal(identity.current, first)
    assert.deepEqual(warnings, ['changed certificates are not used: those from before stay'])
    replaced(renewed.key, own.key)
    assert.equal(identity.current.cert, readFileSync(renewed.cert, 'utf8'))
  })

  test('a session that is resumed without a certificate is none of a node', async () => {
    const door = httpDoor({
      tls: { ...node },
      answer: (_, response) => void response.end(),
      limits: checkedHttpSettings({}, 1024 * 1024).limits,
      readiness: { isDraining: false, isFailed: false, look: async () => ({ isReady: true }) },
      origins: new ClientOrigins({}),
      clientCertificates: 'optional',
      logger: silentLogger,
    })
    const judged: { readonly isReused: boolean; readonly isNode: boolean; readonly isAuthorized: boolean }[] =
      []
    door.http.on('secureConnection', (socket: TLSSocket) => {
      judged.push({
        isReused: socket.isSessionReused(),
        isNode: isNodeCertificate(socket),
        isAuthorized: socket.authorized,
      })
    })
    await new Promise<void>((resolve) => door.http.listen(0, '127.0.0.1', resolve))
    const { port } = door.http.address() as AddressInfo
    const ca = readFileSync(authority.ca)
    const once = (session?: Buffer): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        const of = session === undefined ? {} : { session }
        const socket = connectTls({
          host: '127.0.0.1',
          port,
          ca,
          checkServerIdentity: () => undefined,
          ...of,
        })
        socket.on('error', reject)
        let ticket = Buffer.alloc(0)
        socket.on('session', (given) => {
          ticket = given
        })
        socket.on('close', () => resolve(ticket))
        socket.resume()
        // Tickets of TLS 1.3 come after the handshake, with the first that the engine says.
        socket.end('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
      })
    try {
      await once(await once())
      assert.deepEqual(
        judged.map(({ isReused, isNode }) => [isReused, isNode]),
        [
          [false, false],
          [true, false],
        ],
      )
    } finally {
      door.stop()
      door.http.closeAllConnections()
      await new Promise((resolve) => door.http.close(resolve))
    }
  })

  test('a certificate that expires soon is told each day, until it is renewed', () => {
    const own = { cert: join(directory, 'old.crt'), key: join(directory, 'old.key'), ca: authority.ca }
    const old = authority.issue('old', 'serverAuth,clientAuth', 'IP:127.0.0.1', 12)
    copyFileSync(old.cert, own.cert)
    copyFileSync(old.key, own.key)
    const dayMs = 86_400_000
    const clock = new VirtualClock(Date.now())
    const said: string[] = []
    const door = httpDoor({
      tls: own,
      answer: () => {},
      limits: checkedHttpSettings(undefined, 1024).limits,
      readiness: { isDraining: false, isFailed: false, look: async () => ({ isReady: true }) },
      origins: new ClientOrigins({}),
      logger: { ...silentLogger, warn: (message) => void said.push(message) },
      clock,
    })
    try {
      // The last third of 12 days.
      const untilDay = (day: number): string[] => {
        const endMs = Date.now() + day * dayMs + dayMs / 2
        while ((clock.nextMs() ?? Number.POSITIVE_INFINITY) < endMs) clock.runNext()
        return said.splice(0)
      }
      assert.deepEqual(untilDay(7), [])
      const [first = '', second = '', ...more] = untilDay(9)
      assert.match(first, /^the certificate CN=old expires in 3 days, on 20.*: renew it/)
      assert.match(second, /expires in 2 days/)
      assert.deepEqual(more, [])
      assert.match(untilDay(13).at(-1) ?? '', /the certificate CN=old has expired, on/)
      const renewed = authority.issue('new', 'serverAuth,clientAuth', 'IP:127.0.0.1', 365)
      replaced(renewed.cert, own.cert)
      replaced(renewed.key, own.key)
      assert.deepEqual(untilDay(15), [])
      // That of the authority, which has 30 days.
      assert.match(untilDay(21).join(), /^the authority CN=authority expires in/)
    } finally {
      door.stop()
    }
  })

  test('doctor speaks of certificates that expire soon', async () => {
    const file = join(directory, 'checked.db')
    await (await createEngine({ store: `sqlite:${file}`, ...quiet })).close()
    const flags = ({ cert = '', key = '', ca = '' }: TlsSettings): string[] => {
      return ['--tls-cert', cert, '--tls-key', key, '--tls-ca', ca]
    }
    const doctor = (tls: TlsSettings, nowMs?: number) =>
      perdure(['doctor', file, ...flags(tls)], { columns: 200, ...(nowMs === undefined ? {} : { nowMs }) })
    const fine = await doctor(node)
    assert.match(fine.stdout, /ok +certificates +none of those that are named expires soon/)
    const soon = await doctor(node, Date.now() + 25 * 86_400_000)
    assert.match(soon.stdout, /note +certificates +the certificate CN=node expires in 4 days/)
    assert.equal(soon.code, 0)
    const expired = await doctor(authority.issue('gone', 'clientAuth', 'IP:127.0.0.1', -1))
    assert.match(expired.stdout, /problem +certificates +.*the certificate has expired/)
    assert.equal(expired.code, 1)
  })

  test('an engine shows the renewed certificate to those who connect then', async () => {
    const own = { cert: join(directory, 'shown.crt'), key: join(directory, 'shown.key'), ca: authority.ca }
    copyFileSync(node.cert, own.cert)
    copyFileSync(node.key, own.key)
    await using on = await listening(own)
    const shown = async (): Promise<string> => {
      const { ca, cert, key } = contents(worker)
      const socket = connectTls({ host: '127.0.0.1', port: on.port, ca, cert, key })
      await new Promise((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject))
      const { subject } = socket.getPeerCertificate()
      socket.destroy()
      return String(subject.CN)
    }
    assert.equal(await shown(), 'node')
    await using client = await connect(on.url, { tls: worker, logger: silentLogger })
    const renewed = authority.issue('renewed', 'serverAuth,clientAuth')
    replaced(renewed.key, own.key)
    replaced(renewed.cert, own.cert)
    await until(async () => (await shown()) === 'renewed')
    assert.deepEqual((await client.list()).executions, [])
  })

  test('beyond loopback it listens with TLS only', async () => {
    await using on = await listening()
    await assert.rejects(on.engine.listen({ host: '0.0.0.0' }), /without tls the engine listens on loopback/)
    const open = await on.engine.listen({ host: '0.0.0.0', tls: node })
    await using client = await connect(`wss://127.0.0.1:${open.port}`, { tls: worker, logger: silentLogger })
    assert.deepEqual((await client.list()).executions, [])
  })

  test('says what is wrong with certificates before it connects', async () => {
    const key = foreign.issue('other', 'clientAuth').key
    const wrong: readonly [TlsSettings, RegExp][] = [
      [{ cert: worker.cert }, /cert and key belong together/],
      [{ ...worker, ca: join(directory, 'none.crt') }, /none\.crt cannot be read/],
      [{ ...worker, key }, /do not make an identity/],
      [{ ca: import.meta.filename }, /is no PEM/],
      [authority.issue('old', 'clientAuth', 'IP:127.0.0.1', -1), /the certificate has expired, on /],
      [{ certificate: 'x' } as TlsSettings, /no setting 'certificate'/],
      [{ ca: 7 } as unknown as TlsSettings, /ca is not the path/],
    ]
    for (const [tls, why] of wrong)
      await assert.rejects(connect('wss://127.0.0.1:1', { tls, logger: silentLogger }), (error) => {
        assert.ok(error instanceof PerdureError && error.code === 'ARGUMENT_INVALID', String(error))
        assert.match(error.message, why)
        return true
      })
    await using engine = await createEngine({ store: 'memory', ...quiet })
    await assert.rejects(engine.listen({ tls: { ca: authority.ca } }), /tls has no cert/)
  })

  test('certificates with a URL that has no TLS are refused: nothing would be encrypted', async () => {
    const refused = {
      code: 'ARGUMENT_INVALID',
      message: /has tls, and its url ws:\/\/127\.0\.0\.1:1\/ is one without TLS/,
    }
    const urls = ['wss://127.0.0.1:1', 'ws://127.0.0.1:1']
    await assert.rejects(connect(urls, { tls: worker, logger: silentLogger }), refused)
    await assert.rejects(createWorker({ url: urls, tls: worker, tasks: [double], ...quiet }), refused)
    const { cert = '', key = '' } = worker
    const { stderr, code } = await perdure([
      'workers',
      '--url',
      'ws://127.0.0.1:1',
      '--tls-cert',
      cert,
      '--tls-key',
      key,
    ])
    assert.match(stderr.replaceAll(/\s+/g, ' '), /certificates are given, and --url ws:.* is without TLS/)
    assert.equal(code, 2)
  })
})

function contents({ cert, key, ca }: TlsSettings): { ca: string; cert: string; key: string } {
  const read = (path = ''): string => readFileSync(path, 'utf8')
  return { ca: read(ca), cert: read(cert), key: read(key) }
}

/** Within one tick of the file system's clock a change would not be seen. */
function replaced(from: string, to: string): void {
  const before = statSync(to).mtimeMs
  copyFileSync(from, to)
  const at = Math.max(Date.now(), before + 1000) / 1000
  utimesSync(to, at, at)
}

async function tried(
  url: string,
  protocol: string,
  tls: TlsSettings,
): Promise<{ readonly opened: boolean; readonly failure: string }> {
  const read = Object.fromEntries(
    Object.entries(tls).map(([name, path]) => [name, readFileSync(String(path), 'utf8')]),
  )
  const socket = new WebSocket(url, [protocol], read)
  let opened = false
  const failure = await new Promise<string>((resolve) => {
    socket.on('open', () => {
      opened = true
      socket.close()
    })
    socket.on('error', ({ message }) => resolve(message))
    socket.on('close', () => resolve(''))
  })
  return { opened, failure }
}
