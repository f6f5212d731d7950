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

  for (const servers of [1, 2, 8, 32])
    for (const weights of [
      { long: 2, short: 1 },
      { long: 1, short: 3 },
      { long: 1, short: 1, middle: 5 },
    ])
      test(`service in the ratio of the weights ${JSON.stringify(weights)}, ${servers} at a time`, () => {
        for (const overMs of [0, 7]) {
          const served = slicedService(weights, servers, overMs)
          const all = Object.values(served).reduce((sum, ms) => sum + ms, 0)
          const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
          for (const [key, weight] of Object.entries(weights)) {
            const ratio = (served[key] ?? 0) / all / (weight / total)
            assert.ok(Math.abs(ratio - 1) <= 0.02, `${key}, ${overMs}: ${JSON.stringify(served)}`)
          }
        }
      })
})

const LASTS_MS: Readonly<Record<string, number>> = { long: 5000, middle: 130, short: 50 }
const SLICE_MS = 100

/**
 * Service of each key in 200 s, ms. All of them have tasks that wait, all the time; each begins its first slice with no
 * estimate, and takes a little longer than its slice to yield.
 */
function slicedService(
  weights: Readonly<Record<string, number>>,
  servers: number,
  overMs: number,
): Readonly<Record<string, number>> {
  const policy = roundRobin({ quantumMs: SLICE_MS, weights })
  const queue = new TaskQueue<QueuedTask>({ policy, windowTasks: Number.POSITIVE_INFINITY }, 0)
  const leftMs = new Map<number, number>()
  const served: Record<string, number> = {}
  let order = 0
  const wait = (key: string, seq: number): void => {
    order += 1
    // All share a name: what is learned of it fits none of them.
    const about = { name: 'task', key, priority: 5, estimateMs: undefined, enqueuedMs: 0, order }
    queue.backlog.add({ ...queue.place(about, ''), seq, about })
  }
  for (const [k, key] of Object.keys(weights).entries())
    for (let i = 0; i < 2 * servers; i++) {
      const seq = i + k * 1000
      leftMs.set(seq, LASTS_MS[key] ?? 0)
      wait(key, seq)
    }
  const running: { readonly task: QueuedTask; readonly sliceMs: number; readonly endMs: number }[] = []
  for (let nowMs = 0; nowMs < 200_000; ) {
    while (running.length < servers) {
      const taken = queue.take(nowMs, () => true)
      assert.ok(taken.kind === 'task')
      const sliceMs = Math.min(leftMs.get(taken.task.seq) ?? 0, SLICE_MS + overMs)
      running.push({ task: taken.task, sliceMs, endMs: nowMs + sliceMs })
    }
    running.sort((a, b) => b.endMs - a.endMs)
    const ended = running.pop()
    assert.ok(ended !== undefined)
    const { task, sliceMs, endMs } = ended
    nowMs = endMs
    queue.ended(task, sliceMs)
    const { key = '' } = task.about
    served[key] = (served[key] ?? 0) + sliceMs
    const left = (leftMs.get(task.seq) ?? 0) - sliceMs
    leftMs.set(task.seq, left > 0 ? left : (LASTS_MS[key] ?? 0))
    wait(key, task.seq)
  }
  return served
}
