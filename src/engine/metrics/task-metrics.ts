/**
 * What is observed of tasks: by namespace, queue and name of the task, and by worker.
 *
 * 1. Tasks are counted as enqueued when they are taken in, and as closed when that is durable, once for each time that they end:
 *    one that is retried by hand ends again.
 * 2. Series of a worker are there while it is connected.
 */

import { sinceMs, type TaskRecord, type TaskSpec } from '../../core/task/task-record.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Counter, Histogram, Metric, MetricsRegistry } from '../../platform/metrics.ts'
import type { QueueAddress } from '../../protocol/ids.ts'
import type { TaskStatus } from '../../protocol/task-status.ts'
import { ArrivalRate } from './arrival-rate.ts'
import { WORK_SECONDS } from './buckets.ts'
import { SeriesTable } from './series-table.ts'

/** Tasks by queue and name, and queues, that have series of their own. */
const TASKS_MAX = 300
const QUEUES_MAX = 300
/** Workers that have series of their own. */
export const WORKERS_MAX = 200
/** Of each new service time in the mean of a queue, once there are more than a few. */
const GAIN = 0.05

/** How an attempt, or a slice of one, ended on its worker. */
export type AttemptEnd =
  | 'completed'
  | 'failed'
  | 'timed_out'
  | 'yielded'
  /** The worker did not run it, or was about to end. */
  | 'returned'
  /** The worker was lost. */
  | 'lost'
  /** The engine does not want it any more: it was cancelled, or its queue has moved. */
  | 'given_up'

/** What is known of a queue for the autoscaling signal: all of its tasks and partitions here together. */
export class QueueTraffic {
  readonly arrivals = new ArrivalRate()
  /** Undefined: none has ended yet. */
  serviceSeconds: number | undefined
  /** Tasks that a worker takes at once, as long as one is or was connected. */
  slotsPerWorker: number | undefined
  #served = 0

  served(seconds: number): void {
    this.#served += 1
    const mean = this.serviceSeconds ?? 0
    this.serviceSeconds = mean + Math.max(GAIN, 1 / this.#served) * (seconds - mean)
  }
}

export interface TaskSeries {
  readonly enqueued: Counter
  /** By how they ended, as far as any has. */
  readonly closed: Map<TaskStatus, Counter>
  readonly attempts: Map<AttemptEnd, Counter>
  readonly scheduleToStart: Histogram
  readonly runTime: Histogram
  readonly responseTime: Histogram
  readonly retries: Counter
  readonly traffic: QueueTraffic
}

/** Of a worker that is connected. */
export interface WorkerSeries {
  readonly runTime: Histogram
  readonly failures: Counter
}

/** What is looked at of a worker; `CrewMember` is one. */
interface ObservedMember {
  readonly id: string
  /** Absent: it serves all of them. */
  readonly profile: { readonly namespace?: string }
}

/** What is looked at of a task; `LiveTask` is one. */
export interface ObservedTask {
  readonly record: TaskRecord
  readonly spec: TaskSpec
  readonly head: { readonly namespace: string; readonly queue: string; readonly name: string }
  /** Who runs it. */
  readonly member: (ObservedMember & { series: WorkerSeries | undefined }) | undefined
  series: TaskSeries | undefined
  isEndCounted: boolean
}

const TASK = ['namespace', 'queue', 'task'] as const

export class TaskMetrics {
  readonly #clock: Clock
  readonly #closed: Metric<Counter>
  readonly #attempts: Metric<Counter>
  readonly #workerRunTime: Metric<Histogram>
  readonly #workerFailures: Metric<Counter>
  readonly #tasks: SeriesTable<[namespace: string, queue: string, task: string], TaskSeries>
  readonly #queues = new SeriesTable<[namespace: string, queue: string], QueueTraffic>(
    QUEUES_MAX,
    () => new QueueTraffic(),
  )

