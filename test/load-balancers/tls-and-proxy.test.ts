// TLS and the PROXY protocol through real nginx and HAProxy: who calls, and from where, is what the engine sees.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createEngine, type ListenOptions, silentLogger, task } from '../../src/index.ts'
import { Authority, type Identity } from '../workers/certificates.ts'
import { addressThrough } from './address-through.ts'
import { FRONTS, Front, missingFronts } from './front.ts'

const skip = missingFronts()
const PROXY = '127.0.0.1'
const CLIENT = '127.0.0.77'
const nothing = task({ name: 'nothing', run: () => 0 })

describe('TLS and the PROXY protocol through load balancers', { skip }, () => {
  if (skip !== false) return
  const directory = mkdtempSync(join(tmpdir(), 'perdure-lb-tls-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const authority = new Authority(directory, 'authority')
  const others = new Authority(directory, 'others')
  const hosts = 'IP:127.0.0.1,DNS:nodes.internal'
  const node = authority.issue('node', 'serverAuth,clientAuth', hosts)
  const client = authority.issue('client', 'clientAuth')
  const stranger = others.issue('stranger', 'clientAuth')
  /** HAProxy reads both from one file. */
  const both = ({ cert, key }: Identity): string => {
    const file = `${cert}.pem`
    writeFileSync(file, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'))
    return file
  }
  const shown = both(authority.issue('balancer', 'serverAuth,clientAuth'))
  const toNodes = {
    ca: authority.ca,
    'node-name': 'nodes.internal',
    'node-cert': both(authority.issue('balancer-client', 'clientAuth')),
  }
  const read = ({ cert, key, ca }: Partial<Identity>) => ({
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ca: readFileSync(ca ?? authority.ca),
  })

  const listening = async (options: ListenOptions) => {
    const engine = await createEngine({
      store: 'memory',
      tasks: [nothing],
      logger: silentLogger,
      shutdownGrace: 0,
      drainDelay: 0,
    })
    const { port } = await engine.listen(options)
    return { engine, port, [Symbol.asyncDispose]: () => engine.close() }
  }

  /** A program with the client of the package works through it, too. */
  const works = async (url: string, tls?: Partial<Identity>): Promise<void> => {
    await using remote = await connect(url, { logger: silentLogger, ...(tls === undefined ? {} : { tls }) })
    assert.equal(await (await remote.enqueue(nothing, undefined, { id: 'one' })).result(), 0)
  }

  for (const name of FRONTS) {
    const versions = name === 'nginx' ? ['v1'] : ['v1', 'v2']

    test(`${name}: TLS ends there, and begins anew to nodes with mutual TLS`, async () => {
      await using on = await listening({ tls: node, trustedProxies: [PROXY] })
      const options = { nodes: `127.0.0.1:${on.port}`, tls: 'terminate', cert: shown, ...toNodes }
      await using front = await Front.start(name, options)
      const url = `wss://127.0.0.1:${front.port}`
      assert.equal(await addressThrough(url, on.engine, { localAddress: CLIENT, ...read({}) }), CLIENT)
      await works(url, { ca: authority.ca })
      const path = {
        host: '127.0.0.1',
        port: front.port,
        path: '/readyz',
        agent: false,
        ca: readFileSync(authority.ca),
      }
      const [ready] = (await once(get(path), 'response')) as [IncomingMessage]
      assert.equal(ready.statusCode, 200)
      ready.resume()
    })

    test(`${name}: TLS ends there, and asks clients for certificates`, async () => {
      await using on = await listening({ trustedProxies: [PROXY] })
      const options = {
        nodes: `127.0.0.1:${on.port}`,
        tls: 'terminate',
        cert: shown,
        'client-ca': authority.ca,
      }
      await using front = await Front.start(name, options)
      const url = `wss://127.0.0.1:${front.port}`
      assert.equal(await addressThrough(url, on.engine, { localAddress: CLIENT, ...read(client) }), CLIENT)
      for (const without of [read({}), read({ ...stranger, ca: authority.ca })])
        await assert.rejects(
          addressThrough(url, on.engine, without),
          /400|ECONNRESET|hang up|alert|disconnected/,
        )
    })

    test(`${name}: TLS passes through, and the node asks clients for their certificates`, async () => {
      await using on = await listening({ tls: node })
      await using front = await Front.start(name, { nodes: `127.0.0.1:${on.port}`, tls: 'pass-through' })
      const url = `wss://127.0.0.1:${front.port}`
      await works(url, client)
      await assert.rejects(addressThrough(url, on.engine, read({})), /ECONNRESET|hang up|alert|disconnected/)
      // Nobody has said where the client calls from: it looks as if the balancer did.
      assert.match(
        await addressThrough(url, on.engine, { localAddress: CLIENT, ...read(client) }),
        /^127\.0\.0\.1:\d+$/,
      )
    })

    for (const version of versions)
      test(`${name}: the PROXY protocol ${version} says where a client calls from, below TLS too`, async () => {
        const proxied = { trustedProxies: [PROXY], proxyProtocol: true }
        {
          await using on = await listening(proxied)
          await using front = await Front.start(name, {
            nodes: `127.0.0.1:${on.port}`,
            'proxy-protocol': version,
          })
          const url = `ws://127.0.0.1:${front.port}`
          assert.match(
            await addressThrough(url, on.engine, { localAddress: CLIENT }),
            /^127\.0\.0\.77(:\d+)?$/,
          )
          await works(url)
        }
        await using on = await listening({ ...proxied, tls: node })
        const options = { nodes: `127.0.0.1:${on.port}`, 'proxy-protocol': version }
        {
          await using front = await Front.start(name, { ...options, tls: 'pass-through' })
          const through = addressThrough(`wss://127.0.0.1:${front.port}`, on.engine, {
            localAddress: CLIENT,
            ...read(client),
          })
          assert.match(await through, /^127\.0\.0\.77:\d+$/)
        }
        await using front = await Front.start(name, { ...options, tls: 'terminate', cert: shown, ...toNodes })
        const url = `wss://127.0.0.1:${front.port}`
        assert.match(
          await addressThrough(url, on.engine, { localAddress: CLIENT, ...read({}) }),
          /^127\.0\.0\.77(:\d+)?$/,
        )
      })
  }

  test('haproxy: its checks pass where nodes have TLS and the PROXY protocol', async () => {
    await using on = await listening({ tls: node, trustedProxies: [PROXY], proxyProtocol: true })
    const options = { nodes: `127.0.0.1:${on.port}`, ...toNodes }
    const passing = { ...options, tls: 'pass-through' }
    const ending = { ...options, tls: 'terminate', cert: shown }
    await using one = await Front.start('haproxy', { ...passing, 'proxy-protocol': 'v1' })
    await using two = await Front.start('haproxy', { ...passing, 'proxy-protocol': 'v2' })
    await using three = await Front.start('haproxy', { ...ending, 'proxy-protocol': 'v1' })
    await using four = await Front.start('haproxy', { ...ending, 'proxy-protocol': 'v2' })
    // Past the second check, which would have taken the node out.
    await sleep(2500)
    for (const { port } of [one, two, three, four]) {
      const through = addressThrough(`wss://127.0.0.1:${port}`, on.engine, {
        localAddress: CLIENT,
        ...read(client),
      })
      assert.match(await through, /^127\.0\.0\.77(:\d+)?$/)
    }
  })
})
