// API keys: their text, who they are of, and when they end.
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import { apiKeyOf, hashOfSecret, newApiKey } from '../../src/server/access/api-key.ts'
import { ApiKeys } from '../../src/server/access/api-keys.ts'
import { KnownCallers } from '../../src/server/access/known-callers.ts'
import { recordedLog } from '../sdk/recorded-log.ts'
import { codeOf, type OpenedAccess, openAccess, START_MS } from './access-fixtures.ts'
import { MemoryRegistry } from './memory-registry.ts'

const LISTS = { list: () => ({ executions: [] }) }
const ADDRESS = '192.0.2.9'

function enter({ access }: OpenedAccess, key: string, address = ADDRESS): Promise<Caller> {
  return access.authenticate({ authorization: `Bearer ${key}`, address })
}

const rules = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] } as const satisfies Caller

describe('the text of a key', () => {
  test('is one that can be told from what was mistyped', () => {
    const { id, text, hash } = newApiKey()
    assert.match(text, /^pdk_[0-9a-z]{12}_[0-9A-Za-z]{49}$/)
    const parsed = apiKeyOf(text)
    assert.equal(parsed?.id, id)
    assert.equal(hashOfSecret(parsed?.secret ?? ''), hash)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 33, max: 126 }), (at, code) => {
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1)
        assert.equal(apiKeyOf(changed) === undefined, changed !== text)
      }),
      { numRuns: 2000 },
    )
  })

  test('nothing else is one', () => {
    fc.assert(
      fc.property(fc.string(), (text) => assert.equal(apiKeyOf(`pdk_${text}`), undefined)),
      {
        numRuns: 5000,
      },
    )
  })

  test('no two are alike', () => {
    const keys = Array.from({ length: 1000 }, () => newApiKey())
    for (const part of ['id', 'text', 'hash'] as const)
      assert.equal(new Set(keys.map((key) => key[part])).size, keys.length)
  })
})

