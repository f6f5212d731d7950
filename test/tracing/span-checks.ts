/** What tests hold spans against. */
import assert from 'node:assert/strict'
import type { Execution } from '../../src/index.ts'
import type { RecordedSpan } from './span-recorder.ts'

export function onlyTraceOf(spans: readonly RecordedSpan[]): string {
  const [traceId = '', ...others] = new Set(spans.map((span) => span.traceId))
  assert.deepEqual(others, [], 'all spans are of one trace')
  return traceId
}

export function named(spans: readonly RecordedSpan[], name: string): RecordedSpan {
  const [found, ...others] = spans.filter((span) => span.name === name)
  assert.ok(found !== undefined && others.length === 0, `one span ${name}`)
  return found
}

export async function started(handle: Pick<Execution, 'history'>): Promise<object> {
  const [first] = await handle.history()
  assert.equal(first?.event.type, 'execution-started')
  return first.event
}

/** What an order leaves, below whoever asks for it. */
export const ORDER_TREE = [
  'http < step pay',
  'ink < task print',
  'request',
  'start order < request',
  'start parcel < start order',
  'step pay < start order',
  'step weigh < start parcel',
  'task print < start order',
  'workflow order < start order',
  'workflow parcel < start parcel',
]
