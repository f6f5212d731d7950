/**
 * Waiting tasks are moved by changes of settings, while more come, run, fail, are cancelled and reprioritised: none is lost,
 * none runs because of it, and in the end the order is that of the policy, as a plain sort says it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf } from '../../src/core/queue/policies.ts'
import { silentLogger, task } from '../../src/index.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { VirtualClock } from '../../src/platform/virtual-clock.ts'
import type { PolicySetting, QueueOverrides } from '../../src/protocol/queue-settings.ts'
import { assembleEngine, type EmbeddedEngine } from '../../src/server/embedded-engine.ts'
import { temporaryFile } from '../sdk/temporary-file.ts'
import { gate, until } from '../tasks/task-fixtures.ts'

const START_MS = 1_750_000_000_000
const QUEUE = 'default'
/** Of what waits, so many are in memory. */
const WINDOW = 10

interface Input {
  readonly id: string
  readonly ms: number
  readonly failures: number
}

interface Known extends Input {
  readonly key: string
  readonly estimateMs: number
  priority: number
  isCancelled: boolean
  calls: number
  results: number
}

class Model {
  readonly known = new Map<string, Known>()
  readonly clock = new VirtualClock(START_MS)
  readonly random: () => number
  /** Nothing fails any more, and this is the order in which tasks run. */
  order: string[] | undefined
  readonly work = task({
    name: 'work',
    retry: { maxAttempts: 5, initialInterval: 50 },
    run: async (_, { id, ms, failures }: Input) => {
      const about = this.known.get(id)
      assert.ok(about !== undefined)
      about.calls += 1
      if (this.order !== undefined) {
        this.order.push(id)
        about.results += 1
        return
      }
      if (ms > 0) await new Promise<void>((resolve) => void this.clock.after(ms, resolve))
      if (about.calls <= failures) throw new Error('not yet')
      about.results += 1
    },
  })

  constructor(seed: number) {
    this.random = seededRandomness(seed)
  }

  below(count: number): number {
    return Math.floor(this.random() * count)
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  async open(store: string): Promise<EmbeddedEngine> {
    return assembleEngine(
      {
        store,
        logger: silentLogger,
        tasks: [this.work],
        taskConcurrency: 4,
        shutdownGrace: 0,
        queues: [{ name: QUEUE, policy: this.pick<PolicySetting['name']>(['fcfs', 'sjf']) }],
      },
      { clock: this.clock, taskWindow: WINDOW },
    )
  }

  /** Time goes on while this is waited for. */
  async during<T>(work: Promise<T>): Promise<T> {
    let isOver = false
    const ended = work.finally(() => (isOver = true))
    ended.catch(() => {})
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve))
      this.clock.runNext()
    }
    return ended
  }

  async until(engine: EmbeddedEngine, isSo: () => Promise<boolean>): Promise<void> {
    while (!(await this.during(isSo()))) assert.ok(!engine.isFailed, 'the engine has stopped')
  }

  async enqueue(engine: EmbeddedEngine): Promise<void> {
    const added = Array.from({ length: 1 + this.below(150) }, (): Known => {
      return {
        id: `t${this.known.size + 1e6 + this.below(1e6)}-${this.random()}`,
        ms: this.random() < 0.5 ? 0 : this.below(30),
        failures: this.random() < 0.1 ? 1 + this.below(3) : 0,
        key: this.pick(['a', 'b', 'c']),
        estimateMs: 1 + this.below(50),
        priority: this.below(10),
        isCancelled: false,
        calls: 0,
        results: 0,
      }
    })
    for (const each of added) this.known.set(each.id, each)
    const options = (index: number) => {
      const { id, key, estimateMs, priority } = added[index] as Known
      return { id, key, estimateMs, priority, ...(this.random() < 0.1 ? { delay: this.below(300) } : {}) }
    }
    const inputs = added.map(({ id, ms, failures }) => ({ id, ms, failures }))
    await this.during(engine.enqueueMany(this.work, inputs, (_, index) => options(index)))
  }

  async change(engine: EmbeddedEngine): Promise<void> {
    const policies: PolicySetting[] = [
      { name: 'fcfs' },
      { name: 'sjf', aging: this.pick([0, 0.1]) },
      { name: 'priority', agingMs: this.pick([100, 60_000]) },
      { name: 'round-robin', quantumMs: 20 },
    ]
    const changes: QueueOverrides = this.pick([
      { policy: this.pick(policies) },
      { policy: this.pick(policies), keyConcurrency: this.pick([1, 3, null]) },
      { concurrency: this.pick([1, 8, null]), paused: this.random() < 0.2 },
      { keyRate: this.pick([{ perSecond: 200, burst: 5 }, null]), paused: false },
    ])
    await this.during(engine.queues.set(QUEUE, changes))
  }

  async disturb(engine: EmbeddedEngine): Promise<void> {
    const known = [...this.known.values()]
    const chosen = known[known.length - 1 - this.below(Math.min(known.length, 400))]
    if (chosen === undefined) return
    const handle = engine.task(this.work, chosen.id)
    const priority = this.below(10)
    const isCancel = this.random() < 0.3
    try {
      await this.during(isCancel ? handle.cancel() : handle.reprioritise(priority))
      if (isCancel) chosen.isCancelled = true
      else chosen.priority = priority
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'TASK_CLOSED')
    }
  }

  /** Ids of those that wait, in the order in which they were enqueued. */
  async waiting(engine: EmbeddedEngine): Promise<{ readonly id: string; readonly enqueuedMs: number }[]> {
    const found: { id: string; enqueuedMs: number }[] = []
    let cursor: string | undefined
    do {
      const page = await this.during(
        engine.listTasks({ status: ['waiting'], limit: 1000, ...(cursor === undefined ? {} : { cursor }) }),
      )
      for (const { id, enqueuedAt } of page.tasks) found.push({ id, enqueuedMs: enqueuedAt.getTime() })
      cursor = page.cursor
    } while (cursor !== undefined)
    return found.toReversed()
  }

  /** A plain sort by the places that the policy gives. */
  sorted(policy: PolicySetting, waiting: Awaited<ReturnType<Model['waiting']>>): string[] {
    const { place } = policyOf(policy)
    return waiting
      .map(({ id, enqueuedMs }, order) => {
        const { key, estimateMs, priority } = this.known.get(id) as Known
        return { id, order, rank: place({ name: 'work', key, estimateMs, priority, enqueuedMs, order }).rank }
      })
      .toSorted((a, b) => a.rank - b.rank || a.order - b.order)
      .map(({ id }) => id)
  }
}

