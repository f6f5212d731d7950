/** What every store promises of schedules. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { ALL_SCHEDULES_DUE, batchOf, journalEntry, runIdAt, scheduleRow } from './store-rows.ts'
import type { DefineTest } from './store-test.ts'

export function describeSchedules(storeTest: DefineTest): void {
  describe('schedules', () => {
    storeTest(
      'a schedule comes back with all columns; another write of it replaces it whole',
      async ({ store, write }) => {
        const first = scheduleRow('ä 漢字 😀', {
          namespace: 'other',
          dueAt: -5,
          waits: true,
          spec: '{"a":"O\'Neill"}',
        })
        await write({ schedules: [first, scheduleRow('b')] })
        const keys = [first, { namespace: 'default', id: first.id }, { namespace: 'default', id: 'b' }]
        assert.deepEqual(await store.schedules(keys), [first, undefined, scheduleRow('b')])
        const second = { ...first, dueAt: null, waits: false, spec: '{}', state: '{"b":1}' }
        await write({ schedules: [second] })
        assert.deepEqual(await store.schedules([first]), [second])
      },
    )

    storeTest('one that is dropped is gone; dropping none does nothing', async ({ store, write }) => {
      await write({ schedules: [scheduleRow('a', { dueAt: 1, waits: true }), scheduleRow('b')] })
      await write({
        schedulesDropped: [
          { namespace: 'default', id: 'a' },
          { namespace: 'other', id: 'b' },
        ],
      })
      assert.deepEqual(await store.listSchedules({ limit: 10 }), [scheduleRow('b')])
      assert.deepEqual(await store.dueSchedules(ALL_SCHEDULES_DUE), [])
    })

    storeTest('they come by due time, page by page', async ({ store, write }) => {
      const rows = [
        scheduleRow('a', { dueAt: 20 }),
        scheduleRow('b', { dueAt: 10 }),
        scheduleRow('c', { dueAt: 10, namespace: 'a' }),
        scheduleRow('never'),
        scheduleRow('d', { dueAt: 10 }),
      ]
      await write({ schedules: rows })
      const idsOf = async (page: Partial<typeof ALL_SCHEDULES_DUE>): Promise<string[]> =>
        (await store.dueSchedules({ ...ALL_SCHEDULES_DUE, ...page })).map(({ id }) => id)
      assert.deepEqual(await idsOf({}), ['c', 'b', 'd', 'a'])
      assert.deepEqual(await idsOf({ limit: 2 }), ['c', 'b'])
      assert.deepEqual(await idsOf({ after: { dueAt: 10, namespace: 'default', id: 'b' } }), ['d', 'a'])
      assert.deepEqual(await idsOf({ upToMs: 19 }), ['c', 'b', 'd'])
      await write({ schedules: [scheduleRow('c', { dueAt: 15, namespace: 'a' })] })
      assert.deepEqual(await idsOf({}), ['b', 'd', 'c', 'a'])
    })

    storeTest('lists, in the order of their bytes', async ({ store, write }) => {
      const ids = ['z', 'a', '\u{10ffff}', '\uffff', 'b']
      await write({ schedules: ids.map((id) => scheduleRow(id, { waits: id < 'c' })) })
      await write({ schedules: [scheduleRow('m', { namespace: 'a' }), scheduleRow('n', { namespace: 'z' })] })
      const idsOf = async (query: Partial<Parameters<typeof store.listSchedules>[0]>): Promise<string[]> =>
        (await store.listSchedules({ limit: 100, ...query })).map(({ id }) => id)
      assert.deepEqual(await idsOf({}), ['m', 'a', 'b', 'z', '\uffff', '\u{10ffff}', 'n'])
      assert.deepEqual(await idsOf({ namespace: 'default', limit: 2 }), ['a', 'b'])
      const after = { namespace: 'default', id: 'b' }
      assert.deepEqual(await idsOf({ after, limit: 2 }), ['z', '\uffff'])
      assert.deepEqual(await idsOf({ after, namespace: 'default' }), ['z', '\uffff', '\u{10ffff}'])
      assert.deepEqual(await idsOf({ after, namespace: 'a' }), [])
      assert.deepEqual(await idsOf({ after, namespace: 'z' }), ['n'])
      assert.deepEqual(await idsOf({ waits: true }), ['a', 'b'])
      assert.deepEqual(await idsOf({ waits: true, namespace: 'default', after }), [])
    })

    storeTest('of a refused batch nothing stays', async ({ store, session, write }) => {
      const entry = journalEntry(runIdAt(0), 1)
      await write({ journal: [entry], schedules: [scheduleRow('a')] })
      const rows = {
        journal: [entry],
        schedules: [scheduleRow('a', { dueAt: 7 }), scheduleRow('b')],
      }
      assert.equal((await store.commit(batchOf(session, 90, rows))).outcome, 'refused')
      assert.deepEqual(await store.listSchedules({ limit: 10 }), [scheduleRow('a')])
    })
  })
}
