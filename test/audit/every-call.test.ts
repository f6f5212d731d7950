/** What is recorded of each call, and in which commit. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLIENT_METHODS } from '../../src/protocol/client-messages.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { AUDITED_METHODS } from '../../src/server/audit/audited-methods.ts'
import { EMBEDDED } from '../../src/server/audit/open-audit.ts'
import { AUDITED_CALLS, NAMESPACE } from './audited-calls.ts'
import { auditedEngine, entryOf, personalOf } from './audited-engine.ts'

/** They change nothing. Written by hand: a new method is in one of the two. */
const READS = [
  'query',
  'outcome',
  'describe',
  'explain',
  'history',
  'list',
  'tasks.outcome',
  'tasks.describe',
  'tasks.explain',
  'tasks.list',
  'tasks.explainQueue',
  'schedules.describe',
  'schedules.list',
  'people.inbox',
  'people.describe',
  'people.history',
  'workers.list',
  'nodes.list',
  'nodes.shards',
  'queues.list',
  'queues.get',
]

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('a call that changes something', () => {
  test('is known to be one, or to read only', () => {
    assert.deepEqual([...Object.keys(AUDITED_METHODS), ...READS].sort(), Object.keys(CLIENT_METHODS).sort())
    assert.deepEqual(
      [...Object.keys(AUDITED_CALLS), 'nodes.drain'].sort(),
      Object.keys(AUDITED_METHODS).sort(),
    )
  })

  for (const [method, prepare] of Object.entries(AUDITED_CALLS))
    test(`${method}: one row, in the commit of the change`, async () => {
      await using engine = await auditedEngine()
      const { batches, opened } = engine
      const prepared = await prepare(opened.calls, 'thing-1')
      const before = batches.length
      await prepared.run(opened.calls)
      const { action } = AUDITED_METHODS[method as keyof typeof AUDITED_METHODS]
      // All that came of it by then, and what is written later.
      opened.engine.audit?.flush()
      await opened.engine.committer.whenIdle()
      const after = batches.slice(before)
      const own = after.flatMap((batch) =>
        (batch.audit ?? []).filter((row) => entryOf(row).action === action).map((row) => ({ row, batch })),
      )
      assert.equal(own.length, 1)
      const [{ row, batch } = assert.fail()] = own
      assert.ok(prepared.isIn(batch), 'the change is in the same batch')
      const entry = entryOf(row)
      assert.equal(entry.result, 'changed')
      assert.equal(entry.count, prepared.count)
      assert.equal(entry.namespace, NAMESPACE)
      assert.equal(entry.atMs, row.atMs)
      const personal = personalOf(row)
      assert.equal(personal?.caller, EMBEDDED.id)
      assert.equal(personal?.actor, prepared.actor)
      assert.ok(personal?.resource)
    })

  test('nodes.drain has a row, after it', async () => {
    await using engine = await auditedEngine()
    const { opened, batches } = engine
    await assert.rejects(opened.calls.nodes.drain('nobody'))
    opened.engine.audit?.flush()
    await until(() => batches.some(({ audit }) => audit !== undefined))
    const row = batches
      .flatMap(({ audit }) => audit ?? [])
      .find((each) => entryOf(each).action === 'DrainNode')
    assert.ok(row)
    assert.equal(entryOf(row).result, 'failed')
    assert.equal(personalOf(row)?.resource, 'nobody')
  })
})

describe('a call that changes nothing', () => {
  const target = { key: { namespace: NAMESPACE, workflowId: 'thing-1' } }
  const start = {
    ...target,
    workflow: 'waiting',
    version: '1',
    input: encodePayload(null),
    onConflict: 'use-existing',
  } as const

  test('has a row that says so, or why it failed', async () => {
    await using engine = await auditedEngine()
    const { opened, batches } = engine
    const { calls } = opened
    await calls.start(start)
    await calls.start(start)
    await assert.rejects(calls.start({ ...start, onConflict: 'fail' }), { code: 'EXECUTION_EXISTS' })
    await calls.signal(target, 'go', encodePayload('x'), 'again')
    await calls.outcome(target)
    await assert.rejects(calls.signal(target, 'go', encodePayload('x')), { code: 'EXECUTION_CLOSED' })
    await assert.rejects(calls.tasks.cancel({ namespace: NAMESPACE, id: 'none' }, ''), {
      code: 'TASK_NOT_FOUND',
    })
    opened.engine.audit?.flush()
    await opened.engine.committer.whenIdle()
    const said = batches
      .flatMap(({ audit }) => audit ?? [])
      .map(entryOf)
      .filter(({ action }) => action !== 'BeginChain')
      .map(({ action, result, code }) => [action, result, ...(code === undefined ? [] : [code])].join(' '))
    assert.deepEqual(said, [
      'StartExecution changed',
      'SignalExecution changed',
      'StartExecution unchanged',
      'StartExecution failed EXECUTION_EXISTS',
      'SignalExecution failed EXECUTION_CLOSED',
      'CancelTask failed TASK_NOT_FOUND',
    ])
  })

  test('reads have none', async () => {
    await using engine = await auditedEngine()
    const { opened, batches } = engine
    await opened.calls.list({ namespace: NAMESPACE })
    await assert.rejects(opened.calls.describe(target))
    opened.engine.audit?.flush()
    await opened.engine.committer.whenIdle()
    assert.deepEqual(
      batches.flatMap(({ audit }) => audit ?? []),
      [],
    )
  })

  test('10,000 tasks at once are recorded with each thousand of them', async () => {
    await using engine = await auditedEngine()
    const { opened, batches } = engine
    const request = {
      namespace: NAMESPACE,
      name: 'work',
      queue: 'mail',
      input: encodePayload(null),
      delayMs: 3_600_000,
    }
    await opened.calls.tasks.enqueue(
      Array.from({ length: 10_000 }, (_, i) => ({ ...request, id: `task-${i}` })),
    )
    const rows = batches.map(({ audit, tasksInserted }) => ({
      tasks: tasksInserted.length,
      counted: (audit ?? []).reduce((sum, row) => sum + (entryOf(row).count ?? 0), 0),
    }))
    for (const { tasks, counted } of rows) assert.equal(counted, tasks)
    assert.equal(
      rows.reduce((sum, { counted }) => sum + counted, 0),
      10_000,
    )
    const ids = new Set(
      batches.flatMap(({ audit }) => audit ?? []).flatMap((row) => entryOf(row).requestId ?? []),
    )
    assert.equal(ids.size, 1)
  })
})
