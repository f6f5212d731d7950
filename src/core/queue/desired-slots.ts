/**
 * How many tasks of a queue should be able to run at once, so that what waits begins in time: the signal for autoscaling.
 *
 * With `rate` tasks per second that begin to wait, `serviceSeconds` for each, `waiting` of them now, and a wait of
 * `targetWaitSeconds` that is accepted:
 *
 * - `rate * serviceSeconds` slots are busy for what comes (Little's law). With some room, `BUSY_SHARE`, so that a queue that
 *   keeps up does not wait at the limit.
 * - `waiting * serviceSeconds / targetWaitSeconds` more begin all that waits within that time.
 * - But never more than what runs and waits could use at once, beyond what is needed for what comes: ten tasks of an hour
 *   need ten slots, not six hundred.
 * - And never fewer than run now. A queue in which nothing waits or runs, and hardly anything comes, needs none.
 */

/** Slots that are busy for what comes, of those that are there for it. */
const BUSY_SHARE = 0.8
/** Of an empty queue: a slot that would be busy for less than this share of the time is not held for it. */
const WORTH_A_SLOT = 0.05

export interface QueueDemand {
  readonly waiting: number
  readonly running: number
  /** Tasks per second that begin to wait. */
  readonly rate: number
  /** Mean of what one takes on a worker; undefined: none has ended yet. */
  readonly serviceSeconds: number | undefined
  readonly targetWaitSeconds: number
}

/** Not rounded: several nodes may have a part of the queue each. */
export function desiredSlots({
  waiting,
  running,
  rate,
  serviceSeconds,
  targetWaitSeconds,
}: QueueDemand): number {
  // Of a service that is not known yet one slot tells more.
  if (serviceSeconds === undefined) return Math.max(running, waiting > 0 ? 1 : 0)
  const steady = (rate * serviceSeconds) / BUSY_SHARE
  if (waiting === 0 && running === 0 && steady < WORTH_A_SLOT) return 0
  const catchingUp = (waiting * serviceSeconds) / targetWaitSeconds
  return Math.max(running, steady, Math.min(running + waiting, steady + catchingUp))
}
