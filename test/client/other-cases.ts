/** What a client does with tasks, schedules, queues and people, and how it fails. */
import assert from 'node:assert/strict'
import { type PerdureError, workflow } from '../../src/client.ts'
import {
  approving,
  breaking,
  type Case,
  echo,
  eventually,
  go,
  healed,
  mirror,
  paused,
  refused,
  rich,
  square,
  total,
  waiting,
} from './conformance-parts.ts'

export const taskCases: readonly Case[] = [
  {
    name: 'tasks: enqueue, by id, and the result',
    run: async (client) => {
      const one = await client.enqueue(square, 12, { id: 'sq/1' })
      assert.deepEqual([one.id, one.enqueued, await one.result()], ['sq/1', true, 144])
      assert.equal((await client.enqueue(square, 12, { id: 'sq/1' })).enqueued, false)
      assert.deepEqual(await (await client.enqueue(mirror, rich)).result(), rich)
      const told = await client.task(square, 'sq/1').describe()
      assert.deepEqual([told.status, told.owner, told.delayedUntil], ['completed', undefined, undefined])
      await assert.rejects(client.enqueue(mirror, 1, { id: 'sq/1' }), refused('TASK_ID_TAKEN'))
      await assert.rejects(client.task(square, 'none').describe(), refused('TASK_NOT_FOUND'))
    },
  },
  {
    name: 'tasks: many at once, more than one request takes',
    run: async (client) => {
      const inputs = Array.from({ length: 1100 }, (_, i) => i)
      const handles = await client.enqueueMany(square, inputs)
      assert.equal(new Set(handles.map(({ id }) => id)).size, inputs.length)
      assert.deepEqual(await Promise.all([0, 999, 1000, 1099].map((i) => handles[i]?.result())), [
        0,
        999 * 999,
        1_000_000,
        1099 * 1099,
      ])
      assert.deepEqual(await client.enqueueMany(square, []), [])
    },
  },
  {
    name: 'tasks: dedupe, debounce, priorities, cancel, delete, explain',
    run: async (client) => {
      await client.queues.pause('paused', 'maintenance')
      const first = await client.enqueue(paused, 'a', { dedupeKey: 'k' })
      const second = await client.enqueue(paused, 'b', { dedupeKey: 'k' })
      assert.deepEqual([second.id, second.enqueued], [first.id, false])
      const debounce = { key: 'd', wait: '1h' } as const
      const held = await client.enqueue(paused, 'a', { debounce })
      assert.equal((await client.enqueue(paused, 'b', { debounce })).id, held.id)
      await first.reprioritise(9)
      assert.equal((await first.describe()).priority, 9)
      assert.equal((await first.explain()).reason, 'paused')
      assert.equal((await client.explainQueue('paused')).pause?.reason, 'maintenance')
      await assert.rejects(first.delete(), refused('TASK_OPEN'))
      await first.cancel('not needed')
      await assert.rejects(first.result(), (error: Error) => {
        assert.equal(error.name, 'TaskFailedError')
        return true
      })
      await assert.rejects(first.cancel(), refused('TASK_CLOSED'))
      await first.delete()
      await held.cancel()
      await client.queues.resume('paused')
    },
  },
  {
    name: 'tasks: list in pages, retry one and many',
    run: async (client) => {
      const ids = ['r1', 'r2', 'r3'].map((id) => `${id} ${Math.random()}`)
      const handles = await client.enqueueMany(breaking, ids, (id) => ({ id, key: 'retried' }))
      for (const handle of handles)
        await assert.rejects(handle.result(), (error: Error) => {
          assert.equal((error.cause as { code?: string }).code, 'BROKEN')
          return true
        })
      const query = { key: 'retried', status: ['failed'], errorCode: 'BROKEN', limit: 2 } as const
      const first = await client.listTasks(query)
      const second = await client.listTasks({ ...query, cursor: first.cursor ?? assert.fail('one page') })
      assert.equal(first.tasks.length + second.tasks.length, 3)
      assert.equal(first.tasks[0]?.error?.name, 'RangeError')
      for (const id of ids) healed.add(id)
      await handles[0]?.retry()
      assert.equal(await handles[0]?.result(), 'healed')
      assert.equal(await client.retryTasks({ key: 'retried' }), 2)
      assert.equal(await handles[2]?.result(), 'healed')
    },
  },
]