describe('a key', () => {
  test('is who it was made for, and its secret is nowhere', async () => {
    await using opened = await openAccess()
    await opened.createNamespace('billing')
    const made = await opened.admin.createKey(rules, {
      name: 'mailer',
      namespace: 'billing',
      roles: ['worker', 'viewer@default'],
      groups: ['programs'],
    })
    assert.deepEqual(await enter(opened, made.key), {
      id: `key:${made.id}`,
      kind: 'api-key',
      name: 'mailer',
      namespace: 'billing',
      groups: ['programs'],
      roles: ['worker', 'viewer@default'],
      address: ADDRESS,
    })
    const stored = JSON.stringify(opened.registry.list('api-key'))
    assert.equal(stored.includes(apiKeyOf(made.key)?.secret ?? '?'), false)
    const [listed] = await opened.admin.listKeys(rules)
    assert.equal(listed?.prefix, made.key.slice(0, 16))
    assert.equal(JSON.stringify(listed).includes('hash'), false)
  })

  test('with another secret, of another id, or without one, is none', async () => {
    await using opened = await openAccess()
    const made = await opened.admin.createKey(rules, { name: 'a' })
    const other = newApiKey().text
    for (const key of [other, made.key.slice(0, -1), `${made.key}a`, 'pdk_', `${made.key} ${made.key}`])
      assert.match(await codeOf(enter(opened, key, key.slice(-20))), /UNAUTHENTICATED/, key)
    for (const authorization of ['', 'Bearer', `Basic ${made.key}`, made.key, `Bearer ${made.key}\0`])
      assert.equal(
        await codeOf(opened.access.authenticate({ authorization, address: '198.51.100.1' })),
        'UNAUTHENTICATED',
      )
    assert.equal(await codeOf(opened.access.authenticate({ address: ADDRESS })), 'UNAUTHENTICATED')
    await enter(opened, made.key)
  })

  test('expires', async () => {
    await using opened = await openAccess()
    const { key } = await opened.admin.createKey(rules, { name: 'a', expiresInMs: 60_000 })
    const caller = await enter(opened, key)
    const told: string[] = []
    opened.access.follow(caller, (why) => told.push(why))
    opened.pass(59_999)
    await enter(opened, key)
    assert.deepEqual(told, [])
    opened.pass(1)
    assert.equal(await codeOf(enter(opened, key)), 'UNAUTHENTICATED')
    assert.match(told.join(), /has expired/)
  })

  test('that is revoked opens nothing any more, and whoever is connected with it is told', async () => {
    await using opened = await openAccess()
    const { key, id } = await opened.admin.createKey(rules, { name: 'a' })
    const other = await opened.admin.createKey(rules, { name: 'b' })
    const told: string[] = []
    opened.access.follow(await enter(opened, key), (why) => told.push(`a ${why}`))
    opened.access.follow(await enter(opened, other.key), (why) => told.push(`b ${why}`))
    const unfollow = opened.access.follow(await enter(opened, key), () => told.push('it has gone'))
    unfollow()
    await opened.admin.revokeKey(rules, id)
    assert.deepEqual(
      told.map((each) => each.slice(0, 1)),
      ['a'],
    )
    assert.match(told.join(), /was revoked/)
    assert.equal(await codeOf(enter(opened, key)), 'UNAUTHENTICATED')
    await enter(opened, other.key)
    await opened.admin.revokeKey(rules, id)
    assert.notEqual((await opened.admin.listKeys(rules)).find((each) => each.id === id)?.revokedMs, undefined)
    await opened.admin.deleteKey(rules, id)
    assert.equal(await codeOf(opened.admin.revokeKey(rules, id)), 'RECORD_NOT_FOUND')
    assert.equal(await codeOf(opened.admin.deleteKey(rules, other.id)), 'ARGUMENT_INVALID')
  })

  test('that was revoked by a node whose clock is ahead is revoked now', async () => {
    await using opened = await openAccess()
    const { key, id } = await opened.admin.createKey(rules, { name: 'a' })
    const entry = opened.registry.get('api-key', '', id)
    await opened.registry.put(
      { kind: 'api-key', namespace: '', id },
      {
        ...(entry?.body as object),
        revokedMs: START_MS + 60_000,
      },
    )
    assert.equal(await codeOf(enter(opened, key)), 'UNAUTHENTICATED')
  })

  test('gets another secret, and the old one goes on for the time of grace', async () => {
    await using opened = await openAccess()
    const { key, id } = await opened.admin.createKey(rules, { name: 'a', roles: ['viewer'] })
    const caller = await enter(opened, key)
    const told: string[] = []
    opened.access.follow(caller, (why) => told.push(why))
    // A key may do this to itself.
    const { key: next } = await opened.admin.rotateKey(caller, id, 10_000)
    assert.notEqual(next, key)
    await enter(opened, key)
    await enter(opened, next)
    assert.deepEqual(told, [])
    opened.pass(10_000)
    assert.match(told.join(), /another secret/)
    assert.equal(await codeOf(enter(opened, key)), 'UNAUTHENTICATED')
    await enter(opened, next)
    const { key: last } = await opened.admin.rotateKey(rules, id, 0)
    assert.equal(await codeOf(enter(opened, next)), 'UNAUTHENTICATED')
    await enter(opened, last)
  })

  test('that is not there yet: an engine that nobody can enter says so', async () => {
    const told = async (registry: MemoryRegistry): Promise<number> => {
      const log = recordedLog()
      await using opened = await openAccess({}, {}, registry, log)
      await opened.admin.createKey(rules, { name: 'a' })
      return log.entries.filter(({ message }) => message.startsWith('nobody can get in')).length
    }
    const registry = new MemoryRegistry()
    assert.equal(await told(registry), 1)
    assert.equal(await told(registry), 0)
  })

  test('of a record that this version cannot read opens nothing', async () => {
    await using opened = await openAccess()
    const { key, id } = await opened.admin.createKey(rules, { name: 'a' })
    await opened.registry.put({ kind: 'api-key', namespace: '', id }, { hash: 7 })
    assert.equal(await codeOf(enter(opened, key)), 'UNAUTHENTICATED')
  })

  test('that it was used is written once an hour', async () => {
    await using opened = await openAccess()
    const { key } = await opened.admin.createKey(rules, { name: 'a' })
    const before = opened.registry.puts
    for (let i = 0; i < 50; i++) await enter(opened, key)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(opened.registry.puts, before + 1)
    assert.equal((await opened.admin.listKeys(rules))[0]?.lastUsedMs, START_MS)
    opened.pass(3_600_000)
    await enter(opened, key)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await opened.admin.listKeys(rules))[0]?.lastUsedMs, START_MS + 3_600_000)
  })
})

