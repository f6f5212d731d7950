/** The commands that read a store, on PostgreSQL, beside the engine that runs on it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createEngine, type Engine, silentLogger, task, workflow } from '../../src/index.ts'
import { PostgresServer } from '../postgres/server.ts'
import { perdure } from './store-fixture.ts'

const send = task({ name: 'send', run: (_, to: string) => to.toUpperCase() })
const order = workflow({
  name: 'order',
  run: async (ctx, id: string) => {
    await ctx.step('charge', () => id)
    await ctx.approval({ title: `approve ${id}`, approvers: ['ann'] })
    return id
  },
})

describe('commands on PostgreSQL', () => {
  let server: PostgresServer
  let store = ''
  let engine: Engine
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
    store = (await server.createDatabase()).url
    engine = await createEngine({ store, workflows: [order], tasks: [send], logger: silentLogger })
    for (const id of ['a', 'b']) await engine.start(order, id, { id: `order-${id}` })
    await (await engine.enqueue(send, 'ada', { id: 'letter-ada' })).result()
    await engine.queues.pause('print')
    await engine.schedules.create('nightly', { cron: '0 30 2 * * *' }, { workflow: order, input: 'n' })
    while ((await engine.people.inbox('ann')).tasks.length < 2)
      await new Promise((wake) => setTimeout(wake, 5))
  })
  after(async () => {
    await engine.close()
    await server[Symbol.asyncDispose]()
  })

  const rows = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const { stdout, stderr, code } = await perdure([...args, '--json', '--store', store])
    assert.equal(code, 0, stderr)
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }

  test('list, tasks, schedules, queues and people', async () => {
    assert.deepEqual(
      (await rows('list')).map(({ id }) => id),
      ['order-b', 'order-a'],
    )
    assert.deepEqual(
      (await rows('tasks')).map(({ id, status }) => [id, status]),
      [['letter-ada', 'completed']],
    )
    assert.deepEqual(
      (await rows('schedules')).map(({ id }) => id),
      ['nightly'],
    )
    assert.ok((await rows('queues')).some(({ queue, name }) => (queue ?? name) === 'print'))
    assert.equal((await rows('people', 'list')).length, 2)
  })

  test('show says what it waits for, and that the engine runs; history has its events', async () => {
    const [shown] = await rows('show', 'order-a')
    assert.equal(shown?.status, 'running')
    assert.equal(Object(shown?.pending).length, 1)
    const events = await rows('history', 'order-a')
    assert.deepEqual(
      events.map(({ seq }) => seq),
      events.map((_, index) => index + 1),
    )
    const { stdout } = await perdure(['show', 'order-a'], { env: { PERDURE_STORE: store } })
    assert.match(stdout, /approve a/)
  })

  test('what cannot be read is told', async () => {
    const empty = await server.createDatabase()
    const none = await perdure(['list', '--store', empty.url])
    assert.equal(none.code, 1)
    assert.match(none.stderr, /holds no perdure store/)
    const gone = await perdure(['list'], {
      env: { PERDURE_STORE: 'postgres://ann:secret@127.0.0.1:1/orders' },
    })
    assert.equal(gone.code, 1)
    assert.match(
      gone.stderr,
      /cannot connect to postgres:\/\/ann@127\.0\.0\.1:1\/orders: connect\s+ECONNREFUSED/,
    )
    assert.doesNotMatch(gone.stderr, /secret/)
    const [schemas] = await server.query(
      "select count(*)::int as found from pg_namespace where nspname = 'perdure'",
      [],
      empty.name,
    )
    assert.equal(schemas?.found, 0, 'reading makes no schema')
  })

  test('a standby is read like a primary', async () => {
    await using standby = await server.startStandbyMeanwhile('copy')
    const database = new URL(store).pathname.slice(1)
    const args = ['--store', standby.url(database)]
    const id = 'order-a'
    const read = async (line: string[]): Promise<string> => {
      const { stdout, stderr, code } = await perdure([...line, ...args])
      assert.equal(code, 0, stderr)
      return stdout
    }
    while (!(await read(['list'])).includes(id)) await new Promise((wake) => setTimeout(wake, 20))
    assert.match(await read(['show', id]), /approve order-a|approve a/)
    assert.match(await read(['history', id]), /execution-started/)
    assert.match(await read(['tasks']), /letter-ada/)
    assert.match(await read(['schedules']), /nightly/)
    assert.match(await read(['queues']), /print/)
    assert.match(await read(['people', 'list']), /approve/)
    // Of several hosts that which takes writes, wherever it stands.
    const both = `postgres://postgres@127.0.0.1:${standby.port},127.0.0.1:${server.port}/${database}`
    await standby.query('select pg_wal_replay_pause()')
    await engine.enqueue(send, 'bob', { id: 'letter-bob' })
    const { stdout } = await perdure(['tasks', '--store', both])
    assert.match(stdout, /letter-bob/)
    // Without it, what the standby has.
    assert.doesNotMatch(await read(['tasks']), /letter-bob/)
  })
})
