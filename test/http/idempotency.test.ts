// What an Idempotency-Key promises: it is durable with what the request made.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { HttpFixture } from './http-fixture.ts'

const key = (text: string) => ({ 'idempotency-key': text })

test('a start: the same run and answer, also after a restart and after its end; another body is a conflict', async () => {
  using file = temporaryFile('keys.db')
  const body = { workflow: 'waiting', input: { a: 1, b: [2] }, attributes: { team: 'a' } }
  const reordered = { attributes: { team: 'a' }, input: { b: [2], a: 1 }, workflow: 'waiting' }
  let first: { id: string }
  let named: object
  {
    await using on = await HttpFixture.open({}, {}, file.path)
    first = await on.ok(201, 'POST', '/v1/executions', { body, headers: key('k-1') })
    assert.deepEqual(
      await on.ok(201, 'POST', '/v1/executions', { body: reordered, headers: key('k-1') }),
      first,
    )
    named = await on.ok(201, 'POST', '/v1/executions', {
      body: { ...body, id: 'named' },
      headers: key('k-2'),
    })
    const both = Array.from({ length: 5 }, () =>
      on.ok(201, 'POST', '/v1/executions', { body, headers: key('k-3') }),
    )
    assert.equal(new Set((await Promise.all(both)).map(({ runId }) => runId)).size, 1)
  }
  await using on = await HttpFixture.open({}, {}, file.path)
  const repeat = () => on.ok(201, 'POST', '/v1/executions', { body, headers: key('k-1') })
  assert.deepEqual(await repeat(), first)
  await on.ok(204, 'POST', `/v1/executions/${first.id}/signals/go`)
  await on.ok(200, 'GET', `/v1/executions/${first.id}/result?waitMs=20000`)
  assert.deepEqual(await repeat(), first)
  const conflict = async (other: object, with_: string) => {
    const { status, body: answer } = await on.call('POST', '/v1/executions', {
      body: other,
      headers: key(with_),
    })
    assert.deepEqual([status, answer.code], [422, 'IDEMPOTENCY_CONFLICT'])
  }
  await conflict({ ...body, input: 2 }, 'k-1')
  await conflict({ ...body, id: 'named', workflow: 'quick' }, 'k-2')
  assert.deepEqual(
    await on.ok(201, 'POST', '/v1/executions', { body: { ...body, id: 'named' }, headers: key('k-2') }),
    named,
  )
  // Another namespace has keys of its own; so has another id.
  assert.notEqual(
    (await on.ok(201, 'POST', '/v1/executions?namespace=b', { body, headers: key('k-1') })).runId,
    Reflect.get(first, 'runId'),
  )
  // An id that another request has taken: it is the answer, or an error, as ever.
  const fail = { ...body, id: 'named', onConflict: 'fail' }
  assert.equal(
    (await on.call('POST', '/v1/executions', { body: fail, headers: key('k-9') })).body.code,
    'EXECUTION_EXISTS',
  )
  const replace = { ...body, id: 'named', onConflict: 'terminate-existing' }
  const replaced = await on.ok(201, 'POST', '/v1/executions', { body: replace, headers: key('k-10') })
  assert.deepEqual(
    await on.ok(201, 'POST', '/v1/executions', { body: replace, headers: key('k-10') }),
    replaced,
  )
})

test('a start whose run goes on in others is told of the first one', async () => {
  await using on = await HttpFixture.open()
  const body = { workflow: 'counting', input: 2 }
  const first = await on.ok(201, 'POST', '/v1/executions', { body, headers: key('c') })
  assert.deepEqual(await on.ok(200, 'GET', `/v1/executions/${first.id}/result?waitMs=20000`), {
    status: 'completed',
    result: 0,
  })
  assert.deepEqual(await on.ok(201, 'POST', '/v1/executions', { body, headers: key('c') }), first)
  assert.notEqual((await on.ok(200, 'GET', `/v1/executions/${first.id}`)).runId, first.runId)
})

