/** The client on a real cluster of three members: they die, hang, lose their quorum, ask for passwords and certificates. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { EtcdClient } from '../../src/server/cluster/etcd/etcd-client.ts'
import { EtcdError } from '../../src/server/cluster/etcd/etcd-error.ts'
import { checkedCoordinator } from '../../src/server/cluster/etcd/etcd-settings.ts'
import { EtcdCluster, etcdProgram, eventually } from './etcd-cluster.ts'

const skip = 'missing' in etcdProgram

describe('the client of etcd', { skip }, () => {
  let etcd: EtcdCluster
  before(async () => {
    etcd = await EtcdCluster.start()
  })
  after(() => etcd[Symbol.asyncDispose]())

  const clientOf = (first = 0): EtcdClient => new EtcdClient(checkedCoordinator(etcd.url), first)

  test('keys of a lease are listed, the oldest first, and end with it', async () => {
    const client = clientOf()
    const lease = await client.grant(5)
    for (const name of ['b', 'a', 'c']) assert.equal(await client.put(`list/${name}`, '{}', lease), true)
    assert.equal(await client.put('list0', '{}', lease), true)
    const keys = async (): Promise<string[]> => (await client.list('list/')).entries.map(({ key }) => key)
    assert.deepEqual(await keys(), ['list/b', 'list/a', 'list/c'])
    assert.equal(await client.keepAlive(lease), true)
    await client.revoke(lease)
    assert.deepEqual(await keys(), [])
    assert.equal(await client.keepAlive(lease), false)
    assert.equal(await client.put('list/d', '{}', lease), false)
    await client.revoke(lease)
    client.close()
  })

  test('a lease that nobody keeps alive ends, one that is kept alive does not', async () => {
    const client = clientOf()
    const [kept, left] = [await client.grant(2), await client.grant(2)]
    await client.put('ends/kept', '{}', kept)
    await client.put('ends/left', '{}', left)
    await eventually('the lease has ended', async () => {
      assert.equal(await client.keepAlive(kept), true)
      return (await client.list('ends/')).entries.length === 1
    })
    assert.deepEqual(
      (await client.list('ends/')).entries.map(({ key }) => key),
      ['ends/kept'],
    )
    client.close()
  })

  test('a watch tells of changes since a revision, and of no other keys', async () => {
    const client = clientOf()
    const lease = await client.grant(5)
    const { revision } = await client.list('watched/')
    await client.put('watched/before', '{}', lease)
    let changes = 0
    const watch = client.watch('watched/', revision + 1, () => {
      changes += 1
    })
    await eventually('the change before the watch is told', async () => changes === 1)
    await client.put('other', '{}', lease)
    await client.put('watched/after', '{}', lease)
    await eventually('the change after it is told', async () => changes === 2)
    watch.end()
    assert.equal(watch.hasEnded, true)
    client.close()
  })

  test('a member that hangs is left for another within the time of an answer, and so is one that is dead', async () => {
    const client = clientOf(0)
    await client.list('any/')
    const asked = client.endpoint
    const held = etcd.members.find(({ url }) => url === asked)
    assert.ok(held !== undefined)
    const watch = client.watch('any/', 1, () => {})
    held.stop()
    try {
      await eventually('another one answers', () =>
        client.list('any/').then(
          () => true,
          () => false,
        ),
      )
      assert.notEqual(client.endpoint, asked)
      assert.equal(watch.endpoint, asked)
    } finally {
      held.go()
    }
    watch.end()
    await etcd.ready()
    const next = etcd.members.find(({ url }) => url === client.endpoint)
    assert.ok(next !== undefined)
    const followed = client.watch('any/', 1, () => {})
    await next.kill()
    await eventually('the watch has ended with its member', async () => followed.hasEnded)
    await eventually('another one answers', () =>
      client.list('any/').then(
        () => true,
        () => false,
      ),
    )
    assert.notEqual(client.endpoint, next.url)
    await next.start()
    await etcd.ready()
    client.close()
  })

  test('without a quorum nobody answers, with the reason of each member; with it again, they do', async () => {
    const client = clientOf(1)
    const leader = await etcd.leader()
    const other = etcd.members.find((member) => member !== leader)
    assert.ok(other !== undefined)
    await Promise.all([leader.kill(), other.kill()])
    try {
      const error = await client.list('any/').then(
        () => undefined,
        (reason: unknown) => reason,
      )
      assert.ok(error instanceof EtcdError && error.kind === 'unavailable', String(error))
      for (const { url } of etcd.members) assert.match(error.message, new RegExp(url))
    } finally {
      await Promise.all([leader.start(), other.start()])
    }
    await etcd.ready()
    await client.list('any/')
    client.close()
  })

  test('what speaks no etcd is passed over', async () => {
    const stranger = await strangerOf((path) => (path.length > 0 ? '<html>hello</html>' : ''))
    const { port } = stranger.address() as AddressInfo
    const client = new EtcdClient(checkedCoordinator(`${etcd.url.replace('//', `//127.0.0.1:${port},`)}`))
    assert.ok((await client.list('any/')).revision > 0)
    client.close()
    stranger.close()
  })

  test('an answer that never ends is not kept', async () => {
    const stranger = createServer((_, response) => {
      const more = (): void => {
        while (response.write('x'.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => stranger.once('listening', resolve))
    const { port } = stranger.address() as AddressInfo
    const client = new EtcdClient(checkedCoordinator(`etcd://127.0.0.1:${port}`), 0, 30_000)
    await assert.rejects(client.list('any/'), /more than 4194304 bytes/)
    client.close()
    stranger.closeAllConnections()
    stranger.close()
  })
})

async function strangerOf(answer: (path: string) => string): Promise<Server> {
  const server = createServer((request, response) => response.end(answer(request.url ?? '')))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

describe('etcd that asks who we are', { skip }, () => {
  test('certificates: those of an authority that is not known are refused', async () => {
    await using etcd = await EtcdCluster.start({ members: 1, isSecure: true })
    const text = (name: 'ca' | 'node' | 'node-key'): string => readFileSync(etcd.pem(name), 'utf8')
    const tls = { ca: text('ca'), cert: text('node'), key: text('node-key') }
    const client = new EtcdClient(checkedCoordinator({ url: etcd.url, tls }))
    const lease = await client.grant(5)
    assert.equal(await client.put('key', 'value', lease), true)
    let changes = 0
    const watch = client.watch('secret/', 1, () => {
      changes += 1
    })
    await client.put('secret/key', 'value', lease)
    await eventually('the watch works over TLS', async () => changes > 0)
    watch.end()
    client.close()
    for (const [settings, reason] of [
      [{ url: etcd.url }, /unable to verify the first certificate|self-signed certificate/],
      [
        { url: etcd.url, tls: { ca: tls.ca } },
        /certificate required|bad certificate|handshake|ECONNRESET|socket hang up/,
      ],
    ] as const) {
      const refused = new EtcdClient(checkedCoordinator(settings))
      await assert.rejects(refused.list('key/'), reason)
      refused.close()
    }
  })

  test('user and password: a token is asked for, and again when the member has forgotten it', async () => {
    await using etcd = await EtcdCluster.start({ members: 1 })
    const [member] = etcd.members
    assert.ok(member !== undefined)
    const ask = (path: string, body: object): Promise<unknown> => etcd.ask(member, path, body)
    await ask('auth/user/add', { name: 'root', password: 'secret' })
    await ask('auth/role/add', { name: 'root' })
    await ask('auth/user/grant', { user: 'root', role: 'root' })
    await ask('auth/user/add', { name: 'nobody', password: 'secret' })
    await ask('auth/user/add', { name: 'perdure', password: 'secret' })
    await ask('auth/role/add', { name: 'perdure' })
    const perm = { permType: 'READWRITE', key: base64('perdure/'), range_end: base64('perdure0') }
    await ask('auth/role/grant', { name: 'perdure', perm })
    await ask('auth/user/grant', { user: 'perdure', role: 'perdure' })
    await ask('auth/enable', {})
    const clientOf = (more: object): EtcdClient =>
      new EtcdClient(checkedCoordinator({ url: etcd.url, ...more }))
    const client = clientOf({ user: 'root', password: 'secret' })
    await client.list('key/')
    await member.kill()
    await member.start()
    await eventually('the member is back', () =>
      ask('auth/authenticate', { name: 'root', password: 'secret' }).then(
        () => true,
        () => false,
      ),
    )
    await client.list('key/')
    client.close()
    await usesPrefix(clientOf({ user: 'perdure', password: 'secret' }))
    for (const [more, reason] of [
      [{ user: 'root', password: 'wrong' }, /invalid user ID or password/],
      [{ user: 'nobody', password: 'secret' }, /permission denied/],
      [{}, /user name is empty/],
    ] as const) {
      const refused = clientOf(more)
      await assert.rejects(refused.list('key/'), (error) => {
        assert.ok(error instanceof EtcdError)
        assert.match(error.message, reason)
        assert.equal(error.kind, 'refused')
        return true
      })
      refused.close()
    }
  })
})

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** All that a node does, as a user who may read and write the keys under the prefix, and nothing else. */
async function usesPrefix(client: EtcdClient): Promise<void> {
  const { revision } = await client.list('perdure/nodes/')
  let changes = 0
  const watch = client.watch('perdure/nodes/', revision + 1, () => {
    changes += 1
  })
  const lease = await client.grant(5)
  assert.equal(await client.put('perdure/nodes/a', '{}', lease), true)
  assert.equal(await client.keepAlive(lease), true)
  await eventually('the change is told', () => changes > 0)
  await client.revoke(lease)
  assert.deepEqual((await client.list('perdure/nodes/')).entries, [])
  await assert.rejects(client.list('other/'), /permission denied/)
  watch.end()
  client.close()
}
