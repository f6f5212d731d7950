// Every route, on a real engine over SQLite.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ROUTES } from '../../src/server/http/route-table.ts'
import { accessRoutes } from '../../src/server/http/routes/access.ts'
import { apiKeyRoutes } from '../../src/server/http/routes/api-keys.ts'
import { auditRoutes } from '../../src/server/http/routes/audit.ts'
import { automationRoutes } from '../../src/server/http/routes/automation.ts'
import { namespaceRoutes } from '../../src/server/http/routes/namespaces.ts'
import { HttpFixture } from './http-fixture.ts'

describe('the routes', () => {
  let on: HttpFixture
  before(async () => {
    on = await HttpFixture.open({ queues: [{ name: 'slow', concurrency: 1 }] })
  })
  after(() => on[Symbol.asyncDispose]())

  test('an execution from its start to its end', async () => {
    const input = { amount: 3, $: 'a field of its own', list: [null, true, 'ü'] }
    const start = { workflow: 'waiting', id: 'order/1 ü', input, attributes: { team: 'a', vip: true } }
    const first = await on.call('POST', '/v1/executions', { body: start })
    assert.equal(first.status, 201)
    assert.equal(first.body.started, true)
    const at = `/v1/executions/${encodeURIComponent(start.id)}`
    assert.equal(first.headers.get('location'), `${at}?runId=${first.body.runId}`)
    const again = await on.ok(200, 'POST', '/v1/executions', { body: start })
    assert.deepEqual([again.started, again.runId], [false, first.body.runId])

    const listed = await on.ok(
      200,
      'GET',
      `/v1/executions?status=running,parked&attributes=${encodeURIComponent('{"team":"a"}')}`,
    )
    assert.deepEqual(
      listed.executions.map(({ id, attributes }: { id: string; attributes: object }) => [id, attributes]),
      [[start.id, start.attributes]],
    )
    assert.equal((await on.ok(200, 'GET', at)).status, 'running')
    assert.match((await on.ok(200, 'GET', `${at}/explain?runId=${first.body.runId}`)).sentence, /signal go/)
    assert.deepEqual(await on.ok(200, 'POST', `${at}/queries/state`), { result: 'waits, with 0' })
    assert.deepEqual(await on.ok(200, 'POST', `${at}/updates/add`, { body: { payload: 5 } }), { result: 5 })
    // Its handler may still come; nobody waits for it without end.
    const never = { body: { updateId: 'u' } }
    assert.deepEqual(await on.ok(202, 'POST', `${at}/updates/never?waitMs=20`, never), {
      status: 'open',
      updateId: 'u',
    })
    assert.deepEqual(await on.ok(202, 'GET', `${at}/result`), { status: 'running' })
    assert.deepEqual(await on.ok(202, 'GET', `${at}/result?waitMs=20`), { status: 'running' })
    const result = on.ok(200, 'GET', `${at}/result?waitMs=20000`)
    await on.ok(204, 'POST', `${at}/signals/go`, { body: { payload: 'now' } })
    assert.deepEqual(await result, { status: 'completed', result: { input, came: 'now', sum: 5 } })
    assert.deepEqual(await on.ok(200, 'GET', `${at}/result`), await result)
    const { events } = await on.ok(200, 'GET', `${at}/history`)
    assert.deepEqual(events[0].event.input, input)
    const page = await on.ok(200, 'GET', `${at}/history?limit=2&afterSeq=1`)
    assert.deepEqual([page.events.length, page.nextSeq], [2, 3])
    const watched = await on.call('GET', `${at}/watch`)
    assert.match(watched.text, /event: end\ndata: \{\}\n\n$/)
    await on.ok(204, 'DELETE', at)
    assert.equal((await on.call('GET', at)).body.code, 'EXECUTION_NOT_FOUND')
  })

  test('signal-with-start, cancel, terminate, retry', async () => {
    const body = { workflow: 'waiting', signal: { name: 'go', payload: 1 } }
    const one = await on.ok(201, 'POST', '/v1/executions/sws/signal-with-start', { body })
    assert.equal(one.started, true)
    const { result } = await on.ok(200, 'GET', '/v1/executions/sws/result?waitMs=20000')
    assert.deepEqual(result, { input: null, came: 1, sum: 0 })

    for (const [verb, status] of [
      ['cancel', 'cancelled'],
      ['terminate', 'terminated'],
    ] as const) {
      await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'waiting', id: verb } })
      await on.ok(204, 'POST', `/v1/executions/${verb}/${verb}`, { body: { reason: 'a test' } })
      const ended = await on.ok(200, 'GET', `/v1/executions/${verb}/result?waitMs=20000`)
      assert.equal(ended.status, status)
      assert.match(ended.failure.message, /a test/)
      assert.equal((await on.call('POST', `/v1/executions/${verb}/${verb}`)).body.code, 'EXECUTION_CLOSED')
    }
    await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'failing', id: 'failing' } })
    const failed = await on.ok(200, 'GET', '/v1/executions/failing/result?waitMs=20000')
    assert.deepEqual([failed.status, failed.failure.name], ['failed', 'RangeError'])
    await on.ok(204, 'POST', '/v1/executions/failing/retry')
    assert.equal((await on.ok(200, 'GET', '/v1/executions/failing/result?waitMs=20000')).status, 'failed')
  })

  test('bulk operations, a page at a time', async () => {
    for (let i = 0; i < 5; i++)
      await on.ok(201, 'POST', '/v1/executions', {
        body: { workflow: 'waiting', id: `bulk-${i}`, attributes: { bulk: 1 } },
      })
    const filter = { attributes: { bulk: 1 } }
    const signal = { name: 'go', payload: 'all' }
    const headers = { 'idempotency-key': 'bulk-1' }
    const first = await on.ok(200, 'POST', '/v1/bulk/executions/signal', {
      body: { filter, limit: 2, signal },
      headers,
    })
    assert.deepEqual([first.done, first.failed], [2, []])
    const rest = { filter, limit: 2, signal, cursor: first.cursor }
    assert.equal((await on.ok(200, 'POST', '/v1/bulk/executions/signal', { body: rest, headers })).done, 2)
    const foreign = await on.call('POST', '/v1/bulk/executions/signal', {
      body: { ...rest, filter: {} },
      headers,
    })
    assert.deepEqual([foreign.status, foreign.body.errors[0].pointer], [400, '/cursor'])
    assert.equal(
      (await on.ok(200, 'POST', '/v1/bulk/executions/cancel', { body: { filter, reason: 'r' } })).done,
      1,
    )
    await on.ok(200, 'GET', '/v1/executions/bulk-0/result?waitMs=20000')
    for (let i = 0; i < 2; i++)
      await on.ok(201, 'POST', '/v1/executions', {
        body: { workflow: 'waiting', id: `end-${i}`, attributes: { bulk: 2 } },
      })
    const second = { filter: { attributes: { bulk: 2 } } }
    assert.equal((await on.ok(200, 'POST', '/v1/bulk/executions/terminate', { body: second })).done, 2)
    assert.equal((await on.ok(200, 'POST', '/v1/bulk/executions/delete', { body: second })).done, 2)
    assert.deepEqual(
      (await on.ok(200, 'GET', `/v1/executions?attributes=${encodeURIComponent('{"bulk":2}')}`)).executions,
      [],
    )
    const failed = { filter: { workflow: 'failing', status: ['failed'] } }
    assert.deepEqual(await on.ok(200, 'POST', '/v1/bulk/executions/retry', { body: failed }), {
      done: 1,
      failed: [],
    })
    const open = await on.ok(200, 'POST', '/v1/bulk/executions/delete', {
      body: { filter: { workflow: 'waiting', status: ['running'] } },
    })
    assert.equal(open.done, 0)
  })

  test('tasks', async () => {
    const one = await on.ok(201, 'POST', '/v1/tasks', {
      body: { name: 'square', input: 7, priority: 9, key: 'k' },
    })
    assert.deepEqual(await on.ok(200, 'GET', `/v1/tasks/${one.id}/result?waitMs=20000`), {
      status: 'completed',
      result: 49,
    })
    assert.deepEqual(await on.ok(200, 'GET', `/v1/tasks/${one.id}/result`), {
      status: 'completed',
      result: 49,
    })
    const many = await on.ok(200, 'POST', '/v1/bulk/tasks', {
      body: { tasks: [1, 2, 3].map((input) => ({ name: 'nobody', queue: 'q', id: `n-${input}`, input })) },
    })
    assert.deepEqual(many.tasks.at(-1), { id: 'n-3', enqueued: true })
    const page = await on.ok(200, 'GET', '/v1/tasks?queue=q&status=waiting&limit=2')
    assert.equal(page.tasks.length, 2)
    const next = await on.ok(200, 'GET', `/v1/tasks?queue=q&status=waiting&limit=2&cursor=${page.cursor}`)
    assert.deepEqual(
      next.tasks.map(({ id }: { id: string }) => id),
      ['n-1'],
    )
    assert.equal((await on.ok(200, 'GET', '/v1/tasks/n-1')).status, 'waiting')
    assert.equal((await on.ok(200, 'GET', '/v1/tasks/n-1/explain')).reason, 'no-code')
    assert.deepEqual(await on.ok(202, 'GET', '/v1/tasks/n-1/result?waitMs=10'), { status: 'waiting' })
    await on.ok(204, 'POST', '/v1/tasks/n-1/reprioritise', { body: { priority: 0 } })
    await on.ok(204, 'POST', '/v1/tasks/n-1/cancel', { body: { reason: 'not wanted' } })
    assert.equal((await on.ok(200, 'GET', '/v1/tasks/n-1/result')).status, 'cancelled')
    await on.ok(204, 'POST', '/v1/tasks/n-1/retry')
    assert.equal((await on.call('POST', '/v1/tasks/n-1/retry')).body.code, 'TASK_OPEN')
    await on.ok(204, 'POST', '/v1/tasks/n-1/cancel')
    const retried = await on.ok(200, 'POST', '/v1/bulk/tasks/retry', {
      body: { filter: { queue: 'q', status: ['cancelled'] }, limit: 5 },
    })
    assert.deepEqual(retried, { retried: 1 })
    await on.ok(204, 'POST', '/v1/tasks/n-1/cancel')
    await on.ok(204, 'DELETE', '/v1/tasks/n-1')
    assert.equal((await on.call('GET', '/v1/tasks/n-1')).body.code, 'TASK_NOT_FOUND')
  })

  test('queues: settings with revisions', async () => {
    assert.ok(
      (await on.ok(200, 'GET', '/v1/queues')).queues.some(({ queue }: { queue: string }) => queue === 'slow'),
    )
    const got = await on.call('GET', '/v1/queues/slow')
    assert.deepEqual([got.headers.get('etag'), got.body.settings.concurrency], ['"0"', 1])
    const changes = { policy: { name: 'priority', agingMs: 1000 }, concurrency: null }
    const changed = await on.call('PATCH', '/v1/queues/slow', {
      body: changes,
      headers: { 'if-match': '"0"' },
    })
    assert.deepEqual(
      [changed.status, changed.headers.get('etag'), changed.body],
      [200, '"1"', { revision: 1 }],
    )
    const stale = await on.call('PATCH', '/v1/queues/slow', {
      body: { paused: true },
      headers: { 'if-match': '"0"' },
    })
    assert.deepEqual([stale.status, stale.body.code], [412, 'REVISION_CONFLICT'])
    await on.ok(200, 'POST', '/v1/queues/slow/pause', {
      body: { reason: 'maintenance' },
      headers: { 'if-match': '*' },
    })
    assert.match((await on.ok(200, 'GET', '/v1/queues/slow/explain')).reason, /empty|paused/)
    assert.equal((await on.ok(200, 'GET', '/v1/queues/slow')).pause.reason, 'maintenance')
    await on.ok(200, 'POST', '/v1/queues/slow/resume')
    await on.ok(200, 'POST', '/v1/queues/slow/reset', { body: { names: ['policy', 'concurrency'] } })
    assert.equal((await on.ok(200, 'GET', '/v1/queues/slow')).settings.concurrency, 1)
    const unknown = await on.call('PATCH', '/v1/queues/slow', {
      body: { policy: { name: 'fcfs', ageing: 1 } },
    })
    assert.deepEqual([unknown.status, unknown.body.code], [400, 'ARGUMENT_INVALID'])
  })

  test('a workflow waits for a task that is completed over HTTP', async () => {
    await on.ok(201, 'POST', '/v1/executions', {
      body: { workflow: 'delegating', id: 'delegating', input: 6 },
    })
    const body = { worker: 'curl', tasks: ['outside'], waitMs: 20_000 }
    const { claims } = await on.ok(200, 'POST', '/v1/queues/outside/claims', { body })
    assert.deepEqual(
      claims.map(({ name, input }: { name: string; input: number }) => [name, input]),
      [['outside', 6]],
    )
    const at = `/v1/claims/${claims[0].token}`
    assert.equal(
      (
        await on.ok(200, 'POST', `${at}/heartbeat`, {
          body: { checkpoint: { seen: 1 }, progress: { fraction: 0.5 } },
        })
      ).leaseMs,
      30_000,
    )
    await on.ok(204, 'POST', `${at}/return`)
    const again = await on.ok(200, 'POST', '/v1/queues/outside/claims', { body })
    assert.deepEqual([again.claims[0].attempt, again.claims[0].checkpoint], [1, { seen: 1 }])
    await on.ok(204, 'POST', `/v1/claims/${again.claims[0].token}/fail`, {
      body: { name: 'Busy', message: 'later' },
    })
    const third = await on.ok(200, 'POST', '/v1/queues/outside/claims', { body })
    assert.equal(third.claims[0].attempt, 2)
    await on.ok(204, 'POST', `/v1/claims/${third.claims[0].token}/complete`, { body: { result: 36 } })
    assert.deepEqual(await on.ok(200, 'GET', '/v1/executions/delegating/result?waitMs=20000'), {
      status: 'completed',
      result: 36,
    })
  })

  test('human tasks', async () => {
    await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'approving', id: 'approving' } })
    const inbox = await untilSome(() => on.ok(200, 'GET', '/v1/human-tasks?user=ann'))
    const [{ id }] = inbox.tasks
    assert.equal((await on.ok(200, 'GET', `/v1/human-tasks/${id}`)).title, 'Check it')
    const act = (action: object, user = 'ann') =>
      on.call('POST', `/v1/human-tasks/${id}/actions`, { body: { actor: { user }, action } })
    assert.equal((await act({ kind: 'claim' }, 'eve')).body.code, 'HUMAN_TASK_FORBIDDEN')
    assert.equal((await act({ kind: 'claim' })).status, 204)
    assert.equal((await act({ kind: 'complete', data: { ok: true } })).status, 204)
    const { events } = await on.ok(200, 'GET', `/v1/human-tasks/${id}/history`)
    assert.deepEqual(
      events.map(({ event }: { event: { type: string } }) => event.type),
      ['human-task-opened', 'human-task-changed', 'human-task-closed'],
    )
    const { decisions } = await on.ok(200, 'GET', `/v1/human-tasks/${id}`)
    assert.deepEqual(decisions[0].data, { ok: true })
    assert.equal((await act({ kind: 'nod' })).status, 400)
  })

  test('schedules', async () => {
    const body = {
      id: 'nightly',
      times: { kind: 'cron', cron: '0 3 * * *', timezone: 'Europe/Berlin' },
      start: { workflow: 'quick', input: { day: 1 } },
    }
    await on.ok(201, 'POST', '/v1/schedules', { body })
    assert.equal((await on.call('POST', '/v1/schedules', { body })).body.code, 'SCHEDULE_EXISTS')
    assert.deepEqual((await on.ok(200, 'GET', '/v1/schedules?limit=1')).schedules[0].spec.start.input, {
      day: 1,
    })
    await on.ok(204, 'PATCH', '/v1/schedules/nightly', {
      body: { times: { kind: 'interval', everyMs: 3_600_000 }, start: { input: 2 } },
    })
    const described = await on.ok(200, 'GET', '/v1/schedules/nightly')
    assert.deepEqual(
      [described.spec.times.kind, described.spec.start.input, described.nextTimesMs.length],
      ['interval', 2, 10],
    )
    await on.ok(204, 'POST', '/v1/schedules/nightly/pause', { body: { reason: 'holiday' } })
    const run = await on.ok(200, 'POST', '/v1/schedules/nightly/trigger', {
      headers: { 'idempotency-key': 't-1' },
    })
    assert.equal(run.outcome, 'started')
    assert.deepEqual(
      await on.ok(200, 'POST', '/v1/schedules/nightly/trigger', { headers: { 'idempotency-key': 't-1' } }),
      run,
    )
    await on.ok(204, 'POST', '/v1/schedules/nightly/resume')
    const nowMs = Date.now()
    await on.ok(204, 'POST', '/v1/schedules/nightly/backfill', {
      body: { fromMs: nowMs - 7_200_000, toMs: nowMs - 1000 },
    })
    await on.ok(204, 'DELETE', '/v1/schedules/nightly')
    assert.equal((await on.call('GET', '/v1/schedules/nightly')).body.code, 'SCHEDULE_NOT_FOUND')
  })

  test('workers, nodes, shards', async () => {
    assert.ok((await on.ok(200, 'GET', '/v1/workers')).workers.length >= 1)
    const { nodes } = await on.ok(200, 'GET', '/v1/nodes')
    assert.equal((await on.ok(200, 'GET', '/v1/shards')).shards.length, 256)
    // Nobody else is there; where somebody is: `test/postgres/cluster-http.test.ts`.
    assert.equal((await on.call('POST', `/v1/nodes/${nodes[0].node}/drain`)).body.code, 'ARGUMENT_INVALID')
  })

  test('were all asked, and answered as they are documented', () => {
    // Those are in tests of their own, which look whether all were asked.
    const others = [...automationRoutes, ...auditRoutes, ...apiKeyRoutes, ...accessRoutes, ...namespaceRoutes]
    const elsewhere = new Set(others.map(({ operationId }) => operationId))
    const missing = ROUTES.map(({ operationId }) => operationId).filter(
      (each) => !on.asked.has(each) && !elsewhere.has(each),
    )
    // In a cluster: see above.
    assert.deepEqual(missing, ['drainNode'])
  })
})

async function untilSome<T extends { readonly tasks: readonly unknown[] }>(
  look: () => Promise<T>,
): Promise<T> {
  for (;;) {
    const found = await look()
    if (found.tasks.length > 0) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
