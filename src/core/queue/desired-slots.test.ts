import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { desiredSlots, type QueueDemand } from './desired-slots.ts'

const idle: QueueDemand = { waiting: 0, running: 0, rate: 0, serviceSeconds: 1, targetWaitSeconds: 10 }

describe('desired slots of a queue', () => {
  const cases: [what: string, demand: Partial<QueueDemand>, slots: number][] = [
    ['nothing waits, runs or comes', {}, 0],
    ['8 tasks of a second come each second: 8 slots busy, at 80 %', { rate: 8 }, 10],
    ['1,000 wait for 10 s at most: 100 slots begin them in time', { waiting: 1000 }, 100],
    ['both', { waiting: 1000, rate: 8 }, 110],
    ['10 tasks of an hour: each has a slot, and no more', { waiting: 10, serviceSeconds: 3600 }, 10],
    ['what runs keeps its slots, though nothing comes', { running: 7, serviceSeconds: 3600 }, 7],
    ['long ones wait while others run', { waiting: 3, running: 7, serviceSeconds: 3600 }, 10],
    ['none has ended yet: one slot is tried', { waiting: 500, serviceSeconds: undefined }, 1],
    ['none has ended yet, four run', { waiting: 500, running: 4, serviceSeconds: undefined }, 4],
    ['nothing waits, and nothing is known', { serviceSeconds: undefined }, 0],
    ['a task of 10 s each hour: none is held for it', { rate: 1 / 3600, serviceSeconds: 10 }, 0],
    ['a task of 0.8 s every four seconds: a quarter of a slot', { rate: 0.25, serviceSeconds: 0.8 }, 0.25],
    ['tasks that take no time', { waiting: 50, rate: 100, serviceSeconds: 0 }, 0],
  ]
  for (const [what, demand, slots] of cases)
    test(what, () => assert.equal(desiredSlots({ ...idle, ...demand }), slots))

  test('more work never asks for fewer, and no backlog for more than its tasks can use', () => {
    const number = (max: number) => fc.double({ min: 0, max, noNaN: true })
    const demand = fc.record({
      waiting: fc.nat(100_000),
      running: fc.nat(1000),
      rate: number(1000),
      serviceSeconds: number(10_000),
      targetWaitSeconds: fc.double({ min: 0.1, max: 3600, noNaN: true }),
    })
    fc.assert(
      fc.property(demand, fc.nat(1000), (given, more) => {
        const slots = desiredSlots(given)
        assert.ok(slots >= given.running)
        assert.ok(desiredSlots({ ...given, waiting: given.waiting + more }) >= slots)
        assert.ok(desiredSlots({ ...given, rate: given.rate + more }) >= slots)
        assert.ok(desiredSlots({ ...given, targetWaitSeconds: given.targetWaitSeconds + more }) <= slots)
        const steady = desiredSlots({ ...given, waiting: 0 })
        assert.ok(slots <= Math.max(steady, given.running + given.waiting))
      }),
    )
  })
})
