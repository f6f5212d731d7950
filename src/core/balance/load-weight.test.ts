import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandomness } from '../../platform/randomness.ts'
import type { WorkerLoad } from './load-balancer.ts'
import { SmoothWeightedRoundRobin } from './smooth-weighted-round-robin.ts'
import { WorkerFleet } from './worker-fleet.ts'

const idle: WorkerLoad = { cpu: 0, eventLoopDelayMs: 0, memory: 0, diskIo: 0, inFlight: 0 }

/** One fleet, and reports of all workers once a second: `loads` by index of the worker. */
function weightsAfter(seconds: number, loads: (index: number, second: number) => WorkerLoad): number[] {
  const balancer = new SmoothWeightedRoundRobin({ weights: 'load', maxFails: 1 })
  const fleet = new WorkerFleet(balancer)
  const workers = ['a', 'b', 'c'].map((id) => fleet.add({ id, capacity: 100 }, 0))
  for (let second = 0; second <= seconds; second++)
    for (const [index, { id }] of workers.entries()) fleet.reported(id, loads(index, second), second * 1000)
  return workers.map((worker) => balancer.weightOf(worker))
}

describe('weights that follow load', () => {
  it('are those of the workers while nobody reports, or all report the same', () => {
    assert.deepEqual(
      weightsAfter(-1, () => idle),
      [1, 1, 1],
    )
    const busy = { cpu: 0.95, eventLoopDelayMs: 70, memory: 0.5, diskIo: 0.8, inFlight: 40 }
    assert.deepEqual(
      weightsAfter(20, () => busy),
      [1, 1, 1],
    )
  })

  const signals: [name: keyof WorkerLoad, usual: number, much: number][] = [
    ['cpu', 0.3, 0.9],
    ['eventLoopDelayMs', 20, 90],
    ['memory', 0.5, 0.97],
    ['diskIo', 0.2, 0.9],
    ['inFlight', 4, 16],
  ]
  for (const [name, usual, much] of signals) {
    it(`fall for a worker with much more ${name} than the others, and only for that one`, () => {
      const [own = 1, ...others] = weightsAfter(5, (index) => ({
        ...idle,
        [name]: index === 0 ? much : usual,
      }))
      assert.ok(own < 0.35, `${own}`)
      assert.ok(own >= 1 / 16)
      assert.deepEqual(others, [1, 1])
    })
  }

  it('ignore differences among workers that are all but idle', () => {
    const weights = weightsAfter(10, (index) => ({
      ...idle,
      cpu: index === 0 ? 0.09 : 0.01,
      eventLoopDelayMs: 9 * index,
    }))
    assert.deepEqual(weights, [1, 1, 1])
  })

  it('rise again, also when a CPU that is busy with something else stays as it is', () => {
    const weights = weightsAfter(30, (index, second) => {
      const slow = index === 0 && second < 20
      return { ...idle, cpu: 0.3, inFlight: slow ? 40 : index === 0 ? 3 : 10 }
    })
    assert.ok((weights[0] ?? 0) > 0.9, `${weights}`)
  })

  it('forget workers that have left', () => {
    const balancer = new SmoothWeightedRoundRobin({ weights: 'load', maxFails: 1 })
    const fleet = new WorkerFleet(balancer)
    const a = fleet.add({ id: 'a', capacity: 1 }, 0)
    fleet.add({ id: 'b', capacity: 1 }, 0)
    fleet.reported('b', idle, 0)
    fleet.remove('b', 0)
    for (let second = 0; second < 10; second++)
      fleet.reported('a', { ...idle, cpu: 1, inFlight: 50 }, second * 1000)
    assert.equal(balancer.weightOf(a), 1)
  })
})

interface Model {
  readonly workers: number
  readonly cores: number
  /** Of the time of the cores, while all workers are healthy. */
  readonly utilization: number
  readonly serviceMs: number
  /** Tasks wait for something outside, and any number of them at once: only tasks in flight show that a worker is slow. */
  readonly waiting: boolean
}

const SLOWED_MS = 10_000
const RECOVERED_MS = 40_000

/**
 * Simulated time: tasks arrive at random and take random times on first come, first served cores. Worker 0 is slowed
 * 4 times from 10 s to 40 s. Each worker reports once a second what it measured.
 * @returns for each second, the picks of worker 0 to those of a healthy one
 */
class SlowWorker {
  private readonly model: Model
  private readonly random = seededRandomness(7)
  private readonly fleet: WorkerFleet
  private readonly workers: {
    readonly id: string
    readonly busyUntilMs: number[]
    busyMs: number
    picks: number
  }[] = []
  private readonly ends = new Map<number, { readonly id: string; readonly durationMs: number }[]>()
  private nextArrivalMs = 0

