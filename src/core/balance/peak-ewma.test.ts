import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandomness } from '../../platform/randomness.ts'
import { PeakEwma } from './peak-ewma.ts'
import { WorkerFleet } from './worker-fleet.ts'

function setup(workers: readonly string[]) {
  const balancer = new PeakEwma({ decayMs: 10_000, penaltyMs: 10_000 }, seededRandomness(1))
  const fleet = new WorkerFleet(balancer, { ejection: false })
  for (const id of workers) fleet.add({ id, capacity: 1000 }, 0)
  const run = (id: string, durationMs: number, nowMs: number, failed = false): void => {
    fleet.started(id, nowMs)
    fleet.finished(id, { durationMs, failed }, nowMs)
  }
  const costMs = (id: string, nowMs: number): number | undefined => {
    const worker = fleet.get(id)
    assert.ok(worker)
    return balancer.costMsOf(worker, nowMs)
  }
  return { fleet, run, costMs }
}

describe('peak-ewma', () => {
  it('rises at once and falls slowly: 100, 10 s later 20 gives 49.43, then 80 gives 80', () => {
    const { run, costMs } = setup(['a'])
    run('a', 100, 0)
    assert.equal(costMs('a', 0), 100)
    run('a', 20, 10_000)
    assert.equal(costMs('a', 10_000)?.toFixed(2), '49.43')
    run('a', 80, 10_000)
    assert.equal(costMs('a', 10_000), 80)
  })

  it('fades while nothing is observed, and looking changes nothing', () => {
    const { run, costMs } = setup(['a'])
    run('a', 100, 0)
    for (const at of [1000, 5000, 9999]) costMs('a', at)
    assert.equal(costMs('a', 10_000)?.toFixed(2), (100 / Math.E).toFixed(2))
    run('a', 20, 10_000)
    assert.equal(costMs('a', 10_000)?.toFixed(2), '49.43')
  })

  it('picks the cheaper of two, by tasks in flight and weight too', () => {
    const { fleet, run } = setup(['fast', 'slow'])
    run('fast', 10, 0)
    run('slow', 100, 0)
    for (let i = 0; i < 9; i++) {
      assert.equal(fleet.pick({}, 0)?.id, 'fast')
      fleet.started('fast', 0)
    }
    // 10 * (9 + 2) is more than 100 * 1.
    fleet.started('fast', 0)
    assert.equal(fleet.pick({}, 0)?.id, 'slow')
    fleet.update('fast', { weight: 2 }, 0)
    assert.equal(fleet.pick({}, 0)?.id, 'fast')
  })

  it('tries a worker without history first, and then not again before it has answered', () => {
    const { fleet, run } = setup(['known', 'new'])
    run('known', 50, 0)
    assert.equal(fleet.pick({}, 0)?.id, 'new')
    fleet.started('new', 0)
    for (let i = 0; i < 20; i++) assert.equal(fleet.pick({}, 0)?.id, 'known')
    fleet.finished('new', { durationMs: 5, failed: false }, 0)
    assert.equal(fleet.pick({}, 0)?.id, 'new')
  })

  it('does not take a worker for fast that fails fast', () => {
    const { fleet, run, costMs } = setup(['good', 'bad'])
    run('good', 50, 0)
    run('bad', 1, 0, true)
    assert.equal(costMs('bad', 0), 10_000)
    assert.equal(fleet.pick({}, 0)?.id, 'good')
    run('good', 1, 0, true)
    assert.equal(costMs('good', 0), 50)
  })

  it('forgets a worker that has left', () => {
    const { fleet, run, costMs } = setup(['a'])
    run('a', 100, 0)
    fleet.remove('a', 0)
    fleet.add({ id: 'a', capacity: 1 }, 0)
    assert.equal(costMs('a', 0), undefined)
  })
})