describe('what is kept of a caller', () => {
  test('is one object, for each address and each secret of its own', async () => {
    await using opened = await openAccess()
    const { key, id } = await opened.admin.createKey(rules, { name: 'a', roles: ['viewer'] })
    const caller = await enter(opened, key)
    assert.equal(await enter(opened, key), caller)
    assert.equal(opened.access.portOf(await enter(opened, key)), opened.access.portOf(caller))
    const far = await enter(opened, key, '198.51.100.7')
    assert.deepEqual([caller.address, far.address], [ADDRESS, '198.51.100.7'])
    const { key: next } = await opened.admin.rotateKey(rules, id, 10_000)
    const [before, after] = [await enter(opened, key), await enter(opened, next)]
    const told: string[] = []
    opened.access.follow(before, () => told.push('before'))
    opened.access.follow(after, () => told.push('after'))
    opened.pass(10_000)
    assert.deepEqual(told, ['before'])
    assert.equal(opened.access.showsSecret(after, hashOfSecret(apiKeyOf(next)?.secret ?? '')), true)
  })

  test('is gone with the next change of the key, and so is what it may do', async () => {
    await using opened = await openAccess({}, LISTS)
    const { key, id } = await opened.admin.createKey(rules, { name: 'a', roles: ['viewer'] })
    const list = async (): Promise<string> =>
      codeOf(opened.access.portOf(await enter(opened, key)).list({ namespace: 'default' }))
    assert.equal(await list(), 'done')
    const before = await enter(opened, key)
    const place = { kind: 'api-key', namespace: '', id }
    const { body } = opened.registry.get('api-key', '', id) ?? {}
    const put = (change: object): Promise<unknown> =>
      opened.registry.put(place, { ...(body as object), ...change })
    await put({ roles: [], groups: ['staff'] })
    assert.equal(await list(), 'NAMESPACE_NOT_FOUND')
    const after = await enter(opened, key)
    assert.notEqual(after, before)
    assert.deepEqual([after.roles, after.groups], [[], ['staff']])
    await opened.admin.bindRole(rules, { principal: 'group:staff', role: 'viewer', namespace: 'default' })
    assert.equal(await list(), 'done')
    assert.equal(await enter(opened, key), after)
    await opened.admin.putPolicy(
      rules,
      'shut',
      'forbid (principal in Perdure::Group::"staff", action, resource);',
    )
    assert.equal(await list(), 'NAMESPACE_NOT_FOUND')
    await opened.admin.deletePolicy(rules, 'shut')
    const near =
      'permit (principal, action, resource) when { context has address && context.address.isInRange(ip("192.0.2.0/24")) };'
    await put({ roles: [], groups: [] })
    assert.equal(await list(), 'NAMESPACE_NOT_FOUND')
    await opened.admin.putPolicy(rules, 'near', near)
    assert.equal(await list(), 'done')
    const from = opened.access.portOf(await enter(opened, key, '198.51.100.7'))
    assert.equal(await codeOf(from.list({ namespace: 'default' })), 'NAMESPACE_NOT_FOUND')
    await put({ revokedMs: START_MS })
    assert.equal(await codeOf(enter(opened, key)), 'UNAUTHENTICATED')
  })
})

describe('keys that were good', () => {
  const kept = (): { readonly keys: ApiKeys; readonly registry: MemoryRegistry; go(ms: number): void } => {
    const registry = new MemoryRegistry()
    let nowMs = START_MS
    const keys = new ApiKeys({ registry, logger: silentLogger, nowMs: () => nowMs })
    const go = (ms: number): void => {
      nowMs += ms
    }
    return { keys, registry, go }
  }
  const add = async (registry: MemoryRegistry): Promise<string> => {
    const { id, text, hash } = newApiKey()
    const body = { name: 'a', groups: [], roles: [], hash, createdMs: START_MS, createdBy: 'rules' }
    await registry.put({ kind: 'api-key', namespace: '', id }, body)
    return text
  }
  const find = (keys: ApiKeys, text: string): unknown => {
    const given = apiKeyOf(text)
    return given === undefined ? undefined : keys.find(given, text)
  }

  test('are known for 60 seconds, also by a clock that is set back, and no longer', async () => {
    const { keys, registry, go } = kept()
    const text = await add(registry)
    assert.equal(keys.known(text), undefined)
    const found = find(keys, text)
    assert.equal(keys.known(text), found)
    go(59_999)
    assert.equal(keys.known(text), found)
    go(1)
    assert.equal(keys.known(text), undefined)
    find(keys, text)
    go(-1)
    assert.equal(keys.known(text), undefined)
  })

  test('are not known by another text, nor when their entry is another one, and are of a bounded number', async () => {
    const { keys, registry, go } = kept()
    const text = await add(registry)
    find(keys, text)
    assert.equal(keys.known(`${text} `), undefined)
    const id = apiKeyOf(text)?.id ?? ''
    await registry.put({ kind: 'api-key', namespace: '', id }, registry.get('api-key', '', id)?.body)
    assert.equal(keys.known(text), undefined)
    for (let i = 0; i < 2100; i++) find(keys, await add(registry))
    assert.equal(keys.verified, 2000)
    go(60_000)
    find(keys, await add(registry))
    assert.equal(keys.verified, 1)
  })
})

