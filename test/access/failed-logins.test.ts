/** Who could not show who it is, is counted and logged, without what was shown. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLogger } from '../../src/platform/logger.ts'
import { MetricsRegistry } from '../../src/platform/metrics.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import type { Caller } from '../../src/protocol/caller.ts'
import { newApiKey } from '../../src/server/access/api-key.ts'
import { FailedLogins } from '../../src/server/access/failed-logins.ts'
import { openAccess, START_MS } from './access-fixtures.ts'
import { MemoryRegistry } from './memory-registry.ts'

const rules = { id: 'rules', kind: 'certificate', groups: [], roles: ['admin@*'] } as const satisfies Caller

async function observedAccess() {
  const lines: Record<string, unknown>[] = []
  const metrics = new MetricsRegistry()
  const other = (): never => assert.fail('only warnings are written')
  const logger = {
    debug: other,
    info: other,
    error: other,
    warn: (msg: string, fields?: object) => void lines.push({ msg, ...fields }),
  }
  const opened = await openAccess({}, {}, new MemoryRegistry(), logger, metrics)
  // That nobody can get in.
  lines.length = 0
  const fail = async (authorization: string | undefined, address: string): Promise<void> => {
    const credentials = authorization === undefined ? { address } : { authorization, address }
    await assert.rejects(opened.access.authenticate(credentials))
  }
  const counts = (): Record<string, number> => {
    const counter = metrics.list().find(({ name }) => name === 'perdure_authentication_failures_total')
    assert.ok(counter)
    return Object.fromEntries(
      [...counter.all()].map(({ values, series }) => [
        values.join(' '),
        'value' in series ? series.value : Number.NaN,
      ]),
    )
  }
  return { opened, lines, fail, counts }
}

describe('failed logins', () => {
  test('are counted by what was shown and why that was not enough', async () => {
    const { opened, fail, counts } = await observedAccess()
    await using _ = opened
    const made = await opened.admin.createKey(rules, { name: 'a' })
    await opened.admin.revokeKey(rules, made.id)
    await fail(undefined, '192.0.2.1')
    await fail('Basic dXNlcjpwYXNz', '192.0.2.1')
    await fail('Bearer pdk_cut', '192.0.2.1')
    await fail(`Bearer ${newApiKey().text}`, '192.0.2.1')
    await fail(`Bearer ${made.key}`, '192.0.2.1')
    await fail('Bearer a.b.c', '192.0.2.1')
    for (let i = 0; i < 6; i++) await fail(`Bearer ${newApiKey().text}`, '192.0.2.1')
    await fail('Bearer a.b.c', '192.0.2.1')
    assert.deepEqual(counts(), {
      'none missing': 1,
      'unknown malformed': 1,
      'api-key malformed': 1,
      'api-key refused': 8,
      'token refused': 1,
      'token too-often': 1,
    })
  })

  test('are in the log by address, at most once a minute, with their number; never what was shown', async () => {
    const { opened, lines, fail } = await observedAccess()
    const texts = Array.from({ length: 13 }, () => newApiKey().text)
    for (const text of texts) await fail(`Bearer ${text}`, '192.0.2.1')
    await fail(undefined, '192.0.2.3')
    const why = 'there is no such API key'
    const line = { msg: 'callers could not show who they are', shown: 'api-key', reason: 'refused', why }
    assert.deepEqual(lines, [{ ...line, address: '192.0.2.1', failures: 1 }])
    opened.pass(60_000)
    assert.deepEqual(lines.slice(1), [{ ...line, address: '192.0.2.1', failures: 12 }])
    await fail(`Bearer ${newApiKey().text}`, '192.0.2.1')
    opened.pass(59_000)
    await fail(`Bearer ${newApiKey().text}`, '192.0.2.2')
    await fail(`Bearer ${newApiKey().text}`, '192.0.2.2')
    assert.equal(lines.length, 3)
    opened.pass(1000)
    // The other address was told of a second ago.
    assert.deepEqual(lines.slice(2), [
      { ...line, address: '192.0.2.2', failures: 1 },
      { ...line, address: '192.0.2.1', failures: 1 },
    ])
    opened.pass(60_000)
    assert.deepEqual(lines.slice(4), [{ ...line, address: '192.0.2.2', failures: 1 }])
    opened.pass(600_000)
    assert.equal(lines.length, 5)
    await fail(`Bearer ${texts[0]}`, '192.0.2.1')
    await fail(`Bearer ${texts[0]}`, '192.0.2.1')
    opened.access.close()
    assert.equal(lines.length, 7, 'what was counted is told at the end')
    const written = JSON.stringify(lines)
    for (const text of texts) assert.ok(!written.includes(text.slice(4)))
  })

  test('cost no timer when nobody fails any more', () => {
    const clock = new VirtualClock(START_MS)
    const failed = new FailedLogins({ logger: silentLogger, clock, metrics: undefined })
    assert.equal(clock.nextMs(), undefined)
    failed.add('192.0.2.1', { credential: 'api-key', reason: 'refused' }, 'there is no such API key')
    assert.equal(clock.nextMs(), START_MS + 60_000)
    clock.runNext()
    assert.equal(clock.nextMs(), undefined)
    failed.close()
  })

  test('of addresses without number are bounded', async () => {
    const { opened, lines, fail } = await observedAccess()
    await using _ = opened
    for (let i = 0; i < 1000; i++) await fail('Basic x', `10.0.${i >> 8}.${i & 255}`)
    assert.equal(lines.length, 100)
    opened.pass(60_000)
    assert.partialDeepStrictEqual(lines.slice(100), [{ address: 'others', failures: 900 }])
    assert.equal(lines.length, 101)
  })

  test('leave no timer behind when access has closed', async () => {
    const { opened, lines, fail, counts } = await observedAccess()
    await opened[Symbol.asyncDispose]()
    const nextMs = opened.clock.nextMs()
    await fail('Basic dXNlcjpwYXNz', '192.0.2.1')
    assert.deepEqual([opened.clock.nextMs(), lines], [nextMs, []])
    assert.deepEqual(counts(), { 'unknown malformed': 1 })
  })
})
