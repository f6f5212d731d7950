// The demo's object store: idempotent by key, and unreliable in the shares that it promises.

import assert from 'node:assert/strict'
import { mkdtempDisposableSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ObjectStore, objectPath } from '../../examples/upload/object-store.ts'
import { readPutLog } from '../../examples/upload/upload-report.ts'

const newFolder = () => mkdtempDisposableSync(join(tmpdir(), 'perdure-object-store-'))

async function open(folder: string, seed = 1) {
  const store = new ObjectStore({ folder, seed })
  const url = await store.listen()
  const send = (path: string, init: RequestInit) => fetch(url + path, init)
  /** Until an answer comes that is none of the planned failures. */
  const insist = async (path: string, init: RequestInit = {}): Promise<Response> => {
    for (;;) {
      const response = await send(path, init).catch(() => undefined)
      if (response !== undefined && response.status !== 503) return response
      await response?.body?.cancel()
    }
  }
  const put = async (path: string, key: string, body: string): Promise<number> =>
    (await insist(path, { method: 'PUT', headers: { 'idempotency-key': key }, body })).status
  return { send, insist, put, [Symbol.asyncDispose]: () => store.close() }
}

describe('the object store', () => {
  test('makes an object of parts in any order, and gives it back', async () => {
    using folder = newFolder()
    await using store = await open(folder.path)
    await store.put('/uploads/a%2Fb/parts/1?offset=5', 'key-1', 'world')
    await store.put('/uploads/a%2Fb/parts/0?offset=0', 'key-0', 'hello')
    await store.insist('/uploads/a%2Fb/complete?parts=2', { method: 'POST' })
    assert.equal(await (await store.insist('/objects/a%2Fb')).text(), 'helloworld')
    assert.equal(readFileSync(objectPath(folder.path, 'a/b'), 'utf8'), 'helloworld')
  })

  test('stores a part once per key, and refuses another key', async () => {
    using folder = newFolder()
    await using store = await open(folder.path)
    await store.put('/uploads/a/parts/0?offset=0', 'key-0', 'hello')
    assert.equal(await store.put('/uploads/a/parts/0?offset=0', 'key-0', 'other'), 200)
    assert.equal(await store.put('/uploads/a/parts/0?offset=0', 'key-1', 'other'), 409)
    assert.equal(await store.put('/uploads/a/parts/1?offset=5', '', 'other'), 400)
    await store.insist('/uploads/a/complete?parts=1', { method: 'POST' })
    assert.equal(await (await store.insist('/objects/a')).text(), 'hello')
  })

  test('makes no object of which a part is missing', async () => {
    using folder = newFolder()
    await using store = await open(folder.path)
    await store.put('/uploads/a/parts/0?offset=0', 'key-0', 'hello')
    assert.equal((await store.insist('/uploads/a/complete?parts=2', { method: 'POST' })).status, 409)
    assert.equal((await store.insist('/objects/a')).status, 404)
    assert.equal((await store.insist('/uploads/b/complete?parts=1', { method: 'POST' })).status, 404)
  })

  test('fails for about 5 % of the requests before, and for 1 % after it stored the part', async () => {
    using folder = newFolder()
    await using store = await open(folder.path)
    const count = 1000
    const seen = { stored: 0, unavailable: 0, dropped: 0 }
    for (let part = 0; part < count; part++) {
      const init = { method: 'PUT', headers: { 'idempotency-key': `key-${part}` }, body: 'x' }
      const response = await store
        .send(`/uploads/a/parts/${part}?offset=${part}`, init)
        .catch(() => undefined)
      if (response === undefined) {
        seen.dropped += 1
        assert.equal(
          await store.put(`/uploads/a/parts/${part}?offset=${part}`, `key-${part}`, 'x'),
          200,
          'it is stored',
        )
      } else if (response.status === 503) seen.unavailable += 1
      else seen.stored += 1
    }
    assert.ok(
      seen.unavailable > 0.03 * count && seen.unavailable < 0.07 * count,
      `${seen.unavailable} times 503`,
    )
    assert.ok(seen.dropped > 0.003 * count && seen.dropped < 0.02 * count, `${seen.dropped} dropped`)
    const puts = readPutLog(folder.path)
    assert.ok(puts.length >= count + seen.dropped)
    assert.equal(
      puts.filter(
        ({ fault, part }, place) =>
          fault === 'dropped' && puts.findIndex((other) => other.part === part) === place,
      ).length,
      seen.dropped,
    )
  })

  test('fails for the same requests with the same seed, and for others with another', async () => {
    const faultsWith = async (seed: number): Promise<string> => {
      using folder = newFolder()
      await using store = await open(folder.path, seed)
      const puts = Array.from({ length: 100 }, (_, part) =>
        store.put(`/uploads/a/parts/${part}?offset=${part}`, 'k', 'x'),
      )
      await Promise.all(puts)
      const faults = readPutLog(folder.path).filter(({ fault }) => fault !== 'none')
      return JSON.stringify(faults.map(({ part, fault }) => [part, fault]).toSorted())
    }
    const first = await faultsWith(1)
    assert.equal(await faultsWith(1), first)
    assert.notEqual(await faultsWith(2), first)
  })
})
