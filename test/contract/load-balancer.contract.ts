/** What every load balancer promises, the shipped ones and users' own: the same cases run on each of them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type {
  BalancedWorker,
  LoadBalancer,
  PickRequest,
  Random,
} from '../../src/core/balance/load-balancer.ts'
import { WorkerFleet } from '../../src/core/balance/worker-fleet.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'

export interface BalancerPromises {
  /** With all workers free, each gets exactly as many of a cycle of picks as its weight says (`weights`), or one (`equal`). */
  readonly cycle?: 'weights' | 'equal'
  /** Within so many picks per worker each gets one, while tasks without a key start and finish. Default: chance decides. */
  readonly everyWorkerWithin?: number
  /** The same key goes to the same worker while the candidates stay the same and nothing is in flight. */
  readonly sticky?: 'hashKey' | 'clientAddress'
}

export type CreateBalancer = (random: Random) => LoadBalancer

type Action =
  | {
      readonly kind: 'add'
      readonly worker: number
      readonly capacity: number
      readonly weight: number
      readonly zone: number
    }
  | { readonly kind: 'remove' | 'start' | 'finish' | 'fail' | 'load'; readonly worker: number }
  | { readonly kind: 'capacity' | 'weight'; readonly worker: number; readonly value: number }
  | { readonly kind: 'switch'; readonly worker: number }
  | { readonly kind: 'pick'; readonly worker: number; readonly only: 'all' | 'even' }

const workerNumber = fc.nat(7)
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    worker: workerNumber,
    capacity: fc.nat(3),
    weight: fc.integer({ min: 1, max: 5 }),
    zone: fc.nat(2),
  }),
  fc.record({
    kind: fc.constantFrom(
      'remove' as const,
      'start' as const,
      'finish' as const,
      'fail' as const,
      'load' as const,
    ),
    worker: workerNumber,
  }),
  // Another balancer takes over, in the middle of things.
  fc.record({ kind: fc.constant('switch' as const), worker: workerNumber }),
  fc.record({
    kind: fc.constantFrom('capacity' as const, 'weight' as const),
    worker: workerNumber,
    value: fc.integer({ min: 1, max: 4 }),
  }),
  {
    arbitrary: fc.record({
      kind: fc.constant('pick' as const),
      worker: workerNumber,
      only: fc.constantFrom('all' as const, 'even' as const),
    }),
    weight: 5,
  },
)

/** Who may be picked, kept by hand beside the fleet. */
interface ModelWorker {
  readonly id: string
  readonly isEven: boolean
  readonly zone: number
  capacity: number
  inFlight: number
}

const done = { durationMs: 10, failed: false }

class Walk {
  private readonly fleet: WorkerFleet
  private readonly model = new Map<string, ModelWorker>()
  private nowMs = 0

  private readonly create: () => LoadBalancer

  constructor(create: () => LoadBalancer) {
    this.create = create
    this.fleet = new WorkerFleet(create(), { ejection: false, zones: ['zone-0', 'zone-1'] })
  }

  step(action: Action): void {
    this.nowMs += 7
    const id = `worker-${action.worker}`
    const known = this.model.get(id)
    if (action.kind === 'add') this.add(id, action)
    else if (action.kind === 'switch') this.fleet.balanceBy(this.create(), this.nowMs)
    else if (action.kind === 'pick') this.pick(action.only, `key-${action.worker}`)
    else if (action.kind === 'remove') assert.equal(this.fleet.remove(id, this.nowMs), this.model.delete(id))
    else if (known !== undefined) this.change(known, action)
  }

  private add(id: string, { worker, capacity, weight, zone }: Action & { readonly kind: 'add' }): void {
    if (this.model.has(id)) return
    this.fleet.add({ id, capacity, weight, zone: `zone-${zone}` }, this.nowMs)
    this.model.set(id, { id, isEven: worker % 2 === 0, zone, capacity, inFlight: 0 })
  }

  private change(known: ModelWorker, action: Action): void {
    const { fleet, nowMs } = this
    const { id } = known
    if (action.kind === 'start') {
      fleet.started(id, nowMs)
      known.inFlight++
    } else if ((action.kind === 'finish' || action.kind === 'fail') && known.inFlight > 0) {
      fleet.finished(id, { durationMs: 5 + (nowMs % 90), failed: action.kind === 'fail' }, nowMs)
      known.inFlight--
    } else if (action.kind === 'capacity') {
      known.capacity = action.value
      fleet.update(id, { capacity: action.value }, nowMs)
    } else if (action.kind === 'weight') fleet.update(id, { weight: action.value / 2 }, nowMs)
    else if (action.kind === 'load') {
      const cpu = (nowMs % 100) / 100
      fleet.reported(id, { cpu, eventLoopDelayMs: cpu * 50, memory: cpu, diskIo: 0, inFlight: 3 }, nowMs)
    }
  }

  private pick(only: 'all' | 'even', key: string): void {
    const isAccepted =
      only === 'all'
        ? (): boolean => true
        : ({ id }: BalancedWorker): boolean => this.model.get(id)?.isEven === true
    const eligible = [...this.model.values()].filter(
      ({ capacity, inFlight, isEven }) => inFlight < capacity && (only === 'all' || isEven),
    )
    const request: PickRequest = {
      ...(key.endsWith('0') ? {} : { hashKey: key, clientAddress: key }),
      ...(only === 'all' ? {} : { accepts: isAccepted }),
    }
    const picked = this.fleet.pick(request, this.nowMs)
    if (eligible.length === 0) return assert.equal(picked, undefined)
    const nearest = Math.min(...eligible.map(({ zone }) => zone))
    const chosen = eligible.find(({ id }) => id === picked?.id)
    assert.ok(chosen, `${picked?.id} is not eligible`)
    assert.equal(chosen.zone, nearest)
    chosen.inFlight++
    this.fleet.started(chosen.id, this.nowMs)
    assert.equal(picked?.inFlight, chosen.inFlight)
  }
}

