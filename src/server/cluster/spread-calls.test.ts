import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PerdureError } from '../../protocol/errors.ts'
import { queueShardOf } from '../../protocol/ids.ts'
import { Router, type RouterOptions } from './router.ts'
import { peopleCalls, taskCalls } from './spread-calls.ts'

const SHARDS = 16
const moved = (): Promise<never> =>
  Promise.reject(new PerdureError('SHARD_MOVED', 'queue mail belongs to another node'))

/** A node that owns nothing; what is looked for gets its row after the first look. */
function nodeThatComesLate(): { readonly router: Router; readonly asked: unknown[] } {
  const asked: unknown[] = []
  let looks = 0
  const isThere = (): boolean => looks++ > 0
  const row = { namespace: 'default', queue: 'mail', partition: 0 }
  const store = {
    taskSeqs: async () => [isThere() ? 7 : undefined],
    tasks: async () => [row],
    executions: async () => [isThere() ? { shard: 3, status: 'running' } : undefined],
  }
  const engine = {
    options: { store },
    ownership: { shards: SHARDS },
    clock: { nowMs: () => performance.now() },
    assertOpen() {},
  }
  const options = {
    engine,
    owner: { call: moved },
    links: {
      call: async (node: unknown, method: string) => {
        asked.push([node, method])
        return 'there'
      },
    },
    nodes: { ownerOf: (shard: number) => shard, others: () => [], changed: async () => {}, look() {} },
  }
  // The one cast: what a router uses of a node.
  return { router: new Router(options as unknown as RouterOptions), asked }
}

describe('what gets its row while it is looked for, at another node', () => {
  test('a task is asked for there', async () => {
    const { router, asked } = nodeThatComesLate()
    assert.equal(await taskCalls(router).explain({ namespace: 'default', id: 'given' }), 'there')
    const shard = queueShardOf({ namespace: 'default', queue: 'mail', partition: 0 }, SHARDS)
    assert.deepEqual(asked, [[shard, 'tasks.explain']])
  })

  test('a human task is asked for there', async () => {
    const { router, asked } = nodeThatComesLate()
    const id = '01JXT227WY95Z0M17YE9S9XVSM-4'
    assert.equal(await peopleCalls(router).describe({ namespace: 'default', id }), 'there')
    assert.deepEqual(asked, [[3, 'people.describe']])
  })
})
