/** An engine on PostgreSQL, while its connections are ended, its server crashes, and its process is killed. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, signal, silentLogger, task, workflow } from '../../src/index.ts'
import { journalsOf } from './cluster-client.ts'
import { PostgresServer } from './server.ts'

const EXECUTIONS = 150
const LIVES = 5
const go = signal<number>('go')

describe('an engine on PostgreSQL', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server[Symbol.asyncDispose]())

  const checkJournals = async (database: string, runs: number): Promise<void> => {
    const all = await journalsOf(server, database)
    assert.equal(all.size, runs)
    for (const [runId, events] of all) {
      assert.deepEqual(
        events.map(({ seq }) => seq),
        events.map((_, index) => index + 1),
        `gaps in ${runId}`,
      )
      const ends = events.filter(({ type }) =>
        /^execution-(completed|failed|cancelled|terminated)$/.test(type),
      )
      assert.deepEqual(ends, [{ seq: events.length, type: 'execution-completed' }], runId)
    }
  }

  test('connections are ended and the server crashes while work is under way: each result is there, once', async () => {
    const { name, url } = await server.createDatabase()
    const executed = new Map<string, number>()
    const ran = (key: string): void => void executed.set(key, (executed.get(key) ?? 0) + 1)
    const double = task({
      name: 'double',
      run: (t, value: number) => {
        ran(t.idempotencyKey)
        return value * 2
      },
    })
    const count = workflow({
      name: 'count',
      run: async (ctx, value: number) => {
        const first = await ctx.step('first', (step) => {
          ran(step.idempotencyKey)
          return value + 1
        })
        await ctx.sleep(20)
        const second = await ctx.task(double, first)
        return second + (await ctx.waitFor(go))
      },
    })
    await using engine = await createEngine({
      store: url,
      workflows: [count],
      tasks: [double],
      logger: silentLogger,
    })
    const persist = async <T>(call: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await call()
        } catch (error) {
          if ((error as { retryable?: boolean }).retryable !== true) throw error
          await sleep(5)
        }
      }
    }
    const one = async (value: number): Promise<number> => {
      await sleep(value * 15)
      const handle = await persist(() => engine.start(count, value, { id: `count-${value}` }))
      await persist(() => handle.signal(go, 1000, { requestId: 'go' }))
      return persist(() => handle.result())
    }
    const results = Promise.all(Array.from({ length: EXECUTIONS }, (_, value) => one(value)))
    let isOver = false
    const disturbed = (async () => {
      for (let turn = 1; !isOver; turn++) {
        await sleep(120)
        if (turn % 6 === 0) {
          await server.stop('immediate')
          await server.start()
        } else
          await server.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
            name,
          ])
      }
    })()
    try {
      assert.deepEqual(
        await results,
        Array.from({ length: EXECUTIONS }, (_, value) => (value + 1) * 2 + 1000),
      )
    } finally {
      isOver = true
      await disturbed
    }
    const { unknownCommits, unknownSettledIn, unknownSettledOut } = engine.counters
    assert.ok(unknownCommits > 0, 'some disturbance hit a commit')
    assert.equal(unknownSettledIn + unknownSettledOut, unknownCommits)
    assert.equal(executed.size, 2 * EXECUTIONS, 'a step and a task of each')
    await checkJournals(name, EXECUTIONS)
  })

  test('the process is killed again and again: all that it had acknowledged ends, once', async () => {
    const { name, url } = await server.createDatabase()
    const program = join(import.meta.dirname, 'engine-process.ts')
    const acknowledged = new Set<string>()
    const life = async (number: number): Promise<number | undefined> => {
      const args = ['--conditions=perdure-source', '--disable-warning=ExperimentalWarning']
      const child = fork(program, [url, String(number)], { execArgv: args })
      const exited = once(child, 'exit')
      const ended = await new Promise<number | undefined>((resolve, reject) => {
        child.on('message', ({ started, done }: { started?: string; done?: number }) => {
          if (started !== undefined) acknowledged.add(started)
          if (done !== undefined || acknowledged.size >= number * 40) resolve(done)
        })
        child.once('exit', () => reject(new Error(`life ${number} has ended by itself`)))
      })
      child.kill('SIGKILL')
      await exited
      return ended
    }
    for (let number = 1; number <= LIVES; number++) assert.equal(await life(number), undefined)
    const ended = await life(Number.POSITIVE_INFINITY)
    const rows = await server.query('select workflow_id from perdure.execution', [], name)
    const ids = new Set(rows.map((row) => String(row.workflow_id)))
    assert.equal(ended, ids.size)
    assert.deepEqual(
      [...acknowledged].filter((id) => !ids.has(id)),
      [],
    )
    await checkJournals(name, ids.size)
  })
})
