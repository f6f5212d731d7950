// What may be open in a namespace at once: counted in the store now and then, and in between here.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import type { StartReply, StartRequest } from '../../src/protocol/client-port.ts'
import { PerdureError } from '../../src/protocol/errors.ts'
import type { RunId } from '../../src/protocol/ids.ts'
import type { TaskReply, TaskRequest } from '../../src/protocol/task-port.ts'
import type { Quotas } from '../../src/server/access/namespaces.ts'
import { COUNT_MS } from '../../src/server/access/open-count.ts'
import { OpenPlaces, type OpenPlacesParts } from '../../src/server/access/open-places.ts'
import { executionRow, runIdAt } from '../contract/store-rows.ts'

const NAMESPACE = 'billing'

/** A store that is counted: what is started and enqueued is in it when it is answered. */
class CountedStore {
  readonly running = new Map<string, RunId>()
  readonly closed = new Map<string, RunId>()
  readonly tasks = new Set<string>()
  reads = 0
  fails = false

  readonly store: OpenPlacesParts['store'] = {
    countOpen: async (_, most) => this.#counted(this.running.size, most),
    countOpenTasks: async (_, most) => this.#counted(this.tasks.size, most),
    currents: async (keys) =>
      keys.map(({ workflowId }) => this.running.get(workflowId) ?? this.closed.get(workflowId)),
    executions: async (runIds) =>
      runIds.map((runId) => {
        const isRunning = [...this.running.values()].includes(runId)
        const isThere = isRunning || [...this.closed.values()].includes(runId)
        return isThere ? executionRow(runId, { status: isRunning ? 'running' : 'completed' }) : undefined
      }),
    journal: async (runId) => {
      const event = { type: 'execution-started', at: 1, mark: { key: `key of ${runId}`, body: 'b' } }
      return [{ runId, seq: 1, epoch: 1, count: 1, events: JSON.stringify([event]) }]
    },
    taskSeqs: async (keys) => keys.map(({ id }) => (this.tasks.has(id) ? 1 : undefined)),
    keyHolders: async (keys) => keys.map(({ dedupe }) => (dedupe.includes('held') ? [1] : [])),
  }

  #counted(open: number, most: number): number {
    this.reads += 1
    if (this.fails) throw new PerdureError('OVERLOADED', 'the store is busy')
    return Math.min(open, most)
  }
}

function opened(quotas: Quotas, counted = new CountedStore(), clock = new VirtualClock(0)) {
  const places = new OpenPlaces({
    store: counted.store,
    quotasOf: (namespace) => (namespace === NAMESPACE ? quotas : {}),
    nowMs: () => clock.nowMs(),
  })
  const requestOf = (workflowId: string, more: Partial<StartRequest> = {}): StartRequest => ({
    key: { namespace: NAMESPACE, workflowId },
    workflow: 'w',
    version: '1',
    input: [1, 'json', null, null] as never,
    onConflict: 'use-existing',
    ...more,
  })
  let number = counted.running.size
  const start = (workflowId: string, more: Partial<StartRequest> = {}): Promise<string> =>
    coded(
      places.start(requestOf(workflowId, more), async (): Promise<StartReply> => {
        const known = counted.running.get(workflowId)
        if (known !== undefined) return { runId: known, started: false }
        number += 1
        counted.running.set(workflowId, runIdAt(number))
        return { runId: runIdAt(number), started: true }
      }),
    )
  const enqueue = (
    ids: readonly (string | undefined)[],
    more: Partial<TaskRequest> = {},
  ): Promise<string> => {
    const requests = ids.map((id) => ({
      namespace: NAMESPACE,
      name: 'mail',
      queue: 'q',
      input: [1, 'json', null, null] as never,
      ...(id === undefined ? {} : { id }),
      ...more,
    }))
    return coded(
      places.enqueue(requests, async () =>
        requests.map(({ id = `~${counted.tasks.size}` }): TaskReply => {
          const enqueued = !counted.tasks.has(id)
          counted.tasks.add(id)
          return { id, enqueued }
        }),
      ),
    )
  }
  return { places, counted, clock, start, enqueue, requestOf }
}

async function coded(result: Promise<unknown>): Promise<string> {
  try {
    await result
    return 'ok'
  } catch (error) {
    if (error instanceof PerdureError) return error.code
    throw error
  }
}

