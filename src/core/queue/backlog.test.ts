// The order holds over the whole backlog, also over what is in the store only: a small window against all in memory.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PolicySetting } from '../../protocol/queue-settings.ts'
import type { Backlog, PageRequest } from './backlog.ts'
import { comparePositions } from './lane.ts'
import { policyOf } from './policies.ts'
import type { PolicyTask } from './policy.ts'
import { type QueuedTask, TaskQueue } from './task-queue.ts'

/** A store that commits later than the queue changes, and answers reads later than it reads. */
class LateStore {
  readonly waiting = new Map<number, QueuedTask>()
  readonly #open: [seq: number, task: QueuedTask | undefined][] = []
  readonly #sent: { readonly mark: number; readonly rows: [seq: number, task: QueuedTask | undefined][] }[] =
    []

  write(seq: number, task: QueuedTask | undefined): void {
    this.#open.push([seq, task])
  }

  send(mark: number): void {
    this.#sent.push({ mark, rows: this.#open.splice(0) })
  }

  commit(backlog: Backlog<QueuedTask>): void {
    const batch = this.#sent.shift()
    if (batch === undefined) return
    for (const [seq, task] of batch.rows) {
      if (task === undefined) this.waiting.delete(seq)
      else this.waiting.set(seq, task)
    }
    backlog.committed(batch.mark)
  }

  read({ lane, after, limit }: PageRequest<QueuedTask>): QueuedTask[] {
    return [...this.waiting.values()]
      .filter((task) => task.lane.text === lane.name.text && comparePositions(task, after) > 0)
      .toSorted(comparePositions)
      .slice(0, limit)
      .map((task) => ({ ...task }))
  }
}

function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

interface Scenario {
  readonly policy: PolicySetting
  readonly tasks: number
  readonly keys: number
  readonly keyConcurrency?: number
  readonly seed: number
}

/** The same calls to a queue with a window of 10 and to one that has all in memory; both must take the same tasks. */
class Twins {
  readonly small: TaskQueue<QueuedTask>
  readonly whole: TaskQueue<QueuedTask>
  readonly store = new LateStore()
  readonly random: () => number
  readonly running: QueuedTask[] = []
  readonly waiting = new Map<number, QueuedTask>()
  readonly scenario: Scenario
  reads: { readonly request: PageRequest<QueuedTask>; readonly rows: QueuedTask[] }[] = []
  pages = 0
  stalls = 0
  inMemoryMax = 0
  #seq = 0
  #nowMs = 0

  constructor(scenario: Scenario) {
    const { policy, keyConcurrency } = scenario
    const limits = keyConcurrency === undefined ? {} : { keyConcurrency }
    this.scenario = scenario
    this.small = new TaskQueue({ policy: policyOf(policy), limits, windowTasks: 10 }, 0)
    this.whole = new TaskQueue({ policy: policyOf(policy), limits, windowTasks: Number.POSITIVE_INFINITY }, 0)
    this.random = randomOf(scenario.seed)
  }

  pick(below: number): number {
    return Math.floor(this.random() * below)
  }

