/** What an engine is told about observing itself. */
import type { Duration } from '../../protocol/duration.ts'

export interface MetricsSettings {
  /**
   * How long a task may wait before it begins: `perdure_queue_desired_workers` says how many workers that takes. More than 0.
   * Default `'30s'`.
   */
  readonly targetWait?: Duration
}