test('callers that are known are of a bounded number', () => {
  const known = new KnownCallers(3)
  const identity = { id: 'certificate:a', kind: 'certificate', groups: [] } as const
  const made: Caller[] = []
  const of = (address: string): Caller =>
    known.of(identity, address, { kind: 'lasting' }, (caller) => made.push(caller))
  for (const address of ['a', 'b', 'c', 'a', 'd', 'd', 'a']) of(address)
  assert.deepEqual(
    made.map(({ address }) => address),
    ['a', 'b', 'c', 'd', 'a'],
  )
  assert.equal(known.size, 3)
})

describe('who fails again and again', () => {
  test('is answered that it asks too often, and a good key is let in all the same', async () => {
    await using opened = await openAccess()
    const { key } = await opened.admin.createKey(rules, { name: 'a' })
    const codes: string[] = []
    for (let i = 0; i < 12; i++) codes.push(await codeOf(enter(opened, newApiKey().text)))
    assert.deepEqual([...new Set(codes)], ['UNAUTHENTICATED', 'RATE_LIMITED'])
    assert.equal(codes.filter((code) => code === 'UNAUTHENTICATED').length, 10)
    const error: unknown = await enter(opened, newApiKey().text).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof PerdureError && (error.retryAfterMs ?? 0) > 0)
    await enter(opened, key)
    // Signatures are not checked for it meanwhile.
    assert.equal(await codeOf(enter(opened, 'a.b.c')), 'RATE_LIMITED')
    assert.equal(await codeOf(enter(opened, newApiKey().text, '192.0.2.10')), 'UNAUTHENTICATED')
    opened.pass(6000)
    assert.equal(await codeOf(enter(opened, newApiKey().text)), 'UNAUTHENTICATED')
  })
})

