import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createBalancer } from './balancers.ts'
import type { LoadBalancer, PickRequest } from './load-balancer.ts'
import { RoundRobin } from './round-robin.ts'
import { type FleetOptions, WorkerFleet } from './worker-fleet.ts'

function fleetOf(workers: string, options: FleetOptions = {}): WorkerFleet {
  const fleet = new WorkerFleet(new RoundRobin(), options)
  // `id` or `id@zone`, each with one credit.
  for (const text of workers.split(' ')) {
    const [id = '', zone] = text.split('@')
    fleet.add({ id, capacity: 1, ...(zone === undefined ? {} : { zone }) }, 0)
  }
  return fleet
}

/** Picks and starts. */
function give(fleet: WorkerFleet, request: PickRequest = {}, nowMs = 0): string | undefined {
  const worker = fleet.pick(request, nowMs)
  if (worker !== undefined) assert.ok(fleet.started(worker.id, nowMs))
  return worker?.id
}

const done = { durationMs: 1, failed: false }

describe('credits', () => {
  it('are never exceeded, and each that comes back is used', () => {
    const fleet = fleetOf('a b')
    assert.deepEqual([give(fleet), give(fleet), give(fleet)], ['a', 'b', undefined])
    assert.equal(fleet.candidateCount, 0)
    fleet.finished('b', done, 0)
    assert.deepEqual([give(fleet), give(fleet)], ['b', undefined])
  })

  it('change at run time, also below what is in flight', () => {
    const fleet = fleetOf('a')
    fleet.update('a', { capacity: 3 }, 0)
    assert.deepEqual([give(fleet), give(fleet)], ['a', 'a'])
    fleet.update('a', { capacity: 1 }, 0)
    fleet.finished('a', done, 0)
    assert.equal(give(fleet), undefined)
    fleet.finished('a', done, 0)
    assert.equal(give(fleet), 'a')
  })

  it('of a worker that has left or never came are told apart', () => {
    const fleet = fleetOf('a')
    give(fleet)
    assert.ok(fleet.remove('a', 0))
    const answers = [
      fleet.finished('a', done, 0),
      fleet.started('a', 0),
      fleet.remove('a', 0),
      fleet.update('a', { capacity: 2 }, 0),
      fleet.reported('a', { cpu: 0, eventLoopDelayMs: 0, memory: 0, diskIo: 0, inFlight: 0 }, 0),
    ]
    assert.deepEqual(answers, [false, false, false, false, false])
    fleet.add({ id: 'a', capacity: 1 }, 0)
    assert.throws(() => fleet.finished('a', done, 0), /invariant/)
  })
})

describe('tasks that not every worker can run', () => {
  const hasGpu: PickRequest = { accepts: ({ labels }) => labels.gpu === 'yes' }

  it('go only to those that accept them', () => {
    const fleet = fleetOf('a b')
    fleet.add({ id: 'c', capacity: 2, labels: { gpu: 'yes' } }, 0)
    assert.deepEqual([give(fleet, hasGpu), give(fleet, hasGpu), give(fleet, hasGpu)], ['c', 'c', undefined])
    assert.deepEqual([give(fleet), give(fleet)], ['a', 'b'])
  })
})

