/** Stores of data keys: the same contract for SQLite and PostgreSQL, with several programs on one store; and shredding. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  createEngine,
  openEncryption,
  PerdureError,
  signal,
  silentLogger,
  task,
  workflow,
} from '../../src/index.ts'
import type { DataKeyStore, StoredDataKey } from '../../src/platform/encryption/data-key-store.ts'
import { KeyFiles } from '../../src/platform/encryption/key-files.ts'
import { KeyRing } from '../../src/platform/encryption/key-ring.ts'
import { PostgresDataKeys } from '../../src/platform/encryption/postgres-data-keys.ts'
import { SqliteDataKeys } from '../../src/platform/encryption/sqlite-data-keys.ts'
import { StoredKeys } from '../../src/platform/encryption/stored-keys.ts'
import { keyScopeOf } from '../../src/protocol/encrypted-payload.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { PostgresServer } from '../postgres/server.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { cipher, open, seal } from './cipher-fixture.ts'
import { rsaKeys } from './rsa-keys.ts'

const key = (id: string, scope = 'execution:a', namespace = 'shop'): StoredDataKey => ({
  ...{ namespace, scope, id, wrappedBy: 'owner' },
  wrapped: Buffer.from(`wrapped ${id}`),
})

interface StoreFixture {
  readonly url: string
  open(): DataKeyStore
}

function describeDataKeys(name: string, fixture: () => Promise<StoreFixture>): void {
  describe(name, () => {
    let made: StoreFixture
    const stores: DataKeyStore[] = []
    const another = (): DataKeyStore => {
      const store = made.open()
      stores.push(store)
      return store
    }
    before(async () => {
      made = await fixture()
    })
    after(async () => {
      for (const store of stores) await store.close()
    })

    it('gives each scope the key that came first, also to programs that ask at the same time', async () => {
      const programs = [another(), another(), another(), another()]
      const answers = await Promise.all(
        programs.map((store, i) =>
          store.claim(
            Array.from({ length: 50 }, (_, scope) => key(`${i}-${scope}`, `execution:${scope}`, 'racing')),
          ),
        ),
      )
      const [first = []] = answers
      assert.deepEqual(
        first.map((each) => each?.scope),
        Array.from({ length: 50 }, (_, scope) => `execution:${scope}`),
      )
      for (const answer of answers)
        assert.deepEqual(
          answer.map((each) => each?.id),
          first.map((each) => each?.id),
        )
      for (const each of first)
        assert.equal(Buffer.from(each?.wrapped ?? []).toString(), `wrapped ${each?.id}`)
    })

    it('finds keys by id, in their namespace only', async () => {
      const store = another()
      await store.claim([key('k1', 'execution:1'), key('k2', 'execution:2')])
      const found = await store.find('shop', ['k2', 'none', 'k1'])
      assert.deepEqual(
        found.map((each) => each?.id),
        ['k2', undefined, 'k1'],
      )
      assert.deepEqual(await store.find('other', ['k1']), [undefined])
    })

    it('destroys one key, or all of a namespace; that they were there stays', async () => {
      const store = another()
      await store.claim([
        key('d0', '', 'dying'),
        key('d1', 'execution:1', 'dying'),
        key('d2', 'execution:2', 'dying'),
      ])
      await store.claim([key('s1', 'execution:1', 'staying')])
      assert.equal(await store.destroy({ namespace: 'dying', scope: 'execution:1' }, 17), 1)
      assert.equal(await store.destroy({ namespace: 'dying', scope: 'execution:1' }, 18), 0)
      assert.deepEqual(await store.find('dying', ['d1']), [{ id: 'd1', destroyedMs: 17 }])
      const [again] = await store.claim([key('d3', 'execution:1', 'dying')])
      assert.equal(again?.id, 'd3')
      assert.equal(await store.destroy({ namespace: 'dying' }, 19), 3)
      assert.deepEqual(await store.find('dying', ['d0', 'd2', 'd3']), [
        { id: 'd0', destroyedMs: 19 },
        { id: 'd2', destroyedMs: 19 },
        { id: 'd3', destroyedMs: 19 },
      ])
      assert.equal((await store.find('staying', ['s1']))[0]?.id, 's1')
    })

    it('takes no key that was wrapped by one that is destroyed, and keeps none', async () => {
      const store = another()
      const wrapped = (id: string, wrappedBy: string, scope: string): StoredDataKey => ({
        ...key(id, scope, 'poisoned'),
        wrappedBy,
      })
      await store.claim([wrapped('p0', 'service', '')])
      await store.claim([wrapped('p1', 'p0', 'execution:1')])
      await store.destroy({ namespace: 'poisoned', scope: '' }, 7)
      // Whoever remembers the key of the namespace still wraps by it.
      assert.deepEqual(
        await store.claim([wrapped('p2', 'p0', 'execution:1'), wrapped('p3', 'p0', 'execution:2')]),
        [undefined, undefined],
      )
      assert.deepEqual(await store.find('poisoned', ['p1', 'p2', 'p3']), [
        { id: 'p1', destroyedMs: 7 },
        undefined,
        undefined,
      ])
      await store.claim([wrapped('q0', 'service', '')])
      const [renewed] = await store.claim([wrapped('q1', 'q0', 'execution:1')])
      assert.equal(renewed?.id, 'q1')
    })

    it('lets a program that remembers the key of a shredded namespace write what can be read', async () => {
      const [writer, reader] = [another(), another()].map((store) => cipher({ store }))
      if (writer === undefined || reader === undefined) throw new Error('two were made')
      const place = (owner: string) => ({ namespace: 'again', owner, purpose: 'result' }) as const
      const before = await seal(writer, encodePayload('before'), place('old'))
      await another().destroy({ namespace: 'again' }, 7)
      // Another execution: its key is not remembered, and that of its namespace is.
      const sealed = await seal(writer, encodePayload('after'), place('new'))
      assert.equal((await open(reader, sealed, place('new')))[3], 'after')
      assert.equal((await seal(reader, encodePayload('more'), place('new')))[2], sealed[2])
      await assert.rejects(open(reader, before, place('old')), { code: 'PAYLOAD_SHREDDED' })
    })

    it('remembers no key that was asked for before it was shredded', async () => {
      const store = another()
      const slow = Promise.withResolvers<void>()
      const asked = Promise.withResolvers<void>()
      let isSlow = true
      const late: DataKeyStore = Object.assign(Object.create(store), {
        claim: async (candidates: readonly StoredDataKey[]) => {
          const found = await store.claim(candidates)
          if (!isSlow || candidates[0]?.scope === '') return found
          isSlow = false
          asked.resolve()
          await slow.promise
          return found
        },
      })
      const keys = new KeyFiles({ privateKeys: [rsaKeys().privateKey] })
      const options = { nowMs: Date.now, rememberMs: 300_000 }
      const stored = new StoredKeys({ keys, store: late, ...options })
      const ring = new KeyRing({ keys, stored, rememberMost: 1000, ...options })
      const needs = { namespace: 'late', scopes: ['execution:a'], references: [] }
      const before = ring.keysFor(needs)
      await asked.promise
      await store.destroy({ namespace: 'late', scope: 'execution:a' }, 7)
      ring.forget('late')
      stored.forget('late')
      const after = ring.keysFor(needs)
      slow.resolve()
      const [dead, alive] = await Promise.all([before, after])
      assert.notEqual(dead.writing('execution:a').key.id, alive.writing('execution:a').key.id)
      const remembered = await ring.keysFor(needs)
      assert.equal(remembered.writing('execution:a').key.id, alive.writing('execution:a').key.id)
    })

    it('wraps keys of namespaces anew, once', async () => {
      const store = another()
      await store.claim([key('n1', '', 'turning'), key('e1', 'execution:1', 'turning')])
      const [before] = (await store.namespaceKeys()).filter(({ namespace }) => namespace === 'turning')
      assert.equal(before?.id, 'n1')
      if (before === undefined) return
      assert.equal(await store.replaceWrapped(before, 'newer', Buffer.from('other')), true)
      assert.equal(await store.replaceWrapped(before, 'newest', Buffer.from('third')), false)
      const [after] = await store.claim([key('n2', '', 'turning')])
      assert.deepEqual(
        [after?.id, after?.wrappedBy, Buffer.from(after?.wrapped ?? []).toString()],
        ['n1', 'newer', 'other'],
      )
    })

    it('serves ciphers of several programs; a key that is remembered is asked for again after a while', async () => {
      let nowMs = 0
      const options = { nowMs: () => nowMs, rememberMs: 1000 }
      const [writer, reader, late] = [another(), another(), another()].map((store) =>
        cipher({ store, ...options }),
      )
      if (writer === undefined || reader === undefined || late === undefined)
        throw new Error('three were made')
      const place = { namespace: 'ciphers', owner: 'w', purpose: 'result' } as const
      const sealed = await seal(writer, encodePayload('secret'), place)
      assert.equal((await open(reader, sealed, place))[3], 'secret')
      // The other program writes with the same key.
      assert.equal((await seal(reader, encodePayload('other'), place))[2], sealed[2])
      const scope = keyScopeOf('result', 'w')
      assert.equal(await another().destroy({ namespace: 'ciphers', scope }, Date.UTC(2026, 0, 1)), 1)
      const gone = { code: 'PAYLOAD_SHREDDED', message: /was destroyed at 2026-01-01/ }
      await assert.rejects(open(late, sealed, place), gone)
      assert.equal((await open(reader, sealed, place))[3], 'secret')
      nowMs = 1001
      await assert.rejects(open(reader, sealed, place), gone)
      await assert.rejects(open(writer, sealed, place), gone)
      assert.notEqual((await seal(writer, encodePayload('new'), place))[2], sealed[2])
    })

    it('shreds one execution, a task, and a namespace', async () => {
      const go = signal<string>('go')
      const waiting = workflow({
        name: 'waiting',
        run: async (ctx, input: string) => `${await ctx.step('s', () => input)} ${await ctx.waitFor(go)}`,
      })
      const echo = task({ name: 'echo', run: (_, given: string) => given })
      await using encryption = await openEncryption({
        keys: { privateKeys: [rsaKeys().privateKey] },
        dataKeys: made.url,
      })
      await using engine = await createEngine({
        ...{ store: 'memory', workflows: [waiting], tasks: [echo], encryption, logger: silentLogger },
        namespace: 'shredded',
      })
      const namespace = 'shredded'
      const [ended, other] = await Promise.all(
        ['ended', 'other'].map((id) => engine.start(waiting, id, { id })),
      )
      if (ended === undefined || other === undefined) throw new Error('two were started')
      for (const each of [ended, other]) {
        await each.signal(go, 'went')
        assert.equal(await each.result(), `${each.id} went`)
      }
      const unreadable = { code: 'PAYLOAD_SHREDDED', message: /was destroyed at/ }
      assert.equal(await encryption.shred({ namespace, workflowId: 'ended' }), 1)
      await assert.rejects(ended.result(), unreadable)
      await assert.rejects(ended.history(), unreadable)
      assert.equal((await ended.describe()).status, 'completed')
      assert.equal(await other.result(), 'other went')
      assert.equal(await encryption.shred({ namespace, wholeNamespace: true }), 2)
      await assert.rejects(other.result(), unreadable)
      const waits = await engine.enqueue(echo, 'secret', { id: 'waits', delay: '300ms' })
      assert.equal(await encryption.shred({ namespace, taskId: 'waits' }), 1)
      await assert.rejects(
        waits.result(),
        (error: Error) => (error.cause as PerdureError).code === 'PAYLOAD_SHREDDED',
      )
      // The id is free for what is new.
      const renewed = await engine.start(waiting, 'renewed', {
        id: 'ended',
        onConflict: 'terminate-existing',
      })
      await renewed.signal(go, 'went')
      assert.equal(await renewed.result(), 'renewed went')
      await assert.rejects(encryption.shred({ namespace }), { code: 'ARGUMENT_INVALID' })
      await assert.rejects(encryption.shred({ namespace, workflowId: 'a', taskId: 'b' }), {
        code: 'ARGUMENT_INVALID',
      })
    })
  })
}

const file = temporaryFile('keys.db')
after(() => file[Symbol.dispose]())
describeDataKeys('data keys in SQLite', async () => ({
  url: `sqlite:${file.path}`,
  open: () => new SqliteDataKeys(file.path),
}))

let server: PostgresServer
before(async () => {
  server = await PostgresServer.start({ settings: { fsync: 'off' } })
})
after(() => server[Symbol.asyncDispose]())
describeDataKeys('data keys in PostgreSQL', async () => {
  const { url } = await server.createDatabase()
  return { url, open: () => new PostgresDataKeys(url) }
})

describe('a SQLite file of data keys', () => {
  it('holds nothing of a key that was destroyed, while another program has it open', async () => {
    using own = temporaryFile('keys.db')
    const [store, other] = [new SqliteDataKeys(own.path), new SqliteDataKeys(own.path)]
    const holds = (text: string): boolean =>
      readdirSync(dirname(own.path)).some((name) =>
        readFileSync(join(dirname(own.path), name)).includes(text),
      )
    await store.claim([key('SHREDDED'), key('KEPT', 'execution:b')])
    await other.find('shop', ['SHREDDED'])
    assert.ok(holds('wrapped SHREDDED'))
    await store.destroy({ namespace: 'shop', scope: 'execution:a' }, 1)
    assert.ok(!holds('wrapped SHREDDED'))
    assert.ok(holds('wrapped KEPT'))
    await store.close()
    await other.close()
  })

  it('is no other database', async () => {
    using own = temporaryFile('x.db')
    {
      await using _engine = await createEngine({ store: `sqlite:${own.path}` })
    }
    assert.throws(() => new SqliteDataKeys(own.path), {
      code: 'STORE_INVALID',
      message: /a file of their own/,
    })
    assert.throws(() => new SqliteDataKeys(join(dirname(own.path), 'none/x.db')), { code: 'STORE_INVALID' })
  })
})

it('nothing more is written with a key that was destroyed, also if the rest of shredding has failed', async () => {
  using own = temporaryFile('keys.db')
  const failed = { code: 'KEYS_UNAVAILABLE' }
  // As where another program holds the log of the file.
  class Held extends SqliteDataKeys {
    override async destroy(...given: Parameters<DataKeyStore['destroy']>): Promise<number> {
      await super.destroy(...given)
      throw new PerdureError('KEYS_UNAVAILABLE', 'the log still has the former ones')
    }
  }
  await using encryption = await openEncryption({
    ...{ keys: { privateKeys: [rsaKeys().privateKey] }, dataKeys: new Held(own.path) },
  })
  const { codec } = encryption
  const place = { namespace: 'default', owner: 'w', purpose: 'result' } as const
  const seals = () => codec.code('default', (coder) => coder.seal(encodePayload('new'), place))
  const old = await seals()
  await assert.rejects(encryption.shred({ workflowId: 'w' }), failed)
  const next = await seals()
  assert.notEqual(next[2], old[2])
  assert.equal((await codec.code('default', (coder) => coder.open(next, place)))[3], 'new')
  await assert.rejects(encryption.shred({ wholeNamespace: true }), failed)
  assert.notEqual((await seals())[2], next[2])
})

it('without a store of data keys nothing can be shredded', async () => {
  await using encryption = await openEncryption({ keys: { privateKeys: [rsaKeys().privateKey] } })
  await assert.rejects(encryption.shred({ workflowId: 'x' }), { code: 'SHREDDING_IMPOSSIBLE' })
  await assert.rejects(encryption.rewrap(), { code: 'SHREDDING_IMPOSSIBLE' })
})