export const otherCases: readonly Case[] = [
  {
    name: 'schedules',
    run: async (client) => {
      const { schedules } = client
      const times = { cron: '0 3 * * *', timezone: 'Europe/Berlin', endAt: new Date(4_000_000_000_000) }
      const options = { workflow: echo, input: rich, paused: 'not yet', jitter: '1m', catchUp: '1h' } as const
      await schedules.create('nightly', times, options)
      await assert.rejects(schedules.create('nightly', times, options), refused('SCHEDULE_EXISTS'))
      const told = await schedules.describe('nightly')
      assert.deepEqual(told.input, rich)
      assert.deepEqual([told.paused?.reason, told.jitterMs, told.endAt], ['not yet', 60_000, times.endAt])
      await schedules.update('nightly', { times: { every: '1h', offset: '5m' }, overlap: 'allow' })
      await schedules.resume('nightly')
      const changed = await schedules.describe('nightly')
      assert.deepEqual([changed.times, changed.paused], [{ every: 3_600_000, offset: 300_000 }, undefined])
      assert.deepEqual(changed.input, rich)
      const { outcome, workflowId } = await schedules.trigger('nightly')
      assert.equal(outcome, 'started')
      assert.deepEqual(await client.execution(echo, workflowId).result(), rich)
      const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000
      await schedules.backfill('nightly', new Date(hour - 7_200_000), new Date(hour - 1))
      await eventually(async () =>
        (await schedules.describe('nightly')).recentRuns.some(({ cause }) => cause === 'backfill')
          ? true
          : undefined,
      )
      await schedules.create('other', { every: '1h' }, { workflow: echo, paused: true })
      const first = await schedules.list({ limit: 1 })
      const second = await schedules.list({ limit: 1, cursor: first.cursor ?? assert.fail('one page') })
      assert.deepEqual([first.schedules[0]?.id, second.schedules[0]?.id], ['nightly', 'other'])
      await schedules.pause('other', 'again')
      await schedules.delete('other')
      await schedules.delete('nightly')
      await assert.rejects(schedules.describe('other'), refused('SCHEDULE_NOT_FOUND'))
    },
  },
  {
    name: 'queues, with revisions',
    run: async ({ queues }) => {
      const { revision } = await queues.set('mail', { concurrency: 3, policy: 'priority' })
      const told = await queues.get('mail')
      assert.deepEqual([told.revision, told.settings.concurrency, told.policy], [revision, 3, 'priority'])
      assert.ok(told.changedAt instanceof Date)
      const next = await queues.set('mail', { concurrency: null }, { ifRevision: revision })
      await assert.rejects(
        queues.pause('mail', 'late', { ifRevision: revision }),
        refused('REVISION_CONFLICT'),
      )
      await queues.pause('mail', 'now', { ifRevision: next.revision })
      assert.equal((await queues.get('mail')).pause?.reason, 'now')
      await queues.resume('mail')
      await queues.reset('mail', ['policy'])
      await queues.reset('mail')
      assert.deepEqual((await queues.get('mail')).overrides, {})
      assert.ok((await queues.list()).some(({ queue }) => queue === 'mail'))
      await assert.rejects(queues.set('mail', { concurrency: -1 }), refused('ARGUMENT_INVALID'))
    },
  },
  {
    name: 'people',
    run: async (client) => {
      const { people } = client
      const execution = await client.start(approving, undefined, { id: 'approved' })
      const ann = { user: 'ann', groups: ['desk, first floor'] }
      const task = await eventually(async () => (await people.inbox(ann)).tasks[0])
      assert.deepEqual([task.title, task.isOwn, task.workflowId], ['Check it', false, 'approved'])
      assert.equal((await people.requestedBy('rita')).tasks.length, 1)
      assert.equal((await people.list({ workflowId: 'approved' })).tasks.length, 1)
      assert.deepEqual((await people.describe(task.id)).data, rich)
      await assert.rejects(people.claim(task.id, 'bob'), refused('HUMAN_TASK_FORBIDDEN'))
      await people.claim(task.id, ann)
      await assert.rejects(
        people.claim(task.id, { user: 'eve', groups: ann.groups }),
        refused('HUMAN_TASK_CONFLICT'),
      )
      await people.comment(task.id, ann, 'looks good')
      await people.complete(task.id, ann, { data: { seen: true }, comment: 'done' })
      assert.deepEqual(await execution.result(), { seen: true })
      const done = await people.describe(task.id)
      assert.equal(done.status, 'completed')
      assert.deepEqual(
        done.comments.map(({ text }) => text),
        ['looks good'],
      )
      assert.ok((await people.history(task.id)).length >= 3)
    },
  },
  {
    name: 'workers, nodes and shards',
    run: async (client) => {
      assert.ok((await client.workers()).some(({ isLocal }) => isLocal))
      const [node] = await client.nodes.list()
      assert.equal(node?.isHere, true)
      assert.equal((await client.nodes.shards()).length, node?.shards)
      await assert.rejects(client.nodes.drain('nobody'), refused('NODE_NOT_FOUND'))
    },
  },
  {
    name: 'errors of what is not there, or cannot be',
    run: async (client) => {
      const none = client.execution(waiting, 'none')
      const all = [
        () => none.result(),
        () => none.describe(),
        () => none.explain(),
        () => none.history(),
        () => none.cancel(),
        () => none.signal(go, 1),
        () => none.query(total),
        () => none.delete(),
        () => none.retry(),
      ]
      for (const call of all)
        await assert.rejects(call, (error: PerdureError) => {
          assert.equal(error.code, 'EXECUTION_NOT_FOUND')
          assert.equal(error.retryable, false)
          assert.match(error.message, /^[^(]*none[^(]*\(EXECUTION_NOT_FOUND\)\. Check namespace/)
          return true
        })
      const unknown = workflow({ name: 'unknown', run: async () => 1 })
      await assert.rejects(client.start(unknown), refused('WORKFLOW_UNKNOWN'))
      await assert.rejects(client.start(echo, 'x'.repeat(5_000_000)), refused('PAYLOAD_TOO_LARGE'))
      await assert.rejects(client.start(echo, Symbol('x')), refused('PAYLOAD_UNSUPPORTED'))
      await assert.rejects(client.start(echo, 1, { id: '' }), refused('ID_INVALID'))
    },
  },
]