  constructor(registry: MetricsRegistry, clock: Clock) {
    this.#clock = clock
    this.#closed = registry.counter({
      name: 'perdure_tasks_closed_total',
      help: 'Tasks whose end is durable, by how they ended. Those that failed or expired are dead letters until they are retried or deleted.',
      labels: [...TASK, 'status'],
    })
    this.#attempts = registry.counter({
      name: 'perdure_task_attempts_total',
      help: 'Attempts of tasks that have ended on their worker, and slices of such, by how.',
      labels: [...TASK, 'outcome'],
    })
    this.#workerRunTime = registry.histogram({
      name: 'perdure_worker_task_run_time_seconds',
      help: 'Of attempts of tasks on each worker that is connected, the engine itself included (`local`).',
      unit: 'seconds',
      labels: ['namespace', 'worker'],
      buckets: WORK_SECONDS,
      seriesMax: WORKERS_MAX,
    })
    this.#workerFailures = registry.counter({
      name: 'perdure_worker_task_failures_total',
      help: 'Attempts of tasks that have failed or timed out on each worker that is connected.',
      labels: ['namespace', 'worker'],
      seriesMax: WORKERS_MAX,
    })
    this.#tasks = taskTable(registry, (...names) => {
      // There before the first one fails: whoever looks for a change sees it.
      this.#closed.of(...names, 'failed')
      return this.traffic({ namespace: names[0], queue: names[1] })
    })
  }

  traffic({ namespace, queue }: Pick<QueueAddress, 'namespace' | 'queue'>): QueueTraffic {
    return this.#queues.of(namespace, queue)
  }

  /** It is new. */
  enqueued(task: ObservedTask): void {
    this.#of(task).enqueued.add()
  }

  /** It begins to wait: it is new, or has waited before. */
  waits(task: ObservedTask): void {
    task.isEndCounted = false
    this.#of(task).traffic.arrivals.arrived(this.#clock.nowMs())
  }

  /** Its worker gets it. */
  started(task: ObservedTask): void {
    const { record, spec } = task
    // Of later attempts it is not known since when they wait.
    if (record.state.startedMs !== undefined || record.state.attempts !== undefined) return
    this.#of(task).scheduleToStart.observe(this.#secondsSince(sinceMs(record, spec)))
  }

  /** @param servedMs undefined: it was not given to its worker */
  ended(task: ObservedTask, end: AttemptEnd, servedMs: number | undefined): void {
    const series = this.#of(task)
    counterOf(series.attempts, end, () => this.#attempts.of(...namesOf(task), end)).add()
    if (servedMs === undefined) return
    const seconds = servedMs / 1000
    series.runTime.observe(seconds)
    if (end === 'completed' || end === 'failed' || end === 'yielded' || end === 'timed_out')
      series.traffic.served(seconds)
    const { member } = task
    if (member === undefined) return
    member.series ??= {
      runTime: this.#workerRunTime.of(...placeOf(member)),
      failures: this.#workerFailures.of(...placeOf(member)),
    }
    member.series.runTime.observe(seconds)
    if (end === 'failed' || end === 'timed_out') member.series.failures.add()
  }

  /** An attempt has failed, and another one follows. */
  retried(task: ObservedTask): void {
    this.#of(task).retries.add()
  }

  /** Its end is durable. Told again when it is deleted. */
  closed(task: ObservedTask): void {
    if (task.isEndCounted) return
    task.isEndCounted = true
    const { record, spec } = task
    const series = this.#of(task)
    counterOf(series.closed, record.status, () => this.#closed.of(...namesOf(task), record.status)).add()
    series.responseTime.observe(this.#secondsSince(sinceMs(record, spec)))
  }

  workerLeft(member: ObservedMember): void {
    this.#workerRunTime.remove(...placeOf(member))
    this.#workerFailures.remove(...placeOf(member))
  }

  #of(task: ObservedTask): TaskSeries {
    task.series ??= this.#tasks.of(task.head.namespace, task.head.queue, task.head.name)
    return task.series
  }

  #secondsSince(ms: number): number {
    return Math.max(0, this.#clock.nowMs() - ms) / 1000
  }
}

function namesOf({ head }: ObservedTask): [namespace: string, queue: string, task: string] {
  return [head.namespace, head.queue, head.name]
}

function counterOf<Key>(known: Map<Key, Counter>, key: Key, make: () => Counter): Counter {
  let counter = known.get(key)
  if (counter === undefined) {
    counter = make()
    known.set(key, counter)
  }
  return counter
}

function taskTable(
  registry: MetricsRegistry,
  trafficOf: (namespace: string, queue: string, task: string) => QueueTraffic,
): SeriesTable<[namespace: string, queue: string, task: string], TaskSeries> {
  const histogram = (name: string, help: string): Metric<Histogram> =>
    registry.histogram({ name, help, unit: 'seconds', labels: TASK, buckets: WORK_SECONDS })
  const enqueued = registry.counter({
    name: 'perdure_tasks_enqueued_total',
    help: 'Tasks that were taken in.',
    labels: TASK,
  })
  const retries = registry.counter({
    name: 'perdure_task_retries_total',
    help: 'Attempts of tasks that have failed and are followed by another one.',
    labels: TASK,
  })
  const scheduleToStart = histogram(
    'perdure_task_schedule_to_start_seconds',
    'How long tasks wait for their first attempt, from when they are enqueued, or their delay is over.',
  )
  const runTime = histogram(
    'perdure_task_run_time_seconds',
    'Of attempts of tasks, and slices of such, from when they are given to their worker until they end.',
  )
  const responseTime = histogram(
    'perdure_task_response_time_seconds',
    'From when a task is enqueued, or its delay is over, until its end is durable.',
  )
  return new SeriesTable(TASKS_MAX, (...names) => ({
    enqueued: enqueued.of(...names),
    closed: new Map(),
    attempts: new Map(),
    scheduleToStart: scheduleToStart.of(...names),
    runTime: runTime.of(...names),
    responseTime: responseTime.of(...names),
    retries: retries.of(...names),
    traffic: trafficOf(...names),
  }))
}

function placeOf({ id, profile }: ObservedMember): readonly [namespace: string, worker: string] {
  return [profile.namespace ?? '', id]
}
