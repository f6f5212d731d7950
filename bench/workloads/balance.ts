/**
 * What load balancers do with a fleet in which one worker is slow. Simulated time and seeded randomness: the same figures on
 * every machine.
 *
 * 16 workers of 8 cores each take tasks first come, first served; tasks last 100 ms on average (exponential), 4 times as long on
 * the slow worker; they arrive at random and keep 60 % of a healthy fleet busy. Each carries one of 2,000 keys and comes from
 * one of 500 addresses. Workers grant 64 credits and report once a second. The first 20 of 80 seconds are not counted.
 */
import { createBalancer } from '../../src/core/balance/balancers.ts'
import { WorkerFleet } from '../../src/core/balance/worker-fleet.ts'
import { seededRandomness } from '../../src/platform/randomness.ts'
import { BALANCER_NAMES } from '../../src/protocol/queue-settings.ts'
import { markdownTable, type TableWorkload } from './table-workload.ts'

const WORKERS = 16
const CORES = 8
const CREDITS = 64
const TASK_MS = 100
const UTILIZATION = 0.6
const SLOWDOWN = 4
const KEYS = 2000
const ADDRESSES = 500
const END_MS = 80_000
const COUNTED_FROM_MS = 20_000

interface BalanceRow {
  readonly workload: 'balance'
  readonly name: string
  /** Tasks of the slow worker to those of another one. */
  readonly slowShare: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of a healthy worker, at any time. */
  readonly inFlightMax: number
  /** Share of keys that go elsewhere after a 17th worker has joined; without tasks in flight. */
  readonly movedKeys: number | null
}

export const balance: TableWorkload<BalanceRow> = {
  name: 'balance',
  about: `${WORKERS} workers, one of them ${SLOWDOWN} times slower, in simulated time: what each load balancer makes of it`,
  rows: async function* ({ progress }) {
    for (const name of BALANCER_NAMES) {
      progress(`balance, ${name}`)
      yield { ...new SlowWorkerRun(name).run(), movedKeys: movedKeysOf(name) }
    }
  },
  tableOf: (rows) =>
    markdownTable(
      [
        'load balancer',
        'share of the slow worker',
        'p50 ms',
        'p99 ms',
        'most in flight',
        'keys moved by a join',
      ],
      rows.map(({ name, slowShare, p50Ms, p99Ms, inFlightMax, movedKeys }) => [
        `\`${name}\``,
        slowShare.toFixed(2),
        `${p50Ms}`,
        `${p99Ms}`,
        `${inFlightMax}`,
        movedKeys === null ? '' : `${(movedKeys * 100).toFixed(0)} %`,
      ]),
    ),
}

interface End {
  readonly index: number
  readonly durationMs: number
}

class SlowWorkerRun {
  private readonly name: string
  private readonly random = seededRandomness(11)
  private readonly fleet: WorkerFleet
  private readonly cores = Array.from({ length: WORKERS }, () => new Float64Array(CORES))
  private readonly busyMs = new Float64Array(WORKERS)
  private readonly counts = new Float64Array(WORKERS)
  private readonly ends = new Map<number, End[]>()
  /** Arrival times of tasks that no worker could take yet. */
  private readonly waiting: number[] = []
  private readonly durations: number[] = []
  private inFlightMax = 0
  private nextArrivalMs = 0

  constructor(name: string) {
    this.name = name
    this.fleet = new WorkerFleet(createBalancer(name, {}, this.random))
    for (let i = 0; i < WORKERS; i++) this.fleet.add({ id: `worker-${i}`, capacity: CREDITS }, 0)
  }

  run(): Omit<BalanceRow, 'movedKeys'> {
    for (let now = 0; now < END_MS; now++) {
      this.finish(now)
      const meanMs = TASK_MS / (WORKERS * CORES * UTILIZATION)
      for (; this.nextArrivalMs <= now; this.nextArrivalMs += this.exponential(meanMs)) this.waiting.push(now)
      while (this.waiting.length > 0 && this.give(this.waiting[0] ?? now, now)) this.waiting.shift()
      this.measure(now)
      if (now % 1000 === 999) this.report(now)
    }
    this.durations.sort((a, b) => a - b)
    const [slow = 0, ...others] = this.counts
    const mean = others.reduce((sum, count) => sum + count, 0) / others.length
    const quantile = (share: number): number =>
      Math.round(this.durations[Math.floor(this.durations.length * share)] ?? Number.NaN)
    return {
      workload: 'balance',
      name: this.name,
      slowShare: slow / mean,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      inFlightMax: this.inFlightMax,
    }
  }

  private exponential(meanMs: number): number {
    return -Math.log(1 - this.random()) * meanMs
  }

  private finish(now: number): void {
    for (const { index, durationMs } of this.ends.get(now) ?? []) {
      this.fleet.finished(`worker-${index}`, { durationMs, failed: false }, now)
      if (now >= COUNTED_FROM_MS) this.durations.push(durationMs)
    }
    this.ends.delete(now)
  }

  private give(arrivedMs: number, now: number): boolean {
    const hashKey = `order/${Math.floor(this.random() * KEYS)}`
    const client = Math.floor(this.random() * ADDRESSES)
    const worker = this.fleet.pick({ hashKey, clientAddress: `192.0.${client >> 8}.${client & 255}` }, now)
    if (worker === undefined) return false
    this.fleet.started(worker.id, now)
    const { slot: index, inFlight } = worker
    if (now >= COUNTED_FROM_MS) this.counts[index] = (this.counts[index] ?? 0) + 1
    if (index > 0) this.inFlightMax = Math.max(this.inFlightMax, inFlight)
    const cores = this.cores[index] ?? new Float64Array(CORES)
    const free = Math.min(...cores)
    const endMs = Math.max(free, now) + this.exponential(index === 0 ? TASK_MS * SLOWDOWN : TASK_MS)
    cores[cores.indexOf(free)] = endMs
    const tick = Math.max(now + 1, Math.ceil(endMs))
    const ends = this.ends.get(tick) ?? []
    ends.push({ index, durationMs: endMs - arrivedMs })
    this.ends.set(tick, ends)
    return true
  }

  private measure(now: number): void {
    for (const [index, cores] of this.cores.entries())
      for (const busyUntilMs of cores)
        if (busyUntilMs > now) this.busyMs[index] = (this.busyMs[index] ?? 0) + 1
  }

  private report(now: number): void {
    for (let index = 0; index < WORKERS; index++) {
      const id = `worker-${index}`
      const cpu = (this.busyMs[index] ?? 0) / (1000 * CORES)
      const inFlight = this.fleet.get(id)?.inFlight ?? 0
      this.fleet.reported(id, { cpu, eventLoopDelayMs: 5, memory: 0.5, diskIo: 0, inFlight }, now)
      this.busyMs[index] = 0
    }
  }
}

function movedKeysOf(name: string): number | null {
  if (name !== 'hash' && name !== 'ip-hash' && name !== 'consistent-hash') return null
  const fleet = new WorkerFleet(createBalancer(name, {}, () => 0))
  for (let i = 0; i < WORKERS; i++) fleet.add({ id: `worker-${i}`, capacity: 1 }, 0)
  const homes = (): (string | undefined)[] =>
    Array.from({ length: KEYS }, (_, i) => fleet.pick({ hashKey: `${i}`, clientAddress: `${i}` }, 0)?.id)
  const before = homes()
  fleet.add({ id: `worker-${WORKERS}`, capacity: 1 }, 0)
  return homes().filter((home, index) => home !== before[index]).length / KEYS
}
