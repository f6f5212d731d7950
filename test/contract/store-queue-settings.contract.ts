/** What every store promises of settings of queues. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { batchOf, journalEntry, queueSettingRow, runIdAt } from './store-rows.ts'
import type { DefineTest } from './store-test.ts'

export function describeQueueSettings(storeTest: DefineTest): void {
  describe('settings of queues', () => {
    storeTest('a row comes back whole; another write replaces it', async ({ store, write }) => {
      const first = queueSettingRow('ä 漢字 😀', { namespace: 'other', setting: '{"a":"O\'Neill"}' })
      await write({ queueSettings: [first, queueSettingRow('b')] })
      const second = { ...first, revision: 2, setting: '{"b":1}' }
      assert.deepEqual(await store.queueSettings({ limit: 10 }), [queueSettingRow('b'), first])
      await write({ queueSettings: [second] })
      assert.deepEqual(await store.queueSettings({ limit: 10, namespace: 'other' }), [second])
    })

    storeTest('lists, in the order of their bytes, page by page', async ({ store, write }) => {
      const names = ['z', 'a', '\u{10ffff}', '\uffff', 'b']
      await write({ queueSettings: names.map((name) => queueSettingRow(name)) })
      await write({
        queueSettings: [queueSettingRow('m', { namespace: 'a' }), queueSettingRow('n', { namespace: 'z' })],
      })
      const namesOf = async (query: Partial<Parameters<typeof store.queueSettings>[0]>): Promise<string[]> =>
        (await store.queueSettings({ limit: 100, ...query })).map(({ queue }) => queue)
      assert.deepEqual(await namesOf({}), ['m', 'a', 'b', 'z', '\uffff', '\u{10ffff}', 'n'])
      assert.deepEqual(await namesOf({ namespace: 'default', limit: 2 }), ['a', 'b'])
      assert.deepEqual(await namesOf({ limit: 0 }), [])
      const after = { namespace: 'default', queue: 'b' }
      assert.deepEqual(await namesOf({ after, limit: 2 }), ['z', '\uffff'])
      assert.deepEqual(await namesOf({ after, namespace: 'default' }), ['z', '\uffff', '\u{10ffff}'])
      assert.deepEqual(await namesOf({ after, namespace: 'a' }), [])
      assert.deepEqual(await namesOf({ after, namespace: 'z' }), ['n'])
    })

    storeTest('of a refused batch nothing stays', async ({ store, session, write }) => {
      const entry = journalEntry(runIdAt(0), 1)
      await write({ journal: [entry], queueSettings: [queueSettingRow('a')] })
      const rows = { journal: [entry], queueSettings: [queueSettingRow('a', { revision: 2 })] }
      assert.equal((await store.commit(batchOf(session, 90, rows))).outcome, 'refused')
      assert.deepEqual(await store.queueSettings({ limit: 10 }), [queueSettingRow('a')])
    })
  })
}
