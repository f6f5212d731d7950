/** Calls that are not permitted are recorded, and nobody fills a database with them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DeniedCall } from '../../src/engine/audit/audit-desk.ts'
import { OutcomeCounts } from '../../src/engine/audit/outcome-counts.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { NAMESPACE, quick } from './audited-calls.ts'
import { type AuditedEngine, auditedEngine, entryOf, personalOf } from './audited-engine.ts'

const denied = (id: string, address = '10.0.0.1'): DeniedCall => ({
  caller: { id, kind: 'api-key', address },
  action: 'TerminateExecution',
  namespace: NAMESPACE,
  resource: { type: 'Execution', id: 'order-1' },
  policies: ['no-terminations'],
})

async function rowsOf({ batches }: AuditedEngine, least: number) {
  const rows = () =>
    batches.flatMap(({ audit }) => audit ?? []).filter((row) => entryOf(row).action !== 'BeginChain')
  while (rows().length < least) await new Promise((resolve) => setTimeout(resolve, 5))
  return rows()
}

/** A clock whose minutes pass at once. */
function fastClock() {
  const clock = { aheadMs: 0 }
  const nowMs = (): number => Date.now() + clock.aheadMs
  return {
    clock,
    seams: {
      clock: {
        nowMs,
        after: (delayMs: number, call: () => void) => {
          const timer = setTimeout(call, Math.min(delayMs, 2_000_000_000))
          return () => clearTimeout(timer)
        },
        defer: (call: () => void) => void setImmediate(call),
      },
    },
  }
}

describe('a denied call', () => {
  test('has a row soon, though nothing else is to be written', async () => {
    await using engine = await auditedEngine()
    engine.opened.engine.audit?.denied(denied('key:eve'))
    const [row] = await rowsOf(engine, 1)
    assert.ok(row)
    const { result, code, action, type, policies } = entryOf(row)
    assert.deepEqual(
      { result, code, action, type, policies },
      {
        result: 'denied',
        code: 'FORBIDDEN',
        action: 'TerminateExecution',
        type: 'Execution',
        policies: ['no-terminations'],
      },
    )
    assert.deepEqual(personalOf(row), {
      caller: 'key:eve',
      kind: 'api-key',
      address: '10.0.0.1',
      resource: 'order-1',
    })
    assert.equal(engine.opened.engine.audit?.denials, 1)
  })

  test('of one identity so many rows come in a minute, and then one with the number of the others', async () => {
    const { clock, seams } = fastClock()
    await using engine = await auditedEngine({ seams })
    const { audit } = engine.opened.engine
    assert.ok(audit)
    for (let i = 0; i < 1000; i++) audit.denied(denied('key:eve'))
    for (let i = 0; i < 3; i++) audit.denied(denied('key:ann'))
    audit.flush()
    assert.equal((await rowsOf(engine, 103)).length, 103)
    clock.aheadMs += 60_000
    audit.flush()
    const [summary, ...more] = (await rowsOf(engine, 104)).slice(103)
    assert.ok(summary)
    assert.equal(more.length, 0)
    assert.deepEqual([entryOf(summary).result, entryOf(summary).count], ['denied', 900])
    assert.equal(personalOf(summary)?.caller, 'key:eve')
    audit.denied(denied('key:eve'))
    audit.flush()
    assert.equal(entryOf((await rowsOf(engine, 105))[104] ?? assert.fail()).count, undefined)
    assert.equal(audit.denials, 1004)
  })

  test('what was counted is written when the engine closes', async () => {
    const engine = await auditedEngine()
    for (let i = 0; i < 150; i++) engine.opened.engine.audit?.denied(denied('key:eve'))
    await engine[Symbol.asyncDispose]()
    const rows = await rowsOf(engine, 101)
    assert.equal(rows.length, 101)
    assert.equal(entryOf(rows[100] ?? assert.fail()).count, 50)
  })

  test('is written when the engine is closed by force, while code is in a turn', async () => {
    const engine = await auditedEngine({ settings: { shutdownGrace: 0 } })
    const { calls, worker } = engine.opened
    const starts = Array.from({ length: 50 }, (_, i) =>
      calls
        .start({
          key: { namespace: NAMESPACE, workflowId: `quick-${i}` },
          workflow: quick.name,
          version: '1',
          input: encodePayload(i),
          onConflict: 'fail',
        })
        .catch(() => {}),
    )
    while (worker.busyRuns === 0) await new Promise((resolve) => setImmediate(resolve))
    engine.opened.engine.audit?.denied(denied('key:eve'))
    assert.ok(worker.busyRuns > 0)
    await engine[Symbol.asyncDispose]()
    await Promise.all(starts)
    const rows = engine.batches.flatMap(({ audit }) => audit ?? []).map(entryOf)
    assert.equal(rows.filter(({ result }) => result === 'denied').length, 1)
  })

  test('does not keep an engine that is closed by force, if the store takes nothing', async () => {
    let isStuck = false
    const engine = await auditedEngine({
      settings: { shutdownGrace: 0 },
      instead: () => (isStuck ? new Promise(() => {}) : undefined),
    })
    isStuck = true
    engine.opened.engine.audit?.denied(denied('key:eve'))
    const begunMs = performance.now()
    await engine[Symbol.asyncDispose]()
    assert.ok(performance.now() - begunMs < 5000)
  })

  test('is written again by the next session, if its batch is lost', async () => {
    let isFencing = true
    await using engine = await auditedEngine({
      instead: (batch, store) => {
        if (!isFencing || batch.audit === undefined) return undefined
        isFencing = false
        return store.fence(batch.session).then(() => store.commit(batch))
      },
    })
    engine.opened.engine.audit?.denied(denied('key:eve'))
    const rows = await rowsOf(engine, 1)
    assert.equal(rows.length, 1)
    assert.ok(!isFencing)
  })

  test('identities without number count as one', () => {
    const counts = new OutcomeCounts({ rows: 2, identities: 3 })
    const outcome = (id: string) =>
      ({ call: { ...denied(id), requestId: 'r' }, result: 'denied', code: 'FORBIDDEN' }) as const
    let rows = 0
    for (let i = 0; i < 1000; i++) if (counts.add(outcome(`key:${i}`), 0)) rows += 1
    assert.equal(rows, 5)
    const summaries = counts.take(60_000)
    assert.deepEqual(
      summaries.map(({ call, count }) => [call.caller.id, count]),
      [['others', 995]],
    )
    assert.deepEqual(counts.take(60_000, true), [])
  })
})