describe('tasks are moved while everything goes on', () => {
  for (const [seed, final] of [
    [1, { name: 'sjf', aging: 0.1 }],
    [2, { name: 'priority', agingMs: 100 }],
    [3, { name: 'fcfs' }],
    [4, { name: 'sjf', aging: 0 }],
  ] as const satisfies readonly (readonly [number, PolicySetting])[])
    test(`seed ${seed}, in the end by ${final.name}`, async () => {
      using file = temporaryFile(`moves-${seed}.db`)
      const model = new Model(seed)
      const store = `sqlite:${file.path}`
      let engine = await model.during(model.open(store))
      while (model.known.size < 3000) {
        await model.enqueue(engine)
        if (model.random() < 0.4) await model.change(engine)
        if (model.random() < 0.3) await Promise.all([model.change(engine), model.change(engine)])
        for (let i = 0; i < 3; i++) await model.disturb(engine)
        if (model.random() < 0.05) {
          // In the middle of a move, or not.
          await model.during(engine.close())
          engine = await model.during(model.open(store))
        }
      }
      await model.during(engine.queues.reset(QUEUE))
      await model.during(engine.queues.set(QUEUE, { policy: final, concurrency: 1, paused: true }))
      await model.until(engine, async () => {
        const { moving, running } = await engine.queues.get(QUEUE)
        const delayed = await engine.listTasks({ status: ['delayed'], limit: 1 })
        return moving === 0 && running === 0 && delayed.tasks.length === 0
      })
      const waiting = await model.waiting(engine)
      assert.equal((await engine.queues.get(QUEUE)).waiting, waiting.length)
      assert.ok(waiting.length > 500, `only ${waiting.length} wait`)
      model.order = []
      await model.during(engine.queues.resume(QUEUE))
      await model.until(engine, async () => (await engine.queues.get(QUEUE)).waiting === 0)
      await model.until(engine, async () => (await engine.queues.get(QUEUE)).running === 0)
      assert.deepEqual(model.order, model.sorted(final, waiting))
      for (const { id, results, isCancelled } of model.known.values()) {
        const { status } = await engine.task(model.work, id).describe()
        // The function of a task that was cancelled while it ran goes on; closing the engine gives up what runs.
        if (isCancelled) assert.equal(status, 'cancelled', id)
        else assert.ok(results >= 1 && status === 'completed', `${id} is ${status}, ${results} results`)
      }
      await model.during(engine.close())
    })
})

test('the order of the new policy holds from the first task on', async () => {
  const { task: slow, open } = gate()
  const order: number[] = []
  const noted = task({ name: 'noted', run: (_, n: number) => void order.push(n) })
  using file = temporaryFile('first.db')
  await using engine = await assembleEngine(
    { store: `sqlite:${file.path}`, logger: silentLogger, tasks: [slow, noted], taskConcurrency: 1 },
    {},
  )
  await engine.enqueue(slow, 'x')
  await until(() => open.length === 1)
  const inputs = Array.from({ length: 9000 }, (_, i) => i)
  await engine.enqueueMany(noted, inputs, (n) => ({ estimateMs: 1 + ((n * 7919) % 9000) }))
  const changed = engine.queues.set(QUEUE, { policy: { name: 'sjf', aging: 0 } })
  open[0]?.()
  await changed
  const { moving } = await engine.queues.get(QUEUE)
  assert.ok(moving > 0, 'it was answered before all are moved')
  assert.match((await engine.explainQueue(QUEUE)).sentence, /\d of them are being moved to where/)
  await until(() => order.length === inputs.length)
  assert.deepEqual(
    order,
    inputs.toSorted((a, b) => ((a * 7919) % 9000) - ((b * 7919) % 9000)),
  )
})
