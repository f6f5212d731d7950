/**
 * What each partition of a queue has of the limits of the queue: it adds up to them. All tasks of a key are in one
 * partition, so limits per key are those of the queue. Neither is so while tasks of an earlier number of partitions wait:
 * they stay where they are, and a key may be in two of them.
 */
import type { QueueLimits } from '../../protocol/queue-settings.ts'

export const PARTITIONS_MAX = 64

/** @param partition one that is beyond `partitions`, of earlier settings, has the limits of one of them */
export function partitionLimits(limits: QueueLimits, partition: number, partitions: number): QueueLimits {
  if (partitions === 1) return limits
  const { concurrency, rate, ...perKey } = limits
  const index = partition % partitions
  return {
    ...perKey,
    ...(concurrency === undefined
      ? {}
      : { concurrency: Math.floor(concurrency / partitions) + (index < concurrency % partitions ? 1 : 0) }),
    ...(rate === undefined ? {} : { rate: shareOf(rate, partitions) }),
  }
}

function shareOf({ perSecond, burst }: NonNullable<QueueLimits['rate']>, partitions: number) {
  const share = { perSecond: perSecond / partitions }
  return burst === undefined ? share : { ...share, burst: Math.max(1, burst / partitions) }
}

/** @throws RangeError for limits that not every partition can have a part of */
export function checkPartitions(partitions: number, { concurrency }: QueueLimits): void {
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX)
    throw new RangeError(`partitions is ${partitions}; give a whole number from 1 to ${PARTITIONS_MAX}`)
  if (concurrency !== undefined && concurrency < partitions)
    throw new RangeError(
      `concurrency is ${concurrency}, and there are ${partitions} partitions: each needs 1`,
    )
}
