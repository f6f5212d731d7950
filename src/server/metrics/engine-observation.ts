/** The metrics of an engine, put together: `createEngine({ metrics })`, and what `/metrics` answers. */

import type { ClusterNode } from '../../engine/cluster/cluster-node.ts'
import type { Engine } from '../../engine/engine.ts'
import { engineGauges } from '../../engine/metrics/engine-gauges.ts'
import { EngineMetrics } from '../../engine/metrics/engine-metrics.ts'
import type { Clock } from '../../platform/clock.ts'
import { type Duration, durationMs } from '../../protocol/duration.ts'
import { PerdureError } from '../../protocol/errors.ts'
import { checkedOptions, type OptionNames } from '../../sdk/checked-arguments.ts'
import type { Store } from '../../store/contract/store.ts'
import type { ConnectionCounts } from '../listen/connection-counts.ts'
import { clusterMetrics } from './cluster-metrics.ts'
import type { MetricsSettings } from './metrics-settings.ts'
import { processMetrics } from './process-metrics.ts'
import { storeMetrics } from './store-metrics.ts'

const OPTIONS: OptionNames<MetricsSettings> = { targetWait: true }
const TARGET_WAIT: Duration = '30s'

export interface CheckedMetricsSettings {
  readonly targetWaitSeconds: number
}

/**
 * Undefined: nothing is observed.
 *
 * @throws PerdureError `ARGUMENT_INVALID`, `DURATION_INVALID`
 */
export function checkedMetricsSettings(
  given: boolean | MetricsSettings = true,
): CheckedMetricsSettings | undefined {
  if (given === false) return undefined
  const what = 'createEngine({ metrics })'
  const { targetWait = TARGET_WAIT } = given === true ? {} : checkedOptions(given, what, OPTIONS)
  const targetWaitMs = durationMs(targetWait, 'metrics.targetWait')
  if (targetWaitMs === 0) throw new PerdureError('ARGUMENT_INVALID', `${what}: targetWait is 0, not more`)
  return { targetWaitSeconds: targetWaitMs / 1000 }
}

export interface ObservedParts {
  readonly engine: Engine
  readonly store: Store
  /** In a cluster. */
  readonly node: ClusterNode | undefined
  /** Of the node, for people. */
  readonly name: string
  readonly connections: ConnectionCounts
  /** Tasks that this process has code of. */
  readonly tasks: number
  /** The process is this engine's, and no simulation's. */
  readonly isReal: boolean
}

/** What an engine observes of itself, and what is looked for when somebody reads it. */
export class EngineObservation {
  readonly metrics: EngineMetrics
  readonly #settings: CheckedMetricsSettings
  #stop = (): void => {}

  constructor(settings: CheckedMetricsSettings, clock: Clock) {
    this.#settings = settings
    this.metrics = new EngineMetrics(clock)
  }

  /** The parts are there. */
  begin({ engine, store, node, name, connections, tasks, isReal }: ObservedParts): void {
    const { metrics } = this
    const { registry } = metrics
    engineGauges(engine, metrics, { ...this.#settings, runsTasks: tasks > 0 })
    storeMetrics(registry, store)
    if (node !== undefined) clusterMetrics(registry, node)
    const info = registry.gauge({
      name: 'perdure_node_info',
      help: 'Always 1: the name of the node, and the version of Node it runs on.',
      labels: ['node', 'node_version'],
    })
    info.of(name, process.versions.node).set(1)
    const open = registry.gauge({
      name: 'perdure_connections',
      help: 'Connections from others to this engine, by what they are.',
      labels: ['kind'],
    })
    registry.onCollect(() => {
      for (const [kind, count] of Object.entries(connections.open)) open.of(kind).set(count)
    })
    if (isReal) this.#stop = processMetrics(registry)
  }

  end(): void {
    this.#stop()
  }
}
