import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ConsistentHash } from './consistent-hash.ts'
import { HashModulo, keyOfAddress, keyOfHash } from './hash-modulo.ts'
import type { LoadBalancer } from './load-balancer.ts'
import { WorkerFleet } from './worker-fleet.ts'

const KEYS = 20_000
const keys = Array.from({ length: KEYS }, (_, i) => `order/${i}`)

const ring = (loadFactor = 100): ConsistentHash => new ConsistentHash({ loadFactor, virtualNodes: 100 })

function fleetOf(
  balancer: LoadBalancer,
  workers: number,
  weight: (index: number) => number = () => 1,
): WorkerFleet {
  const fleet = new WorkerFleet(balancer, { ejection: false })
  for (let i = 0; i < workers; i++) fleet.add({ id: `w${i}`, weight: weight(i), capacity: 1e9 }, 0)
  return fleet
}

/** Where each key goes while nothing is in flight. */
const homesIn = (fleet: WorkerFleet): (string | undefined)[] =>
  keys.map((hashKey) => fleet.pick({ hashKey }, 0)?.id)

/** Starts one task for each key. */
function load(fleet: WorkerFleet, taskKeys: readonly string[]): string[] {
  return taskKeys.map((hashKey) => {
    const worker = fleet.pick({ hashKey }, 0)
    assert.ok(worker)
    fleet.started(worker.id, 0)
    return worker.id
  })
}

const inFlightOf = (fleet: WorkerFleet, workers: number): number[] =>
  Array.from({ length: workers }, (_, i) => fleet.get(`w${i}`)?.inFlight ?? 0)