  constructor(model: Model) {
    this.model = model
    this.fleet = new WorkerFleet(new SmoothWeightedRoundRobin({ weights: 'load', maxFails: 1 }))
    for (let i = 0; i < model.workers; i++) {
      const { id } = this.fleet.add({ id: `w${i}`, capacity: 10_000 }, 0)
      this.workers.push({ id, busyUntilMs: new Array<number>(model.cores).fill(0), busyMs: 0, picks: 0 })
    }
  }

  shares(seconds: number): number[] {
    const shares: number[] = []
    for (let now = 0; now < seconds * 1000; now++) {
      for (const { id, durationMs } of this.ends.get(now) ?? [])
        this.fleet.finished(id, { durationMs, failed: false }, now)
      this.ends.delete(now)
      this.arrivals(now)
      if (now % 1000 !== 999) continue
      this.report(now)
      const [own, ...others] = this.workers.map(({ picks }) => picks)
      shares.push((own ?? 0) / (others.reduce((sum, picks) => sum + picks, 0) / others.length))
      for (const worker of this.workers) worker.picks = 0
    }
    return shares
  }

  private exponential(meanMs: number): number {
    return -Math.log(1 - this.random()) * meanMs
  }

  private arrivals(now: number): void {
    const { workers, cores, utilization, serviceMs } = this.model
    for (
      ;
      this.nextArrivalMs <= now;
      this.nextArrivalMs += this.exponential(serviceMs / (workers * cores * utilization))
    )
      this.arrive(now)
    for (const worker of this.workers)
      for (const busyUntilMs of worker.busyUntilMs) if (busyUntilMs > now) worker.busyMs++
  }

  private arrive(now: number): void {
    const { serviceMs, waiting } = this.model
    const picked = this.fleet.pick({}, now)
    const worker = this.workers[picked?.slot ?? -1]
    assert.ok(picked !== undefined && worker !== undefined)
    this.fleet.started(picked.id, now)
    worker.picks++
    const isSlow = picked.slot === 0 && now >= SLOWED_MS && now < RECOVERED_MS
    const durationMs = this.exponential(serviceMs * (isSlow ? 4 : 1))
    const free = Math.min(...worker.busyUntilMs)
    const endMs = waiting ? now + durationMs : Math.max(free, now) + durationMs
    if (!waiting) worker.busyUntilMs[worker.busyUntilMs.indexOf(free)] = endMs
    const tick = Math.max(now + 1, Math.ceil(endMs))
    const ends = this.ends.get(tick) ?? []
    ends.push({ id: picked.id, durationMs: endMs - now })
    this.ends.set(tick, ends)
  }

  private report(now: number): void {
    for (const worker of this.workers) {
      const cpu = Math.min(1, worker.busyMs / 1000 / this.model.cores)
      const eventLoopDelayMs = (cpu > 0.95 ? 40 : 5) * this.random()
      const inFlight = this.fleet.get(worker.id)?.inFlight ?? 0
      this.fleet.reported(worker.id, { cpu, eventLoopDelayMs, memory: 0.5, diskIo: 0, inFlight }, now)
      worker.busyMs = 0
    }
  }
}

describe('a worker that is slowed 4 times', () => {
  const models: Model[] = [
    { workers: 4, cores: 4, utilization: 0.5, serviceMs: 10, waiting: false },
    { workers: 4, cores: 4, utilization: 0.2, serviceMs: 5, waiting: false },
    { workers: 16, cores: 1, utilization: 0.5, serviceMs: 5, waiting: false },
    { workers: 8, cores: 8, utilization: 0.5, serviceMs: 50, waiting: true },
  ]
  for (const model of models) {
    it(`has a third of a healthy share within 5 s, and all of it within 10 s of recovering: ${JSON.stringify(model)}`, () => {
      const shares = new SlowWorker(model).shares(60)
      const mean = (from: number, to: number): number =>
        shares.slice(from, to).reduce((sum, share) => sum + share, 0) / (to - from)
      const all = shares.map((share) => share.toFixed(2)).join(' ')
      assert.ok(Math.abs(mean(2, 10) - 1) < 0.2, `healthy: ${all}`)
      assert.ok(mean(14, 15) <= 1 / 3, `in the fifth second: ${all}`)
      assert.ok(mean(15, 40) <= 1 / 3, `while slow: ${all}`)
      assert.ok(mean(47, 50) >= 0.8, `before the tenth second is over: ${all}`)
      assert.ok(Math.abs(mean(50, 60) - 1) < 0.2, `healthy again: ${all}`)
    })
  }
})
