/** Starts, signals and tasks that a program asks for in its own transactions, by SQL. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createEngine, type EngineSettings, signal, silentLogger, task, workflow } from '../../src/index.ts'
import { PostgresServer } from './server.ts'

const go = signal<number>('go')

/** What ran, by its input. */
class Runs {
  readonly counts = new Map<unknown, number>()
  readonly count = workflow({
    name: 'count',
    run: (ctx, input: number) => ctx.step('run', () => this.#ran(input)),
  })
  readonly wait = workflow({
    name: 'wait',
    run: async (ctx, count: number) => {
      const got: number[] = []
      while (got.length < count) got.push(await ctx.waitFor(go))
      return got
    },
  })
  readonly note = task({ name: 'note', queue: 'notes', run: (_, input: number) => this.#ran(input) })

  #ran(input: unknown): unknown {
    this.counts.set(input, (this.counts.get(input) ?? 0) + 1)
    return input
  }

  get settings(): Omit<EngineSettings, 'store'> {
    return { workflows: [this.count, this.wait], tasks: [this.note], logger: silentLogger }
  }
}

async function until<T>(ask: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const endMs = performance.now() + 30_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    assert.ok(performance.now() < endMs, 'it took too long')
    await sleep(5)
  }
}

describe('requests from transactions', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  async function withEngine(
    use: (parts: {
      engine: Awaited<ReturnType<typeof createEngine>>
      client: pg.Client
      url: string
      runs: Runs
      open: () => Promise<number>
    }) => Promise<void>,
    settings: Partial<EngineSettings> = {},
  ): Promise<void> {
    const { url } = await server.createDatabase()
    const runs = new Runs()
    await using engine = await createEngine({ store: url, ...runs.settings, ...settings })
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const open = async (): Promise<number> => {
      const { rows } = await client.query(
        'select count(*)::int as n from perdure.request where failed_at is null',
      )
      return rows[0].n
    }
    try {
      await use({ engine, client, url, runs, open })
    } finally {
      await client.end()
    }
  }

  test('a start is carried out once its transaction has committed, and soon; of one that is rolled back nothing is', () =>
    withEngine(async ({ engine, client, runs, open }) => {
      await client.query("set search_path = ''")
      await client.query('create table public.booking (id text)')
      const latencies: number[] = []
      for (let i = 0; i < 20; i++) {
        await client.query('begin')
        await client.query('insert into public.booking values ($1)', [`b-${i}`])
        const { rows } = await client.query('select perdure.start_workflow($1, $2, $3) as id', [
          'count',
          i,
          `b-${i}`,
        ])
        assert.deepEqual(rows, [{ id: `b-${i}` }])
        if (i === 0) {
          await sleep(300)
          assert.equal((await engine.list()).executions.length, 0)
        }
        await client.query(i % 4 === 3 ? 'rollback' : 'commit')
        if (i % 4 === 3) continue
        const committedMs = performance.now()
        await until(() => runs.counts.has(i))
        latencies.push(performance.now() - committedMs)
        assert.equal(await engine.execution(runs.count, `b-${i}`).result(), i)
        await sleep(i * 10)
      }
      await until(async () => (await open()) === 0)
      assert.equal((await engine.list()).executions.length, 15)
      assert.deepEqual([...runs.counts.values()], new Array(15).fill(1))
      latencies.sort((a, b) => a - b)
      console.log(`taken in and run after ms: ${latencies.map((ms) => ms.toFixed(0)).join(' ')}`)
      assert.ok((latencies[7] ?? Number.POSITIVE_INFINITY) < 500)
    }))

  test('a thousand from four connections, committed in any order: each once', () =>
    withEngine(async ({ engine, url, runs, open }) => {
      const connections = await Promise.all(
        Array.from({ length: 4 }, async (_, at) => {
          const client = new pg.Client({ connectionString: url })
          await client.connect()
          return { client, at }
        }),
      )
      await Promise.all(
        connections.map(async ({ client, at }) => {
          for (let next = at * 250; next < at * 250 + 250; ) {
            const size = Math.min(1 + Math.floor(Math.random() * 20), at * 250 + 250 - next)
            await client.query('begin')
            for (let i = 0; i < size; i++, next++) {
              await client.query("select perdure.start_workflow('count', $1, id => $2)", [next, `n-${next}`])
              if (Math.random() < 0.02) await sleep(30)
            }
            await client.query('commit')
          }
          await client.end()
        }),
      )
      await until(async () => (await open()) === 0)
      for (let i = 0; i < 1000; i++) assert.equal(await engine.execution(runs.count, `n-${i}`).result(), i)
      assert.equal(runs.counts.size, 1000)
      assert.ok([...runs.counts.values()].every((count) => count === 1))
    }))

  test('a start and the signals to it come in their order; a repeated signal counts once', () =>
    withEngine(async ({ engine, client, runs, open }) => {
      await client.query('begin')
      await client.query("select perdure.start_workflow('wait', '300', 'w')")
      for (let i = 0; i < 300; i++) {
        await client.query("select perdure.signal_workflow('w', 'go', $1, request_id => $2)", [i, `go-${i}`])
        if (i % 10 === 0)
          await client.query("select perdure.signal_workflow('w', 'go', '-1', request_id => $1)", [`go-${i}`])
      }
      await client.query('commit')
      const got = await until(async () => (await open()) === 0 && engine.execution(runs.wait, 'w').result())
      assert.deepEqual(
        got,
        Array.from({ length: 300 }, (_, i) => i),
      )
    }))

  test('tasks go into the queue of their definition or of the request, each once', () =>
    withEngine(async ({ engine, client, runs, open }) => {
      await client.query("select perdure.enqueue_task('note', to_jsonb(i)) from generate_series(1, 100) as i")
      const { rows } = await client.query(
        `select perdure.enqueue_task('note', '1000', 'other', 'named', priority => 9, key => 'k', delay_ms => 1,
          max_attempts => 2, timeout_ms => 5000) as id from generate_series(1, 3)`,
      )
      assert.deepEqual(new Set(rows.map(({ id }) => id)), new Set(['named']))
      await until(async () => (await open()) === 0)
      assert.equal(await engine.task(runs.note, 'named').result(), 1000)
      const named = await engine.task(runs.note, 'named').describe()
      assert.deepEqual([named.queue, named.priority, named.key], ['other', 9, 'k'])
      await until(() => runs.counts.size === 101)
      assert.equal((await engine.listTasks({ queue: 'notes' })).tasks.length, 100)
      assert.ok([...runs.counts.values()].every((count) => count === 1))
    }))

  test('options of a start; no input is none, and null is null', () =>
    withEngine(
      async ({ engine, client }) => {
        const start = async (args: string): Promise<string> =>
          (await client.query(`select perdure.start_workflow('echo', ${args}) as id`)).rows[0].id
        const none = await start('attributes => \'{"city": "Ulm"}\', delay_ms => 10, timeout_ms => 60000')
        const empty = await start("'null', version => '1', namespace => 'default'")
        const object = await start(`'{"$": 1, "a": [1.5, "ü"]}'`)
        const result = (id: string): Promise<unknown> =>
          until(() =>
            engine
              .execution(echo, id)
              .result()
              .then(
                (value) => [value],
                () => undefined,
              ),
          )
        assert.deepEqual(await result(none), ['undefined'])
        assert.deepEqual(await result(empty), ['null'])
        assert.deepEqual(await result(object), ['{"$":1,"a":[1.5,"ü"]}'])
        assert.deepEqual(
          (await engine.list({ attributes: { city: 'Ulm' } })).executions.map(({ id }) => id),
          [none],
        )
      },
      { workflows: [echo] },
    ))

  test('what can never succeed is kept with its error, told once, and holds up nobody; it can be tried again', () => {
    const told: unknown[] = []
    const logger = {
      ...silentLogger,
      warn: (message: string, fields?: object) => void told.push({ message, ...fields }),
    }
    return withEngine(
      async ({ engine, client, runs, open }) => {
        await client.query("select perdure.signal_workflow('nobody', 'go', '1')")
        await client.query("select perdure.start_workflow('unknown')")
        await client.query("select perdure.start_workflow('count', to_jsonb(repeat('x', 20000)))")
        await client.query("select perdure.start_workflow('count', to_jsonb(repeat('x', 9000)))")
        await client.query(
          "select perdure.enqueue_task('note', '1', id => 'same'), perdure.enqueue_task('other', id => 'same')",
        )
        await client.query("select perdure.start_workflow('count', '7', 'behind')")
        assert.equal(await until(() => runs.counts.get(7)), 1)
        await until(async () => (await open()) === 0)
        const { rows } = await client.query('select kind, error from perdure.request order by id')
        const codes = rows.map(({ kind, error }) => `${kind} ${/\(([A-Z_]+)\)/.exec(error)?.[1]}`)
        assert.deepEqual(codes, [
          'signal EXECUTION_NOT_FOUND',
          'start WORKFLOW_UNKNOWN',
          'start PAYLOAD_TOO_LARGE',
          'start PAYLOAD_TOO_LARGE',
          'task TASK_ID_TAKEN',
        ])
        assert.equal(told.length, 5)
        await engine.start(runs.wait, 1, { id: 'nobody' })
        await client.query("update perdure.request set failed_at = null, attempts = 0 where kind = 'signal'")
        assert.deepEqual(await engine.execution(runs.wait, 'nobody').result(), [1])
      },
      { logger, limits: { payloadBytes: 8000 } },
    )
  })

  test('wrong arguments are refused at once', () =>
    withEngine(async ({ client }) => {
      for (const [call, message] of [
        ['start_workflow(null)', /workflow is null/],
        ["start_workflow('')", /workflow is empty/],
        ["start_workflow('a', id => repeat('ü', 300))", /id is longer than 512 bytes/],
        ["start_workflow('a', delay_ms => -1)", /delay_ms is -1/],
        ["start_workflow('a', attributes => '[]')", /attributes is no JSON object/],
        ["signal_workflow('a', null)", /signal is null/],
        ["signal_workflow('a', 'b', namespace => '')", /namespace is empty/],
        ["enqueue_task('a', priority => 10)", /priority is 10/],
        ["enqueue_task('a', id => '~1')", /id begins with '~'/],
        ["enqueue_task('a', max_attempts => 0)", /max_attempts is 0/],
      ] as const)
        await assert.rejects(client.query(`select perdure.${call}`), { code: '22023', message })
      assert.equal((await client.query('select from perdure.request')).rowCount, 0)
    }))

  test('a user needs a grant, and nothing but that', () =>
    withEngine(async ({ client, runs }) => {
      await client.query('create role shop; grant usage on schema perdure to shop; set role shop')
      await assert.rejects(client.query("select perdure.start_workflow('count', '1')"), { code: '42501' })
      await client.query(
        'reset role; grant execute on function perdure.start_workflow to shop; set role shop',
      )
      await client.query("select perdure.start_workflow('count', '1')")
      await assert.rejects(client.query('select from perdure.request'), { code: '42501' })
      await until(() => runs.counts.get(1))
      await client.query('reset role')
    }))

  test('a claim whose engine is killed before it is acknowledged is taken over; no transaction is left open', async (t) => {
    const { name, url } = await server.createDatabase()
    const args = ['--conditions=perdure-source', '--disable-warning=ExperimentalWarning']
    const child = fork(join(import.meta.dirname, 'request-process.ts'), [url], { execArgv: args })
    t.after(() => child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    await once(child, 'message')
    const ask = async (sql: string): Promise<pg.QueryResultRow[]> => server.query(sql, [], name)
    // In one page: it gets no further than that.
    await ask(`select perdure.start_workflow('count', to_jsonb(i), 'k-' || i), perdure.enqueue_task('note', to_jsonb(100 + i))
      from generate_series(1, 50) as i`)
    // It carries out, and cannot say so.
    await until(async () => {
      const [row] = await ask('select count(*)::int as n from perdure.request where claimed_by is not null')
      return row?.n === 100
    })
    await until(async () => (await ask('select from perdure.execution')).length === 50)
    const idle =
      "select from pg_stat_activity where application_name = 'perdure requests' and xact_start is not null"
    assert.equal((await ask(idle)).length, 0)
    child.kill('SIGKILL')
    await exited
    const runs = new Runs()
    await using engine = await createEngine({ store: url, ...runs.settings })
    await until(async () => (await ask('select from perdure.request')).length === 0)
    for (let i = 1; i <= 50; i++) assert.equal(await engine.execution(runs.count, `k-${i}`).result(), i)
    assert.equal((await engine.list({ limit: 1000 })).executions.length, 50)
    await until(
      async () => (await engine.listTasks({ status: ['completed'], limit: 1000 })).tasks.length === 50,
    )
    assert.equal((await engine.listTasks({ limit: 1000 })).tasks.length, 50)
  })

  test('the nodes of a cluster share them, and the owner of each gets it, also when one leaves', async () => {
    const { name, url } = await server.createDatabase()
    const runs = new Runs()
    const open = (): ReturnType<typeof createEngine> =>
      createEngine({ store: url, cluster: {}, ...runs.settings })
    await using one = await open()
    const two = await open()
    await until(() => one.shards > 0 && two.shards > 0)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      for (let i = 0; i < 60; i++) {
        await client.query('begin')
        await client.query("select perdure.start_workflow('wait', '3', $1)", [`w-${i}`])
        for (const value of [1, 2, 3])
          await client.query("select perdure.signal_workflow($1, 'go', $2)", [`w-${i}`, value])
        await client.query("select perdure.enqueue_task('note', $1, 'q-' || $2)", [i, i % 7])
        await client.query('commit')
        if (i === 30) void two.close()
      }
      await until(async () => (await server.query('select from perdure.request', [], name)).length === 0)
      for (let i = 0; i < 60; i++)
        assert.deepEqual(await one.execution(runs.wait, `w-${i}`).result(), [1, 2, 3])
      await until(() => runs.counts.size === 60)
      assert.equal((await one.listTasks({ limit: 1000 })).tasks.length, 60)
      await two.close()
    } finally {
      await client.end()
    }
  })
})

const echo = workflow({
  name: 'echo',
  run: async (_, input: unknown) => (input === undefined ? 'undefined' : JSON.stringify(input)),
})
