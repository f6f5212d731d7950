/** Signed heads, retention and erasure, on an engine with a clock of the test. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { silentLogger } from '../../src/index.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { publicKeys, signingKey } from '../../src/server/audit/signing-key.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { NAMESPACE } from './audited-calls.ts'
import { type AuditedEngine, auditedEngine, entryOf, personalOf, temporaryFolder } from './audited-engine.ts'
import { keyIn, trailOf } from './trail-of.ts'

async function start({ opened }: AuditedEngine, id: string): Promise<void> {
  await opened.calls.start({
    key: { namespace: NAMESPACE, workflowId: id },
    workflow: 'waiting',
    version: '1',
    input: encodePayload(null),
    onConflict: 'use-existing',
  })
}

describe('the key', () => {
  test('is made for its owner alone, with its public key beside it', () => {
    using folder = temporaryFolder()
    const file = keyIn(folder.path)
    const made = signingKey(file, silentLogger)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(existsSync(`${file}.pub`))
    assert.equal(signingKey(file, silentLogger).keyId, made.keyId)
    assert.deepEqual([...publicKeys(`${file}.pub`).keys()], [made.keyId])
    assert.deepEqual([...publicKeys(file).keys()], [made.keyId])
    assert.match(readFileSync(file, 'utf8'), /BEGIN PRIVATE KEY/)
  })

  test('several public keys may be in one file', () => {
    using folder = temporaryFolder()
    const [a, b, all] = ['a', 'b', 'all'].map((name) => join(folder.path, name)) as [string, string, string]
    const ids = [a, b].map((file) => signingKey(file, silentLogger).keyId)
    writeFileSync(all, readFileSync(`${a}.pub`, 'utf8') + readFileSync(`${b}.pub`, 'utf8'))
    assert.deepEqual([...publicKeys(all).keys()], ids)
  })

  test('what is none is refused', () => {
    using folder = temporaryFolder()
    const file = keyIn(folder.path)
    writeFileSync(file, 'nothing')
    assert.throws(() => signingKey(file, silentLogger), { code: 'ARGUMENT_INVALID' })
    assert.throws(() => publicKeys(file), { code: 'ARGUMENT_INVALID' })
    assert.throws(() => publicKeys(`${file}.none`), { code: 'ARGUMENT_INVALID' })
    assert.throws(() => signingKey(join(file, 'below'), silentLogger), { code: 'ARGUMENT_INVALID' })
  })
})

describe('the signer', () => {
  test('names all chains, when they have grown; and the end, when the engine closes', async () => {
    using folder = temporaryFolder()
    const settings = { audit: { signingKeyFile: keyIn(folder.path) } }
    const store = Object.assign(Object.create(createMemoryStore()), { close: async () => {} })
    {
      await using engine = await auditedEngine({ store, settings })
      await start(engine, 'one')
      await engine.opened.audit?.sign()
      await engine.opened.audit?.sign()
      const { heads, report } = await trailOf(store, keyIn(folder.path))
      assert.deepEqual(report.findings, [])
      assert.equal(heads.length, 1, 'nothing was new')
      assert.equal(report.unsigned, 0)
      await start(engine, 'two')
      const grown = await trailOf(store, keyIn(folder.path))
      assert.equal(grown.report.unsigned, 1)
    }
    const closed = await trailOf(store, keyIn(folder.path))
    assert.deepEqual(closed.report.findings, [])
    assert.equal(closed.report.unsigned, 0)
    {
      await using engine = await auditedEngine({ store, settings })
      await start(engine, 'three')
      await engine.opened.audit?.sign()
    }
    const { heads, report } = await trailOf(store, keyIn(folder.path))
    assert.deepEqual(report.findings, [])
    assert.deepEqual(
      heads.map(({ number }) => number),
      [1, 2, 3],
    )
    assert.equal(report.chains, 2)
    // Whoever changes a row of the past is found by the heads.
    const [, row] = (await trailOf(store)).rows
    assert.ok(row)
    using other = temporaryFolder()
    signingKey(keyIn(other.path), silentLogger)
    assert.match(
      (await trailOf(store, keyIn(other.path))).report.findings[0]?.detail ?? '',
      /not among those that are trusted/,
    )
  })

  test('names the last rows of calls that were denied or failed, when the engine closes at once', async () => {
    using folder = temporaryFolder()
    const settings = { audit: { signingKeyFile: keyIn(folder.path) } }
    const store = Object.assign(Object.create(createMemoryStore()), { close: async () => {} })
    {
      await using engine = await auditedEngine({ store, settings })
      await start(engine, 'one')
      await engine.opened.audit?.sign()
      engine.opened.engine.audit?.denied({
        caller: { id: 'key:eve', kind: 'api-key' },
        action: 'CancelExecution',
        namespace: NAMESPACE,
        resource: { type: 'Execution', id: 'one' },
      })
      await assert.rejects(
        engine.opened.calls.terminate({ key: { namespace: NAMESPACE, workflowId: 'none' } }, 'no more'),
      )
    }
    const { rows, heads, report } = await trailOf(store, keyIn(folder.path))
    assert.deepEqual(report.findings, [])
    assert.deepEqual(
      rows.map((row) => entryOf(row).result),
      ['changed', 'changed', 'denied', 'failed'],
    )
    assert.equal(report.unsigned, 0, 'all of them are named by a head')
    assert.equal(heads.length, 2)
  })

  test('drops what was kept long enough, and only what is signed; the rest still verifies', async () => {
    using folder = temporaryFolder()
    const store = createMemoryStore()
    const clock = { nowMs: 1_800_000_000_000 }
    const seams = {
      clock: {
        nowMs: () => clock.nowMs,
        after: (delayMs: number, call: () => void) => {
          const timer = setTimeout(call, Math.min(delayMs, 2_000_000_000))
          return () => clearTimeout(timer)
        },
        defer: (call: () => void) => void setImmediate(call),
      },
    }
    await using engine = await auditedEngine({
      store,
      settings: { audit: { signingKeyFile: keyIn(folder.path), retention: '1h' } },
      seams,
    })
    const { audit } = engine.opened
    assert.ok(audit)
    for (let i = 0; i < 2500; i++) await start(engine, `old-${i}`)
    await audit.sign()
    assert.equal((await trailOf(store, keyIn(folder.path))).rows.length, 2501)
    clock.nowMs += 3_600_001
    for (let i = 0; i < 3; i++) await start(engine, `new-${i}`)
    await audit.sign()
    const after = await trailOf(store, keyIn(folder.path), (await trailOf(store)).heads[0])
    assert.deepEqual(after.report.findings, [])
    assert.deepEqual(
      after.rows.map((row) => personalOf(row)?.resource),
      ['new-0', 'new-1', 'new-2'],
    )
    clock.nowMs += 3_600_001
    await start(engine, 'newest')
    await audit.sign()
    clock.nowMs += 3_600_001
    await audit.sign()
    assert.equal((await trailOf(store)).rows.length, 0)
    await start(engine, 'goes on')
    await audit.sign()
    const { report, rows } = await trailOf(store, keyIn(folder.path))
    assert.deepEqual(report.findings, [])
    assert.equal(rows.length, 1)
  })
})

describe('erasure', () => {
  test('takes who, from where and ids, and leaves the chain whole', async () => {
    using folder = temporaryFolder()
    const store = createMemoryStore()
    await using engine = await auditedEngine({
      store,
      settings: { audit: { signingKeyFile: keyIn(folder.path) } },
    })
    const { audit } = engine.opened
    assert.ok(audit)
    for (let i = 0; i < 1200; i++) await start(engine, `order-${i % 2 === 0 ? 'ann' : 'bob'}`)
    for (let i = 0; i < 2200; i++) await start(engine, `${i}`)
    // Calls that changed nothing are written a little later.
    engine.opened.engine.audit?.flush()
    await engine.opened.engine.committer.whenIdle()
    await audit.sign()
    const [exported] = (await trailOf(store)).heads
    const all = await trailOf(store)
    assert.ok(all.rows.some(({ personal }) => personal?.includes('order-ann')))
    const erased = await audit.erase({ resource: 'order-ann' })
    assert.equal(erased, all.rows.filter(({ personal }) => personal?.includes('"order-ann"')).length)
    const { rows, report } = await trailOf(store, keyIn(folder.path), exported)
    assert.deepEqual(report.findings, [])
    assert.equal(report.erased, erased)
    assert.ok(!JSON.stringify(rows).includes('order-ann'))
    const told = rows.filter((row) => entryOf(row).action === 'EraseAudit')
    assert.equal(
      told.reduce((sum, row) => sum + (entryOf(row).count ?? 1), 0),
      erased,
    )
    // More rows than go in one commit, among them the one that tells of the erasure before.
    const others = await audit.erase({ person: 'embedded' })
    assert.equal(others, rows.length - erased - 1)
    const last = await trailOf(store, keyIn(folder.path), exported)
    assert.deepEqual(last.report.findings, [])
    const left = last.rows.filter(({ personal }) => personal !== null)
    assert.ok(left.length >= 2, 'it took several commits')
    assert.equal(
      left.reduce((sum, row) => sum + (entryOf(row).count ?? 1), 0),
      others,
    )
    assert.equal(new Set(left.map((row) => entryOf(row).requestId)).size, 1)
    await assert.rejects(audit.erase({}), { code: 'ARGUMENT_INVALID' })
  })
})
