import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FailureDetector } from './failure-detector.ts'

const at = (id: number, heartbeatAt: number) => ({ id, heartbeatAt })

/** Looks each 250 ms from `fromMs` to `toMs`; answers when each session was named first. */
function named(
  detector: FailureDetector,
  fromMs: number,
  toMs: number,
  heartbeats: (ms: number) => { id: number; heartbeatAt: number }[],
): Map<number, number> {
  const first = new Map<number, number>()
  for (let ms = fromMs; ms <= toMs; ms += 250)
    for (const id of detector.look(ms, heartbeats(ms))) if (!first.has(id)) first.set(id, ms)
  return first
}

describe('the failure detector', () => {
  test('names whose heartbeat stood still for the whole timeout, and nobody else', () => {
    const first = named(new FailureDetector(), 0, 10_000, (ms) => [at(1, ms), at(2, Math.min(ms, 3000))])
    assert.deepEqual([...first], [[2, 5000]])
  })

  test('an old heartbeat that moves is as good as a new one: clocks are not compared', () => {
    const first = named(new FailureDetector(), 1_000_000, 1_010_000, (ms) => [at(1, ms - 900_000)])
    assert.deepEqual([...first], [])
  })

  test('the first look names nobody, however old a heartbeat is', () => {
    assert.deepEqual(new FailureDetector().look(1_000_000, [at(1, 0)]), [])
  })

  test('after a gap it begins anew: who was away does not judge', () => {
    const detector = new FailureDetector()
    named(detector, 0, 1750, () => [at(1, 0)])
    assert.deepEqual([...named(detector, 60_000, 61_750, () => [at(1, 0)])], [])
    assert.deepEqual([...named(detector, 62_000, 62_000, () => [at(1, 0)])], [[1, 62_000]])
  })

  test('a clock of another server that is behind is a gap as well', () => {
    const detector = new FailureDetector()
    named(detector, 10_000, 11_750, () => [at(1, 0)])
    assert.deepEqual([...named(detector, 9000, 10_750, () => [at(1, 0)])], [])
  })

  test('a hint makes it quick; a heartbeat that moves takes the hint back', () => {
    const detector = new FailureDetector()
    named(detector, 0, 250, () => [at(1, 0), at(2, 0)])
    detector.hint(1)
    detector.hint(3)
    assert.deepEqual([...named(detector, 500, 750, () => [at(1, 0), at(2, 0)])], [[1, 750]])
    named(detector, 1000, 1000, () => [at(1, 1), at(2, 1)])
    assert.deepEqual([...named(detector, 1250, 2750, () => [at(1, 1), at(2, 1)])], [])
  })

  test('one that is not listed any more is forgotten', () => {
    const detector = new FailureDetector()
    named(detector, 0, 1750, () => [at(1, 0)])
    detector.look(2000, [])
    assert.deepEqual([...named(detector, 2250, 4000, () => [at(1, 0)])], [])
  })
})
