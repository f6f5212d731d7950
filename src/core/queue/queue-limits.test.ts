import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { QueueLimits } from '../../protocol/queue-settings.ts'
import { fcfs } from './fcfs.ts'
import { laneName, parseLaneName } from './lane.ts'
import { policyOf } from './policies.ts'
import { checkLimits } from './queue-limits.ts'
import { type QueuedTask, TaskQueue, type TaskQueueOptions } from './task-queue.ts'
import { TokenBucket } from './token-bucket.ts'

class Queue {
  readonly queue: TaskQueue<QueuedTask>
  nowMs = 0
  #seq = 0

  constructor(options: Omit<TaskQueueOptions, 'policy'>) {
    this.queue = new TaskQueue({ policy: policyOf({ name: 'fcfs' }), ...options }, 0)
  }

  add(key: string, classId = 't'): QueuedTask {
    this.#seq += 1
    const seq = this.#seq
    const about = { name: 't', key, priority: 5, estimateMs: undefined, enqueuedMs: this.nowMs, order: seq }
    const queued = { ...this.queue.place(about, classId), seq, about }
    this.queue.backlog.add(queued)
    return queued
  }

  take(): string {
    const taken = this.queue.take(this.nowMs, () => true)
    return taken.kind === 'task' ? String(taken.task.seq) : taken.kind
  }
}

