/** The end of a task that a program has claimed over HTTP is recorded in its name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../../src/store/contract/batch.ts'
import { delegating } from '../http/http-fixture.ts'
import { auditedEngine, entryOf, personalOf } from './audited-engine.ts'

const WORKER_ACTIONS = ['CompleteTask', 'FailTask']

test('a completion and a failure have one row each, in the commit of the change; nothing else of a claim has', async () => {
  await using engine = await auditedEngine({ settings: { workflows: [delegating], tasks: [] } })
  const { opened, batches } = engine
  const { url } = await opened.listen()
  const ask = async (path: string, body: object = {}) => {
    const response = await fetch(`${url.replace('ws', 'http')}/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  const claim = async (queue: string): Promise<{ readonly token: string; readonly id: string }> => {
    const { body } = await ask(`/queues/${queue}/claims`, {
      worker: 'w',
      tasks: ['work', 'outside'],
      waitMs: 20_000,
    })
    assert.equal(body.claims.length, 1)
    return body.claims[0]
  }
  /** Of workers, with the batches that they are in, when all are written. */
  const rows = async () => {
    opened.engine.audit?.flush()
    await opened.engine.committer.whenIdle()
    return batches.flatMap((batch: Batch) =>
      (batch.audit ?? [])
        .filter((row) => WORKER_ACTIONS.includes(entryOf(row).action))
        .map((row) => ({ row, batch })),
    )
  }

  await ask('/tasks', { name: 'work', queue: 'q', id: 'a' })
  const given = await claim('q')
  assert.equal((await ask(`/claims/${given.token}/heartbeat`)).status, 200)
  assert.equal((await ask(`/claims/${given.token}/return`)).status, 204)
  assert.deepEqual(await rows(), [])

  const failed = await claim('q')
  const before = batches.length
  assert.equal((await ask(`/claims/${failed.token}/fail`, { message: 'no' })).status, 204)
  const [first = assert.fail(), ...none] = await rows()
  assert.deepEqual(none, [])
  assert.ok(batches.indexOf(first.batch) >= before)
  assert.ok(first.batch.tasksUpdated.length > 0, 'the change is in the same batch')
  const { action, type, namespace, result } = entryOf(first.row)
  assert.deepEqual([action, type, namespace, result], ['FailTask', 'Task', 'default', 'changed'])
  const { caller, address, resource } = personalOf(first.row) ?? assert.fail()
  assert.deepEqual([caller, address, resource], ['open', '127.0.0.1', 'a'])

  // Of an execution: its event, and the row.
  await ask('/executions', { workflow: 'delegating', id: 'd', input: 7 })
  const own = await claim('outside')
  assert.equal((await ask(`/claims/${own.token}/complete`, { result: 7 })).status, 204)
  const [, second = assert.fail(), ...more] = await rows()
  assert.deepEqual(more, [])
  assert.deepEqual([entryOf(second.row).action, personalOf(second.row)?.resource], ['CompleteTask', own.id])
  assert.ok(second.batch.journal.length > 0)

  // A repeat changes nothing, and a void token fails.
  assert.equal((await ask(`/claims/${own.token}/complete`, { result: 7 })).status, 204)
  assert.equal((await ask(`/claims/${given.token}/fail`, { message: 'no' })).body.code, 'CLAIM_LOST')
  assert.deepEqual(
    (await rows())
      .slice(2)
      .map(({ row }) => [entryOf(row).action, entryOf(row).result, entryOf(row).code])
      .sort(),
    [
      ['CompleteTask', 'unchanged', undefined],
      ['FailTask', 'failed', 'CLAIM_LOST'],
    ],
  )
})
