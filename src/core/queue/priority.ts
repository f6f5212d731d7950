/**
 * Priority with aging: a waiting task gains one level of priority each `agingMs`.
 *
 * Level 9 at time t is as urgent as level p that has waited (9 - p) * agingMs. All that wait age alike, so the comparison
 * of two tasks is that of `enqueuedMs - priority * agingMs`, which does not change.
 *
 * Starvation bound: a task of priority p is overtaken only by tasks that arrive less than (9 - p) * agingMs after it.
 */
import type { PriorityOptions } from '../../protocol/queue-settings.ts'
import { within } from './option-checks.ts'
import type { SchedulingPolicy } from './policy.ts'

/** A task of priority 0 is overtaken by those of the following 9 minutes, at most. */
const AGING_MS = 60_000
/** Nine levels of 31 years each: times keep their milliseconds beside them. */
const AGING_BOUNDS = { least: 1e-6, most: 1e12 }

export function priority({ agingMs = AGING_MS }: PriorityOptions = {}): SchedulingPolicy {
  if (agingMs !== Number.POSITIVE_INFINITY) within('priority', 'agingMs', agingMs, AGING_BOUNDS)
  return {
    name: 'priority',
    place: (task) => ({
      flow: '',
      rank: agingMs === Number.POSITIVE_INFINITY ? -task.priority : task.enqueuedMs - task.priority * agingMs,
      chargeMs: 0,
    }),
  }
}
