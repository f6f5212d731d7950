/** Chains when commits do not simply succeed: refused and split, fenced, unknown. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PerdureError } from '../../src/index.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import type { Batch, CommitOutcome } from '../../src/store/contract/batch.ts'
import { UnknownCommitError } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { NAMESPACE } from './audited-calls.ts'
import { type AuditedEngine, auditedEngine, entryOf, personalOf } from './audited-engine.ts'
import { trailOf } from './trail-of.ts'

async function start({ opened }: AuditedEngine, id: string): Promise<string> {
  try {
    const { runId } = await opened.calls.start({
      key: { namespace: NAMESPACE, workflowId: id },
      workflow: 'waiting',
      version: '1',
      input: encodePayload(null),
      onConflict: 'fail',
    })
    return runId
  } catch (error) {
    return error instanceof PerdureError ? error.code : String(error)
  }
}

const startsIds = ({ executionsInserted }: Batch): string[] =>
  executionsInserted.map(({ key }) => key.workflowId)

/** Each start that is in a batch has its row there. */
function assertTogether(batches: readonly Batch[]): void {
  for (const batch of batches) {
    const recorded = (batch.audit ?? [])
      .filter((row) => entryOf(row).action === 'StartExecution' && entryOf(row).result === 'changed')
      .map((row) => personalOf(row)?.resource)
    assert.deepEqual(recorded.sort(), startsIds(batch).sort())
  }
}

describe('the chain of a session', () => {
  test('goes on over the parts of a batch that the store refuses', async () => {
    const store = createMemoryStore()
    let refused = 0
    const instead = (batch: Batch): Promise<CommitOutcome> | undefined => {
      if (!startsIds(batch).includes('bad')) return undefined
      refused += 1
      return Promise.resolve({ outcome: 'refused', reason: 'bad' })
    }
    {
      await using engine = await auditedEngine({ store, instead })
      assert.match(await start(engine, 'first'), /^[0-9A-Z]{26}$/)
      const ids = ['a', 'b', 'bad', 'c', 'd', 'e']
      const answers = await Promise.all(ids.map((id) => start(engine, id)))
      assert.deepEqual(
        answers.map((answer) => (answer.length === 26 ? 'started' : answer)),
        ['started', 'started', 'STORE_FAILED', 'started', 'started', 'started'],
      )
      assert.ok(refused >= 3, 'it was split')
      assert.match(await start(engine, 'last'), /^[0-9A-Z]{26}$/)
      engine.opened.engine.audit?.flush()
      await engine.opened.engine.committer.whenIdle()
      assertTogether(engine.batches)
      const { rows, report } = await trailOf(store)
      assert.deepEqual(report.findings, [])
      assert.equal(report.chains, 1)
      const said = rows.map((row) =>
        [personalOf(row)?.resource, entryOf(row).result, entryOf(row).code].join(' '),
      )
      assert.equal(said.filter((each) => each === 'bad failed STORE_FAILED').length, 1)
      assert.equal(said.filter((each) => each.includes(' changed')).length, 8)
    }
  })

  test('ends with a fence, and another one begins', async () => {
    const store = createMemoryStore()
    let isFencing = false
    const instead = async (batch: Batch): Promise<CommitOutcome> => {
      if (isFencing && startsIds(batch).length > 0) {
        isFencing = false
        await store.fence(batch.session)
      }
      return store.commit(batch)
    }
    await using engine = await auditedEngine({ store, instead })
    await start(engine, 'before')
    isFencing = true
    assert.equal(await start(engine, 'lost'), 'UNCOMMITTED')
    await start(engine, 'after')
    engine.opened.engine.audit?.flush()
    await engine.opened.engine.committer.whenIdle()
    assertTogether(engine.batches)
    const { rows, report } = await trailOf(store)
    assert.deepEqual(report.findings, [])
    assert.equal(report.chains, 2)
    const lost = rows.filter((row) => personalOf(row)?.resource === 'lost').map(entryOf)
    assert.deepEqual(
      lost.map(({ result, code }) => [result, code]),
      [['failed', 'UNCOMMITTED']],
    )
  })

  for (const isApplied of [true, false])
    test(`an unknown commit that is ${isApplied ? '' : 'not '}in, and its row, go the same way`, async () => {
      const store = createMemoryStore()
      let isUnknown = false
      const instead = async (batch: Batch): Promise<CommitOutcome> => {
        if (!isUnknown || startsIds(batch).length === 0) return store.commit(batch)
        isUnknown = false
        if (isApplied) await store.commit(batch)
        throw new UnknownCommitError('nobody knows')
      }
      await using engine = await auditedEngine({ store, instead })
      await start(engine, 'before')
      isUnknown = true
      const answer = await start(engine, 'unknown')
      assert.equal(answer.length === 26, isApplied, answer)
      await start(engine, 'after')
      engine.opened.engine.audit?.flush()
      await engine.opened.engine.committer.whenIdle()
      const { rows, report } = await trailOf(store)
      assert.deepEqual(report.findings, [])
      const results = rows
        .filter((row) => personalOf(row)?.resource === 'unknown')
        .map((row) => entryOf(row).result)
      assert.deepEqual(results, [isApplied ? 'changed' : 'failed'])
    })

  test('stops the engine when the store does not take its rows any more', async () => {
    let isForged = false
    const instead = (batch: Batch): Promise<CommitOutcome> | undefined =>
      isForged && batch.audit !== undefined
        ? Promise.resolve({ outcome: 'refused', reason: 'there is such a row' })
        : undefined
    await using engine = await auditedEngine({ instead })
    await start(engine, 'before')
    // As somebody who has added a row to the chain makes it.
    isForged = true
    assert.equal(await start(engine, 'after'), 'STORE_FAILED')
    while (!engine.opened.engine.isFailed) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(await start(engine, 'later'), 'ENGINE_FAILED')
  })
})
