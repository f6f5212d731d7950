// What round-robin promises to tenants, in simulated time.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { roundRobin } from '../../src/core/queue/round-robin.ts'
import { type QueuedTask, TaskQueue } from '../../src/core/queue/task-queue.ts'
import type { Randomness } from '../../src/platform/randomness.ts'
import { type Arrival, meanWaitMs } from './queue-simulation.ts'

const TENANTS = 10
const SERVICE_MS = 10

function tenantArrival(random: Randomness): Arrival {
  const key = `tenant-${Math.floor(random() * TENANTS)}`
  return { name: 'task', key, serviceMs: -Math.log(1 - random()) * SERVICE_MS, estimateMs: undefined }
}

/** 99th percentile of the waits of tenants other than tenant-0, ms. */
function p99Ms(burst: readonly Arrival[], tasks: number): number {
  const waits: number[] = []
  meanWaitMs({
    policy: roundRobin({ quantumMs: SERVICE_MS }),
    rate: 0.8 / SERVICE_MS,
    servers: 1,
    tasks,
    warmUp: burst.length === 0 ? 1000 : 0,
    seed: 3,
    draw: tenantArrival,
    burst,
    onStart: ({ key }, waitMs) => {
      if (key !== 'tenant-0') waits.push(waitMs)
    },
  })
  waits.sort((a, b) => a - b)
  return waits[Math.floor(waits.length * 0.99)] ?? Number.NaN
}

describe('round-robin', () => {
  test('a tenant with 100,000 tasks does not raise the p99 wait of others by more than 1.5 times', () => {
    const one: Arrival = { name: 'task', key: 'tenant-0', serviceMs: SERVICE_MS, estimateMs: undefined }
    const without = p99Ms([], 200_000)
    const beside = p99Ms(
      Array.from({ length: 100_000 }, () => one),
      250_000,
    )
    assert.ok(beside <= 1.5 * without, JSON.stringify({ without, beside }))
  })

  test('tasks of 5 s and of 50 ms, sliced at 100 ms: service in the ratio of weights', () => {
    const weights = { long: 2, short: 1 }
    const policy = roundRobin({ quantumMs: 100, weights })
    const queue = new TaskQueue<QueuedTask>({ policy, windowTasks: Number.POSITIVE_INFINITY }, 0)
    const leftMs = new Map<number, number>()
    const servedMs = { long: 0, short: 0 }
    let order = 0
    const wait = (key: 'long' | 'short', seq: number): void => {
      order += 1
      const about = { name: key, key, priority: 5, estimateMs: undefined, enqueuedMs: 0, order }
      queue.backlog.add({ ...queue.place(about, ''), seq, about })
    }
    for (let seq = 0; seq < 20; seq++) {
      wait(seq < 10 ? 'long' : 'short', seq)
      leftMs.set(seq, seq < 10 ? 5000 : 50)
    }
    let seq = 20
    for (let nowMs = 0; nowMs < 100_000; ) {
      const taken = queue.take(nowMs, () => true)
      assert.ok(taken.kind === 'task')
      const { task } = taken
      const key = task.about.key as 'long' | 'short'
      const left = leftMs.get(task.seq) ?? 0
      const sliceMs = Math.min(left, 100)
      nowMs += sliceMs
      servedMs[key] += sliceMs
      queue.ended(task, sliceMs)
      if (left > sliceMs) {
        leftMs.set(task.seq, left - sliceMs)
        wait(key, task.seq)
      } else {
        leftMs.set(seq, key === 'long' ? 5000 : 50)
        wait(key, seq++)
      }
    }
    const ratio = servedMs.long / servedMs.short / 2
    assert.ok(Math.abs(ratio - 1) <= 0.1, JSON.stringify(servedMs))
  })
})