describe('consistent-hash', () => {
  it('spreads keys over 20 workers of 100 places each to within half of the mean', () => {
    const counts = new Map<string | undefined, number>()
    for (const home of homesIn(fleetOf(ring(), 20))) counts.set(home, (counts.get(home) ?? 0) + 1)
    assert.equal(counts.size, 20)
    const shares = [...counts.values()].map((count) => (count * 20) / KEYS)
    assert.ok(Math.max(...shares) < 1.5 && Math.min(...shares) > 0.5, `${shares}`)
  })

  it('moves only the keys of a worker that leaves, and the same ones back when it returns', () => {
    const fleet = fleetOf(ring(), 20)
    const before = homesIn(fleet)
    fleet.remove('w7', 0)
    const without = homesIn(fleet)
    for (const [index, home] of before.entries()) {
      if (home === 'w7') assert.notEqual(without[index], 'w7')
      else assert.equal(without[index], home)
    }
    fleet.add({ id: 'w7', capacity: 1e9 }, 0)
    assert.deepEqual(homesIn(fleet), before)
  })

  it('moves keys only to a worker that joins, about 1/n of them', () => {
    const fleet = fleetOf(ring(), 19)
    const before = homesIn(fleet)
    fleet.add({ id: 'w19', capacity: 1e9 }, 0)
    let moved = 0
    for (const [index, home] of homesIn(fleet).entries()) {
      if (home === before[index]) continue
      assert.equal(home, 'w19')
      moved++
    }
    // One worker's share of 100 places varies by 10 %; half as much again is 5 standard deviations.
    assert.ok(moved > 0.5 * (KEYS / 20) && moved < 1.5 * (KEYS / 20), `${moved} keys moved`)
  })

  it('gives keys in proportion to weights, and follows a change of weight', () => {
    const fleet = fleetOf(ring(), 4, (index) => (index === 0 ? 3 : 1))
    const shareOfFirst = (): number => homesIn(fleet).filter((home) => home === 'w0').length / KEYS
    assert.ok(Math.abs(shareOfFirst() - 0.5) < 0.1, `${shareOfFirst()}`)
    const before = homesIn(fleet)
    fleet.update('w0', { weight: 1 }, 0)
    assert.ok(Math.abs(shareOfFirst() - 0.25) < 0.1, `${shareOfFirst()}`)
    for (const [index, home] of homesIn(fleet).entries())
      if (before[index] !== 'w0') assert.equal(home, before[index])
  })

  for (const loadFactor of [1.05, 1.25, 2]) {
    it(`never loads a worker beyond ceil(c * m / n), c = ${loadFactor}`, () => {
      const workers = 20
      const fleet = fleetOf(ring(loadFactor), workers)
      for (const [started, hashKey] of keys.slice(0, 4000).entries()) {
        load(fleet, [hashKey])
        const bound = Math.ceil((loadFactor * (started + 1)) / workers)
        assert.ok(Math.max(...inFlightOf(fleet, workers)) <= bound)
      }
    })
  }

  it('spills little at c = 1.25, more at 1.05, and only from workers at their bound', () => {
    const homes = homesIn(fleetOf(ring(), 20))
    const spilled = (loadFactor: number): number => {
      const picked = load(fleetOf(ring(loadFactor), 20), keys)
      return picked.filter((id, index) => id !== homes[index]).length / KEYS
    }
    assert.ok(spilled(1.25) < 0.03, `${spilled(1.25)}`)
    assert.ok(spilled(1.05) > spilled(1.25) && spilled(1.05) < 0.15, `${spilled(1.05)}`)
  })

  it('does not let one popular key drown a worker', () => {
    const fleet = fleetOf(ring(1.25), 10)
    load(fleet, new Array<string>(1000).fill('everybody wants this'))
    assert.ok(Math.max(...inFlightOf(fleet, 10)) <= 125, `${inFlightOf(fleet, 10)}`)
  })

  it('holds its bound, by weight, whatever the weights, keys and credits are', () => {
    const worker = fc.record({
      weight: fc.double({ min: 0.1, max: 10, noNaN: true }),
      capacity: fc.integer({ min: 0, max: 20 }),
    })
    fc.assert(
      fc.property(
        fc.array(worker, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(5), { maxLength: 60 }),
        (workers, tasks) => {
          const fleet = new WorkerFleet(ring(1.25))
          for (const [index, each] of workers.entries()) fleet.add({ id: `w${index}`, ...each }, 0)
          for (const task of tasks) {
            const free = workers.flatMap((_, i) => {
              const each = fleet.get(`w${i}`)
              return each !== undefined && each.inFlight < each.capacity ? [each] : []
            })
            const picked = fleet.pick({ hashKey: `key-${task}` }, 0)
            assert.equal(picked === undefined, free.length === 0)
            if (picked === undefined) break
            const inFlight = free.reduce((sum, each) => sum + each.inFlight, 0)
            const weights = free.reduce((sum, each) => sum + each.weight, 0)
            const bound = Math.ceil((1.25 * (inFlight + 1) * picked.weight) / weights + 1e-9)
            assert.ok(free.length === 1 || picked.inFlight + 1 <= bound)
            fleet.started(picked.id, 0)
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('hash', () => {
  it('spreads keys evenly, whatever the order in which workers joined', () => {
    const fleet = fleetOf(new HashModulo(keyOfHash), 10)
    const homes = homesIn(fleet)
    for (let i = 0; i < 10; i++) {
      const count = homes.filter((home) => home === `w${i}`).length
      assert.ok(Math.abs(count - KEYS / 10) < 5 * Math.sqrt(KEYS / 10), `w${i}: ${count}`)
    }
    const other = new WorkerFleet(new HashModulo(keyOfHash))
    for (let i = 9; i >= 0; i--) other.add({ id: `w${i}`, capacity: 1 }, 0)
    assert.deepEqual(homesIn(other), homes)
  })

  it('moves nearly all keys when a worker joins: n of n + 1', () => {
    const fleet = fleetOf(new HashModulo(keyOfHash), 10)
    const before = homesIn(fleet)
    fleet.add({ id: 'w91', capacity: 1 }, 0)
    const moved = homesIn(fleet).filter((home, index) => home !== before[index]).length / KEYS
    assert.ok(Math.abs(moved - 10 / 11) < 0.02, `${moved}`)
  })

  it('moves only the keys of a worker that is full, and spreads them over all others', () => {
    const fleet = fleetOf(new HashModulo(keyOfHash), 10)
    const before = homesIn(fleet)
    fleet.update('w3', { capacity: 0 }, 0)
    const others = new Set<string | undefined>()
    for (const [index, home] of homesIn(fleet).entries()) {
      if (before[index] === 'w3') others.add(home)
      else assert.equal(home, before[index])
    }
    assert.equal(others.size, 9)
  })

  it('sends tasks without a key around all workers', () => {
    for (const balancer of [new HashModulo(keyOfHash), ring()]) {
      const fleet = fleetOf(balancer, 4)
      assert.equal(
        Array.from({ length: 8 }, () => fleet.pick({}, 0)?.id).join(' '),
        'w0 w1 w2 w3 w0 w1 w2 w3',
      )
    }
  })
})

describe('ip-hash', () => {
  it('sends the work of one client to one worker, and that of many to all', () => {
    const fleet = fleetOf(new HashModulo(keyOfAddress), 8)
    const homes = new Set<string | undefined>()
    for (let i = 0; i < 200; i++) {
      const clientAddress = `10.0.${i % 7}.${i}`
      const home = fleet.pick({ clientAddress }, 0)?.id
      assert.equal(fleet.pick({ clientAddress, hashKey: `${i}` }, 0)?.id, home)
      homes.add(home)
    }
    assert.equal(homes.size, 8)
  })

  it('counts callers inside the process as 127.0.0.1', () => {
    const fleet = fleetOf(new HashModulo(keyOfAddress), 8)
    assert.equal(fleet.pick({}, 0), fleet.pick({ clientAddress: '127.0.0.1' }, 0))
  })
})