describe('affinity', () => {
  const cart: PickRequest = { affinityKey: 'cart-7' }

  it('keeps a key on its worker while that lives, and waits for it when it is full', () => {
    const fleet = fleetOf('a b c')
    assert.equal(give(fleet, cart), 'a')
    assert.equal(give(fleet, cart), undefined)
    assert.equal(give(fleet), 'b')
    fleet.finished('a', done, 0)
    assert.equal(give(fleet, cart), 'a')
  })

  it('goes elsewhere for once with `prefer`', () => {
    const fleet = fleetOf('a b c', { affinity: 'prefer' })
    assert.deepEqual([give(fleet, cart), give(fleet, cart)], ['a', 'b'])
    fleet.finished('a', done, 0)
    assert.equal(give(fleet, cart), 'a')
  })

  it('moves when the worker has left, also when one of the same name comes back', () => {
    const fleet = fleetOf('a b c')
    give(fleet, cart)
    fleet.remove('a', 0)
    assert.equal(fleet.pick(cart, 0)?.id, 'b')
    fleet.add({ id: 'a', capacity: 1 }, 0)
    for (let i = 0; i < 5; i++) assert.equal(fleet.pick(cart, 0)?.id, 'b')
  })

  it('waits for a worker that is ejected', () => {
    const fleet = fleetOf('a b c', { ejection: { consecutiveFailures: 1 } })
    give(fleet, cart)
    fleet.finished('a', { durationMs: 1, failed: true }, 0)
    assert.equal(give(fleet, cart), undefined)
    assert.equal(give(fleet, cart, fleet.nextReturnMs), 'a')
  })

  it('moves to a worker that can run the task', () => {
    const fleet = fleetOf('a b c')
    give(fleet, cart)
    const notA: PickRequest = { ...cart, accepts: ({ id }) => id !== 'a' }
    assert.equal(fleet.pick(notA, 0)?.id, 'b')
    assert.equal(fleet.pick(cart, 0)?.id, 'b')
  })

  it('remembers a bounded number of keys, and forgets the one not used for longest', () => {
    const fleet = fleetOf('a b c d', { affinityKeysMax: 2 })
    const pick = (affinityKey: string): string | undefined => fleet.pick({ affinityKey }, 0)?.id
    assert.deepEqual(['x', 'y', 'x', 'z'].map(pick), ['a', 'b', 'a', 'c'])
    assert.deepEqual(['x', 'z', 'y'].map(pick), ['a', 'c', 'd'])
  })
})

describe('zones', () => {
  it('are used nearest first, and the others when those are full', () => {
    const fleet = fleetOf('a@far b@near c d@mid e@near', { zones: ['near', 'mid'] })
    assert.deepEqual(
      Array.from({ length: 6 }, () => give(fleet)),
      ['b', 'e', 'd', 'a', 'c', undefined],
    )
    fleet.finished('a', done, 0)
    fleet.finished('e', done, 0)
    assert.equal(give(fleet), 'e')
  })

  it('are left for tasks that no worker there accepts', () => {
    const fleet = fleetOf('a@far b@near', { zones: ['near'] })
    assert.equal(give(fleet, { accepts: ({ id }) => id === 'a' }), 'a')
  })

  it('count an ejected worker as full', () => {
    const fleet = fleetOf('a@far b@near', { zones: ['near'], ejection: { consecutiveFailures: 1 } })
    give(fleet)
    fleet.finished('b', { durationMs: 1, failed: true }, 0)
    assert.equal(give(fleet), 'a')
  })
})

