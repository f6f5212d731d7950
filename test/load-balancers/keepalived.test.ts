// Keepalived moves a virtual address between two machines with HAProxy, and a client at that address goes on.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GivenOptions } from '../../src/cli/command.ts'
import { keepalivedConfig } from '../../src/cli/lb-config/keepalived-config.ts'
import { routerSettings } from '../../src/cli/lb-config/lb-config-options.ts'
import { connect, silentLogger } from '../../src/index.ts'
import { type Started, started } from '../cli/start-process.ts'
import { addOne } from '../postgres/cluster-workload.ts'
import { PostgresServer } from '../postgres/server.ts'
import { Authority } from '../workers/certificates.ts'
import { configOf, missingFronts } from './front.ts'
import { type Machine, missingNamespaces, type Program, RouterNetwork } from './router-namespaces.ts'

const skip = missingFronts() || missingNamespaces()
const DEFINITIONS = join(import.meta.dirname, 'cluster-definitions.ts')
const PORT = 7300

/** What one client sees of it all. */
interface Going {
  answered: number
  readonly failures: string[]
  isOver: boolean
}

async function goesOn(url: string, going: Going): Promise<void> {
  await using client = await connect(url, { logger: silentLogger })
  for (let i = 0; !going.isOver; i++) {
    try {
      const result = await (await client.start(addOne, i, { id: `add-${i}` })).result()
      if (result !== i + 1) going.failures.push(`${i}: ${result}`)
      going.answered += 1
    } catch (error) {
      going.failures.push(`${i}: ${error}`)
    }
  }
}

describe('an address that two machines share', { skip }, () => {
  if (skip !== false) return
  const directory = mkdtempSync(join(tmpdir(), 'perdure-keepalived-'))
  const nodes: Started[] = []
  let server: PostgresServer | undefined
  let network: RouterNetwork | undefined
  after(async () => {
    for (const { child } of nodes) child.kill('SIGKILL')
    await network?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  test('moves when the check of its machine fails, and when the machine is lost; a client goes on', async () => {
    network = new RouterNetwork()
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    const { url: store } = await server.createDatabase()
    const { prefix, address } = network
    const [one, two] = [network.add(11), network.add(12)]
    const virtual = `${prefix}.100`

    const authority = new Authority(directory, 'authority')
    const node = authority.issue('node', 'serverAuth,clientAuth', `IP:${address},DNS:nodes.internal`)
    const balancer = authority.issue('balancer', 'clientAuth')
    const both = join(directory, 'balancer.pem')
    writeFileSync(both, readFileSync(balancer.cert, 'utf8') + readFileSync(balancer.key, 'utf8'))
    for (let i = 0; i < 2; i++)
      nodes.push(
        await started([
          ...['--workflows', DEFINITIONS, '--store', store, '--listen', `${address}:0`, '--log', 'error'],
          ...['--tls-cert', node.cert, '--tls-key', node.key, '--tls-ca', node.ca],
          ...['--trusted-proxies', `${one.address},${two.address}`],
        ]),
      )

    const haproxy = join(directory, 'haproxy.cfg')
    const places = nodes.map(({ urls: [url = ''] }) => new URL(url).host).join(',')
    const toNodes = { ca: authority.ca, 'node-cert': both, 'node-name': 'nodes.internal' }
    writeFileSync(haproxy, configOf('haproxy', { nodes: places, listen: `0.0.0.0:${PORT}`, ...toNodes }))
    const balance = (machine: Machine): Program => machine.start('/usr/sbin/haproxy', '-db', '-f', haproxy)
    const keep = (machine: Machine): Program => {
      const file = join(directory, `${machine.name}.conf`)
      const options = {
        address: `${virtual}/24`,
        interface: 'eth0',
        routers: `${one.address},${two.address}`,
        router: machine.address,
        listen: String(PORT),
      }
      writeFileSync(file, keepalivedConfig(routerSettings(new GivenOptions(options))))
      assert.deepEqual(machine.tried('/usr/sbin/keepalived', '-t', '-f', file), { status: 0, said: '' })
      const pids = ['-p', `${file}.pid`, '-r', `${file}.vrrp.pid`]
      return machine.start('/usr/sbin/keepalived', '-n', '-l', '-D', '-f', file, ...pids)
    }
    const wrong = join(directory, 'wrong.conf')
    writeFileSync(wrong, 'vrrp_instance perdure {\n interface nowhere\n}\n')
    assert.notEqual(one.tried('/usr/sbin/keepalived', '-t', '-f', wrong).status, 0)

    balance(one)
    balance(two)
    const keptOne = keep(one)
    await has(one, virtual)
    const keptTwo = keep(two)
    await says(keptTwo, /Entering BACKUP STATE/)

    const going: Going = { answered: 0, failures: [], isOver: false }
    const gone = goesOn(`ws://${virtual}:${PORT}`, going)
    await more(going)
    // Its balancer is not there any more: the check of this machine fails.
    one.kill('haproxy')
    await has(two, virtual)
    await hasNot(one, virtual)
    await more(going)

    const before = keptOne.lines.length
    balance(one)
    await says(keptOne, /Entering BACKUP STATE/, before)
    assert.ok(two.has(virtual), 'whoever has it keeps it')
    two.cutOff()
    await has(one, virtual)
    await more(going)
    going.isOver = true
    await gone
    assert.deepEqual(going.failures, [])
  })
})

async function has(machine: Machine, address: string): Promise<void> {
  while (!machine.has(address)) await sleep(50)
}

async function hasNot(machine: Machine, address: string): Promise<void> {
  while (machine.has(address)) await sleep(50)
}

async function says({ child, lines }: Program, what: RegExp, from = 0): Promise<void> {
  while (!lines.slice(from).some((line) => what.test(line))) {
    assert.equal(child.exitCode, null, lines.join('\n'))
    await sleep(50)
  }
}

/** The client gets answers. */
async function more(going: Going): Promise<void> {
  const { answered } = going
  while (going.answered < answered + 10) await sleep(20)
}
