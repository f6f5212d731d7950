/**
 * Shortest job first with aging: the rank is `estimate + aging * enqueuedMs`. All that wait age alike, so the rank is fixed.
 *
 * Starvation bound: a job of estimate S is overtaken only by jobs that arrive less than (S - S_min) / aging after it, where
 * S_min is the smallest estimate. Mean waits without aging: Phipps, "Machine Repair as a Priority Waiting-Line Problem", 1956.
 *
 * What the caller does not declare is learned from earlier runs of tasks of that name.
 */
import type { SjfOptions } from '../../protocol/queue-settings.ts'
import { within } from './option-checks.ts'
import type { SchedulingPolicy } from './policy.ts'
import { ServiceEstimator } from './service-estimator.ts'

/** A job of one minute is overtaken by shorter ones of the following ten minutes, at most. */
const AGING = 0.1
const AGING_BOUNDS = { least: 0, most: 1e6 }

export function sjf({ aging = AGING }: SjfOptions = {}): SchedulingPolicy {
  within('sjf', 'aging', aging, AGING_BOUNDS)
  const estimator = new ServiceEstimator()
  return {
    name: 'sjf',
    place: ({ name, estimateMs, enqueuedMs }) => ({
      flow: '',
      rank: (estimateMs ?? estimator.estimateMs(name)) + aging * enqueuedMs,
      chargeMs: 0,
    }),
    served: ({ name }, servedMs) => estimator.observe(name, servedMs),
  }
}
