// Tasks run by programs that only speak HTTP.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { until } from '../tasks/task-fixtures.ts'
import { HttpFixture } from './http-fixture.ts'

const ALL = '/v1/queues/q/claims'
const enqueue = (on: HttpFixture, id: string, more: object = {}) =>
  on.ok(201, 'POST', '/v1/tasks', { body: { name: 'work', queue: 'q', id, input: id, ...more } })
const claim = async (on: HttpFixture, more: object = {}) =>
  (await on.ok(200, 'POST', ALL, { body: { worker: 'w', tasks: ['work', 'other'], ...more } })).claims

test('a claim whose lease is over is lost: the task waits again, and the token is void', async () => {
  await using on = await HttpFixture.open()
  await enqueue(on, 'a')
  const [first] = await claim(on, { waitMs: 20_000, leaseMs: 1000 })
  const at = `/v1/claims/${first.token}`
  assert.equal((await on.ok(200, 'POST', `${at}/heartbeat`, { body: { checkpoint: 3 } })).leaseMs, 1000)
  const [second] = await claim(on, { waitMs: 20_000 })
  assert.deepEqual([second.id, second.checkpoint, second.attempt], ['a', 3, 1])
  for (const end of ['complete', 'heartbeat', 'return'])
    assert.deepEqual((await on.call('POST', `${at}/${end}`)).body.code, 'CLAIM_LOST')
  await on.ok(204, 'POST', `/v1/claims/${second.token}/complete`, { body: { result: 'done' } })
  assert.equal((await on.ok(200, 'GET', '/v1/tasks/a/result')).result, 'done')
})

test('a task that outlives three claims is a dead letter', async () => {
  await using on = await HttpFixture.open()
  await enqueue(on, 'a')
  for (let i = 0; i < 3; i++) assert.equal((await claim(on, { waitMs: 20_000, leaseMs: 1000 })).length, 1)
  const ended = await on.ok(200, 'GET', '/v1/tasks/a/result?waitMs=20000')
  assert.deepEqual([ended.status, ended.failure.code], ['failed', 'TASK_POISON'])
})

test('nothing is given beyond what is asked for, and limits of the queue hold', async () => {
  await using on = await HttpFixture.open({ queues: [{ name: 'q', concurrency: 3 }] })
  for (let i = 0; i < 6; i++) await enqueue(on, `t-${i}`)
  const two = await claim(on, { max: 2, waitMs: 20_000 })
  assert.deepEqual(
    two.map(({ id }: { id: string }) => id),
    ['t-0', 't-1'],
  )
  const shown = (id: string) => on.ok(200, 'GET', `/v1/tasks/${id}`)
  const { startedAt, enqueuedAt } = await shown('t-0')
  assert.ok(startedAt >= enqueuedAt, `${startedAt}`)
  assert.equal((await shown('t-5')).startedAt, undefined)
  await on.ok(204, 'POST', `/v1/claims/${two[0].token}/complete`)
  assert.equal((await shown('t-0')).startedAt, startedAt)
  // Nobody waits: the place that is free now is not filled.
  assert.equal((await on.ok(200, 'GET', '/v1/queues/q')).running, 1)
  const more = await claim(on, { max: 10, waitMs: 20_000 })
  assert.deepEqual(
    more.map(({ id }: { id: string }) => id),
    ['t-2', 't-3'],
  )
  assert.deepEqual(await claim(on), [])
  // Two that wait get one each.
  const [one, other] = [claim(on, { waitMs: 20_000 }), claim(on, { waitMs: 20_000, worker: 'v' })]
  for (const { token } of more) await on.ok(204, 'POST', `/v1/claims/${token}/complete`)
  assert.deepEqual([...(await one), ...(await other)].map(({ id }) => id).sort(), ['t-4', 't-5'])
})