describe('open executions', () => {
  test('no more are started than the quota says, and the store is counted once a second', async () => {
    const { start, counted, clock } = opened({ openExecutions: 3 })
    assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((id) => start(id))), [
      'ok',
      'ok',
      'ok',
      'QUOTA_EXCEEDED',
    ])
    assert.equal(counted.running.size, 3)
    assert.equal(counted.reads, 1)
    clock.advance(COUNT_MS)
    assert.equal(await start('d'), 'QUOTA_EXCEEDED')
    assert.equal(counted.reads, 2)
  })

  test('one that asks just before it is counted again gets no place of those that were let in', async () => {
    const { start, counted, clock } = opened({ openExecutions: 2 })
    assert.deepEqual([await start('a'), await start('b')], ['ok', 'ok'])
    clock.advance(COUNT_MS - 1)
    const last = start('c')
    clock.advance(1)
    assert.deepEqual(await Promise.all([last, start('d')]), ['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED'])
    assert.equal(counted.running.size, 2)
  })

  test('one that has ended gives its place to another', async () => {
    const { start, counted, clock } = opened({ openExecutions: 1 })
    assert.equal(await start('a'), 'ok')
    counted.running.delete('a')
    clock.advance(COUNT_MS)
    assert.deepEqual([await start('b'), await start('c')], ['ok', 'QUOTA_EXCEEDED'])
  })

  test('what is open already, and what was asked before, is never refused', async () => {
    const { start, counted } = opened({ openExecutions: 1 })
    counted.closed.set('done', runIdAt(50))
    assert.equal(await start('a'), 'ok')
    assert.equal(await start('b'), 'QUOTA_EXCEEDED')
    assert.equal(await start('a'), 'ok')
    assert.equal(await start('a', { onConflict: 'terminate-existing' }), 'ok')
    const mark = { key: `key of ${runIdAt(50)}`, body: 'b' }
    assert.equal(await start('done'), 'QUOTA_EXCEEDED')
    assert.equal(await start('done', { mark: { key: 'another', body: 'b' } }), 'QUOTA_EXCEEDED')
    assert.equal(await start('done', { mark }), 'ok')
  })

  test('those that were let in and made nothing new leave their places', async () => {
    const { start, places, requestOf } = opened({ openExecutions: 2 })
    assert.equal(await start('a'), 'ok')
    for (let i = 0; i < 5; i++) assert.equal(await start('a'), 'ok')
    const refused = places.start(requestOf('x'), async () => {
      throw new PerdureError('EXECUTION_EXISTS', 'it is there')
    })
    assert.equal(await coded(refused), 'EXECUTION_EXISTS')
    assert.equal(await start('b'), 'ok')
  })

  test('one whose answer was lost counts until it is counted again', async () => {
    const { start, places, requestOf, clock } = opened({ openExecutions: 1 })
    const lost = places.start(requestOf('x'), async () => {
      throw new PerdureError('CONNECTION_LOST', 'who knows')
    })
    assert.equal(await coded(lost), 'CONNECTION_LOST')
    assert.equal(await start('a'), 'QUOTA_EXCEEDED')
    clock.advance(COUNT_MS)
    assert.equal(await start('a'), 'ok')
  })

  test('one that is still on its way when it is counted again counts beside what the store says', async () => {
    const { start, places, requestOf, clock } = opened({ openExecutions: 1 })
    const slow = Promise.withResolvers<StartReply>()
    const begun = places.start(requestOf('slow'), () => slow.promise)
    clock.advance(COUNT_MS)
    assert.equal(await start('a'), 'QUOTA_EXCEEDED')
    slow.resolve({ runId: runIdAt(1), started: false })
    await begun
    assert.equal(await start('a'), 'ok')
  })

  test('several nodes let in together what was free for each within a second, and then none', async () => {
    const one = opened({ openExecutions: 10 })
    const two = opened({ openExecutions: 10 }, one.counted, one.clock)
    // Both count before the other one has started any.
    await Promise.all([one.start('first of one'), two.start('first of two')])
    for (let i = 0; i < 50; i++) await Promise.all([one.start(`1-${i}`), two.start(`2-${i}`)])
    assert.equal(one.counted.running.size, 20)
    one.clock.advance(COUNT_MS)
    assert.deepEqual([await one.start('x'), await two.start('y')], ['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED'])
  })

  test('a quota that is changed counts from the next count on; without one nothing is read', async () => {
    const quotas: { openExecutions?: number } = {}
    const { start, counted, clock } = opened(quotas)
    assert.deepEqual(await Promise.all(['a', 'b', 'c'].map((id) => start(id))), ['ok', 'ok', 'ok'])
    assert.equal(counted.reads, 0)
    quotas.openExecutions = 2
    assert.equal(await start('d'), 'QUOTA_EXCEEDED')
    quotas.openExecutions = 4
    clock.advance(COUNT_MS)
    assert.deepEqual([await start('d'), await start('e')], ['ok', 'QUOTA_EXCEEDED'])
  })

  test('what the store throws is thrown, and the next one counts anew', async () => {
    const { start, counted } = opened({ openExecutions: 1 })
    counted.fails = true
    assert.equal(await start('a'), 'OVERLOADED')
    counted.fails = false
    assert.equal(await start('a'), 'ok')
  })
})

describe('open tasks', () => {
  test('a call is let in with all of its tasks, or none', async () => {
    const { enqueue, counted } = opened({ openTasks: 3 })
    assert.equal(await enqueue([undefined, undefined]), 'ok')
    assert.equal(await enqueue([undefined, undefined]), 'QUOTA_EXCEEDED')
    assert.equal(counted.tasks.size, 2)
    assert.equal(await enqueue(['a']), 'ok')
  })

  test('those that are there already need no place', async () => {
    const { enqueue, counted } = opened({ openTasks: 3 })
    assert.equal(await enqueue(['a', 'b']), 'ok')
    assert.equal(await enqueue(['a', 'b', 'c']), 'ok')
    assert.deepEqual([await enqueue(['a', 'b', 'c']), await enqueue(['d'])], ['ok', 'QUOTA_EXCEEDED'])
    assert.equal(await enqueue([undefined], { dedupe: { key: 'held' } }), 'ok')
    assert.equal(await enqueue([undefined], { dedupe: { key: 'free' } }), 'QUOTA_EXCEEDED')
    counted.tasks.delete('c')
  })
})
