import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { EjectionOptions } from './outlier-ejection.ts'
import { DEFAULT_SUCCESS_RATE } from './outlier-ejection.ts'
import { RoundRobin } from './round-robin.ts'
import { WorkerFleet } from './worker-fleet.ts'

function setup(workers: number, ejection: Partial<EjectionOptions> = {}) {
  const fleet = new WorkerFleet(new RoundRobin(), { ejection })
  for (let i = 0; i < workers; i++) fleet.add({ id: `w${i}`, capacity: 1000 }, 0)
  const end = (id: string, failed: boolean, nowMs: number, count = 1): void => {
    for (let i = 0; i < count; i++) {
      fleet.started(id, nowMs)
      fleet.finished(id, { durationMs: 1, failed }, nowMs)
    }
  }
  const ejected = (): string[] =>
    Array.from({ length: workers }, (_, i) => `w${i}`).filter((id) => fleet.isEjected(id))
  return { fleet, end, ejected }
}

describe('ejection of failing workers', () => {
  it('ejects after five failures in a row, and a success in between starts the row again', () => {
    const { fleet, end, ejected } = setup(3)
    end('w1', true, 0, 4)
    end('w1', false, 0)
    end('w1', true, 0, 4)
    assert.deepEqual(ejected(), [])
    end('w1', true, 0)
    assert.deepEqual(ejected(), ['w1'])
    assert.equal(fleet.nextReturnMs, 30_000)
    for (let i = 0; i < 10; i++) assert.notEqual(fleet.pick({}, 29_999)?.id, 'w1')
  })

  it('lets back after 30 s, and needs five failures again', () => {
    const { fleet, end, ejected } = setup(3)
    end('w1', true, 0, 5)
    const picked = new Set([1, 2, 3].map(() => fleet.pick({}, 30_000)?.id))
    assert.deepEqual([...picked].toSorted(), ['w0', 'w1', 'w2'])
    assert.equal(fleet.nextReturnMs, Number.POSITIVE_INFINITY)
    end('w1', true, 30_000, 4)
    assert.deepEqual(ejected(), [])
  })

  it('ejects for longer each time, up to the longest', () => {
    const { fleet, end } = setup(3, { maxEjectionMs: 100_000 })
    let now = 0
    const lasted: number[] = []
    for (let i = 0; i < 5; i++) {
      end('w1', true, now, 5)
      lasted.push(fleet.nextReturnMs - now)
      now = fleet.nextReturnMs
    }
    assert.deepEqual(lasted, [30_000, 60_000, 90_000, 100_000, 100_000])
  })

  it('forgives one ejection with each interval that passes without another', () => {
    const { fleet, end } = setup(3)
    end('w1', true, 0, 5)
    end('w1', true, 30_000, 5)
    assert.equal(fleet.nextReturnMs, 90_000)
    // Twice so far. After 10 s one is forgiven, and the next ejection is the second; after 20 s it is the first.
    end('w1', true, 100_000, 5)
    assert.equal(fleet.nextReturnMs, 160_000)
    end('w1', true, 180_000, 5)
    assert.equal(fleet.nextReturnMs, 210_000)
  })

  it('ejects at most a tenth, but one may always be', () => {
    const small = setup(5)
    for (const id of ['w0', 'w1', 'w2']) small.end(id, true, 0, 5)
    assert.deepEqual(small.ejected(), ['w0'])
    const large = setup(25)
    for (let i = 0; i < 25; i++) large.end(`w${i}`, true, 0, 5)
    assert.deepEqual(large.ejected(), ['w0', 'w1'])
  })

  it('never ejects the last worker, whatever share may be ejected', () => {
    const only = setup(1)
    only.end('w0', true, 0, 50)
    assert.equal(only.fleet.pick({}, 0)?.id, 'w0')
    const all = setup(4, { maxEjectedShare: 1 })
    for (let i = 0; i < 4; i++) all.end(`w${i}`, true, 0, 50)
    assert.deepEqual(all.ejected(), ['w0', 'w1', 'w2'])
  })

  it('never ejects the last one that can run the same tasks, however many other workers there are', () => {
    const { fleet, end, ejected } = setup(30)
    const coders = new Set(['w3', 'w7'])
    const peers = { size: 2, has: ({ id }: { readonly id: string }) => coders.has(id) }
    fleet.groupBy(() => [peers])
    for (const id of ['w3', 'w7']) end(id, true, 0, 50)
    assert.deepEqual(ejected(), ['w3'])
    // A worker of no group takes the place that is left in the whole fleet: 3 of 30.
    for (const id of ['w0', 'w1', 'w2']) end(id, true, 0, 5)
    assert.deepEqual(ejected(), ['w0', 'w1', 'w3'])
  })

  it('lets back the one that would return first when the others of its group have left', () => {
    const { fleet, end, ejected } = setup(40)
    const coders = new Set(['w3', 'w7'])
    const peers = { size: 2, has: ({ id }: { readonly id: string }) => coders.has(id) }
    for (const id of ['w0', 'w3']) end(id, true, 0, 5)
    end('w7', true, 1, 5)
    fleet.keepOne(peers, 2)
    assert.deepEqual(ejected(), ['w0', 'w7'])
    assert.equal(fleet.nextReturnMs, 30_000)
    // One of the group stays: nothing changes.
    fleet.keepOne(peers, 3)
    assert.deepEqual(ejected(), ['w0', 'w7'])
    assert.equal(fleet.pick({ accepts: ({ id }) => id === 'w3' }, 3)?.id, 'w3')
  })

  it('counts a worker that leaves no more', () => {
    const { fleet, end, ejected } = setup(4)
    end('w0', true, 0, 5)
    fleet.remove('w0', 1)
    assert.equal(fleet.nextReturnMs, Number.POSITIVE_INFINITY)
    end('w1', true, 2, 5)
    assert.deepEqual(ejected(), ['w1'])
  })

  it('lets back the last worker of a fleet when the others leave', () => {
    const { fleet, end, ejected } = setup(2)
    end('w0', true, 0, 5)
    assert.deepEqual(ejected(), ['w0'])
    fleet.remove('w1', 10)
    assert.deepEqual(ejected(), [])
    assert.equal(fleet.pick({}, 10)?.id, 'w0')
    assert.equal(fleet.nextReturnMs, Number.POSITIVE_INFINITY)
  })

  it('keeps to its share of the workers that are left: who would return first is let back first', () => {
    const { fleet, end, ejected } = setup(10, { maxEjectedShare: 0.5 })
    for (let i = 0; i < 5; i++) end(`w${i}`, true, i, 5)
    assert.equal(ejected().length, 5)
    for (let i = 5; i < 9; i++) fleet.remove(`w${i}`, 10)
    // Of 6 workers 3 may be ejected.
    assert.deepEqual(ejected(), ['w2', 'w3', 'w4'])
    fleet.remove('w9', 10)
    fleet.remove('w0', 10)
    fleet.remove('w1', 10)
    assert.deepEqual(ejected(), ['w4'])
    assert.equal(fleet.nextReturnMs, 30_004)
  })

  it('by success rate ejects who is far below the others, at the end of the interval', () => {
    const options = { successRate: DEFAULT_SUCCESS_RATE, consecutiveFailures: 1000 }
    const { fleet, end, ejected } = setup(10, options)
    fleet.pick({}, 0)
    for (let i = 0; i < 10; i++) {
      end(`w${i}`, false, 5000, i === 4 ? 60 : 98)
      end(`w${i}`, true, 5000, i === 4 ? 40 : 2)
    }
    fleet.pick({}, 9999)
    assert.deepEqual(ejected(), [])
    fleet.pick({}, 10_000)
    assert.deepEqual(ejected(), ['w4'])
  })

  it('by success rate needs enough workers with enough completions', () => {
    for (const [workers, completions] of [
      [4, 100],
      [10, 99],
    ] as const) {
      const { fleet, end, ejected } = setup(workers, {
        successRate: DEFAULT_SUCCESS_RATE,
        consecutiveFailures: 1000,
      })
      fleet.pick({}, 0)
      for (let i = 0; i < workers; i++) end(`w${i}`, i === 0, 1, completions)
      fleet.pick({}, 10_000)
      assert.deepEqual(ejected(), [])
    }
  })

  it('can be off', () => {
    const fleet = new WorkerFleet(new RoundRobin(), { ejection: false })
    for (const id of ['a', 'b']) fleet.add({ id, capacity: 1 }, 0)
    for (let i = 0; i < 50; i++) {
      fleet.started('a', 0)
      fleet.finished('a', { durationMs: 1, failed: true }, 0)
    }
    assert.equal(fleet.isEjected('a'), false)
  })

  it('always leaves one worker, and every ejected worker returns at its time', () => {
    const event = fc.record({ worker: fc.nat(5), failed: fc.boolean(), afterMs: fc.nat(20_000) })
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 120 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (events, maxEjectedShare) => {
          const { fleet, end, ejected } = setup(6, { consecutiveFailures: 2, maxEjectedShare })
          let now = 0
          for (const { worker, failed, afterMs } of events) {
            now += afterMs
            end(`w${worker}`, failed, now)
            assert.ok(fleet.pick({}, now))
            assert.ok(ejected().length <= Math.min(5, Math.max(1, Math.floor(6 * maxEjectedShare))))
            assert.ok(fleet.nextReturnMs > now)
          }
          for (let guard = 0; fleet.nextReturnMs < Number.POSITIVE_INFINITY; guard++) {
            assert.ok(guard < 6)
            fleet.pick({}, fleet.nextReturnMs)
          }
          assert.deepEqual(ejected(), [])
        },
      ),
      { numRuns: 100 },
    )
  })
})
