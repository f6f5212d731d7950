/** Spans of what ends a little after its result is known. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type RecordedSpan, takeSpans } from './span-recorder.ts'

/** All spans since the last call, once there are so many of this name. */
export async function spansWith(name: string, count = 1): Promise<readonly RecordedSpan[]> {
  const spans: RecordedSpan[] = []
  const endMs = Date.now() + 20_000
  for (;;) {
    spans.push(...takeSpans())
    if (spans.filter((span) => span.name === name).length >= count) return spans
    if (Date.now() > endMs)
      throw new Error(`never: ${count} spans ${name}; there are ${spans.map((span) => span.name).join(', ')}`)
    await sleep(5)
  }
}
