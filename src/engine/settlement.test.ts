import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type RunId, runIdOf } from '../protocol/ids.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import type { LiveExecution } from './live-execution.ts'
import { type Guilty, parkAllGuilty, type SettlingEngine } from './settlement.ts'

const RUN = runIdOf(1, [])
const REASON = 'the store does not like it'

/** An engine with one run, whose newest journal entry has that number, and whose shard is here or not. */
function engineWith({ lastSeq, isHere }: { lastSeq: number; isHere: boolean }): {
  readonly engine: SettlingEngine
  readonly parked: unknown[]
} {
  const store = Object.assign(createMemoryStore(), {
    lastEntry: async (runId: RunId) => ({ runId, seq: lastSeq, epoch: 1, count: 1, events: '[]' }),
  })
  const parked: unknown[] = []
  const execution = { shard: 3, state: { runId: RUN } } as LiveExecution
  const engine = {
    options: { store },
    guilty: new Map<RunId, Guilty>([[RUN, { reason: REASON, lastSeq: 4 }]]),
    session: { id: 1, incarnation: 'a' },
    ownership: { isWhole: false, owns: () => isHere },
    table: { load: async () => (isHere ? execution : undefined) },
    transitions: { apply: (_: LiveExecution, command: unknown) => parked.push(command), finish: () => {} },
  } as unknown as SettlingEngine
  return { engine, parked }
}

describe('runs whose batches the store has refused, when their shards come back', () => {
  test('one that is as it was is parked', async () => {
    const { engine, parked } = engineWith({ lastSeq: 4, isHere: true })
    await parkAllGuilty(engine)
    assert.equal(parked.length, 1)
    assert.match(JSON.stringify(parked), new RegExp(REASON))
    assert.equal(engine.guilty.size, 0)
  })

  test('one that has gone on at another owner meanwhile is left alone', async () => {
    const { engine, parked } = engineWith({ lastSeq: 5, isHere: true })
    await parkAllGuilty(engine)
    assert.deepEqual(parked, [])
    assert.equal(engine.guilty.size, 0)
  })

  test('one whose shard is still elsewhere stays noted, as it was', async () => {
    const { engine, parked } = engineWith({ lastSeq: 4, isHere: false })
    await parkAllGuilty(engine)
    assert.deepEqual(parked, [])
    assert.deepEqual([...engine.guilty], [[RUN, { reason: REASON, lastSeq: 4 }]])
  })
})