describe('what is refused', () => {
  it('ids that are here already, weights and capacities that are none, more workers than the bound', () => {
    const fleet = fleetOf('a b', { workersMax: 3 })
    const refused: [spec: Parameters<WorkerFleet['add']>[0], code: string][] = [
      [{ id: 'a', capacity: 1 }, 'ARGUMENT_INVALID'],
      [{ id: 'x', capacity: -1 }, 'ARGUMENT_INVALID'],
      [{ id: 'x', capacity: Number.NaN }, 'ARGUMENT_INVALID'],
      [{ id: 'x', capacity: 1, weight: 0 }, 'ARGUMENT_INVALID'],
      [{ id: 'x', capacity: 1, weight: 1001 }, 'ARGUMENT_INVALID'],
    ]
    for (const [spec, code] of refused) assert.throws(() => fleet.add(spec, 0), { code })
    assert.throws(() => fleet.update('a', { weight: Number.NaN }, 0), { code: 'ARGUMENT_INVALID' })
    fleet.add({ id: 'c', capacity: 1 }, 0)
    assert.throws(() => fleet.add({ id: 'd', capacity: 1 }, 0), { code: 'OVERLOADED' })
  })

  it('options out of their bounds', () => {
    const refused: FleetOptions[] = [
      { workersMax: 0 },
      { affinityKeysMax: Number.NaN },
      { ejection: { intervalMs: 0 } },
      { ejection: { maxEjectedShare: -0.1 } },
      { ejection: { successRate: { workersMin: 5, requestsMin: 100, deviations: Number.NaN } } },
    ]
    for (const options of refused) assert.throws(() => fleetOf('a', options), { code: 'ARGUMENT_INVALID' })
    assert.ok(fleetOf('a', { ejection: { successRate: false } }))
  })

  it('reports that are no numbers of 0 or more', () => {
    const fleet = fleetOf('a')
    const load = { cpu: 0.5, eventLoopDelayMs: 1, memory: 0.5, diskIo: 0, inFlight: 0 }
    assert.ok(fleet.reported('a', load, 0))
    for (const bad of [Number.NaN, -1, Number.POSITIVE_INFINITY])
      assert.throws(() => fleet.reported('a', { ...load, cpu: bad }, 0), { code: 'ARGUMENT_INVALID' })
  })

  it('a balancer that picks a worker it was not offered', () => {
    const first: { worker?: ReturnType<LoadBalancer['pick']> } = {}
    const stubborn: LoadBalancer = {
      pick: (candidates) => {
        first.worker ??= candidates.at(0)
        return first.worker
      },
    }
    const fleet = new WorkerFleet(stubborn)
    for (const id of ['a', 'b']) fleet.add({ id, capacity: 1 }, 0)
    give(fleet)
    assert.throws(() => fleet.pick({}, 0), /invariant: .*'a'/)
  })
})

describe('time', () => {
  it('never falls for the balancer', () => {
    const times: number[] = []
    const fleet = new WorkerFleet({
      pick: (candidates, _request, nowMs) => {
        times.push(nowMs)
        return candidates.at(0)
      },
    })
    fleet.add({ id: 'a', capacity: 1 }, 5)
    for (const now of [10, 7, 11]) fleet.pick({}, now)
    assert.deepEqual(times, [10, 10, 11])
  })
})

describe('load balancers by name', () => {
  it('are all known, with options that are checked', () => {
    const create = (name: string, options = {}) => createBalancer(name, options, () => 0)
    assert.throws(() => create('fastest'), /'fastest'; there are random, round-robin, .*consistent-hash/)
    assert.throws(() => create('toString'), { code: 'ARGUMENT_INVALID' })
    assert.throws(() => create('hash', { c: 1 }), /hash has no option 'c'; its options: none/)
    assert.throws(() => create('consistent-hash', { c: 1 }), /its options: loadFactor, virtualNodes/)
    assert.throws(() => create('consistent-hash', { loadFactor: 1 }), /from 1.01 to 100/)
    assert.throws(() => create('peak-ewma', { decayMs: Number.NaN }), /'NaN'/)
    assert.throws(() => create('peak-ewma', { decayMs: '5' }), /'5'/)
    assert.throws(() => create('weighted-round-robin', { weights: 'auto' }), /not one of load, static/)
  })
})

describe('another balancer', () => {
  it('is told of all workers and of what they run, and picks from then on', () => {
    const fleet = fleetOf('a b')
    fleet.update('a', { capacity: 9 }, 0)
    fleet.update('b', { capacity: 9 }, 0)
    assert.deepEqual([give(fleet), give(fleet), give(fleet)], ['a', 'b', 'a'])
    const told: string[] = []
    const balancer: LoadBalancer = {
      pick: (candidates) => candidates.from(1),
      added: ({ id }) => void told.push(`added ${id}`),
      started: ({ id, inFlight }) => void told.push(`started ${id} of ${inFlight}`),
      finished: ({ id }) => void told.push(`finished ${id}`),
    }
    fleet.balanceBy(balancer, 0)
    assert.deepEqual(told.splice(0), [
      'added a',
      'started a of 2',
      'started a of 2',
      'added b',
      'started b of 1',
    ])
    assert.equal(give(fleet), 'b')
    fleet.finished('a', done, 0)
    assert.deepEqual(told, ['started b of 2', 'finished a'])
  })
})