describe('limits of a queue', () => {
  test('concurrency: a slot is free again when a task ends', () => {
    const q = new Queue({ limits: { concurrency: 2 } })
    const [first] = [q.add(''), q.add(''), q.add('')]
    assert.deepEqual([q.take(), q.take(), q.take()], ['1', '2', 'full'])
    q.queue.ended(first, 1)
    assert.equal(q.take(), '3')
  })

  test('concurrency per key: other keys go on, and the key goes on where it was', () => {
    const q = new Queue({ limits: { keyConcurrency: 1 } })
    const [a1] = [q.add('a'), q.add('a'), q.add('b'), q.add('a')]
    assert.deepEqual([q.take(), q.take(), q.take()], ['1', '3', 'nothing'])
    q.queue.ended(a1, 1)
    assert.deepEqual([q.take(), q.take()], ['2', 'nothing'])
  })

  test('rate: the burst at once, then evenly', () => {
    const q = new Queue({ limits: { rate: { perSecond: 10, burst: 2 } } })
    for (let n = 0; n < 4; n++) q.add('')
    assert.deepEqual([q.take(), q.take(), q.take()], ['1', '2', 'rate'])
    assert.deepEqual(
      q.queue.take(q.nowMs, () => true),
      { kind: 'rate', wakeMs: 100 },
    )
    q.nowMs = 100
    assert.deepEqual([q.take(), q.take()], ['3', 'rate'])
  })

  test('rate per key: the time from which on the key goes on is told', () => {
    const q = new Queue({ limits: { keyRate: { perSecond: 1 } } })
    for (const key of ['a', 'a', 'b']) q.add(key)
    assert.deepEqual([q.take(), q.take()], ['1', '3'])
    assert.deepEqual(
      q.queue.take(q.nowMs, () => true),
      { kind: 'nothing', wakeMs: 1000 },
    )
    q.nowMs = 1000
    assert.equal(q.take(), '2')
  })

  test('rate per key: keys come back in the order of their tokens, however many rest', () => {
    const q = new Queue({ limits: { keyRate: { perSecond: 0.001, burst: 1 } } })
    const keys = 40_000
    for (let round = 0; round < 2; round++) for (let key = 0; key < keys; key++) q.add(`k${key}`)
    const began = performance.now()
    for (let key = 0; key < keys; key++) {
      q.nowMs = key
      assert.equal(q.take(), String(key + 1))
    }
    const tookMs = performance.now() - began
    // A look at each key for each task would be 800 million of them.
    assert.ok(tookMs < 4000, `${keys} tasks took ${tookMs} ms`)
    for (let key = 0; key < keys; key++) {
      q.nowMs = 1e6 + key - 1
      assert.deepEqual(
        q.queue.take(q.nowMs, () => true),
        { kind: 'nothing', wakeMs: q.nowMs + 1 },
      )
      q.nowMs += 1
      assert.equal(q.take(), String(keys + key + 1))
      if (key === 100) break
    }
  })

  test('both limits of a key must let it go', () => {
    const q = new Queue({ limits: { keyConcurrency: 1, keyRate: { perSecond: 1 } } })
    const first = q.add('a')
    const second = q.add('a')
    q.add('a')
    assert.deepEqual([q.take(), q.take()], ['1', 'nothing'])
    q.queue.ended(first, 1)
    assert.equal(q.take(), 'nothing', 'no token')
    q.nowMs = 1000
    assert.equal(q.take(), '2')
    q.nowMs = 5000
    assert.equal(q.take(), 'nothing', 'no slot')
    q.queue.ended(second, 1)
    assert.equal(q.take(), '3')
  })

  test('tasks that ran when the queue was opened take slots', () => {
    const q = new Queue({ limits: { concurrency: 2, keyConcurrency: 1 } })
    const running = { ...q.add('a') }
    q.queue.backlog.remove(running)
    q.queue.resume(running)
    q.add('a')
    assert.equal(q.take(), 'nothing')
    q.queue.ended(running, 5)
    assert.equal(q.take(), '2')
  })

  test('a paused queue gives nothing', () => {
    const q = new Queue({ isPaused: true })
    q.add('')
    assert.equal(q.take(), 'paused')
    q.queue.isPaused = false
    assert.equal(q.take(), '1')
  })

  test('a class that no worker can run does not hold up another', () => {
    const q = new Queue({})
    q.add('', 'gpu')
    q.add('', 'cpu')
    const taken = q.queue.take(0, (classId) => classId === 'cpu')
    assert.equal(taken.kind === 'task' && taken.task.seq, 2)
  })

  describe('that change', () => {
    const changed = (q: Queue, limits: QueueLimits, running: readonly QueuedTask[] = []): void =>
      q.queue.change({ limits, isPaused: false }, running, q.nowMs)

    test('raised, they let go what they held up; lowered, they wait for what runs', () => {
      const q = new Queue({ limits: { concurrency: 1, keyConcurrency: 1 } })
      const [first, second] = [q.add('a'), q.add('a')]
      q.add('a')
      assert.deepEqual([q.take(), q.take()], ['1', 'full'])
      changed(q, { keyConcurrency: 1 }, [first])
      assert.equal(q.take(), 'nothing')
      changed(q, { keyConcurrency: 2 }, [first])
      assert.deepEqual([q.take(), q.take()], ['2', 'nothing'])
      changed(q, { keyConcurrency: 1 }, [first, second])
      q.queue.ended(first, 1)
      assert.equal(q.take(), 'nothing')
      q.queue.ended(second, 1)
      assert.equal(q.take(), '3')
      assert.equal(q.queue.limits.running, 1)
    })

    test('give no tokens, neither in all nor per key', () => {
      const q = new Queue({ limits: { rate: { perSecond: 1, burst: 3 }, keyRate: { perSecond: 1 } } })
      const [first, second] = [q.add('a'), q.add('b')]
      q.add('a')
      q.add('c')
      assert.deepEqual([q.take(), q.take()], ['1', '2'])
      changed(q, { rate: { perSecond: 1, burst: 9 }, keyRate: { perSecond: 2 } }, [first, second])
      assert.deepEqual([q.take(), q.take()], ['4', 'rate'], 'key a has none, and one was left in all')
      changed(q, { keyRate: { perSecond: 2 } }, [first, second])
      assert.deepEqual(
        q.queue.take(q.nowMs, () => true),
        { kind: 'nothing', wakeMs: 500 },
      )
      q.nowMs = 500
      assert.equal(q.take(), '3')
    })

    test('count what runs for its key when limits per key come, and move what waits', () => {
      const q = new Queue({})
      const first = q.add('a')
      const second = q.add('a')
      const other = q.add('b')
      assert.equal(q.take(), '1')
      q.queue.change(
        {
          limits: { keyConcurrency: 1 },
          isPaused: false,
          places: { policy: fcfs(), policyTag: 'fcfs+keys@1' },
        },
        [first],
        q.nowMs,
      )
      assert.deepEqual([q.queue.waiting, q.queue.astray, q.take()], [2, 2, 'moving'])
      for (const task of [second, other]) {
        assert.ok(q.queue.isAstray(task))
        q.queue.moved()
        Object.assign(task, q.queue.place(task.about, 'c'))
        q.queue.backlog.add(task)
      }
      assert.deepEqual([q.queue.waiting, q.queue.astray], [2, 0])
      assert.deepEqual([q.take(), q.take()], ['3', 'nothing'])
      q.queue.ended(first, 1)
      assert.equal(q.take(), '2')
      assert.throws(() => q.queue.moved(), /invariant: a task was moved, and none was astray/)
    })
  })

  test('limits that make no sense are refused', () => {
    assert.throws(() => checkLimits({ concurrency: 0 }), /concurrency is 0; give a whole number of 1 or more/)
    assert.throws(() => checkLimits({ keyConcurrency: 1.5 }), /keyConcurrency is 1.5/)
    assert.throws(() => checkLimits({ rate: { perSecond: 0 } }), /rate.perSecond is 0/)
    assert.throws(() => checkLimits({ keyRate: { perSecond: 1, burst: 0.5 } }), /keyRate.burst is 0.5/)
  })
})

describe('a token bucket', () => {
  test('over any time gives at most the burst and what the rate gives', () => {
    const bucket = new TokenBucket({ perSecond: 7, burst: 3 }, 0)
    let taken = 0
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 13)
      while (bucket.readyMs(nowMs) <= nowMs) {
        bucket.take(nowMs)
        taken += 1
      }
    assert.ok(taken >= 71 && taken <= 73, String(taken))
  })

  test('a clock that goes back gives nothing twice', () => {
    const bucket = new TokenBucket({ perSecond: 1 }, 10_000)
    bucket.take(10_000)
    assert.equal(bucket.readyMs(5000), 6000)
    assert.equal(bucket.readyMs(6000), 6000)
  })
})

describe('the name of a lane', () => {
  test('is read back, whatever is in it', () => {
    const name = laneName({ policy: 'p', flow: 'a\nb\\n', limitKey: '\\\n\0', classId: '' })
    assert.deepEqual(parseLaneName(name.text), name)
    assert.throws(() => parseLaneName('a\nb'), /is not the name of a lane/)
  })
})
