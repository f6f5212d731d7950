// Three nodes with access, over TLS: who gets in at one of them gets in at all, and who does not, at none.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { connect, createEngine, createWorker, silentLogger, task } from '../../src/index.ts'
import { quick } from '../http/http-fixture.ts'
import { until } from '../tasks/task-fixtures.ts'
import { Authority, openssl } from '../workers/certificates.ts'
import { PostgresServer } from './server.ts'

const found = openssl()
const skip = 'missing' in found ? found.missing : false
const POLL_MS = 200
const mail = task({ name: 'mail', run: (_, to: string) => `to ${to}` })

describe('a cluster with access', { skip }, () => {
  let server: PostgresServer
  const nodes: Awaited<ReturnType<typeof createEngine>>[] = []
  const directory = mkdtempSync(join(tmpdir(), 'perdure-cluster-access-'))
  const keyFile = join(directory, 'admin.key')
  let ca = ''
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    const authority = new Authority(directory, 'authority')
    ca = authority.issue('client', 'clientAuth').ca
    const { url } = await server.createDatabase()
    for (const name of ['one', 'two', 'three'])
      nodes.push(
        await createEngine({
          store: url,
          cluster: { name, tls: authority.issue(name, 'serverAuth,clientAuth'), handOver: 100 },
          access: { adminKeyFile: keyFile },
          workflows: [quick],
          logger: silentLogger,
          shutdownGrace: 0,
        }),
      )
    await until(() => nodes.every(({ shards }) => shards >= 80))
  })
  after(async () => {
    await Promise.all(nodes.map((node) => node.close()))
    await server[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })
  if (skip !== false) return

  const urlOf = (node: number): string => nodes[node]?.url ?? ''
  const adminKey = (): string => readFileSync(keyFile, 'utf8').trim()

  function ask(
    node: number,
    { key, method = 'GET', path, body }: { key: string; method?: string; path: string; body?: unknown },
  ): Promise<{ readonly status: number; readonly body: ReturnType<typeof JSON.parse> }> {
    return new Promise((resolve, reject) => {
      const sent = body === undefined ? undefined : JSON.stringify(body)
      const asked = request(
        urlOf(node).replace('wss', 'https') + path,
        {
          method,
          ca: readFileSync(ca),
          agent: false,
          headers: {
            authorization: `Bearer ${key}`,
            ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
          },
        },
        (response) => {
          let text = ''
          response.on('data', (chunk) => (text += chunk))
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              body: text === '' ? undefined : JSON.parse(text),
            }),
          )
          response.on('error', reject)
        },
      )
      asked.on('error', reject)
      asked.end(sent)
    })
  }

  async function ok(status: number, ...asked: Parameters<typeof ask>) {
    const answer = await ask(...asked)
    assert.equal(answer.status, status, JSON.stringify(answer.body))
    return answer.body
  }

  /** Until each node answers so; the number of failures of an address is bounded, so nobody asks again who was refused. */
  async function everywhere(status: number, key: string, path = '/v1/executions'): Promise<void> {
    for (const node of nodes.keys())
      await until(async () => {
        const answer = await ask(node, { key, path })
        if (answer.status !== status) await sleep(POLL_MS)
        return answer.status === status
      })
  }

  /** It is known at each node within a second or so. */
  async function made(node: number, body: object): Promise<{ readonly id: string; readonly key: string }> {
    const { id, key } = await ok(201, node, { key: adminKey(), method: 'POST', path: '/v1/api-keys', body })
    await everywhere(200, adminKey(), `/v1/api-keys/${id}`)
    return { id, key }
  }

  const revoke = (node: number, id: string) =>
    ok(204, node, { key: adminKey(), method: 'POST', path: `/v1/api-keys/${id}/revoke` })

  test('a key, a role and a policy of one node count at the others', async () => {
    for (const at of nodes.keys()) {
      const [next, last] = [(at + 1) % 3, (at + 2) % 3]
      const { id, key } = await made(at, { name: `of ${at}` })
      const admin = { key: adminKey() }
      // It is somebody, who may do nothing.
      await everywhere(404, key)
      const binding = { principal: `key:${id}`, role: 'viewer', namespace: 'default' }
      await ok(204, next, { ...admin, method: 'POST', path: '/v1/role-bindings', body: binding })
      await everywhere(200, key)
      const text = `forbid (principal == Perdure::Key::"key:${id}", action == Perdure::Action::"ListExecutions", resource);`
      await ok(200, last, { ...admin, method: 'PUT', path: `/v1/policies/no-${at}`, body: { text } })
      await everywhere(403, key)
      await revoke(at, id)
      await everywhere(401, key)
    }
  })

  test('a quota of open executions holds at all nodes, but for what the others let in meanwhile', async () => {
    const QUOTA = 4
    const body = { name: 'tight', quotas: { openExecutions: QUOTA } }
    await ok(201, 0, { key: adminKey(), method: 'POST', path: '/v1/namespaces', body })
    await everywhere(200, adminKey(), '/v1/namespaces/tight')
    const start = (node: number, id: string) =>
      ask(node, {
        key: adminKey(),
        method: 'POST',
        path: '/v1/executions?namespace=tight',
        body: { workflow: 'quick', id, delayMs: 3_600_000 },
      })
    const asked = await Promise.all(
      Array.from({ length: 45 }, (_, i) => start(i % nodes.length, `at-once-${i}`)),
    )
    const codes = new Set(asked.map(({ body: answer }) => answer.code))
    assert.deepEqual(codes, new Set([undefined, 'QUOTA_EXCEEDED']))
    const open = asked.filter(({ status }) => status === 201).length
    assert.ok(open >= QUOTA && open <= QUOTA * nodes.length, `${open} are open`)
    // As soon as they have counted what the others have let in, all refuse.
    for (const node of nodes.keys()) {
      await until(async () => {
        const { status } = await start(node, `late-${node}`)
        if (status !== 429) await sleep(POLL_MS)
        return status === 429
      })
    }
    const { executions } = await ok(200, 1, {
      key: adminKey(),
      path: '/v1/executions?namespace=tight&status=running',
    })
    assert.ok(executions.length <= QUOTA * nodes.length, `${executions.length} are open`)
    for (const { id } of executions)
      await ok(204, 2, {
        key: adminKey(),
        method: 'POST',
        path: `/v1/executions/${id}/terminate?namespace=tight`,
        body: { reason: 'enough' },
      })
    for (const node of nodes.keys())
      await until(async () => {
        const { status } = await start(node, `again-${node}`)
        if (status !== 201) await sleep(POLL_MS)
        return status === 201
      })
  })

  test('a key that is revoked ends the clients and workers that it has let in, at all nodes', async () => {
    const { id, key } = await made(0, { name: 'connected', roles: ['worker', 'developer'] })
    const far = { token: key, tls: { ca }, logger: silentLogger }
    await using client = await connect(urlOf(1), far)
    await using worker = await createWorker({ url: urlOf(1), tasks: [mail], ...far, shutdownGrace: 0 })
    await until(() => worker.nodes === 3)
    assert.equal(await (await client.start(quick, 'ada', { id: 'by-client' })).result(), 'ada')
    assert.equal(await (await client.enqueue(mail, 'ada')).result(), 'to ada')
    const closed = Promise.withResolvers<readonly [number, string]>()
    const socket = new WebSocket(urlOf(2), ['perdure.client.v2'], {
      ca: readFileSync(ca),
      headers: { authorization: `Bearer ${key}` },
    })
    socket.on('close', (code, reason) => closed.resolve([code, String(reason)]))
    await once(socket, 'open')
    await revoke(0, id)
    assert.deepEqual(await closed.promise, [1008, 'the API key was revoked'])
    for (const node of nodes.keys())
      await until(async () => {
        const { workers } = await ok(200, node, { key: adminKey(), path: '/v1/workers' })
        return workers.every(({ isLocal }: { isLocal: boolean }) => isLocal)
      })
    for (const node of nodes.keys()) {
      // The worker and the client have tried again from the same address, in vain.
      const { status } = await ask(node, { key, path: '/v1/executions' })
      assert.ok(status === 401 || status === 429, String(status))
    }
  })
})
