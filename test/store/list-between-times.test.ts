/** A list up to a time does not look at what is newer than that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine, silentLogger, workflow } from '../../src/index.ts'
import { runStartMs } from '../../src/protocol/ids.ts'
import type { StoreListQuery } from '../../src/store/contract/store.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'

const nothing = workflow({ name: 'nothing', run: () => 0 })

test('it begins at the key of its upper time, and goes on from its cursor', async () => {
  const store = createMemoryStore()
  const queries: StoreListQuery[] = []
  const list = store.list.bind(store)
  store.list = (query) => {
    queries.push(query)
    return list(query)
  }
  await using engine = await createEngine({ store, workflows: [nothing], logger: silentLogger })
  for (const id of ['a', 'b', 'c']) await (await engine.start(nothing, undefined, { id })).result()
  const [newest] = (await engine.list({})).executions
  assert.ok(newest !== undefined)
  const startedTo = new Date(newest.startedAt.getTime() + 1)
  const first = await engine.list({ startedTo, limit: 2 })
  assert.deepEqual(
    first.executions.map(({ id }) => id),
    ['c', 'b'],
  )
  const second = await engine.list({ startedTo, limit: 2, cursor: first.cursor ?? '' })
  assert.deepEqual(
    second.executions.map(({ id }) => id),
    ['a'],
  )
  const [, bounded, paged] = queries.map(({ before }) => before)
  assert.equal(runStartMs(bounded ?? assert.fail()), startedTo.getTime() + 3_600_000)
  assert.equal(paged, first.cursor)
})
