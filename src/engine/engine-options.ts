/** What an engine is put together from. */
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Randomness } from '../platform/randomness.ts'
import type { Tracing } from '../platform/tracing.ts'
import type { Limits } from '../protocol/limits.ts'
import type { WorkerPort } from '../protocol/worker-port.ts'
import type { Store } from '../store/contract/store.ts'
import type { AuditChain } from './audit-chain.ts'
import type { ClusterParts } from './cluster/cluster-parts.ts'
import type { LiveExecution } from './live-execution.ts'
import type { EngineMetrics } from './metrics/engine-metrics.ts'
import type { QueueDesigns } from './tasks/live-queue.ts'

export interface EngineOptions {
  readonly store: Store
  readonly worker: WorkerPort<LiveExecution>
  readonly designs: QueueDesigns
  readonly clock: Clock
  readonly random: Randomness
  readonly logger: Logger
  readonly limits: Limits
  /** Shown to people, e.g. `host:pid`. */
  readonly node: string
  readonly shards: number
  /** Absent: the engine is alone, and owns all shards. */
  readonly cluster?: ClusterParts
  /** Idle executions kept in memory. */
  readonly idleLimit: number
  /** Absent: nothing is observed. */
  readonly metrics?: EngineMetrics | undefined
  /** Absent: there are no spans, and what comes with a trace context loses it. */
  readonly tracing?: Tracing | undefined
  readonly timerLookaheadMs?: number
  readonly timerPageRows?: number
  /** Absent: no change is recorded. */
  readonly audit?: AuditChain
  /** Called once when the engine has stopped by itself. */
  readonly onFailed?: (error: Error) => void
}
