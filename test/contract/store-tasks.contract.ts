/** What every store promises of tasks. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { ownTaskId } from '../../src/protocol/task-ids.ts'
import { KEY_HOLDERS_MAX, type TaskListQuery } from '../../src/store/contract/task-rows.ts'
import { ALL_DUE, batchOf, taskChange, taskRow } from './store-rows.ts'
import type { DefineTest } from './store-test.ts'

const LANE = { namespace: 'default', queue: 'mail', partition: 0, lane: 'a\n\nsend' } as const
const FIRST = { rank: Number.NEGATIVE_INFINITY, seq: -1 }

export function describeTasks(storeTest: DefineTest): void {
  describe('tasks', () => {
    describeRows(storeTest)
    describeKeys(storeTest)
    describeOrder(storeTest)
    describeLists(storeTest)
  })
}

function describeRows(storeTest: DefineTest): void {
  storeTest('a task comes back with all columns, by number and by id', async ({ store, write }) => {
    const named = taskRow(3, { id: 'ä 漢字 😀', namespace: 'other', rank: -0.25, dueAt: 5, partition: 7 })
    const plain = taskRow(9_007_199_254_740_000, { spec: '{"input":"O\'Neill"}', state: '{"a":1}' })
    await write({ tasksInserted: [named, plain] })
    assert.deepEqual(await store.tasks([plain.seq, 1, 3]), [plain, undefined, named])
    const key = { namespace: 'other', id: 'ä 漢字 😀' }
    assert.deepEqual(await store.taskSeqs([key, { ...key, namespace: 'default' }]), [3, undefined])
    assert.equal(await store.lastTaskSeq(), plain.seq)
  })

  storeTest('a store without tasks has no last number and no lanes', async ({ store }) => {
    assert.equal(await store.lastTaskSeq(), 0)
    assert.deepEqual(await store.lanes(), [])
  })

  storeTest(
    'a change writes its columns and no others; of no task it does nothing',
    async ({ store, write }) => {
      const row = taskRow(1, { id: 'a', spec: '{"b":1}' })
      await write({ tasksInserted: [row] })
      const change = taskChange('completed', { rank: 4, state: null })
      await write({
        tasksUpdated: [
          { seq: 1, change },
          { seq: 2, change },
        ],
      })
      assert.deepEqual(await store.tasks([1, 2]), [{ ...row, ...change }, undefined])
      assert.deepEqual(await store.lanes(), [])
    },
  )

  storeTest('a due time that is no safe integer is refused', async ({ store, session, write }) => {
    await write({ tasksInserted: [taskRow(1)] })
    for (const dueAt of [1000.5, 1e300]) {
      const rows = [
        { tasksInserted: [taskRow(5, { dueAt })] },
        { tasksUpdated: [{ seq: 1, change: taskChange('delayed', { dueAt }) }] },
      ]
      for (const each of rows)
        assert.equal((await store.commit(batchOf(session, 90, each))).outcome, 'refused')
    }
    assert.deepEqual(await store.tasks([1, 5]), [taskRow(1), undefined])
  })

  storeTest(
    'a number or an id that exists is refused, and nothing of its batch stays',
    async ({ store, session, write }) => {
      await write({ tasksInserted: [taskRow(1, { id: 'a' })] })
      const refused = async (seq: number, id: string): Promise<void> => {
        const rows = { tasksInserted: [taskRow(5), taskRow(seq, { id })] }
        assert.equal((await store.commit(batchOf(session, 90, rows))).outcome, 'refused')
        assert.deepEqual(await store.tasks([5]), [undefined])
      }
      await refused(1, 'b')
      await refused(2, 'a')
      await write({ tasksInserted: [taskRow(2, { id: 'a', namespace: 'other' })] })
      await write({ tasksDeleted: [1] })
      await write({ tasksInserted: [taskRow(3, { id: 'a' })] })
      assert.deepEqual(await store.taskSeqs([{ namespace: 'default', id: 'a' }]), [3])
    },
  )
}

function describeKeys(storeTest: DefineTest): void {
  const key = (dedupe: string, namespace = 'default') => ({ namespace, dedupe })

  storeTest(
    'those that hold a key come newest first, as the last change left them',
    async ({ store, write }) => {
      await write({
        tasksInserted: [
          taskRow(1, { dedupe: 'ä' }),
          taskRow(2, { dedupe: 'ä', status: 'completed', closedAt: 4 }),
          taskRow(3, { dedupe: 'b' }),
          taskRow(4, { dedupe: 'ä', namespace: 'other' }),
          taskRow(5),
        ],
      })
      const asked = [key('ä'), key('none'), key('b'), key('ä', 'other')]
      assert.deepEqual(await store.keyHolders(asked), [[2, 1], [], [3], [4]])
      assert.deepEqual((await store.tasks([1]))[0]?.dedupe, 'ä')
      await write({
        tasksUpdated: [
          { seq: 1, change: taskChange('completed', { dedupe: null }) },
          // Nothing is said of its key: it stays.
          { seq: 3, change: taskChange('completed') },
          { seq: 5, change: taskChange('waiting', { dedupe: 'b' }) },
        ],
        tasksDeleted: [2],
      })
      assert.deepEqual(await store.keyHolders(asked), [[], [], [5, 3], [4]])
    },
  )

  storeTest('what is open in a namespace is counted, up to a bound', async ({ store, write }) => {
    await write({
      tasksInserted: [
        taskRow(1, { queue: 'p' }),
        taskRow(2, { queue: 'q', lane: 'l' }),
        taskRow(3, { status: 'delayed', dueAt: 7 }),
        taskRow(4, { status: 'completed' }),
        taskRow(5, { status: 'failed' }),
        taskRow(6, { namespace: 'other' }),
      ],
    })
    const counts = () =>
      Promise.all(['default', 'other', 'none'].map((namespace) => store.countOpenTasks(namespace, 1000)))
    assert.deepEqual(await counts(), [3, 1, 0])
    assert.deepEqual(
      await Promise.all([2, 1, 0].map((most) => store.countOpenTasks('default', most))),
      [2, 1, 0],
    )
    await write({ tasksUpdated: [{ seq: 1, change: taskChange('completed') }], tasksDeleted: [3] })
    assert.deepEqual(await counts(), [1, 1, 0])
  })

  storeTest('of many that hold a key the newest come', async ({ store, write }) => {
    await write({ tasksInserted: Array.from({ length: 20 }, (_, i) => taskRow(i + 1, { dedupe: 'a' })) })
    const newest = Array.from({ length: KEY_HOLDERS_MAX }, (_, i) => 20 - i)
    assert.deepEqual(await store.keyHolders([key('a')]), [newest])
  })
}

function describeOrder(storeTest: DefineTest): void {
  storeTest('what waits comes by (rank, seq), lane by lane, page by page', async ({ store, write }) => {
    const rows = [
      taskRow(1, { rank: 2 }),
      taskRow(2, { rank: -1 }),
      taskRow(3, { rank: 2 }),
      taskRow(4, { rank: 0.5 }),
    ]
    const elsewhere = [
      taskRow(5, { queue: 'print' }),
      taskRow(6, { lane: 'b\n\nsend' }),
      taskRow(7, { partition: 1 }),
      taskRow(8, { namespace: 'other' }),
      taskRow(9, { status: 'delayed' }),
    ]
    await write({ tasksInserted: [...rows, ...elsewhere] })
    const page = await store.waiting({ ...LANE, after: FIRST, limit: 3 })
    assert.deepEqual(
      page.map(({ seq }) => seq),
      [2, 4, 1],
    )
    const rest = await store.waiting({ ...LANE, after: { rank: 2, seq: 1 }, limit: 3 })
    assert.deepEqual(rest, [rows[2]])
    const counts = (await store.lanes()).map(({ queue, partition, lane, namespace, waiting }) =>
      [namespace, queue, partition, lane, waiting].join(),
    )
    assert.deepEqual(counts.toSorted(), [
      'default,mail,0,a\n\nsend,4',
      'default,mail,0,b\n\nsend,1',
      'default,mail,1,a\n\nsend,1',
      'default,print,0,a\n\nsend,1',
      'other,mail,0,a\n\nsend,1',
    ])
  })

  storeTest('what is due comes by (due, seq), up to the time inclusive', async ({ store, write }) => {
    const due = [taskRow(1, { dueAt: 20 }), taskRow(2, { dueAt: 10 }), taskRow(3, { dueAt: 20 }), taskRow(4)]
    await write({ tasksInserted: due })
    const seqs = async (page: Parameters<typeof store.dueTasks>[0]): Promise<number[]> =>
      (await store.dueTasks(page)).map(({ seq }) => seq)
    assert.deepEqual(await seqs(ALL_DUE), [2, 1, 3])
    assert.deepEqual(await seqs({ ...ALL_DUE, upToMs: 10 }), [2])
    assert.deepEqual(await seqs({ ...ALL_DUE, after: { dueAt: 20, seq: 1 } }), [3])
    await write({ tasksUpdated: [{ seq: 2, change: taskChange('waiting') }] })
    assert.deepEqual(await seqs(ALL_DUE), [1, 3])
  })
}

function describeLists(storeTest: DefineTest): void {
  storeTest('lists come newest first, filtered, page by page', async ({ store, write }) => {
    const rows = Array.from({ length: 5_000 }, (_, i) =>
      taskRow(i + 1, i % 1_000 === 0 ? { status: 'failed', closedAt: i, queue: 'print' } : {}),
    )
    await write({ tasksInserted: rows })
    const listed = async (
      query: Omit<Parameters<typeof store.listTasks>[0], 'limit'>,
      limit = 10,
    ): Promise<number[]> => (await store.listTasks({ ...query, limit })).map(({ seq }) => seq)
    assert.deepEqual(await listed({ status: ['failed'] }), [4001, 3001, 2001, 1001, 1])
    assert.deepEqual(await listed({ queue: 'print', before: 3001 }, 2), [2001, 1001])
    assert.deepEqual(await listed({ closedBefore: 1000 }), [1])
    assert.deepEqual(await listed({ name: 'other' }), [])
    assert.deepEqual(await listed({}, 2), [5000, 4999])
    assert.deepEqual(await listed({ status: ['failed'], oldestFirst: true, before: 1 }, 2), [1001, 2001])
    assert.deepEqual(await listed({ oldestFirst: true }, 2), [1, 2])
    assert.deepEqual(await listed({ status: ['failed'], seqFrom: 2001, before: 4001 }), [3001, 2001])
    assert.deepEqual(await listed({ seqFrom: 4999, oldestFirst: true }), [4999, 5000])
  })

  storeTest('lists go by what is in the texts of tasks', async ({ store, write }) => {
    const rows = Array.from({ length: 4_500 }, (_, i) => {
      const seq = i + 1
      const owner = i % 1_500 === 0 ? { owner: { workflowId: 'order-1' } } : {}
      const spec = JSON.stringify({ enqueuedMs: i, ...(i % 2 === 0 ? { key: 'ada' } : {}), ...owner })
      const state = i === 2_000 ? '{"failure":{"code":"TASK_TIMEOUT"}}' : null
      return taskRow(seq, { spec, state, id: i % 100 === 0 ? `résumé-${i}` : null })
    })
    await write({ tasksInserted: rows })
    const listed = async (query: Omit<TaskListQuery, 'limit'>, limit = 10): Promise<number[]> =>
      (await store.listTasks({ ...query, limit })).map(({ seq }) => seq)
    assert.deepEqual(await listed({ owner: 'order-1' }), [3001, 1501, 1])
    assert.deepEqual(
      await listed({ owner: 'order-1', key: 'ada', oldestFirst: true, before: 1 }),
      [1501, 3001],
    )
    assert.deepEqual(await listed({ key: '' }, 2), [4500, 4498])
    assert.deepEqual(await listed({ errorCode: 'TASK_TIMEOUT' }), [2001])
    assert.deepEqual(await listed({ enqueuedFrom: 7, enqueuedTo: 9 }), [9, 8])
    const named = { namespace: 'default', idPrefix: 'résumé-40' }
    assert.deepEqual(await listed(named), [4001, 401])
    assert.deepEqual(await listed({ idPrefix: 'résumé-4' }), [4401, 4301, 4201, 4101, 4001, 401])
    assert.deepEqual(await listed({ ...named, idPrefix: 'résumé-4', before: 4201 }, 2), [4101, 4001])
    assert.deepEqual(
      await listed({ ...named, idPrefix: 'résumé-4', oldestFirst: true, before: 401 }, 2),
      [4001, 4101],
    )
    assert.deepEqual(await listed({ ...named, namespace: 'other' }), [])
    // Ids that no caller gave are made of the number.
    assert.deepEqual(await listed({ namespace: 'default', idPrefix: ownTaskId(4_499) }), [4_499])
  })
}