function fleetOf(create: CreateBalancer, weights: readonly number[], capacity: number): WorkerFleet {
  const fleet = new WorkerFleet(create(seededRandomness(5)), { ejection: false })
  for (const [index, weight] of weights.entries()) fleet.add({ id: `worker-${index}`, weight, capacity }, 0)
  return fleet
}

const pickId = (fleet: WorkerFleet, request: PickRequest, nowMs = 0): string => {
  const worker = fleet.pick(request, nowMs)
  assert.ok(worker)
  return worker.id
}

export function describeBalancer(name: string, create: CreateBalancer, promises: BalancerPromises): void {
  describe(`load balancer ${name}`, () => {
    test('picks a worker that can be picked whenever there is one, while workers come, go and change', () => {
      fc.assert(
        fc.property(fc.array(action, { maxLength: 150 }), fc.integer(), (actions, seed) => {
          const walk = new Walk(() => create(seededRandomness(seed)))
          for (const each of actions) walk.step(each)
        }),
        { numRuns: 150 },
      )
    })

    test('uses every credit of a fleet that is backlogged, and no more', () => {
      const fleet = fleetOf(create, [1, 2, 3, 1], 3)
      for (let task = 0; task < 12; task++) fleet.started(pickId(fleet, { hashKey: `${task % 3}` }), 0)
      assert.equal(fleet.pick({ hashKey: '1' }, 0), undefined)
      for (let task = 0; task < 50; task++) {
        const id = `worker-${(task * 7) % 4}`
        fleet.finished(id, done, task)
        assert.equal(pickId(fleet, { hashKey: `${task}` }, task), id)
        fleet.started(id, task)
      }
    })

    test('does the same again with the same randomness', () => {
      const run = (): string => {
        const fleet = fleetOf(create, [3, 1, 2], 40)
        const ids: string[] = []
        for (let task = 0; task < 60; task++) {
          const id = pickId(fleet, { hashKey: `${task % 9}`, clientAddress: `10.0.0.${task % 5}` }, task * 10)
          fleet.started(id, task * 10)
          ids.push(id)
          if (task % 3 === 2) fleet.finished(id, { durationMs: task, failed: task % 7 === 0 }, task * 10)
        }
        return ids.join()
      }
      assert.equal(run(), run())
    })

    if (promises.cycle !== undefined) describeCycle(create, promises.cycle)
    if (promises.everyWorkerWithin !== undefined) describeProgress(create, promises.everyWorkerWithin)
    if (promises.sticky !== undefined) describeKeys(create, promises.sticky)
  })
}

function describeCycle(create: CreateBalancer, cycle: 'weights' | 'equal'): void {
  test('has exact counts in each cycle', () => {
    const weights = [5, 1, 3, 2]
    const expected = cycle === 'weights' ? weights : weights.map(() => 1)
    const fleet = fleetOf(create, weights, 1)
    for (let round = 0; round < 4; round++) {
      const counts = weights.map(() => 0)
      for (let i = expected.reduce((sum, count) => sum + count); i > 0; i--) {
        const index = Number(pickId(fleet, {}).slice('worker-'.length))
        counts[index] = (counts[index] ?? 0) + 1
      }
      assert.deepEqual(counts, expected)
    }
  })
}

function describeProgress(create: CreateBalancer, picksPerWorker: number): void {
  test(`starves nobody: every worker is picked within ${picksPerWorker} picks per worker`, () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 }), (weights) => {
        const tasks = 60 * weights.length
        // Every third task stays. Where a cycle of picks is a multiple of three, all that stay can be one worker's,
        // and one that is full waits for a credit, not for its turn: so each has credits for all.
        const fleet = fleetOf(create, weights, tasks)
        const waiting = new Map(weights.map((_, index) => [`worker-${index}`, 0]))
        for (let task = 0; task < tasks; task++) {
          const id = pickId(fleet, {}, task)
          fleet.started(id, task)
          for (const each of waiting.keys()) waiting.set(each, (waiting.get(each) ?? 0) + 1)
          waiting.set(id, 0)
          if (task % 3 !== 0) fleet.finished(id, done, task)
          const longest = Math.max(...waiting.values())
          assert.ok(longest <= picksPerWorker * weights.length, `one waits for ${longest} picks: ${weights}`)
        }
      }),
      { numRuns: 50, examples: [[[1, 1, 1, 1, 1, 4]]] },
    )
  })
}

function describeKeys(create: CreateBalancer, sticky: 'hashKey' | 'clientAddress'): void {
  test(`sends the same ${sticky} to the same worker, and different ones to all`, () => {
    const fleet = fleetOf(create, [1, 1, 1, 1, 1], 10)
    const keys = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`)
    const homes = keys.map((key) => pickId(fleet, { [sticky]: key }))
    assert.equal(new Set(homes).size, 5)
    for (const [index, key] of keys.entries()) assert.equal(pickId(fleet, { [sticky]: key }), homes[index])
  })
}