  enqueue(again?: QueuedTask): void {
    this.#nowMs += this.pick(3)
    this.#seq += 1
    const about: PolicyTask = again?.about ?? {
      name: `n${this.pick(5)}`,
      key: `k${this.pick(this.scenario.keys)}`,
      priority: this.pick(10),
      estimateMs: this.random() < 0.5 ? this.pick(500) : undefined,
      enqueuedMs: this.#nowMs,
      order: this.#seq,
    }
    const now = { ...about, order: this.#seq }
    const classId = `c${now.priority % 2}`
    const place = this.small.place(now, classId)
    assert.deepEqual(this.whole.place(now, classId), place)
    const seq = again?.seq ?? this.#seq
    const task = { ...place, seq, about: now }
    this.small.backlog.add(task)
    this.whole.backlog.add(task)
    this.waiting.set(seq, task)
    this.store.write(seq, task)
  }

  cancel(): void {
    const nth = this.pick(this.waiting.size)
    let i = 0
    for (const task of this.waiting.values()) {
      if (i++ < Math.min(nth, 50)) continue
      this.#leave(task)
      this.small.backlog.remove({ ...task })
      this.whole.backlog.remove(task)
      return
    }
  }

  take(): void {
    const isServable = this.random() < 0.2 ? (id: string) => id === 'c1' : () => true
    for (;;) {
      const got = this.small.take(this.#nowMs, isServable)
      if (got.kind === 'reading') {
        this.stalls += 1
        this.readAll()
        continue
      }
      const expected = this.whole.take(this.#nowMs, isServable)
      assert.equal(got.kind, expected.kind)
      if (got.kind !== 'task' || expected.kind !== 'task') return
      assert.equal(got.task.seq, expected.task.seq)
      this.#leave(got.task)
      this.running.push(got.task)
      return
    }
  }

  /** It ran, and perhaps yields. */
  end(): void {
    const [task] = this.running.splice(this.pick(this.running.length), 1)
    if (task === undefined) return
    const servedMs = this.pick(300)
    this.small.ended(task, servedMs)
    this.whole.ended(task, servedMs)
    if (this.random() < 0.2) this.enqueue(task)
  }

  startReads(): void {
    for (let request = this.small.readPage(); request !== undefined; request = this.small.readPage())
      this.reads.push({ request, rows: this.store.read(request) })
  }

  endRead(): void {
    const [read] = this.reads.splice(this.pick(this.reads.length), 1)
    if (read === undefined) return
    this.pages += 1
    if (this.random() < 0.1) this.small.backlog.pageFailed(read.request)
    else this.small.backlog.page(read.request, read.rows)
    this.inMemoryMax = Math.max(this.inMemoryMax, this.small.backlog.inMemory)
  }

  readAll(): void {
    this.startReads()
    while (this.reads.length > 0) this.endRead()
  }

  send(): void {
    this.store.send(this.small.backlog.mark)
  }

  #leave(task: QueuedTask): void {
    this.waiting.delete(task.seq)
    this.store.write(task.seq, undefined)
  }

  /** More comes than is taken at first, and less later. */
  run(): void {
    const { tasks, policy } = this.scenario
    // The accounts of flows are kept by what is known of their first tasks: there, pages come at once.
    const isPrompt = policy.name === 'round-robin'
    let enqueued = 0
    while (enqueued < tasks || this.waiting.size > 0 || this.running.length > 0) {
      const draw = this.random()
      if (draw < (enqueued < tasks / 2 ? 0.5 : 0.25) && enqueued < tasks) {
        this.enqueue()
        enqueued += 1
      } else if (draw < 0.27 && this.waiting.size > 0) this.cancel()
      else if (draw < 0.65) this.take()
      else if (draw < 0.85) this.end()
      else if (draw < 0.9) this.send()
      else if (draw < 0.95) this.store.commit(this.small.backlog)
      else if (draw < 0.97) this.startReads()
      else this.endRead()
      if (isPrompt) this.readAll()
      assert.equal(this.small.backlog.size, this.waiting.size)
    }
  }
}

const SCENARIOS: readonly Scenario[] = [
  { policy: { name: 'fcfs' }, tasks: 4_000, keys: 1, seed: 1 },
  { policy: { name: 'fcfs' }, tasks: 4_000, keys: 20, keyConcurrency: 2, seed: 2 },
  { policy: { name: 'sjf' }, tasks: 4_000, keys: 1, seed: 3 },
  { policy: { name: 'sjf', aging: 0 }, tasks: 4_000, keys: 8, keyConcurrency: 1, seed: 4 },
  { policy: { name: 'priority', agingMs: 100 }, tasks: 4_000, keys: 3, seed: 5 },
  { policy: { name: 'priority', agingMs: Number.POSITIVE_INFINITY }, tasks: 4_000, keys: 2, seed: 6 },
  { policy: { name: 'round-robin', quantumMs: 50, weights: { k1: 3 } }, tasks: 4_000, keys: 5, seed: 7 },
  { policy: { name: 'round-robin' }, tasks: 4_000, keys: 40, keyConcurrency: 1, seed: 8 },
]

describe('a window of 10 takes the same tasks as all in memory', () => {
  for (const scenario of SCENARIOS)
    test(JSON.stringify(scenario), () => {
      const twins = new Twins(scenario)
      twins.run()
      assert.ok(twins.pages > 20, `${twins.pages} pages were read`)
    })
})

describe('a backlog of 100,000 with a window of 10', () => {
  for (const policy of ['fcfs', 'sjf', 'priority', 'round-robin'] as const)
    test(policy, () => {
      const small = new TaskQueue<QueuedTask>({ policy: policyOf({ name: policy }), windowTasks: 10 }, 0)
      const whole = new TaskQueue<QueuedTask>(
        { policy: policyOf({ name: policy }), windowTasks: Number.POSITIVE_INFINITY },
        0,
      )
      const random = randomOf(11)
      const byLane = new Map<string, QueuedTask[]>()
      for (let seq = 0; seq < 100_000; seq++) {
        const about: PolicyTask = {
          name: `n${seq % 7}`,
          key: `k${seq % 11}`,
          priority: Math.floor(random() * 10),
          estimateMs: Math.floor(random() * 1000),
          enqueuedMs: seq,
          order: seq,
        }
        const task = { ...small.place(about, ''), seq, about }
        whole.backlog.add(task)
        const lane = byLane.get(task.lane.text)
        if (lane === undefined) byLane.set(task.lane.text, [task])
        else lane.push(task)
      }
      for (const lane of byLane.values()) {
        lane.sort(comparePositions)
        const [first] = lane
        if (first !== undefined) small.backlog.restore(first.lane, lane.length)
      }
      const positions = new Map([...byLane.keys()].map((text) => [text, 0]))
      const readAll = (): void => {
        for (let request = small.readPage(); request !== undefined; request = small.readPage()) {
          const { text } = request.lane.name
          const from = positions.get(text) ?? 0
          const rows = byLane.get(text)?.slice(from, from + request.limit) ?? []
          positions.set(text, from + rows.length)
          small.backlog.page(request, rows)
        }
      }
      for (let n = 0; n < 100_000; n++) {
        readAll()
        const got = small.take(0, () => true)
        const expected = whole.take(0, () => true)
        assert.ok(got.kind === 'task' && expected.kind === 'task')
        if (got.task.seq !== expected.task.seq) assert.equal(got.task.seq, expected.task.seq, `task ${n}`)
        assert.ok(small.backlog.inMemory <= 2 * 10 * 11)
        small.backlog.committed(small.backlog.mark)
      }
      assert.equal(small.take(0, () => true).kind, 'nothing')
    })
})

describe('a backlog whose page has not come', () => {
  test('gives nothing of a lane that may come first, and gives what comes before it for sure', () => {
    const queue = new TaskQueue<QueuedTask>({ policy: policyOf({ name: 'fcfs' }) }, 0)
    const about = { name: 'a', key: '', priority: 5, estimateMs: undefined, enqueuedMs: 0, order: 9 }
    const task = { ...queue.place(about, ''), seq: 9, about }
    queue.backlog.restore(task.lane, 1)
    assert.equal(queue.take(0, () => true).kind, 'reading')
    const request = queue.readPage()
    assert.ok(request !== undefined)
    assert.equal(queue.readPage(), undefined)
    queue.backlog.page(request, [task])
    assert.deepEqual(
      queue.take(0, () => true),
      { kind: 'task', task },
    )
    assert.notEqual(queue.backlog.mark, 0)
  })

  test('a page that contradicts what is known stops everything', () => {
    const queue = new TaskQueue<QueuedTask>({ policy: policyOf({ name: 'fcfs' }) }, 0)
    const about = { name: 'a', key: '', priority: 5, estimateMs: undefined, enqueuedMs: 0, order: 9 }
    queue.backlog.restore(queue.place(about, '').lane, 2)
    const request = queue.readPage()
    assert.ok(request !== undefined)
    assert.throws(() => queue.backlog.page(request, []), /invariant: 2 tasks wait/)
  })
})

describe('how many are ahead', () => {
  const about = (seq: number, priority = 5, name = 'a', key = '') => ({
    name,
    key,
    priority,
    estimateMs: undefined,
    enqueuedMs: 0,
    order: seq,
  })

  function filled(policy: PolicySetting, windowTasks?: number) {
    const window = windowTasks === undefined ? {} : { windowTasks }
    const queue = new TaskQueue<QueuedTask>(
      { policy: policyOf(policy), limits: { keyConcurrency: 1 }, ...window },
      0,
    )
    const add = (told: PolicyTask): QueuedTask => {
      const task = { ...queue.place(told, told.name), seq: told.order, about: told }
      queue.backlog.add(task)
      return task
    }
    return { queue, add }
  }

  test('is the number that is taken before, over all lanes that can be served', () => {
    const random = randomOf(7)
    const { queue, add } = filled({ name: 'priority' })
    const tasks = Array.from({ length: 200 }, (_, seq) =>
      add(about(seq, Math.floor(random() * 10), random() < 0.3 ? 'other' : 'a')),
    )
    const isServable = (name: string): boolean => name === 'a'
    const ahead = new Map(tasks.map((task) => [task.seq, queue.backlog.ahead(task, isServable)]))
    for (let taken = 0; ; taken++) {
      const next = queue.take(0, isServable)
      if (next.kind !== 'task') break
      assert.equal(ahead.get(next.task.seq), taken)
      queue.ended(next.task, 0)
    }
  })

  test('leaves out keys that are held up', () => {
    const { queue, add } = filled({ name: 'fcfs' })
    add(about(1, 5, 'a', 'ada'))
    add(about(2, 5, 'a', 'ada'))
    const last = add(about(3, 5, 'a', 'bob'))
    assert.equal(
      queue.backlog.ahead(last, () => true),
      2,
    )
    queue.take(0, () => true)
    assert.equal(
      queue.backlog.ahead(last, () => true),
      0,
    )
  })

  test('is not known beyond the window, nor where flows take turns', () => {
    const { queue, add } = filled({ name: 'fcfs' }, 10)
    const tasks = Array.from({ length: 100 }, (_, seq) => add(about(seq)))
    const ahead = tasks.map((task) => queue.backlog.ahead(task, () => true))
    assert.deepEqual(ahead.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.equal(ahead.at(-1), undefined)
    const turns = filled({ name: 'round-robin' })
    assert.equal(
      turns.queue.backlog.ahead(turns.add(about(1)), () => true),
      undefined,
    )
  })
})
