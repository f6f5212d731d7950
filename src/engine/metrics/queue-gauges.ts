/**
 * The queues of this node as they are when the metrics are read, all partitions of a queue together.
 *
 * 1. What is read is bounded: tasks that are looked at for the oldest one, and queues that have series of their own. The
 *    others share the series `other`.
 * 2. The oldest task is looked for among those in memory. With `fcfs` that is the head of each lane, and exact; of a long
 *    backlog of another policy the oldest may be in the store only.
 */

import { desiredSlots } from '../../core/queue/desired-slots.ts'
import { sinceMs } from '../../core/task/task-record.ts'
import {
  fillGauge,
  type Gauge,
  type GaugeRow,
  type Metric,
  type MetricsRegistry,
} from '../../platform/metrics.ts'
import type { LiveQueue } from '../tasks/live-queue.ts'
import type { LiveTask } from '../tasks/live-task.ts'
import type { QueueTraffic, TaskMetrics } from './task-metrics.ts'

/** Queues that have series of their own. */
const QUEUES_MAX = 200
/** Tasks that are looked at for the oldest ones, of all queues. */
const LOOKED_AT_MAX = 20_000
/** Slots of a worker of a queue that has never had one: the default of `createWorker`. */
const WORKER_SLOTS = 64

export interface QueueGaugesOptions {
  readonly queues: () => readonly LiveQueue[]
  readonly tasks: TaskMetrics
  readonly nowMs: () => number
  readonly targetWaitSeconds: number
  /** This process has code of tasks. */
  readonly runsTasks: boolean
}

interface QueueState {
  readonly values: readonly [namespace: string, queue: string]
  waiting: number
  running: number
  isPaused: boolean
  oldestMs: number
  workers: number
  slots: number
  slotsPerWorker: number
}

export function queueGauges(registry: MetricsRegistry, options: QueueGaugesOptions): void {
  const { tasks, nowMs, targetWaitSeconds } = options
  const gauges = gaugesOf(registry)
  registry.onCollect(() => {
    const now = nowMs()
    const states = statesOf(options)
    const rows = (value: (state: QueueState) => number): GaugeRow[] =>
      states.map((state) => ({ values: state.values, value: value(state) }))
    const slotsOf = ({ values: [namespace, queue], waiting, running }: QueueState): number => {
      const { arrivals, serviceSeconds } = tasks.traffic({ namespace, queue })
      return desiredSlots({ waiting, running, rate: arrivals.at(now), serviceSeconds, targetWaitSeconds })
    }
    const fill = (
      gauge: Metric<Gauge>,
      value: (state: QueueState) => number,
      combine?: typeof Math.max,
    ): void => fillGauge(gauge, rows(value), QUEUES_MAX, combine)
    fill(gauges.waiting, ({ waiting }) => waiting)
    fill(gauges.running, ({ running }) => running)
    fill(gauges.oldest, ({ oldestMs }) => Math.max(0, now - oldestMs) / 1000, Math.max)
    fill(gauges.paused, ({ isPaused }) => Number(isPaused), Math.max)
    fill(gauges.workers, ({ workers }) => workers, Math.max)
    fill(gauges.slots, ({ slots }) => slots, Math.max)
    fill(gauges.desiredSlots, slotsOf)
    fill(gauges.desiredWorkers, (state) => slotsOf(state) / state.slotsPerWorker)
  })
}

function gaugesOf(registry: MetricsRegistry) {
  const gauge = (name: string, help: string, unit: { readonly unit?: 'seconds' } = {}): Metric<Gauge> =>
    registry.gauge({ name, help, ...unit, labels: ['namespace', 'queue'] })
  return {
    waiting: gauge('perdure_queue_waiting_tasks', 'Tasks that wait in a queue.'),
    running: gauge('perdure_queue_running_tasks', 'Tasks of a queue that run.'),
    oldest: gauge(
      'perdure_queue_oldest_task_age_seconds',
      'How long ago the oldest task that waits was enqueued, or its delay was over; 0: nothing waits.',
      { unit: 'seconds' },
    ),
    paused: gauge('perdure_queue_paused', '1: the queue is paused, nothing of it starts.'),
    workers: gauge('perdure_queue_workers', 'Workers that are connected and serve a queue.'),
    slots: gauge('perdure_queue_worker_slots', 'Tasks that the workers of a queue take at once.'),
    desiredSlots: gauge(
      'perdure_queue_desired_slots',
      'Tasks that should be able to run at once, so that what waits begins within the target wait.',
    ),
    desiredWorkers: gauge(
      'perdure_queue_desired_workers',
      'Workers that these slots are: the signal for autoscaling. Not rounded; sum it over nodes, and round up.',
    ),
  }
}

function statesOf({ queues, tasks, nowMs, runsTasks }: QueueGaugesOptions): QueueState[] {
  const states = new Map<string, QueueState>()
  const now = nowMs()
  let budget = LOOKED_AT_MAX
  for (const live of queues()) {
    const { namespace, queue } = live.key
    const text = `${namespace}\0${queue}`
    let state = states.get(text)
    if (state === undefined) {
      state = stateOf(live, tasks.traffic(live.key), { runsTasks, now })
      states.set(text, state)
    }
    state.waiting += live.queue.waiting
    state.running += live.queue.limits.running
    state.isPaused ||= live.queue.isPaused
    if (live.queue.waiting === 0 || budget <= 0) continue
    const { oldestMs, looked } = oldestOf(live, budget)
    budget -= looked
    state.oldestMs = Math.min(state.oldestMs, oldestMs)
  }
  return [...states.values()]
}

function stateOf(
  { key, crew }: LiveQueue,
  traffic: QueueTraffic,
  { runsTasks, now }: { readonly runsTasks: boolean; readonly now: number },
): QueueState {
  const { workers, slots } = crew.places(runsTasks)
  if (workers > 0) traffic.slotsPerWorker = slots / workers
  return {
    values: [key.namespace, key.queue],
    waiting: 0,
    running: 0,
    isPaused: false,
    oldestMs: now,
    workers,
    slots,
    slotsPerWorker: Math.max(1, traffic.slotsPerWorker ?? WORKER_SLOTS),
  }
}

/** Among those in memory, at most `most`. */
function oldestOf(
  { queue }: LiveQueue,
  most: number,
): { readonly oldestMs: number; readonly looked: number } {
  let oldestMs = Number.POSITIVE_INFINITY
  let looked = 0
  const look = (task: LiveTask): boolean => {
    looked += 1
    oldestMs = Math.min(oldestMs, sinceMs(task.record, task.spec))
    return looked < most
  }
  queue.backlog.visit(queue.policy.name === 'fcfs' ? 'heads' : 'all', look)
  return { oldestMs, looked }
}