describe('nobody gives away what is not theirs', () => {
  test('an administrator of one namespace makes keys for it alone', async () => {
    await using opened = await openAccess()
    for (const name of ['billing', 'shipping']) await opened.createNamespace(name)
    const local: Caller = { id: 'token:i#bea', kind: 'token', groups: [], roles: ['admin@billing'] }
    const make = (wanted: object): Promise<string> =>
      codeOf(opened.admin.createKey(local, { name: 'k', namespace: 'billing', ...wanted }))
    assert.equal(await make({ roles: ['worker', 'admin@billing'] }), 'done')
    assert.equal(await make({ roles: ['viewer@shipping'] }), 'NAMESPACE_NOT_FOUND')
    assert.equal(await make({ roles: ['viewer@*'] }), 'FORBIDDEN')
    assert.equal(await make({ groups: ['operators'] }), 'FORBIDDEN')
    assert.equal(await make({ user: 'ann' }), 'FORBIDDEN')
    assert.equal(await make({ namespace: 'shipping' }), 'NAMESPACE_NOT_FOUND')
    assert.equal(await make({ namespace: undefined }), 'FORBIDDEN')
    assert.equal(await make({ roles: ['king'] }), 'ARGUMENT_INVALID')
    const bind = (namespace?: string): Promise<string> =>
      codeOf(
        opened.admin.bindRole(local, {
          principal: 'group:ops',
          role: 'admin',
          ...(namespace === undefined ? {} : { namespace }),
        }),
      )
    assert.deepEqual(
      [await bind('billing'), await bind('shipping'), await bind()],
      ['done', 'NAMESPACE_NOT_FOUND', 'FORBIDDEN'],
    )
  })

  test('nor takes a key by giving it another secret', async () => {
    await using opened = await openAccess()
    await opened.createNamespace('billing')
    const local: Caller = { id: 'token:i#bea', kind: 'token', groups: [], roles: ['admin@billing'] }
    const wide = await opened.admin.createKey(rules, {
      name: 'k',
      namespace: 'billing',
      roles: ['operator@*'],
    })
    const bound = await opened.admin.createKey(rules, { name: 'l', namespace: 'billing', roles: ['worker'] })
    const plain = await opened.admin.createKey(rules, { name: 'm', namespace: 'billing', roles: ['worker'] })
    const far = await opened.admin.createKey(rules, { name: 'n', roles: ['worker'] })
    await opened.admin.bindRole(rules, { principal: `key:${bound.id}`, role: 'admin' })
    const rotate = ({ id }: { readonly id: string }): Promise<string> =>
      codeOf(opened.admin.rotateKey(local, id))
    assert.deepEqual(
      [await rotate(wide), await rotate(bound), await rotate(plain), await rotate(far)],
      ['FORBIDDEN', 'FORBIDDEN', 'done', 'RECORD_NOT_FOUND'],
    )
    assert.deepEqual((await opened.admin.listKeys(local)).map(({ name }) => name).sort(), ['k', 'l', 'm'])
    const viewer: Caller = { ...local, id: 'token:i#v', roles: ['viewer@*'] }
    assert.deepEqual(await opened.admin.listKeys(viewer), [])
    for (const id of [plain.id, 'nosuchkey'])
      assert.equal(await codeOf(opened.admin.revokeKey(viewer, id)), 'RECORD_NOT_FOUND')
  })
})

describe('the key of the machine', () => {
  const inDirectory = async (use: (path: string) => Promise<void>): Promise<void> => {
    const directory = mkdtempSync(join(tmpdir(), 'perdure-access-'))
    try {
      await use(join(directory, 'admin.key'))
    } finally {
      rmSync(directory, { recursive: true })
    }
  }

  test('is made, for its owner alone, and does everything, whatever policies say', () =>
    inDirectory(async (path) => {
      {
        await using opened = await openAccess({ adminKeyFile: path }, LISTS)
        assert.equal(statSync(path).mode & 0o777, 0o600)
        assert.deepEqual(readdirSync(join(path, '..')), ['admin.key'])
        const caller = await enter(opened, readFileSync(path, 'utf8').trim())
        await opened.admin.putPolicy(caller, 'shut', 'forbid (principal, action, resource);')
        assert.equal(await codeOf(opened.admin.listKeys(rules, 'default')), 'NAMESPACE_NOT_FOUND')
        await opened.access.portOf(caller).list({ namespace: 'default' })
        await opened.admin.deletePolicy(caller, 'shut')
        assert.equal(await codeOf(opened.admin.listKeys(rules, 'default')), 'done')
      }
      await using again = await openAccess({ adminKeyFile: path }, LISTS)
      const { id } = await enter(again, readFileSync(path, 'utf8').trim())
      assert.equal(await codeOf(enter(again, newApiKey().text)), 'UNAUTHENTICATED')
      // Nobody becomes it by its name.
      const impostor: Caller = { id, kind: 'api-key', groups: [] }
      assert.equal(
        await codeOf(again.access.portOf(impostor).list({ namespace: 'default' })),
        'NAMESPACE_NOT_FOUND',
      )
    }))

  test('that others can read, or that is none, stops the engine', () =>
    inDirectory(async (path) => {
      writeFileSync(path, newApiKey().text, { mode: 0o600 })
      for (const mode of [0o640, 0o604, 0o620]) {
        chmodSync(path, mode)
        await assert.rejects(openAccess({ adminKeyFile: path }), /can be read by others/)
      }
      chmodSync(path, 0o600)
      await (await openAccess({ adminKeyFile: path }))[Symbol.asyncDispose]()
      writeFileSync(path, 'secret')
      await assert.rejects(openAccess({ adminKeyFile: path }), /holds no key/)
      await assert.rejects(openAccess({ adminKeyFile: join(path, 'below') }), /cannot be read or made/)
    }))
})