test('a task, and a list of tasks: the same tasks and answers; another body is a conflict', async () => {
  using file = temporaryFile('keys.db')
  const body = { name: 'nobody', input: 1 }
  const tasks = [1, 2].map((input) => ({ name: 'nobody', input }))
  let one: object
  let many: object
  {
    await using on = await HttpFixture.open({}, {}, file.path)
    one = await on.ok(201, 'POST', '/v1/tasks', { body, headers: key('t') })
    assert.deepEqual(await on.ok(201, 'POST', '/v1/tasks', { body, headers: key('t') }), one)
    many = await on.ok(200, 'POST', '/v1/bulk/tasks', { body: { tasks }, headers: key('m') })
  }
  await using on = await HttpFixture.open({}, {}, file.path)
  assert.deepEqual(await on.ok(201, 'POST', '/v1/tasks', { body, headers: key('t') }), one)
  assert.deepEqual(await on.ok(200, 'POST', '/v1/bulk/tasks', { body: { tasks }, headers: key('m') }), many)
  const other = await on.call('POST', '/v1/tasks', { body: { ...body, input: 2 }, headers: key('t') })
  assert.deepEqual([other.status, other.body.code], [422, 'IDEMPOTENCY_CONFLICT'])
  const added = { tasks: [...tasks.slice(0, 1), { name: 'nobody', input: 3 }, { name: 'nobody', input: 4 }] }
  assert.equal(
    (await on.call('POST', '/v1/bulk/tasks', { body: added, headers: key('m') })).body.code,
    'IDEMPOTENCY_CONFLICT',
  )
  // All or none of them.
  assert.equal((await on.ok(200, 'GET', '/v1/tasks')).tasks.length, 3)
})

test('signals, updates and actions of people are recorded once', async () => {
  await using on = await HttpFixture.open()
  await on.ok(201, 'POST', '/v1/executions', { body: { workflow: 'waiting', id: 'w' } })
  for (let i = 0; i < 2; i++)
    assert.deepEqual(
      await on.ok(200, 'POST', '/v1/executions/w/updates/add', { body: { payload: 5 }, headers: key('u') }),
      { result: 5 },
    )
  const both = { body: { requestId: 'other' }, headers: key('s') }
  assert.equal(
    (await on.call('POST', '/v1/executions/w/signals/go', both)).body.errors[0].pointer,
    '/requestId',
  )
  for (let i = 0; i < 2; i++)
    await on.ok(204, 'POST', '/v1/executions/w/signals/other', { headers: key('s') })
  const { events } = await on.ok(200, 'GET', '/v1/executions/w/history')
  const received = events.filter(({ event }: { event: { type: string } }) => event.type === 'signal-received')
  assert.deepEqual(
    received.map(({ event }: { event: { requestId: string } }) => event.requestId),
    ['s'],
  )
  const start = { workflow: 'waiting', signal: { name: 'go', payload: 1 } }
  const first = await on.ok(201, 'POST', '/v1/executions/sws/signal-with-start', {
    body: start,
    headers: key('x'),
  })
  await on.ok(200, 'GET', '/v1/executions/sws/result?waitMs=20000')
  assert.deepEqual(
    await on.ok(201, 'POST', '/v1/executions/sws/signal-with-start', { body: start, headers: key('x') }),
    first,
  )
})

test('a schedule that is there as it is asked for counts as the answer', async () => {
  await using on = await HttpFixture.open()
  const body = {
    id: 's',
    times: { kind: 'interval', everyMs: 60_000 },
    start: { workflow: 'quick', input: { a: 1 } },
  }
  for (let i = 0; i < 2; i++) await on.ok(201, 'POST', '/v1/schedules', { body, headers: key('s') })
  const other = { ...body, start: { workflow: 'quick' } }
  assert.equal(
    (await on.call('POST', '/v1/schedules', { body: other, headers: key('s') })).body.code,
    'SCHEDULE_EXISTS',
  )
})
