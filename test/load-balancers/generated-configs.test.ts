// What `perdure lb-config` writes is taken by nginx and HAProxy as it is, and what they cannot do is refused.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { GivenOptions } from '../../src/cli/command.ts'
import { lbConfigCommand } from '../../src/cli/lb-config/lb-config-command.ts'
import { routerSettings } from '../../src/cli/lb-config/lb-config-options.ts'
import { REPEATABLE_PATH } from '../../src/cli/lb-config/repeatable-paths.ts'
import { ROUTES } from '../../src/server/http/route-table.ts'
import { perdure } from '../cli/store-fixture.ts'
import { Authority } from '../workers/certificates.ts'
import { configOf, FRONTS, type FrontName, faultOf, missingFronts } from './front.ts'

const skip = missingFronts()
type Options = Readonly<Record<string, string>>

describe('configurations of load balancers', { skip }, () => {
  if (skip !== false) return
  const directory = mkdtempSync(join(tmpdir(), 'perdure-lb-config-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const authority = new Authority(directory, 'authority')
  const identity = authority.issue('balancer', 'serverAuth,clientAuth')
  const both = join(directory, 'both.pem')
  writeFileSync(both, readFileSync(identity.cert, 'utf8') + readFileSync(identity.key, 'utf8'))
  const nodes = { nodes: '127.0.0.1:7233,127.0.0.1:7234=3,[::1]:7235=256' }

  const balances: readonly Options[] = ['round-robin', 'least-connections', 'ip-hash'].map((balance) => ({
    balance,
  }))
  const toNodes = { ca: authority.ca, 'node-name': 'nodes.internal' }
  const toNodesMutual = { ...toNodes, 'node-cert': both }
  const ways: Readonly<Record<string, Options>> = {
    plain: {},
    're-encrypted only': toNodesMutual,
    terminate: { tls: 'terminate', cert: both },
    'terminate with certificates of clients': { tls: 'terminate', cert: both, 'client-ca': authority.ca },
    're-encrypt': { tls: 'terminate', cert: both, ...toNodes },
    're-encrypt with a certificate': { tls: 'terminate', cert: both, ...toNodesMutual },
    'pass-through': { tls: 'pass-through' },
  }
  const ofHaproxy: Readonly<Record<string, Options>> = {
    'pass-through with checks': { tls: 'pass-through', ca: authority.ca, 'node-cert': both },
    'by the name of each node': {
      tls: 'terminate',
      cert: both,
      ca: authority.ca,
      nodes: 'localhost:1,127.0.0.1:2',
    },
    'another health check': { 'health-path': '/v1/ready' },
  }

  for (const name of FRONTS)
    test(`${name} takes all of them`, () => {
      const versions = name === 'nginx' ? ['v1'] : ['v1', 'v2']
      const proxies: readonly Options[] = [{}, ...versions.map((version) => ({ 'proxy-protocol': version }))]
      let taken = 0
      const all = name === 'nginx' ? ways : { ...ways, ...ofHaproxy }
      for (const [way, options] of Object.entries(all))
        for (const proxy of proxies) {
          // In turn: neither depends on the others.
          const balance = balances[taken % balances.length]
          const listen = taken % 2 === 0 ? { listen: '127.0.0.1:18080' } : { listen: '18080' }
          const file = join(directory, `${name}-${taken}`)
          writeFileSync(file, configOf(name, { ...listen, ...nodes, ...options, ...proxy, ...balance }))
          assert.equal(faultOf(name, file), undefined, `${way} ${JSON.stringify({ ...proxy, ...balance })}`)
          taken += 1
        }
      assert.ok(taken >= 14, `${taken}`)
      // The check does fail where something is wrong.
      const wrong = join(directory, 'wrong')
      writeFileSync(wrong, configOf(name, nodes).replace('127.0.0.1:7233', 'nowhere'))
      assert.match(faultOf(name, wrong) ?? '', /nowhere/)
    })

  test('the command writes the same, to standard output or a file', async () => {
    const { stdout, code } = await perdure(['lb-config', 'haproxy', '--nodes', nodes.nodes], {
      directory,
    })
    assert.equal(code, 0)
    assert.equal(stdout.trim(), configOf('haproxy', nodes).trim())
    await perdure(['lb-config', 'nginx', '--nodes', nodes.nodes, '--out', 'written.conf'], { directory })
    assert.equal(readFileSync(join(directory, 'written.conf'), 'utf8'), configOf('nginx', nodes))
    const usage = await perdure(['lb-config', 'traefik', '--nodes', nodes.nodes], { directory })
    assert.equal(usage.code, 2)
    assert.match(usage.stderr, /'traefik' is none of nginx, haproxy, keepalived/)
  })
})

test('the commands in the docs work as they are', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/load-balancers.md'), 'utf8')
  const commands = [...page.matchAll(/^perdure (lb-config .*)$/gm)].map(([, command = '']) => command)
  const examples = lbConfigCommand.examples.map(({ line }) => line.replace('perdure ', ''))
  assert.ok(commands.length >= 4)
  for (const command of [...commands, ...examples]) {
    const { code, stdout, stderr } = await perdure(command.replace(/ --out \S+/, '').split(' '))
    assert.equal(code, 0, `${command}: ${stderr}`)
    assert.match(stdout, /^# nginx|^# HAProxy|^! 10/, command)
  }
})

test('balancers ask again with a key where the key counts, as each route says, and nowhere else', () => {
  const isRepeatable = new RegExp(`^${REPEATABLE_PATH}$`)
  let counting = 0
  for (const { method, path, repeats = '' } of ROUTES) {
    const counts =
      method === 'POST' &&
      /\b(key|Idempotency-Key)\b/.test(repeats) &&
      !/A key is not looked at|a key is not remembered|The token is the key/.test(repeats)
    if (counts) counting += 1
    const asked = isRepeatable.test(`/v1${path.replaceAll(/\{\w+\}/g, 'x')}`)
    if (method === 'POST') assert.equal(asked, counts, `${path}: ${repeats}`)
  }
  assert.equal(counting, 10)
})

describe('a command line that would not work', () => {
  const wrong: readonly [name: FrontName, options: Options, why: RegExp][] = [
    ['nginx', {}, /no nodes were named/],
    ['nginx', { nodes: '7233' }, /has no host/],
    ['nginx', { nodes: 'a:1,a:1' }, /a:1 twice/],
    ['nginx', { nodes: 'a:0' }, /no host and port/],
    ['nginx', { nodes: 'a:99999' }, /no host and port/],
    ['nginx', { nodes: 'a b:1' }, /no host and port/],
    ['nginx', { nodes: 'a;}:1' }, /no host and port/],
    ['nginx', { nodes: 'a:1=0' }, /weight of a:1=0/],
    ['nginx', { nodes: 'a:1=257' }, /weight/],
    ['nginx', { nodes: 'a:1=1=1' }, /weight/],
    ['nginx', { nodes: 'a:1', balance: 'random' }, /none of round-robin/],
    ['nginx', { nodes: 'a:1', tls: 'terminate' }, /needs --cert/],
    ['nginx', { nodes: 'a:1', cert: 'a.pem' }, /--cert is for --tls terminate/],
    ['nginx', { nodes: 'a:1', 'node-cert': 'a.pem' }, /nodes with TLS/],
    ['nginx', { nodes: 'a:1', 'node-key': 'a.key' }, /--node-key has no/],
    ['nginx', { nodes: 'a:1', ca: 'a.crt' }, /one name in the certificates/],
    ['nginx', { nodes: 'a:1', ca: 'a.crt', 'node-name': '-' }, /no name of a host/],
    ['nginx', { nodes: 'a:1', ca: 'a.crt', tls: 'pass-through' }, /no checks/],
    ['nginx', { nodes: 'a:1', 'proxy-protocol': 'v2' }, /version 1 only/],
    ['nginx', { nodes: 'a:1', 'health-path': '/x' }, /asks nodes for nothing/],
    ['haproxy', { nodes: 'a:1', 'health-path': 'x' }, /begin with/],
    [
      'haproxy',
      { nodes: 'a:1', tls: 'terminate', cert: 'a.crt', key: 'a.key' },
      /cat a\.crt a\.key|from the same file/,
    ],
    ['haproxy', { nodes: 'a:1', tls: 'terminate', cert: 'a b.pem' }, /character/],
    ['haproxy', { nodes: 'a:1', tls: 'terminate', cert: 'a.pem\n  daemon' }, /character/],
    ['haproxy', { nodes: 'a:1', listen: '[::1%lo]:1' }, /no host and port/],
    ['haproxy', { nodes: 'a:1', router: '10.0.0.1' }, /--router is not for haproxy/],
  ]
  for (const [name, options, why] of wrong)
    test(`${name} ${JSON.stringify(options)}`, () => {
      assert.throws(() => configOf(name, options), { name: 'UsageError', message: why })
    })

  const router = { address: '10.0.0.100/24', interface: 'eth0', routers: '10.0.0.1,10.0.0.2' }
  const wrongRouters: readonly [options: Options, why: RegExp][] = [
    [{ address: '10.0.0.100' }, /no address with a prefix/],
    [{ address: '10.0.0.100/33' }, /no address with a prefix/],
    [{ interface: 'eth0 {' }, /character/],
    [{ routers: '10.0.0.1' }, /two to ten/],
    [{ routers: '10.0.0.1,10.0.0.1' }, /each of them once/],
    [{ routers: '10.0.0.1,fd00::1' }, /fd00::1 is no address/],
    [{ router: '10.0.0.3' }, /none of --routers/],
    [{ 'router-id': '256' }, /1 to 255/],
    [{ 'router-id': '0' }, /whole number/],
    [{ check: 'ftp://127.0.0.1' }, /no URL/],
    [{ check: 'http://127.0.0.1/";rm' }, /character/],
    [{ key: 'a.key' }, /--key has no --cert/],
    [{ nodes: 'a:1' }, /--nodes is not for keepalived/],
  ]
  for (const [options, why] of wrongRouters)
    test(`keepalived ${JSON.stringify(options)}`, () => {
      assert.throws(() => routerSettings(new GivenOptions({ ...router, ...options })), {
        name: 'UsageError',
        message: why,
      })
    })
  test('keepalived without what it needs', () => {
    for (const name of Object.keys(router)) {
      const { [name as keyof typeof router]: _, ...less } = router
      assert.throws(() => routerSettings(new GivenOptions(less)), { message: `keepalived needs --${name}` })
    }
  })
})
