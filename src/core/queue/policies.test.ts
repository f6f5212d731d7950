// The definitions of the policies, and their bounds on starvation.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { PolicySetting } from '../../protocol/queue-settings.ts'
import { policyOf } from './policies.ts'
import type { PolicyTask, SchedulingPolicy } from './policy.ts'
import { priority } from './priority.ts'
import { roundRobin } from './round-robin.ts'
import { ServiceEstimator } from './service-estimator.ts'
import { sjf } from './sjf.ts'

let order = 0

function task(about: Partial<PolicyTask> = {}): PolicyTask {
  order += 1
  return { name: 't', key: '', priority: 5, estimateMs: undefined, enqueuedMs: 0, order, ...about }
}

const isBefore = (policy: SchedulingPolicy, a: PolicyTask, b: PolicyTask): boolean =>
  policy.place(a).rank < policy.place(b).rank

describe('fcfs', () => {
  test('is the order in which tasks begin to wait, whatever else they say', () => {
    const policy = policyOf({ name: 'fcfs' })
    const first = task({ enqueuedMs: 900, priority: 0, estimateMs: 1e9 })
    assert.ok(isBefore(policy, first, task({ enqueuedMs: 100, priority: 9, estimateMs: 1 })))
  })
})

describe('priority', () => {
  test('9 comes before 0, until 0 has waited 9 times agingMs longer', () => {
    const policy = priority({ agingMs: 1000 })
    const low = task({ priority: 0, enqueuedMs: 0 })
    assert.ok(isBefore(policy, task({ priority: 9, enqueuedMs: 8999 }), low))
    assert.ok(!isBefore(policy, task({ priority: 9, enqueuedMs: 9001 }), low))
  })

  test('a task of priority p is overtaken only by those that arrive within (9 - p) * agingMs', () => {
    const level = fc.integer({ min: 0, max: 9 })
    const time = fc.integer({ min: 0, max: 1e6 })
    fc.assert(
      fc.property(
        level,
        level,
        time,
        time,
        fc.integer({ min: 1, max: 1e5 }),
        (p, q, then, laterBy, agingMs) => {
          const waiting = task({ priority: p, enqueuedMs: then })
          const arriving = task({ priority: q, enqueuedMs: then + laterBy })
          const isOvertaken = isBefore(priority({ agingMs }), arriving, waiting)
          if (isOvertaken) assert.ok(laterBy < (9 - p) * agingMs)
        },
      ),
    )
  })

  test('without aging, only priority counts', () => {
    const policy = priority({ agingMs: Number.POSITIVE_INFINITY })
    assert.ok(isBefore(policy, task({ priority: 6, enqueuedMs: 1e12 }), task({ priority: 5, enqueuedMs: 0 })))
    assert.equal(policy.place(task()).rank, policy.place(task({ enqueuedMs: 1 })).rank)
  })
})

describe('sjf', () => {
  test('a job is overtaken only by jobs that arrive within (S - S_min) / aging', () => {
    const ms = fc.integer({ min: 1, max: 1e6 })
    fc.assert(
      fc.property(
        ms,
        ms,
        ms,
        fc.double({ min: 0.001, max: 10, noNaN: true }),
        (long, short, laterBy, aging) => {
          const waiting = task({ estimateMs: long, enqueuedMs: 0 })
          const arriving = task({ estimateMs: short, enqueuedMs: laterBy })
          if (isBefore(sjf({ aging }), arriving, waiting)) assert.ok(laterBy <= (long - short) / aging)
        },
      ),
    )
  })

  test('learns what is not declared, per name; an unknown name is taken for the median', () => {
    const policy = sjf({ aging: 0 })
    for (let n = 0; n < 100; n++) {
      policy.served?.(task({ name: 'quick' }), 1)
      policy.served?.(task({ name: 'slow' }), 10)
      policy.served?.(task({ name: 'middle' }), 5)
    }
    const ranks = ['quick', 'unknown', 'slow'].map((name) => policy.place(task({ name })).rank)
    assert.deepEqual(ranks, [1, 5, 10])
    assert.equal(policy.place(task({ name: 'slow', estimateMs: 2 })).rank, 2)
  })
})

describe('round-robin', () => {
  test('has one flow per key, and charges at most the quantum', () => {
    const policy = roundRobin({ quantumMs: 100 })
    assert.equal(policy.quantumMs, 100)
    assert.deepEqual(policy.place(task({ key: 'a', estimateMs: 30 })).chargeMs, 30)
    assert.deepEqual(policy.place(task({ key: 'a', estimateMs: 5000 })).chargeMs, 100)
    assert.equal(policy.place(task({ key: 'a' })).flow, 'a')
  })
})

describe('the service estimator', () => {
  test('follows a change within some observations', () => {
    const estimator = new ServiceEstimator()
    for (let n = 0; n < 50; n++) estimator.observe('a', 100)
    for (let n = 0; n < 50; n++) estimator.observe('a', 10)
    assert.ok(estimator.estimateMs('a') < 12)
  })

  test('forgets the name that was not seen for longest', () => {
    const estimator = new ServiceEstimator()
    estimator.observe('old', 77)
    estimator.observe('kept', 78)
    for (let n = 0; n < 9_999; n++) {
      estimator.observe(`n${n}`, 1)
      estimator.observe('kept', 78)
    }
    assert.equal(estimator.estimateMs('old'), estimator.estimateMs('never seen'))
    assert.ok(Math.abs(estimator.estimateMs('kept') - 78) < 1e-6)
  })
})

test('at the bounds of its options each policy places tasks of any time exactly', () => {
  const settings: PolicySetting[] = [
    { name: 'priority', agingMs: 1e12 },
    { name: 'priority', agingMs: 1e-6 },
    { name: 'sjf', aging: 1e6 },
    { name: 'round-robin', quantumMs: 1e12, weights: { '': 1e-6 } },
  ]
  const enqueuedMs = 4e12
  for (const setting of settings)
    for (const priority of [0, 9]) {
      const of = { priority, estimateMs: 9e12 }
      const policy = policyOf(setting)
      const first = task({ ...of, enqueuedMs })
      assert.ok(isBefore(policy, first, task({ ...of, enqueuedMs: enqueuedMs + 1 })), JSON.stringify(setting))
      const { flow, chargeMs } = policy.place(first)
      assert.ok(Number.isSafeInteger(policy.flows?.turn(flow, chargeMs) ?? 0))
    }
})

describe('settings that make no sense are refused', () => {
  const refused: [setting: unknown, message: RegExp][] = [
    [{ name: 'lifo' }, /no scheduling policy 'lifo'; there are fcfs, sjf, priority, round-robin/],
    [{ name: 'priority', agingMs: -1 }, /agingMs is -1/],
    [
      { name: 'priority', agingMs: 3e307 },
      /agingMs is 3e\+307; give a number from 0.000001 to 1000000000000/,
    ],
    [{ name: 'sjf', aging: Number.NaN }, /aging is NaN/],
    [{ name: 'sjf', aging: 1e300 }, /aging is 1e\+300/],
    [{ name: 'round-robin', quantumMs: 1e300 }, /quantumMs is 1e\+300/],
    [{ name: 'round-robin', weights: { a: 1e-300 } }, /the weight of 'a' is 1e-300/],
    [{ name: 'round-robin', quantumMs: 0 }, /quantumMs is 0/],
    [{ name: 'round-robin', weights: { a: 0 } }, /the weight of 'a' is 0/],
  ]
  for (const [setting, message] of refused)
    test(JSON.stringify(setting), () => assert.throws(() => policyOf(setting as PolicySetting), message))
})
