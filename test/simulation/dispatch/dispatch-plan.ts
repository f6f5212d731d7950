/** What a seed does to the connections of workers, and to the workers. As in `fault-plan.ts`, each kind is on or off by seed. */
import type { BalancerName } from '../../../src/protocol/queue-settings.ts'
import { CRASH_SITES, type CrashSite, type FaultPlan, faultPlan, randomFor } from '../fault-plan.ts'

/** Chances for each message that is sent. */
export interface DispatchRates {
  /** It never arrives, and the connection ends within two seconds. */
  readonly lost: number
  readonly duplicated: number
  /** Those that are sent after it may overtake it. */
  readonly reordered: number
  readonly late: number
  /** Somebody sends a report with a token that is not good here. */
  readonly forged: number
  /** Something that is no message. */
  readonly garbage: number
  /** Nothing gets through any more, one way or both, and nobody is told. */
  readonly dark: number
  /** Both ends are told, sooner or later. */
  readonly broken: number
  /** The process of the worker dies. */
  readonly crash: number
  /** It stands still. */
  readonly freeze: number
  /** It closes as it should. */
  readonly drain: number
}

export interface DispatchPlan {
  readonly rates: DispatchRates
  /** Messages travel one by one, and lose their order; else frames do, in order, as in a WebSocket. */
  readonly isLoose: boolean
  readonly latencyMs: number
  readonly heartbeatMs: number
  readonly workers: number
  readonly credits: number
  readonly balancer: BalancerName
  /** A new connection is refused. */
  readonly refused: number
  /** The store has faults too: what was told of tasks may be dropped, and happen again. */
  readonly hasStoreFaults: boolean
  readonly store: FaultPlan
  readonly clients: number
  readonly openTasks: number
}

const BALANCERS: readonly BalancerName[] = [
  'random',
  'round-robin',
  'weighted-round-robin',
  'least-connections',
  'power-of-two',
  'peak-ewma',
  'consistent-hash',
]

export function dispatchPlan(seed: number): DispatchPlan {
  const random = randomFor(seed, 'dispatch')
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const rate = (share: number, most: number): number => (random() < share ? random() * most : 0)
  const isLoose = random() < 0.6
  const hasStoreFaults = random() < 0.25
  return {
    isLoose,
    rates: {
      lost: isLoose ? rate(0.5, 0.002) : 0,
      duplicated: isLoose ? rate(0.7, 0.05) : 0,
      reordered: isLoose ? rate(0.8, 0.2) : 0,
      late: rate(0.6, isLoose ? 0.02 : 0.002),
      forged: rate(0.7, 0.05),
      garbage: rate(0.3, 0.0004),
      dark: rate(0.5, 0.0006),
      broken: rate(0.6, 0.001),
      crash: rate(0.7, 0.001),
      freeze: rate(0.5, 0.0008),
      drain: rate(0.5, 0.0006),
    },
    latencyMs: pick([0, 1, 3, 15]),
    heartbeatMs: pick([50, 200, 1000, 10_000]),
    workers: 2 + Math.floor(random() * 7),
    credits: pick([1, 2, 4, 16]),
    balancer: pick(BALANCERS),
    refused: rate(0.4, 0.2),
    hasStoreFaults,
    store: storePlan(seed, hasStoreFaults),
    clients: 1 + Math.floor(random() * 4),
    openTasks: pick([10, 40, 200]),
  }
}

/** The process of the engine does not die here. */
function storePlan(seed: number, hasFaults: boolean): FaultPlan {
  const plan = faultPlan(seed)
  const crash = {} as Record<CrashSite, number>
  for (const site of CRASH_SITES) crash[site] = 0
  const { late, lostAck, overtaken, lost, stall, fenced } = plan.rates
  // A disk that fails, or a fence that is not answered for long, stops the engine: nobody starts it again here.
  const none = { failed: 0, refused: 0, readStall: 0, close: 0, settleError: 0 }
  const rates = hasFaults
    ? { ...none, late, lostAck, overtaken, lost, stall, fenced }
    : { ...none, late: 0, lostAck: 0, overtaken: 0, lost: 0, stall: 0, fenced: 0 }
  return { ...plan, rates: { crash, ...rates }, latencyMs: Math.min(plan.latencyMs, 2) }
}
