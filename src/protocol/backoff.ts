/** Delay before the next attempt. Source: "Exponential Backoff And Jitter", AWS Architecture Blog (full, decorrelated). */
import type { RetryPolicy } from './retry-policy.ts'

/** Beyond any delay; a power without bound becomes infinite, and 0 times that is no number. */
const DOUBLINGS_MAX = 64

/**
 * @param failures failed attempts so far, 1 or more
 * @param previousMs the delay before the attempt that failed, 0 for the first
 * @param random uniform in [0, 1)
 * @returns ms, a whole number
 */
export function backoffMs(policy: RetryPolicy, failures: number, previousMs: number, random: number): number {
  if (policy.backoff === 'full-jitter') {
    return Math.round(
      random * Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(failures - 1, DOUBLINGS_MAX)),
    )
  }
  const previous = previousMs === 0 ? policy.initialMs : previousMs
  const upper = Math.max(policy.initialMs, 3 * previous)
  return Math.round(Math.min(policy.maxMs, policy.initialMs + random * (upper - policy.initialMs)))
}
