/** What every scheduling policy keeps, shipped or a user's own: run with a factory of new policies. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { PolicyTask, SchedulingPolicy } from '../../src/core/queue/policy.ts'
import { type QueuedTask, TaskQueue } from '../../src/core/queue/task-queue.ts'

const TASK: fc.Arbitrary<Omit<PolicyTask, 'order' | 'enqueuedMs'>> = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  key: fc.constantFrom('', 'k1', 'k2', '\n', '\\'),
  priority: fc.integer({ min: 0, max: 9 }),
  estimateMs: fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }),
})

type Move =
  | { readonly kind: 'enqueue'; readonly task: Omit<PolicyTask, 'order' | 'enqueuedMs'> }
  | { readonly kind: 'take' }
  | { readonly kind: 'end'; readonly servedMs: number; readonly isYield: boolean }

const MOVE: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ kind: fc.constant('enqueue' as const), task: TASK }),
  fc.record({ kind: fc.constant('take' as const) }),
  fc.record({
    kind: fc.constant('end' as const),
    servedMs: fc.integer({ min: 0, max: 2000 }),
    isYield: fc.boolean(),
  }),
)

export function policyContract(name: string, policy: () => SchedulingPolicy): void {
  describe(`policy ${name}`, () => {
    test('gives each task once, and never nothing while something waits', () => {
      fc.assert(
        fc.property(fc.array(MOVE, { maxLength: 200 }), (moves) => {
          const driven = new Driven(policy())
          for (const move of moves) driven.move(move)
          driven.drain()
        }),
      )
    })

    test('does the same when it is told the same', () => {
      fc.assert(
        fc.property(fc.array(MOVE, { maxLength: 60 }), (moves) => {
          const orders = [new Driven(policy()), new Driven(policy())].map((driven) => {
            for (const move of moves) driven.move(move)
            driven.drain()
            return driven.taken
          })
          assert.deepEqual(orders[0], orders[1])
        }),
      )
    })

    test('of two tasks that differ in nothing but the order, the first is first', () => {
      fc.assert(
        fc.property(TASK, fc.integer({ min: 2, max: 20 }), (task, count) => {
          const driven = new Driven(policy())
          for (let n = 0; n < count; n++) driven.move({ kind: 'enqueue', task })
          driven.drain()
          assert.deepEqual(
            driven.taken,
            driven.taken.toSorted((a, b) => a - b),
          )
        }),
      )
    })

    test('holds a million tasks', () => {
      const { queue } = new Driven(policy())
      for (let seq = 0; seq < 1_000_000; seq++) {
        const about: PolicyTask = {
          name: `n${seq % 5}`,
          key: `k${seq % 100}`,
          priority: seq % 10,
          estimateMs: (seq * 7919) % 1000,
          enqueuedMs: seq,
          order: seq,
        }
        queue.backlog.add({ ...queue.place(about, ''), seq, about })
      }
      const seen = new Set<number>()
      for (let n = 0; n < 1_000_000; n++) {
        const taken = queue.take(0, () => true)
        if (taken.kind !== 'task') assert.fail(`${taken.kind} after ${n}`)
        seen.add(taken.task.seq)
      }
      assert.equal(seen.size, 1_000_000)
    })
  })
}

/** A queue with nothing but the policy; its clock stands still. */
class Driven {
  readonly queue: TaskQueue<QueuedTask>
  readonly taken: number[] = []
  readonly #running: QueuedTask[] = []
  #waiting = 0
  #seq = 0

  constructor(policy: SchedulingPolicy) {
    this.queue = new TaskQueue({ policy, windowTasks: Number.POSITIVE_INFINITY }, 0)
  }

  move(move: Move): void {
    if (move.kind === 'enqueue') this.#enqueue({ ...move.task, enqueuedMs: 0, order: this.#seq + 1 })
    else if (move.kind === 'take') this.#take()
    else {
      const task = this.#running.shift()
      if (task === undefined) return
      this.queue.ended(task, move.servedMs)
      if (move.isYield) this.#enqueue({ ...task.about, order: this.#seq + 1 })
    }
  }

  drain(): void {
    while (this.#waiting > 0) this.#take()
    assert.equal(this.queue.take(0, () => true).kind, 'nothing')
    assert.equal(new Set(this.taken).size, this.#seq)
  }

  #enqueue(about: PolicyTask): void {
    this.#seq += 1
    this.queue.backlog.add({ ...this.queue.place(about, ''), seq: this.#seq, about })
    this.#waiting += 1
  }

  #take(): void {
    const taken = this.queue.take(0, () => true)
    assert.equal(taken.kind, this.#waiting > 0 ? 'task' : 'nothing')
    if (taken.kind !== 'task') return
    this.#waiting -= 1
    this.taken.push(taken.task.seq)
    this.#running.push(taken.task)
  }
}
