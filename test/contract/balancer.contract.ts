/** What every load balancer keeps, shipped or a user's own: run with a factory of new balancers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { LoadBalancer, Random } from '../../src/core/balance/load-balancer.ts'
import { WorkerFleet } from '../../src/core/balance/worker-fleet.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'

type Move =
  | { readonly kind: 'add'; readonly capacity: number; readonly weight: number; readonly zone: string }
  | { readonly kind: 'remove' | 'drain' | 'report'; readonly nth: number }
  | { readonly kind: 'pick'; readonly key: number; readonly onlyEven: boolean; readonly sticks: boolean }
  | { readonly kind: 'finish'; readonly nth: number; readonly failed: boolean }

const nth = fc.nat(1000)
const MOVE: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      capacity: fc.nat(3),
      weight: fc.integer({ min: 1, max: 5 }),
      zone: fc.constantFrom('near', 'far'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('remove' as const, 'drain' as const, 'report' as const),
      nth,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('pick' as const),
      key: fc.nat(20),
      onlyEven: fc.boolean(),
      sticks: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      nth,
      failed: fc.constantFrom(false, false, true),
    }),
  },
)

export function balancerContract(name: string, create: (random: Random) => LoadBalancer): void {
  describe(`balancer ${name}`, () => {
    test('picks a worker that has room, lives and accepts the task; nothing if, and only if, there is none', () => {
      fc.assert(
        fc.property(fc.array(MOVE, { maxLength: 250, size: 'max' }), (moves) => {
          const driven = new Driven(create(seededRandomness(1)))
          for (const move of moves) driven.move(move)
        }),
        { numRuns: 150 },
      )
    })

    test('does the same when it is told the same', () => {
      fc.assert(
        fc.property(fc.array(MOVE, { maxLength: 80 }), (moves) => {
          const picks = [1, 2].map(() => {
            const driven = new Driven(create(seededRandomness(7)))
            for (const move of moves) driven.move(move)
            return driven.picks
          })
          assert.deepEqual(picks[0], picks[1])
        }),
      )
    })

    test('leaves no worker without tasks for ever, while many keys come', () => {
      const fleet = new WorkerFleet(create(seededRandomness(3)))
      for (let i = 0; i < 8; i++) fleet.add({ id: `w${i}`, capacity: 1_000_000 }, 0)
      const counts = new Map<string, number>()
      for (let n = 0; n < 20_000; n++) {
        const address = `10.0.${n % 250}.${(n * 7) % 250}`
        const worker = fleet.pick({ hashKey: `key-${n % 5000}`, clientAddress: address }, n)
        assert.ok(worker !== undefined)
        fleet.started(worker.id, n)
        fleet.finished(worker.id, { durationMs: 5, failed: false }, n)
        counts.set(worker.id, (counts.get(worker.id) ?? 0) + 1)
      }
      assert.equal(counts.size, 8, JSON.stringify([...counts]))
    })
  })
}

class Driven {
  readonly picks: (string | undefined)[] = []
  readonly #fleet: WorkerFleet
  readonly #live: string[] = []
  readonly #running: string[] = []
  #workers = 0
  #nowMs = 0

  constructor(balancer: LoadBalancer) {
    this.#fleet = new WorkerFleet(balancer, { zones: ['near'] })
  }

  move(move: Move): void {
    this.#nowMs += 37
    const now = this.#nowMs
    switch (move.kind) {
      case 'add': {
        const { capacity, weight, zone } = move
        const id = `w${this.#workers++}`
        this.#fleet.add({ id, capacity, weight, zone }, now)
        this.#live.push(id)
        return
      }
      case 'remove': {
        const [id] = this.#live.splice(move.nth % Math.max(1, this.#live.length), 1)
        if (id !== undefined) assert.equal(this.#fleet.remove(id, now), true)
        return
      }
      case 'drain':
      case 'report': {
        const id = this.#live[move.nth % Math.max(1, this.#live.length)]
        if (id === undefined) return
        if (move.kind === 'drain')
          this.#fleet.update(id, { capacity: move.nth % 3, weight: 1 + (move.nth % 4) }, now)
        else
          this.#fleet.reported(
            id,
            {
              cpu: (move.nth % 10) / 10,
              eventLoopDelayMs: move.nth % 50,
              memory: 0.5,
              diskIo: 0,
              inFlight: 1,
            },
            now,
          )
        return
      }
      case 'pick':
        this.#pick(move)
        return
      case 'finish': {
        const [id] = this.#running.splice(move.nth % Math.max(1, this.#running.length), 1)
        if (id === undefined) return
        const isLive = this.#live.includes(id)
        assert.equal(
          this.#fleet.finished(id, { durationMs: 10 + move.nth, failed: move.failed }, now),
          isLive,
        )
      }
    }
  }

  #pick({ key, onlyEven, sticks }: Extract<Move, { kind: 'pick' }>): void {
    const accepts = (worker: { readonly id: string }): boolean =>
      !onlyEven || Number(worker.id.slice(1)) % 2 === 0
    const request = {
      hashKey: `k${key}`,
      clientAddress: `10.0.0.${key}`,
      accepts,
      ...(sticks ? { affinityKey: `a${key % 3}` } : {}),
    }
    const worker = this.#fleet.pick(request, this.#nowMs)
    this.picks.push(worker?.id)
    const possible = this.#live.filter((id) => this.#canRun(id) && accepts({ id }))
    if (worker === undefined) {
      // One that sticks to a worker without room waits for it.
      if (!sticks) assert.deepEqual(possible, [])
      return
    }
    assert.ok(possible.includes(worker.id), `${worker.id} was picked, and ${possible.join()} could be`)
    const near = possible.filter((id) => this.#fleet.get(id)?.zone === 'near')
    if (!sticks && near.length > 0) assert.equal(worker.zone, 'near')
    this.#fleet.started(worker.id, this.#nowMs)
    this.#running.push(worker.id)
  }

  #canRun(id: string): boolean {
    const worker = this.#fleet.get(id)
    return worker !== undefined && worker.inFlight < worker.capacity && !this.#fleet.isEjected(id)
  }
}
