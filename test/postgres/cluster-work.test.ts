/** Nodes in one process, on one database: what is asked of one is done by those that own it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  connect,
  createEngine,
  createWorker,
  type EngineSettings,
  type Execution,
  query,
  silentLogger,
  type TaskStatus,
  task,
  update,
  workflow,
} from '../../src/index.ts'
import { addOne, expectedOf, go, parentOf, squareTask, WORKFLOWS } from './cluster-workload.ts'
import { PostgresServer } from './server.ts'

type Node = Awaited<ReturnType<typeof createEngine>>
type Listed = Awaited<ReturnType<Node['listTasks']>>['tasks'][number]

const note = update<number, string>('note')
const notesOf = query<string[]>('notes')
const noting = workflow({
  name: 'noting',
  run: async (ctx) => {
    const notes: string[] = []
    ctx.onUpdate(note, (text) => notes.push(text))
    ctx.onQuery(notesOf, () => notes)
    await ctx.waitFor(go)
    return notes
  },
})

const asking = workflow({
  name: 'asking',
  run: (ctx, queues: string[]) =>
    Promise.all(queues.map((queue, i): Promise<number> => ctx.task(squareTask, i, { queue }))),
})

describe('nodes on one database', () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start({ settings: { fsync: 'off' } })
  })
  after(() => server[Symbol.asyncDispose]())

  async function nodes(
    count: number,
    settings: Omit<EngineSettings, 'store' | 'cluster'>,
    use: (nodes: Node[], url: string) => Promise<void>,
  ): Promise<void> {
    const { url } = await server.createDatabase()
    const open: Node[] = []
    try {
      for (let i = 0; i < count; i++)
        open.push(await createEngine({ store: url, cluster: {}, logger: silentLogger, ...settings }))
      await shared(open)
      await use(open, url)
    } finally {
      await Promise.all(open.map((node) => node.close()))
    }
  }

  test('work is started at each node, and done by all of them; one that leaves is not missed', () =>
    nodes(3, { workflows: WORKFLOWS, tasks: [squareTask] }, async (open) => {
      const one = async (value: number): Promise<void> => {
        const node = open[value % open.length]
        assert.ok(node !== undefined)
        const execution = await node.start(parentOf, value, { id: `parent-${value}` })
        await execution.signal(go, 3)
        assert.equal(await execution.result(), expectedOf(value, 3))
      }
      const run = async (from: number, to: number): Promise<void> => {
        await Promise.all(Array.from({ length: to - from }, (_, i) => one(from + i)))
      }
      await run(0, 150)
      const leaving = open.pop()
      const left = leaving?.close()
      await run(150, 400)
      await left
      assert.equal(
        open.reduce((sum, { shards }) => sum + shards, 0),
        256,
      )
    }))

  test('queries, updates, histories and descriptions come from the owner, whoever is asked', () =>
    nodes(2, { workflows: [noting] }, async (open) => {
      const [one, two] = open
      assert.ok(one !== undefined && two !== undefined)
      for (let i = 0; i < 20; i++) {
        const id = `noting-${i}`
        const started: Execution<typeof noting> = await one.start(noting, undefined, {
          id,
          onConflict: 'fail',
        })
        await assert.rejects(two.start(noting, undefined, { id, onConflict: 'fail' }), {
          code: 'EXECUTION_EXISTS',
        })
        const other: Execution<typeof noting> = two.execution(noting, id)
        assert.equal(await other.update(note, 'a'), 1)
        assert.equal(await started.update(note, 'b'), 2)
        assert.deepEqual(await other.query(notesOf), ['a', 'b'])
        assert.equal((await other.describe()).status, 'running')
        assert.match((await other.explain()).sentence, /signal go/)
        await other.signal(go, 1)
        assert.deepEqual(await started.result(), ['a', 'b'])
        assert.equal((await one.execution(noting, id).describe()).status, 'completed')
        await assert.rejects(two.execution(noting, `${id}-missing`).describe(), {
          code: 'EXECUTION_NOT_FOUND',
        })
      }
    }))

  test('tasks alone: added anywhere, each once, found and cancelled anywhere', () =>
    nodes(3, { tasks: [squareTask] }, async (open) => {
      const [one, two, three] = open
      assert.ok(one !== undefined && two !== undefined && three !== undefined)
      const inputs = Array.from({ length: 500 }, (_, i) => i)
      const handles = await one.enqueueMany(squareTask, inputs, { queue: 'many' })
      const named = await Promise.all(
        inputs.map((input) => two.enqueue(squareTask, input, { id: `t-${input}`, queue: `q-${input % 5}` })),
      )
      const again = await Promise.all(
        inputs.map((input) =>
          three.enqueue(squareTask, input, { id: `t-${input}`, queue: `q-${input % 5}` }),
        ),
      )
      for (const all of [handles, named, again]) {
        const results: number[] = await Promise.all(
          all.map(({ id }): Promise<number> => three.task(squareTask, id).result()),
        )
        assert.deepEqual(
          results,
          inputs.map((input) => input * input),
        )
      }
      assert.equal((await one.listTasks({ limit: 1000 })).tasks.length, 1000)
      await three.queues.pause('later', 'not yet')
      const waiting = await one.enqueue(squareTask, 5, { queue: 'later' })
      assert.match((await two.task(squareTask, waiting.id).explain()).sentence, /paused/)
      await three.task(squareTask, waiting.id).cancel('not wanted')
      assert.equal((await one.task(squareTask, waiting.id).describe()).status, 'cancelled')
      assert.equal((await two.queues.list()).find(({ queue }) => queue === 'later')?.isPaused, true)
      await two.queues.resume('later')
      assert.equal(await (await two.enqueue(squareTask, 6, { queue: 'later' })).result(), 36)
    }))

  test('tasks that run are listed as running by each node, page by page', async () => {
    const gate = Promise.withResolvers<void>()
    const held = task({ name: 'held', run: async () => gate.promise })
    await nodes(3, { tasks: [held] }, async (open) => {
      const [one] = open
      assert.ok(one !== undefined)
      await one.queues.pause('later', 'not yet')
      const some = Array.from({ length: 24 }, (_, i) => i)
      // Every other one has an id of its caller.
      const running = await Promise.all(
        some.map((i) =>
          one.enqueue(held, undefined, { queue: `q-${i}`, ...(i % 2 === 0 ? { id: `held-${i}` } : {}) }),
        ),
      )
      const waiting = await one.enqueueMany(held, [undefined, undefined, undefined], { queue: 'later' })
      const ids = (all: readonly { readonly id: string }[]): string[] => all.map(({ id }) => id).toSorted()
      try {
        for (const node of open) {
          const paged = async (status?: readonly TaskStatus[]): Promise<Listed[]> => {
            const found: Listed[] = []
            let cursor: string | undefined
            do {
              const page = await node.listTasks({
                limit: 5,
                ...(status === undefined ? {} : { status }),
                ...(cursor === undefined ? {} : { cursor }),
              })
              found.push(...page.tasks)
              cursor = page.cursor
            } while (cursor !== undefined)
            return found
          }
          for (let i = 0; i < 500 && (await paged(['running'])).length < running.length; i++) await sleep(20)
          const found = await paged(['running'])
          assert.deepEqual(ids(found), ids(running))
          assert.ok(found.every(({ status }) => status === 'running'))
          assert.ok(found.every(({ startedAt, enqueuedAt }) => startedAt && startedAt >= enqueuedAt))
          const later = await paged(['waiting'])
          assert.deepEqual(ids(later), ids(waiting))
          assert.ok(later.every(({ startedAt }) => startedAt === undefined))
          assert.deepEqual(ids(await paged(['waiting', 'running'])), ids([...running, ...waiting]))
          const all = await paged()
          assert.deepEqual(ids(all), ids([...running, ...waiting]))
          assert.deepEqual(ids(all.filter(({ status }) => status === 'running')), ids(running))
          assert.deepEqual(
            (await paged(['waiting', 'running'])).map(({ id }) => id),
            all.map(({ id }) => id),
          )
          assert.deepEqual(await paged(['completed', 'delayed']), [])
        }
      } finally {
        gate.resolve()
      }
      await Promise.all(running.map((each) => each.result()))
      for (const node of open) assert.deepEqual((await node.listTasks({ status: ['running'] })).tasks, [])
    })
  })

  test('an execution says why its tasks wait, wherever their queues are', () =>
    nodes(3, { workflows: [asking], tasks: [squareTask] }, async (open) => {
      const [one, two] = open
      assert.ok(one !== undefined && two !== undefined)
      const queues = Array.from({ length: 12 }, (_, i) => `paused-${i}`)
      await Promise.all(queues.map((queue) => one.queues.pause(queue, 'not yet')))
      const execution = await two.start(asking, queues, { id: 'asks' })
      const sentences = async (): Promise<string[]> =>
        (await one.execution(asking, 'asks').explain()).waits.map(({ sentence }) => sentence)
      // What is on its way to another node is not there yet.
      let said = await sentences()
      for (
        let i = 0;
        i < 500 && said.filter((each) => each.includes('not yet')).length < queues.length;
        i++
      ) {
        await sleep(20)
        said = await sentences()
      }
      assert.equal(said.length, queues.length)
      for (const sentence of said) assert.match(sentence, /waits for task square .*: .*paused.*not yet/)
      await Promise.all(queues.map((queue) => two.queues.resume(queue)))
      assert.deepEqual(
        await execution.result(),
        queues.map((_, i) => i * i),
      )
      assert.equal((await one.execution(asking, 'asks').explain()).reason, 'completed')
    }))

  test('settings of a queue whose partitions are on different nodes are changed for all of them', () => {
    const ran: { readonly n: number; readonly atMs: number }[] = []
    let running = 0
    let most = 0
    const noted = task({
      name: 'noted',
      run: async (_, n: number) => {
        running += 1
        most = Math.max(most, running)
        await sleep(5)
        running -= 1
        ran.push({ n, atMs: Date.now() })
      },
    })
    const queues = [{ name: 'wide', partitions: 8 }]
    return nodes(3, { tasks: [noted], queues }, async (open) => {
      const [one, two, three] = open
      assert.ok(one !== undefined && two !== undefined && three !== undefined)
      await one.queues.pause('wide', 'not yet')
      const enqueue = (from: number, count: number) =>
        two.enqueueMany(
          noted,
          Array.from({ length: count }, (_, i) => from + i),
          (n) => ({ queue: 'wide', priority: n % 10 }),
        )
      await enqueue(0, 400)
      await sleep(200)
      assert.deepEqual(ran, [])
      for (const node of open) {
        const { waiting, isPaused, pause } = await node.queues.get('wide')
        assert.deepEqual([waiting, isPaused, pause?.reason], [400, true, 'not yet'])
      }
      // Those that wait get other places, wherever they wait.
      await three.queues.set('wide', { policy: 'priority', concurrency: 8 })
      await two.queues.resume('wide')
      while (ran.length < 400) await sleep(20)
      assert.ok(most <= 8, `${most} at once`)
      // Each partition goes by its own order: early ones are urgent on the whole.
      const meanOf = (part: readonly { readonly n: number }[]): number =>
        part.reduce((sum, { n }) => sum + (n % 10), 0) / part.length
      const [first, last] = [meanOf(ran.slice(0, 100)), meanOf(ran.slice(-100))]
      assert.ok(Math.abs(first - last) > 3, `${first} in the beginning, ${last} in the end`)
      // Whoever takes over a partition goes by the newest ones.
      await one.queues.pause('wide', 'again')
      await enqueue(400, 100)
      await open.shift()?.close()
      await sleep(300)
      assert.equal(ran.length, 400)
      await two.queues.reset('wide', ['paused', 'concurrency', 'policy'])
      while (ran.length < 500) await sleep(20)
      assert.equal(new Set(ran.map(({ n }) => n)).size, 500)
      assert.equal((await three.queues.get('wide')).waiting, 0)
    })
  })

  test('a worker that knows one node gets the work of all, no more at once than it can do', () =>
    nodes(3, {}, async (open) => {
      let running = 0
      let most = 0
      const slow = task({
        name: 'slow',
        run: async (_, value: number) => {
          running += 1
          most = Math.max(most, running)
          await sleep(2)
          running -= 1
          return value + 1
        },
      })
      await using worker = await createWorker({
        url: open[0]?.url ?? '',
        tasks: [slow, squareTask],
        workflows: WORKFLOWS,
        concurrency: 8,
        logger: silentLogger,
      })
      while (worker.nodes < 3) await sleep(20)
      const client = await connect(
        open.map(({ url }) => url ?? ''),
        { logger: silentLogger },
      )
      try {
        const sums = await Promise.all(
          Array.from({ length: 600 }, async (_, input) =>
            (await client.enqueue(slow, input, { queue: `q-${input % 9}` })).result(),
          ),
        )
        assert.deepEqual(
          sums,
          Array.from({ length: 600 }, (_, i) => i + 1),
        )
        assert.ok(most <= 8, `${most} at once`)
        const parents = await Promise.all(
          Array.from({ length: 60 }, (_, value) => client.start(parentOf, value, { id: `w-${value}` })),
        )
        await Promise.all(parents.map((parent) => parent.signal(go, 1)))
        const leaving = open.pop()
        const left = leaving?.close()
        for (const [value, parent] of parents.entries())
          assert.equal(await parent.result(), expectedOf(value, 1))
        await left
        while (worker.nodes > 2) await sleep(20)
        assert.equal(await (await client.enqueue(slow, 1, { queue: 'after' })).result(), 2)
      } finally {
        await client.close()
      }
    }))

  test('schedules start their runs at whichever node these belong to', () =>
    nodes(2, { workflows: [addOne] }, async (open) => {
      const [one, two] = open
      assert.ok(one !== undefined && two !== undefined)
      await one.schedules.create('each-second', { every: '1s' }, { workflow: addOne, input: 1 })
      const ended = async (): Promise<number> => (await two.list({ status: ['completed'] })).executions.length
      while ((await ended()) < 3) await sleep(100)
      await two.schedules.pause('each-second', 'enough')
      const { executions } = await one.list({})
      assert.equal(new Set(executions.map(({ id }) => id)).size, executions.length)
    }))

  test('an engine that is alone on the database, and a node, refuse each other', async () => {
    const { url } = await server.createDatabase()
    {
      await using _ = await createEngine({ store: url, logger: silentLogger })
      await assert.rejects(createEngine({ store: url, cluster: {}, logger: silentLogger }), {
        code: 'STORE_LOCKED',
      })
    }
    await using node = await createEngine({
      store: url,
      cluster: {},
      workflows: [addOne],
      logger: silentLogger,
    })
    await assert.rejects(createEngine({ store: url, logger: silentLogger }), { code: 'STORE_LOCKED' })
    assert.equal(await (await node.start(addOne, 1)).result(), 2)
  })

  test('settings of a node that make no sense are refused', async () => {
    const wrong = [{ weight: 0 }, { address: 'here' }, { host: '0.0.0.0' }, { prot: 1 }, { handOver: 'long' }]
    const { url } = await server.createDatabase()
    for (const cluster of wrong)
      await assert.rejects(
        createEngine({ store: url, cluster: cluster as object, logger: silentLogger }),
        (error) => {
          assert.ok(error instanceof Error && 'code' in error)
          return error.code === 'ARGUMENT_INVALID' || error.code === 'DURATION_INVALID'
        },
      )
    await assert.rejects(createEngine({ store: 'memory', cluster: {} }), { code: 'STORE_INVALID' })
  })
})

/** Until each node has its share. */
async function shared(open: readonly Node[]): Promise<void> {
  const least = Math.floor(256 / open.length)
  while (!open.every(({ shards }) => shards >= least)) await sleep(20)
}
