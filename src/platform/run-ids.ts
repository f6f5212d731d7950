/**
 * Makes run ids that rise strictly within one source: ULID with the monotonic rule (same ms: random part plus one).
 * They are later than `afterMs`, so that they also rise over sources that follow one another.
 */
import { type RunId, runIdOf } from '../protocol/ids.ts'
import type { Clock } from './clock.ts'
import type { Randomness } from './randomness.ts'

export function runIdSource(clock: Pick<Clock, 'nowMs'>, random: Randomness, afterMs = -1): () => RunId {
  let lastMs = -1
  const digits = new Uint8Array(16)
  return () => {
    const now = Math.max(clock.nowMs(), afterMs + 1)
    if (now > lastMs) {
      lastMs = now
      for (let i = 0; i < 16; i++) digits[i] = Math.floor(random() * 32)
      // Half of the range is left for the ids of this millisecond.
      digits[0] = (digits[0] ?? 0) & 15
    } else {
      let i = 15
      while (i >= 0 && digits[i] === 31) digits[i--] = 0
      digits[Math.max(i, 0)] = (digits[Math.max(i, 0)] ?? 0) + 1
    }
    return runIdOf(lastMs, digits)
  }
}

/** 64 random bits as text: what makes a session another one than any other with its id. */
export function incarnationOf(random: Randomness): string {
  const part = (): string =>
    Math.floor(random() * 0x1_0000)
      .toString(16)
      .padStart(4, '0')
  return part() + part() + part() + part()
}
