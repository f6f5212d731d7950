import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runStartMs } from '../protocol/ids.ts'
import { seededRandomness, seedOf, systemRandomness } from './randomness.ts'
import { runIdSource } from './run-ids.ts'

test('the same seed gives the same numbers, for ever', () => {
  const draw = (seed: number) => Array.from({ length: 4 }, seededRandomness(seed))
  assert.deepEqual(draw(1), draw(1))
  assert.notDeepEqual(draw(1), draw(2))
  // Executions replay with these: they never change.
  assert.deepEqual(
    draw(seedOf('01JGFJJZ008KXJBK5XPBJWC0FJ')).map((n) => Math.floor(n * 1e6)),
    [331489, 230563, 625345, 854606],
  )
})

test('numbers are uniform in [0, 1)', () => {
  for (const random of [systemRandomness, seededRandomness(7)]) {
    const buckets = new Array<number>(16).fill(0)
    for (let i = 0; i < 16_000; i++) {
      const n = random()
      assert.ok(n >= 0 && n < 1)
      buckets[Math.floor(n * 16)] = (buckets[Math.floor(n * 16)] ?? 0) + 1
    }
    for (const count of buckets) assert.ok(count > 800 && count < 1200, `${buckets}`)
  }
})

test('seeds of texts differ', () => {
  const seeds = new Set(Array.from({ length: 10_000 }, (_, i) => seedOf(`run-${i}`)))
  assert.ok(seeds.size > 9_990)
})

test('run ids rise strictly, within one ms and when the clock stands still or goes back', () => {
  let now = 1_700_000_000_000
  const next = runIdSource({ nowMs: () => now }, seededRandomness(1))
  let last = next()
  for (let i = 0; i < 5000; i++) {
    if (i % 1000 === 0) now += 1
    if (i % 1700 === 0) now -= 5
    const id = next()
    assert.ok(id > last, `${last} ${id}`)
    last = id
  }
  assert.ok(runStartMs(last) >= 1_700_000_000_000)
})

test('run ids carry over into the next digit', () => {
  const next = runIdSource({ nowMs: () => 0 }, () => 0.999)
  const ids = Array.from({ length: 2000 }, next)
  assert.equal(new Set(ids).size, 2000)
  assert.deepEqual(ids, ids.toSorted())
})
