/** First come, first served: the rank is the order in which tasks began to wait. Nothing is overtaken. */
import type { SchedulingPolicy } from './policy.ts'

export function fcfs(): SchedulingPolicy {
  return { name: 'fcfs', place: ({ order }) => ({ flow: '', rank: order, chargeMs: 0 }) }
}
