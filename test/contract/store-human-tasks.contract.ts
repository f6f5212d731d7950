/** What every store promises of human tasks. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { HumanTaskQuery } from '../../src/store/contract/human-task-rows.ts'
import { batchOf, humanTaskRow, journalEntry, runIdAt } from './store-rows.ts'
import type { DefineTest } from './store-test.ts'

export function describeHumanTasks(storeTest: DefineTest): void {
  describe('human tasks', () => {
    const all: HumanTaskQuery = { namespace: 'default', inboxes: ['all'], limit: 10 }

    storeTest(
      'a row comes back whole, from each of its inboxes; another write replaces it',
      async ({ store, write }) => {
        const row = humanTaskRow(runIdAt(1), 7, { workflowId: 'ä 漢字 😀', inboxes: ["u:O'Neill", 'g:"x"'] })
        await write({ humanTasks: [row] })
        for (const inbox of ['all', "u:O'Neill", 'g:"x"'])
          assert.deepEqual(await store.humanTasks({ ...all, inboxes: [inbox] }), [row])
        const second = humanTaskRow(runIdAt(1), 7, { rank: '1', inboxes: ['u:ann'], summary: '{"a":1}' })
        await write({ humanTasks: [second] })
        assert.deepEqual(await store.humanTasks({ ...all, inboxes: ['g:"x"'] }), [])
        assert.deepEqual(await store.humanTasks({ ...all, inboxes: ['u:ann', 'all', 'all'] }), [second])
        assert.deepEqual(await store.humanTasks({ ...all, namespace: 'other' }), [])
      },
    )

    storeTest('lists several inboxes as one, each task once, page by page', async ({ store, write }) => {
      const rows = [
        humanTaskRow(runIdAt(3), 2, { rank: '1', inboxes: ['u:ann'] }),
        humanTaskRow(runIdAt(3), 10, { rank: '1', inboxes: ['g:x', 'u:ann'] }),
        humanTaskRow(runIdAt(1), 1, { rank: '2', inboxes: ['g:x'] }),
        humanTaskRow(runIdAt(2), 1, { rank: '2', inboxes: ['u:bob'] }),
      ]
      await write({ humanTasks: rows.toReversed() })
      const [first, second, third] = rows
      assert.ok(first !== undefined && second !== undefined)
      const query = { ...all, inboxes: ['u:ann', 'g:x', 'nobody'] }
      assert.deepEqual(await store.humanTasks(query), [first, second, third])
      assert.deepEqual(await store.humanTasks({ ...query, limit: 2 }), [first, second])
      assert.deepEqual(await store.humanTasks({ ...query, after: first, limit: 1 }), [second])
      assert.deepEqual(await store.humanTasks({ ...query, after: second }), [third])
      assert.deepEqual(await store.humanTasks({ ...query, limit: 0 }), [])
      assert.deepEqual(await store.humanTasks({ ...query, inboxes: [] }), [])
    })

    storeTest('a dropped one is in no inbox; to drop another is nothing', async ({ store, write }) => {
      await write({ humanTasks: [humanTaskRow(runIdAt(1), 1), humanTaskRow(runIdAt(1), 2)] })
      await write({
        humanTasksDropped: [
          { runId: runIdAt(1), op: 1 },
          { runId: runIdAt(9), op: 1 },
        ],
      })
      assert.deepEqual(await store.humanTasks(all), [humanTaskRow(runIdAt(1), 2)])
    })

    storeTest('of a refused batch nothing stays', async ({ store, session, write }) => {
      const entry = journalEntry(runIdAt(0), 1)
      const row = humanTaskRow(runIdAt(0), 1)
      await write({ journal: [entry], humanTasks: [row] })
      const rows = { journal: [entry], humanTasks: [{ ...row, rank: '1' }] }
      assert.equal((await store.commit(batchOf(session, 90, rows))).outcome, 'refused')
      assert.deepEqual(await store.humanTasks(all), [row])
    })
  })
}
