/** What is observed of the timers of an engine: of executions (sleeps, time limits, retries), of tasks, of schedules. */
import type { Counter, Gauge, Histogram, Metric, MetricsRegistry } from '../../platform/metrics.ts'
import { LATENCY_SECONDS } from './buckets.ts'

export type TimerKind = 'execution' | 'task' | 'schedule'

/** Timers that are due soon, in memory. */
interface Window {
  readonly size: number
}

export class TimerMetrics {
  readonly #lateness: Metric<Histogram>
  readonly #scheduleRuns: Metric<Counter>
  readonly #windows = new Map<TimerKind, Window>()

  constructor(registry: MetricsRegistry) {
    this.#lateness = registry.histogram({
      name: 'perdure_timer_lateness_seconds',
      help: 'How long after its time a timer fires. What was due while no node was there is late by that.',
      unit: 'seconds',
      labels: ['kind'],
      buckets: [...LATENCY_SECONDS, 300, 3600],
    })
    this.#scheduleRuns = registry.counter({
      name: 'perdure_schedule_runs_total',
      help: 'Executions that schedules have started.',
      labels: ['namespace'],
      seriesMax: 200,
    })
    const held: Metric<Gauge> = registry.gauge({
      name: 'perdure_timers_in_memory',
      help: 'Timers that are due within seconds, and held in memory for that; later ones are in the store only.',
      labels: ['kind'],
    })
    registry.onCollect(() => {
      for (const [kind, window] of this.#windows) held.of(kind).set(window.size)
    })
  }

  /** The timers of this kind are there from now on; those of before are not. */
  opened(kind: TimerKind, window: Window): void {
    this.#windows.set(kind, window)
  }

  fired(kind: TimerKind, latenessMs: number): void {
    this.#lateness.of(kind).observe(latenessMs / 1000)
  }

  scheduleRan(namespace: string): void {
    this.#scheduleRuns.of(namespace).add()
  }
}
