/**
 * All that an engine observes of itself. It costs a few writes to numbers where something happens, and walks nothing: what has
 * to be looked for is looked for when the metrics are read (`engine-gauges.ts`).
 */
import type { Clock } from '../../platform/clock.ts'
import { MetricsRegistry } from '../../platform/metrics.ts'
import { CommitMetrics } from './commit-metrics.ts'
import { ExecutionMetrics } from './execution-metrics.ts'
import { MessageMetrics } from './message-metrics.ts'
import { TaskMetrics } from './task-metrics.ts'
import { TimerMetrics } from './timer-metrics.ts'

export class EngineMetrics {
  readonly registry = new MetricsRegistry()
  readonly executions: ExecutionMetrics
  readonly tasks: TaskMetrics
  readonly commits: CommitMetrics
  readonly timers: TimerMetrics
  readonly messages: MessageMetrics

  constructor(clock: Clock) {
    this.executions = new ExecutionMetrics(this.registry, clock)
    this.tasks = new TaskMetrics(this.registry, clock)
    this.commits = new CommitMetrics(this.registry, clock)
    this.timers = new TimerMetrics(this.registry)
    this.messages = new MessageMetrics(this.registry)
  }
}
