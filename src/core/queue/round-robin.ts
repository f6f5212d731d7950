/**
 * Time-slice round robin over keys: deficit round robin on measured service time. A task that outlives the quantum is asked
 * to yield; it returns a checkpoint and begins to wait anew, at the tail of its key.
 *
 * A dispatch is charged its estimate, at most one quantum: that is what it may use before it is asked to yield. A task that
 * does not yield puts its key into debt, which the next rounds pay off.
 */
import type { RoundRobinOptions } from '../../protocol/queue-settings.ts'
import { DeficitRoundRobin } from './deficit-round-robin.ts'
import { within } from './option-checks.ts'
import type { SchedulingPolicy } from './policy.ts'
import { ServiceEstimator } from './service-estimator.ts'

const QUANTUM_MS = 100
/** The number of a round stays exact: a key of the least weight is served once in a million rounds. */
const QUANTUM_BOUNDS = { least: 0.01, most: 1e12 }
const WEIGHT_BOUNDS = { least: 1e-6, most: 1e6 }

export function roundRobin({
  quantumMs = QUANTUM_MS,
  weights = {},
}: RoundRobinOptions = {}): SchedulingPolicy {
  within('round-robin', 'quantumMs', quantumMs, QUANTUM_BOUNDS)
  const known = new Map(Object.entries(weights))
  for (const [key, weight] of known) within('round-robin', `the weight of '${key}'`, weight, WEIGHT_BOUNDS)
  const estimator = new ServiceEstimator()
  return {
    name: 'round-robin',
    quantumMs,
    flows: new DeficitRoundRobin({ quantumMs, weightOf: (key) => known.get(key) ?? 1 }),
    place: ({ name, key, order, estimateMs }) => ({
      flow: key,
      rank: order,
      chargeMs: Math.min(quantumMs, estimateMs ?? estimator.estimateMs(name)),
    }),
    served: ({ name }, servedMs) => estimator.observe(name, servedMs),
  }
}