test('only tasks that the worker names, by their priority', async () => {
  await using on = await HttpFixture.open({ queues: [{ name: 'q', policy: { name: 'priority' } }] })
  await enqueue(on, 'a', { name: 'other', priority: 9 })
  await enqueue(on, 'b', { priority: 1 })
  await enqueue(on, 'c', { priority: 8 })
  const found = await claim(on, { tasks: ['work'], max: 3, waitMs: 20_000 })
  assert.deepEqual(
    found.map(({ id }: { id: string }) => id),
    ['c', 'b'],
  )
})

test('a task that is cancelled, or whose time is over, is taken from its claim', async () => {
  await using on = await HttpFixture.open()
  await enqueue(on, 'a')
  const [cancelled] = await claim(on, { waitMs: 20_000 })
  await on.ok(204, 'POST', '/v1/tasks/a/cancel')
  assert.equal((await on.call('POST', `/v1/claims/${cancelled.token}/complete`)).body.code, 'CLAIM_LOST')
  await enqueue(on, 'b', { timeouts: { startToCloseMs: 50 }, retry: { maxAttempts: 1 } })
  const [late] = await claim(on, { waitMs: 20_000 })
  assert.equal((await on.ok(200, 'GET', '/v1/tasks/b/result?waitMs=20000')).failure.code, 'TASK_TIMEOUT')
  assert.equal((await on.call('POST', `/v1/claims/${late.token}/heartbeat`)).body.code, 'CLAIM_LOST')
  // Its place is free.
  await enqueue(on, 'c')
  assert.equal((await claim(on, { waitMs: 20_000 })).length, 1)
})

test('an answer that nobody gets gives its tasks back', async () => {
  await using on = await HttpFixture.open()
  const gone = new AbortController()
  const lost = on.call('POST', ALL, {
    body: { worker: 'w', tasks: ['work'], waitMs: 60_000 },
    signal: gone.signal,
  })
  await until(async () =>
    (await on.ok(200, 'GET', '/v1/workers')).workers.some(
      ({ credits }: { credits: number }) => credits === 1,
    ),
  )
  gone.abort()
  await assert.rejects(lost)
  await enqueue(on, 'a')
  const [found] = await claim(on, { waitMs: 20_000, worker: 'v' })
  assert.deepEqual([found.id, found.attempt], ['a', 1])
})

test('what is said twice counts once; of a task that is kept it is answered the same, also after a restart', async () => {
  using file = temporaryFile('claims.db')
  let token: string
  {
    await using on = await HttpFixture.open({}, {}, file.path)
    await enqueue(on, 'a')
    token = (await claim(on, { waitMs: 20_000 }))[0].token
    for (let i = 0; i < 2; i++)
      await on.ok(204, 'POST', `/v1/claims/${token}/complete`, { body: { result: { n: 1 } } })
  }
  await using on = await HttpFixture.open({}, {}, file.path)
  await on.ok(204, 'POST', `/v1/claims/${token}/complete`, { body: { result: { n: 1 } } })
  const other = await on.call('POST', `/v1/claims/${token}/complete`, { body: { result: { n: 2 } } })
  assert.deepEqual([other.status, other.body.code], [409, 'CLAIM_LOST'])
  assert.equal(
    (await on.call('POST', `/v1/claims/${token}/complete?namespace=b`, { body: { result: { n: 1 } } }))
      .status,
    409,
  )
  for (const forged of [
    'x',
    Buffer.from('[1,"a",1]').toString('base64url'),
    Buffer.from('[1,"a",1,"a"]').toString('base64url'),
  ])
    assert.equal(
      (await on.call('POST', `/v1/claims/${forged}/fail`, { body: { message: 'm' } })).body.code,
      'CLAIM_LOST',
    )
})

test('a task that was claimed when the engine ended waits again', async () => {
  using file = temporaryFile('claims.db')
  {
    await using on = await HttpFixture.open({}, {}, file.path)
    await enqueue(on, 'a')
    assert.equal((await claim(on, { waitMs: 20_000 })).length, 1)
  }
  await using on = await HttpFixture.open({}, {}, file.path)
  assert.deepEqual(
    (await claim(on, { waitMs: 20_000 })).map(({ id }: { id: string }) => id),
    ['a'],
  )
})
