/** `perdure start --coordinator`: two processes over PostgreSQL and an etcd that asks for a password, and certificates. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect, silentLogger } from '../../src/index.ts'
import { greet } from '../cli/start-definitions.ts'
import { ended, started } from '../cli/start-process.ts'
import { perdure } from '../cli/store-fixture.ts'
import { PostgresServer } from '../postgres/server.ts'
import { EtcdCluster, etcdProgram, eventually } from './etcd-cluster.ts'

const DEFINITIONS = join(import.meta.dirname, '../cli/start-definitions.ts')

describe('perdure start --coordinator', { skip: 'missing' in etcdProgram }, () => {
  let server: PostgresServer
  let etcd: EtcdCluster
  let directory = ''
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'perdure-etcd-start-'))
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    etcd = await EtcdCluster.start({ members: 1, isSecure: true })
    const [member] = etcd.members
    assert.ok(member !== undefined)
    for (const [path, body] of [
      ['auth/user/add', { name: 'root', password: 'secret' }],
      ['auth/role/add', { name: 'root' }],
      ['auth/user/grant', { user: 'root', role: 'root' }],
      ['auth/enable', {}],
    ] as const)
      await etcd.ask(member, path, body)
  })
  after(async () => {
    await etcd[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  test('user, password file and certificates come from the environment; one of the nodes leads', async () => {
    const { url: store } = await server.createDatabase()
    const passwordFile = join(directory, 'password')
    writeFileSync(passwordFile, 'secret\n', { mode: 0o600 })
    const env = {
      PERDURE_STORE: store,
      PERDURE_COORDINATOR: `${etcd.url}/orders`,
      PERDURE_COORDINATOR_USER: 'root',
      PERDURE_COORDINATOR_PASSWORD_FILE: passwordFile,
      PERDURE_COORDINATOR_CA_FILE: etcd.pem('ca'),
      PERDURE_COORDINATOR_CERT_FILE: etcd.pem('node'),
      PERDURE_COORDINATOR_KEY_FILE: etcd.pem('node-key'),
    }
    const args = ['--workflows', DEFINITIONS, '--listen', '127.0.0.1:0']
    const nodes = await Promise.all(['a', 'b'].map((name) => started([...args, '--name', name], { env })))
    const urls = nodes.flatMap((node) => node.urls)
    const client = await connect(urls, { logger: silentLogger })
    try {
      assert.equal(await (await client.start(greet, 'ada')).result(), 'HELLO ADA')
      await eventually('one leads', async () => {
        const leaders = (await client.nodes.list()).filter(({ isLeader }) => isLeader)
        return leaders.length === 1
      })
    } finally {
      await client.close()
    }
    for (const node of nodes) assert.equal(await ended(node), 0)
  })

  test('a password that is wrong, and an etcd that is not there, end the start with what to do', async () => {
    const { url: store } = await server.createDatabase()
    const args = ['start', '--workflows', DEFINITIONS, '--store', store, '--listen', '127.0.0.1:0']
    const none = await perdure([...args, '--coordinator', 'etcd://127.0.0.1:1'])
    assert.equal(none.code, 1)
    assert.match(
      none.stderr.replaceAll(/\s+/g, ' '),
      /etcd cannot be asked: no member of etcd answers: http:\/\/127\.0\.0\.1:1: .*Look whether etcd runs/,
    )
    const config = join(directory, 'perdure.config.mjs')
    writeFileSync(
      config,
      `import { readFileSync } from 'node:fs'
       export default { coordinator: { url: ${JSON.stringify(etcd.url)}, user: 'root', password: 'wrong', tls: {
         ca: readFileSync(${JSON.stringify(etcd.pem('ca'))}, 'utf8'),
         cert: readFileSync(${JSON.stringify(etcd.pem('node'))}, 'utf8'),
         key: readFileSync(${JSON.stringify(etcd.pem('node-key'))}, 'utf8'),
       } } }`,
    )
    const refused = await perdure([...args, '--config', config])
    assert.equal(refused.code, 1)
    assert.match(
      refused.stderr.replaceAll(/\s+/g, ' '),
      /etcd refuses this node: .*invalid user ID or password/,
    )
  })
})
