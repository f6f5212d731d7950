/** A queue in simulated time that drives the shipped policies: Poisson arrivals, one or more servers, mean waits. */
import { type HeapItem, IndexedHeap } from '../../src/core/queue/indexed-heap.ts'
import type { PolicyTask, SchedulingPolicy } from '../../src/core/queue/policy.ts'
import { type QueuedTask, TaskQueue } from '../../src/core/queue/task-queue.ts'
import { type Randomness, seededRandomness } from '../../src/platform/randomness.ts'

export interface Arrival {
  readonly name: string
  readonly key?: string
  readonly priority?: number
  readonly serviceMs: number
  /** What the caller says of it; undefined: nothing. */
  readonly estimateMs: number | undefined
}

export interface QueueSimulation {
  readonly policy: SchedulingPolicy
  /** Arrivals per ms. */
  readonly rate: number
  readonly servers: number
  readonly tasks: number
  /** Tasks at the beginning that are not counted. */
  readonly warmUp: number
  readonly seed: number
  readonly draw: (random: Randomness) => Arrival
  /** Tasks that wait at the beginning. */
  readonly burst?: readonly Arrival[]
  readonly onStart?: (arrival: Arrival, waitMs: number) => void
}

interface End extends HeapItem {
  readonly atMs: number
  readonly task: QueuedTask
  readonly serviceMs: number
}

/** @returns the mean wait of those counted, from arrival to start, ms */
export function meanWaitMs(simulation: QueueSimulation): number {
  const { policy, rate, servers, tasks, warmUp, draw, onStart, burst = [] } = simulation
  const random = seededRandomness(simulation.seed)
  const queue = new TaskQueue<QueuedTask>({ policy, windowTasks: Number.POSITIVE_INFINITY }, 0)
  const isServable = (): boolean => true
  const ends = new IndexedHeap<End>((a, b) => a.atMs < b.atMs)
  const arrivals = new Map<number, Arrival>()
  let nextMs = -Math.log(1 - random()) / rate
  let arrived = 0
  let waitedMs = 0
  let counted = 0
  const arrive = (arrival: Arrival, nowMs: number): void => {
    arrived += 1
    const about: PolicyTask = {
      name: arrival.name,
      key: arrival.key ?? '',
      priority: arrival.priority ?? 5,
      estimateMs: arrival.estimateMs,
      enqueuedMs: nowMs,
      order: arrived,
    }
    arrivals.set(arrived, arrival)
    queue.backlog.add({ ...queue.place(about, ''), seq: arrived, about })
  }
  const start = (nowMs: number): void => {
    while (ends.size < servers) {
      const taken = queue.take(nowMs, isServable)
      if (taken.kind !== 'task') return
      const { task } = taken
      const arrival = arrivals.get(task.seq) as Arrival
      arrivals.delete(task.seq)
      const waitMs = nowMs - task.about.enqueuedMs
      if (task.seq > warmUp) {
        waitedMs += waitMs
        counted += 1
        onStart?.(arrival, waitMs)
      }
      ends.put({ heapIndex: -1, atMs: nowMs + arrival.serviceMs, task, serviceMs: arrival.serviceMs })
    }
  }
  for (const arrival of burst) arrive(arrival, 0)
  start(0)
  while (counted < tasks) {
    const end = ends.first
    if (end !== undefined && end.atMs <= nextMs) {
      ends.remove(end)
      queue.ended(end.task, end.serviceMs)
      start(end.atMs)
      continue
    }
    arrive(draw(random), nextMs)
    start(nextMs)
    nextMs += -Math.log(1 - random()) / rate
  }
  return waitedMs / counted
}
